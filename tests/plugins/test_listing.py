"""`wb list`: a sentence for each component, read without importing it."""

import inspect
import json
import os
import pty
import subprocess
import sys

import pytest

from workbench.registry import GROUPS, describe_component, find, installed, load

RUN = "import sys; from workbench.cli import main\ntry: main()\nexcept SystemExit: pass\n"
HEAVY = {"torch", "torchvision", "numpy", "PIL", "mlflow", "optuna", "matplotlib", "scipy"}


def imported(*words):
    """The top-level modules that a command has imported when it ends."""
    code = RUN + "print('\\n', *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    return set(subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True).stderr.split())


def test_each_component_has_the_first_sentence_of_its_class():
    for kind in GROUPS:
        for entry in installed(kind):
            sentence = describe_component(entry)
            docstring = " ".join((inspect.getdoc(load(kind, entry.qualified)) or "").split())
            assert sentence, entry.qualified
            assert docstring.startswith(sentence), entry.qualified


def test_listing_imports_no_component_and_no_heavy_library(site):
    site.install(code="raise RuntimeError('imported')")
    names = imported("list")
    assert names & HEAVY == set()
    assert [name for name in names if name.startswith(("wb_", "made_"))] == []


def test_help_imports_no_validation_and_no_packaging():
    assert imported("--help") & {*HEAVY, "pydantic", "pydantic_core", "packaging"} == set()


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ('class Mine:\n    """Moves as in Ho et al. 2020, i.e. with noise.  Second sentence."""', "Moves as in Ho et al. 2020, i.e. with noise."),
        ('class Mine:\n    """One line\n    and another\n\n    More."""', "One line and another"),
        ("class Mine: pass", ""),
        ("def f(:", ""),
        ("from made_elsewhere import Hidden as Mine", "Hidden elsewhere."),
        ("Mine = object", ""),
        ("from no_such_module import Mine", ""),
    ],
)  # fmt: skip
def test_the_sentence_is_read_from_the_source(site, code, sentence):
    site.install("elsewhere", 'class Hidden:\n    """Hidden elsewhere."""\n', {"other": "Hidden"})
    site.install(code=code)
    assert describe_component(find("samplers", "mine")) == sentence


def test_a_pipe_gets_whole_sentences_and_json_too(wb, site):
    sentence = f"A sampler that {'really ' * 40}moves."
    site.install(code=f'class Mine:\n    """{sentence}"""')
    assert f"  mine             {sentence}\n" in wb("list", "samplers").stdout
    (row,) = [row for row in json.loads(wb("list", "samplers", "--json").stdout)["samplers"] if row["name"] == "mine"]
    assert (row["description"], row["package"]) == (sentence, "acme")


def test_a_terminal_gets_lines_of_its_width(site):
    site.install(code=f'class Mine:\n    """A sampler that {"really " * 40}moves."""')
    parent, child = pty.openpty()
    environ = {**os.environ, "COLUMNS": "70", "NO_COLOR": "1"}
    process = subprocess.Popen([sys.executable, "-c", RUN, "list", "samplers"], stdout=child, env=environ)
    os.close(child)
    output = b""
    while chunk := read(parent):
        output += chunk
    os.close(parent)
    assert process.wait() == 0
    (line,) = [line for line in output.decode().splitlines() if line.startswith("  mine")]
    assert 60 < len(line) <= 70
    assert line.endswith("…")


def read(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux reports the end of a terminal as an error
        return b""
