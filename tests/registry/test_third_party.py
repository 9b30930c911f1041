"""A broken distribution affects only what uses it, and is named there."""

import re
import time

import pytest

from workbench.errors import AmbiguousComponent, BrokenComponent, UnknownComponent
from workbench.registry import find, find_plugins, installed, load, plugin_problems, probe_component, unknown_names
from workbench.registry.content import content_hash

GOOD = """
from workbench.interfaces import Sampler
class Mine(Sampler):
    def step(self, posterior, x, t, s, *, state, noise):
        return posterior(x, t), None
"""
BROKEN = {
    "import error": ("import no_such_module", r"cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
    "error": ("x = 1\nraise RuntimeError('boom')", r"cannot be loaded: RuntimeError: boom \(.*made_acme.py:2\)"),
    "syntax error": ("def f(:", r"cannot be loaded: SyntaxError: .*made_acme.py, line 1"),
    "system exit": ("raise SystemExit(3)", r"cannot be loaded: SystemExit: 3"),
    "exit": ("import os, sys; print('last line', file=sys.stderr, flush=True); os._exit(0)", r"ends the process with exit code 0 while it is imported; last line of its output: last line"),
    "crash": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"ends the process by signal 11 \(SIGSEGV\)"),
    "keyboard interrupt": ("raise KeyboardInterrupt", r"ends the process"),
    "missing class": ("", r"cannot be loaded: AttributeError: .*'Mine'"),
    "no component": ("class Mine: pass", r"made_acme:Mine is not a Sampler"),
    "subclass hook": (
        "from workbench.interfaces import Sampler\nclass Base(Sampler):\n    def __init_subclass__(cls, **kwargs): raise RuntimeError('not mine')\nclass Mine(Base): pass",
        r"cannot be loaded: RuntimeError: not mine \(.*made_acme.py:3\)",
    ),
    "abstract class": ("from workbench.interfaces import Sampler\nclass Mine(Sampler): pass", r"made_acme:Mine lacks step"),
}  # fmt: skip


@pytest.mark.parametrize("code", BROKEN)
def test_a_broken_plugin_is_a_sentence_where_it_is_used_and_nothing_elsewhere(site, code):
    source, words = BROKEN[code]
    site.install(code=source)
    assert "mine" in {entry.name for entry in installed("samplers")}
    assert load("samplers", "ddim").__name__ == "DDIM"
    with pytest.raises(BrokenComponent, match=words) as raised:
        load("samplers", "mine")
    assert "'mine' of acme" in str(raised.value)


def test_an_endless_loop_ends_with_the_time_limit(site, monkeypatch):
    site.install(code="while True: pass")
    monkeypatch.setenv("WB_PLUGIN_SECONDS", "1")
    with pytest.raises(BrokenComponent, match=r"'mine' of acme 1.2 is not imported after 1 s"):
        load("samplers", "mine")


def test_a_process_that_a_plugin_leaves_running_does_not_delay_the_result(site, monkeypatch):
    site.install(code="import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n" + GOOD)
    started = time.monotonic()
    (result,) = probe_component([find("samplers", "mine")], 20.0)
    assert result.error is None
    assert time.monotonic() - started < 20.0


def test_one_hanging_component_of_several_is_one_result(site):
    site.install("a-good", GOOD)
    site.install("b-loop", "while True: pass", {"loop": "Mine"})
    site.install("c-good", GOOD, {"third": "Mine"})
    results = list(probe_component([find("samplers", name) for name in ("mine", "loop", "third")], 2.0))
    assert [(result.entry.name, result.error is None) for result in results] == [
        ("mine", True),
        ("loop", False),
        ("third", True),
    ]


def test_a_plugin_may_print_while_it_is_imported(site):
    site.install(code="print('hello' * 10_000, flush=True)\n" + GOOD)
    (result,) = probe_component([find("samplers", "mine")], 20.0)
    assert result.error is None


@pytest.fixture
def traced(tmp_path):
    """Code of a sampler that records the processes that import it, and their number."""
    trace = tmp_path / "imported"
    code = f"import os\nwith open({str(trace)!r}, 'a') as file: file.write(f'{{os.getpid()}} ')\n" + GOOD
    return code, lambda: len(set(trace.read_text().split()))


def test_a_component_is_imported_in_a_child_process_once_and_again_after_its_files_change(site, traced):
    code, processes = traced
    path = site.install(code=code)
    load("samplers", "mine")
    assert processes() == 2  # the child and this one
    site.forget()
    load("samplers", "mine")
    assert processes() == 2  # this one again
    path.write_text(code + "# changed\n")
    site.forget()
    load("samplers", "mine")
    assert processes() == 3  # another child


def test_an_installed_wheel_is_imported_in_a_child_process_again_after_another_build_is_installed(site, traced):
    code, processes = traced
    path = site.install(code=code)
    record = site.folder / "acme-1.2.dist-info" / "RECORD"
    for hashed, expected in (("one", 2), ("one", 2), ("two", 3)):
        record.write_text(f"{path.name},sha256={hashed},\n")
        site.forget()
        load("samplers", "mine")
        assert processes() == expected


def test_loading_an_unchanged_component_hashes_no_package(site):
    site.install(code=GOOD)
    load("samplers", "mine")
    site.forget()
    load("samplers", "mine")
    assert content_hash.cache_info().misses == 0


def test_an_import_that_failed_is_tried_again(site, tmp_path):
    code = f"import pathlib\nassert pathlib.Path({str(tmp_path / 'there')!r}).exists()\n" + GOOD
    site.install(code=code)
    with pytest.raises(BrokenComponent, match="AssertionError"):
        load("samplers", "mine")
    tmp_path.joinpath("there").touch()
    site.install(code=code)
    assert load("samplers", "mine").__name__ == "Mine"


@pytest.mark.parametrize("requires", ["diffusion-workbench>=7", "Diffusion_Workbench <0.1", "diffusion-workbench==0.1.0.post1"])
def test_a_plugin_for_another_core_is_refused_before_it_is_imported(site, requires):
    site.install(code="raise RuntimeError('imported')", requires=requires)
    (trouble,) = plugin_problems(find("samplers", "mine"))
    assert trouble.state == "wrong API range"
    with pytest.raises(BrokenComponent, match=r"is made for diffusion-workbench.*, this is 0\.1\.0: pip install --upgrade acme"):
        load("samplers", "mine")


def test_a_range_that_only_an_extra_requires_does_not_apply(site):
    site.install(code=GOOD, requires="diffusion-workbench>=7; extra == 'future'")
    assert plugin_problems(find("samplers", "mine")) == []


def test_a_third_party_ddim_makes_ddim_ambiguous(site):
    site.install(code=GOOD, points={"ddim": "Mine"})
    with pytest.raises(
        AmbiguousComponent,
        match=r"2 installed packages offer sampler 'ddim': use 'acme:ddim' or 'diffusion-workbench-samplers:ddim'",
    ):
        load("samplers", "ddim")
    assert load("samplers", "diffusion-workbench-samplers:ddim").__name__ == "DDIM"
    assert load("samplers", "Acme:ddim").__name__ == "Mine"
    states = {plugin.name: plugin.states for plugin in find_plugins()}
    assert states["acme"] == states["diffusion-workbench-samplers"] == ["name claimed twice"]
    assert states["diffusion-workbench-schedules"] == ["ok"]


def test_the_allow_list_hides_other_packages_and_says_so(site, monkeypatch):
    site.install("a-one", GOOD, {"one": "Mine"})
    site.install("b-two", GOOD, {"two": "Mine", "ddim": "Mine"})
    monkeypatch.setenv("WB_PLUGINS", " A.One , c-three")

    names = {entry.name for entry in installed("samplers")}
    assert {"one", "ddim"} <= names
    assert "two" not in names
    assert load("samplers", "ddim").__name__ == "DDIM"  # a hidden package claims no name
    assert {plugin.name: plugin.states for plugin in find_plugins()}["b-two"] == ["not in WB_PLUGINS"]
    assert unknown_names() == ["c-three"]
    for name in ("two", "b-two:two"):
        words = f"sampler '{name}' is installed, but WB_PLUGINS does not name its package: add b-two to WB_PLUGINS, or unset it"
        with pytest.raises(UnknownComponent, match=re.escape(words)):
            load("samplers", name)


def test_an_empty_allow_list_leaves_first_party_packages(site, monkeypatch):
    site.install(code=GOOD)
    monkeypatch.setenv("WB_PLUGINS", "")
    named = {entry.distribution for entry in installed("samplers")}
    assert "diffusion-workbench-samplers" in named
    assert [name for name in named if not name.startswith("diffusion-workbench-")] == []


def test_the_hash_is_that_of_the_code(site):
    path = site.install(code=GOOD)
    first = content_hash("acme")
    site.install(code=GOOD)
    assert content_hash("acme") == first != ""
    path.write_text(GOOD + "\n# another comment\n")
    content_hash.cache_clear()
    assert content_hash("acme") not in (first, "")


def test_an_editable_install_has_the_hash_of_its_package():
    import hashlib
    from pathlib import Path

    import wb_samplers

    package = Path(wb_samplers.__file__).parent
    files = {
        path.relative_to(package.parent).as_posix(): path
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    lines = [f"{name}\0{hashlib.sha256(files[name].read_bytes()).hexdigest()}\n" for name in sorted(files)]
    assert content_hash("diffusion-workbench-samplers") == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_a_distribution_that_is_not_there_has_no_hash():
    assert content_hash("no-such-distribution") == ""


def test_an_editable_install_that_records_its_finder_has_the_hash_of_its_code(site):
    # setuptools leaves a module that leads to the code; its RECORD names that one, and PEP 610's file says that the install is editable.
    path = site.install(code=GOOD)
    plain = content_hash("acme")
    info = site.folder / "acme-1.2.dist-info"
    site.folder.joinpath("__editable___acme_finder.py").write_text("MAPPING = {}\n")
    info.joinpath("RECORD").write_text("__editable___acme_finder.py,,\nacme-1.2.dist-info/METADATA,,\n")
    info.joinpath("direct_url.json").write_text('{"url": "file:///src/acme", "dir_info": {"editable": true}}')
    content_hash.cache_clear()
    assert content_hash("acme") == plain
    path.write_text(GOOD + "# changed\n")
    content_hash.cache_clear()
    assert content_hash("acme") not in (plain, "")
