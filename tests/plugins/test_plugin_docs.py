"""The pages on plugins say what is true."""

import importlib
import importlib.util
import re

import pytest

from workbench.cli.plugins.names import Names
from workbench.cli.plugins.scaffold import render_package
from workbench.testing import examine

NAMES = Names("my-sampler", "my_sampler", "MySampler")


@pytest.fixture(scope="module")
def pages(repository):
    return {path.name: path.read_text() for path in (repository / "docs" / "plugins").glob("*.md")}


@pytest.fixture(scope="module")
def written():
    return {str(path): text for path, text in render_package("sampler", NAMES).items()}


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_reference_is_what_the_interfaces_say(repository):
    path = repository / "docs" / "plugins" / "make_reference.py"
    spec = importlib.util.spec_from_file_location("make_reference", path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    stale = "docs/plugins/reference.md is not what the interfaces say: python docs/plugins/make_reference.py"
    assert made.reference() == made.PAGE.read_text(), stale


def test_the_reference_names_every_public_interface(pages):
    from workbench import interfaces

    assert [name for name in interfaces.__all__ if f"### {name}\n" not in pages["reference.md"]] == []


def test_the_sampler_on_the_page_is_the_one_that_is_written(pages, written):
    (code,), (kit,) = blocks(pages["index.md"], "python"), blocks(pages["index.md"], "py")
    assert code == written["src/my_sampler/sampler.py"]
    assert written["tests/test_laws.py"].endswith(kit)


def test_the_schedule_on_its_page_is_the_one_that_is_written(pages):
    names = Names("my-schedule", "my_schedule", "MySchedule")
    written = {str(path): text for path, text in render_package("schedule", names).items()}
    (kit,) = blocks(pages["schedule.md"], "py")
    assert blocks(pages["schedule.md"], "python")[0] == written["src/my_schedule/schedule.py"]
    assert written["tests/test_laws.py"].endswith(kit)


def test_every_schedule_on_the_page_obeys_the_laws(pages, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    names = {"a_formula": "MySchedule", "a_table": "Quadratic", "no_inverse": "Bent"}
    for (module, name), code in zip(names.items(), blocks(pages["schedule.md"], "python"), strict=True):
        (tmp_path / f"{module}.py").write_text(code)
        schedule = getattr(importlib.import_module(module), name)()
        assert [outcome for outcome in examine(schedule) if not outcome.conforms] == [], name


def test_the_entry_point_on_the_page_is_the_one_that_is_written(pages, written):
    (block,) = blocks(pages["index.md"], "toml")
    assert block.strip() in written["pyproject.toml"]


def test_the_files_on_the_page_are_those_that_are_written(pages, written):
    tree = blocks(pages["index.md"], "text")[0]
    shown = re.findall(r"^  (\S+)", tree, re.MULTILINE)
    assert shown == [
        "pyproject.toml",
        "src/my_sampler/sampler.py",
        "tests/test_laws.py",
        "tests/test_example.py",
        "recipe.toml",
        "README.md",
    ]
    assert set(shown) <= set(written)


def test_every_verb_on_the_pages_exists(pages):
    import typer

    from workbench.cli import app

    command = typer.main.get_command(app)
    for text in pages.values():
        for words in re.findall(r"\bwb ((?:[a-z]+ ?){1,2})", "\n".join(blocks(text, "sh") + re.findall(r"`([^`\n]+)`", text))):
            verb, *rest = words.split()
            assert verb in command.commands, words
            if verb == "plugins":
                assert rest[0] in command.commands["plugins"].commands, words


def test_every_variable_on_the_pages_is_read(pages):
    from workbench.registry.allowed import VARIABLE
    from workbench.registry.trust import TIME_LIMIT

    named = {name for text in pages.values() for name in re.findall(r"\bWB_[A-Z_]+\b", text)}
    assert named == {VARIABLE, TIME_LIMIT}
