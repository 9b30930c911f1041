"""`wb plugins new` writes a package that builds, installs elsewhere, conforms and runs."""

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import PurePosixPath

import pytest

from tests.fork_server import run_wb
from workbench.cli.plugins.names import Names
from workbench.cli.plugins.scaffold import render_package, write_package
from workbench.errors import ScaffoldError

KINDS = {
    "sampler": "samplers",
    "schedule": "schedules",
    "denoiser": "denoisers",
    "dataset": "datasets",
    "features": "features",
    "launcher": "launchers",
}
# Runs take seconds, not a minute; drawing cars would take longer than that.
SHORT = [
    "train.steps=3", "train.batch_size=4", "train.validate_every=0", "evaluate.samples=4", "evaluate.grid=4", "evaluate.neighbours=0",
    "evaluate.at_start=false", "evaluate.features=[]", "sampler.steps=2",
]  # fmt: skip


def process(words, folder, site, code=0):
    """Run a command as if the packages in `site` were installed, far from the checkout."""
    environ = {**os.environ, "PYTHONPATH": str(site), "NO_COLOR": "1", "COLUMNS": "160", "WB_HOME": str(folder / "home")}
    if words[0] == "wb":
        done = run_wb(words[1:], environ, folder)
    else:
        done = subprocess.run(
            [sys.executable, *map(str, words)], cwd=folder, env=environ, capture_output=True, text=True, timeout=600, check=False
        )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def wb(*words):
    return ["wb", *words]


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """One package of each kind, made by the command, built, and installed into a folder."""
    folder, site = tmp_path_factory.mktemp("packages"), tmp_path_factory.mktemp("site")
    for kind in KINDS:
        output = process(wb("plugins", "new", kind, f"My.{kind}"), folder, site)
        assert output.startswith(f"my-{kind}: a ")
        source = folder / f"my-{kind}"
        process(["-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "wheels", source], folder, site)
    wheels = sorted((folder / "wheels").glob("*.whl"))
    assert len(wheels) == len(KINDS)
    process(["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site, *wheels], folder, site)
    return folder, site


@pytest.mark.slow
def test_they_are_listed_with_their_range_and_are_sound(packages):
    folder, site = packages
    rows = {row["package"]: row for row in json.loads(process(wb("plugins", "list", "--json"), folder, site))["plugins"]}
    for kind, group in KINDS.items():
        row = rows[f"my-{kind}"]
        assert (row["version"], row["core"], row["states"]) == ("0.1.0", ">=0.1,<0.2", ["ok"])
        assert row["components"] == [{"kind": group, "name": f"my_{kind}", "target": f"my_{kind}.{kind}:My{kind.capitalize()}"}]
    output = process(wb("plugins", "show", "my-sampler"), folder, site)
    assert str(site) in output
    assert "diffusion-workbench >=0.1,<0.2" in output


@pytest.mark.long
def test_all_pass_their_own_tests(packages):
    folder, site = packages
    process(["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *(f"my-{kind}" for kind in KINDS)], folder, site)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_conforms_when_checked(packages, kind):
    folder, site = packages
    report = json.loads(process(wb("plugins", "check", f"my_{kind}", "--json"), folder, site))
    assert {row["state"] for row in report["checks"]} <= {"passed", "skipped"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_recipe_of_each_is_valid_and_its_fields_are_shown(packages, kind):
    folder, site = packages
    recipe = folder / f"my-{kind}" / "recipe.toml"
    assert "ok (try_" in process(wb("validate", recipe), folder, site)
    fields = process(wb("show", f"my_{kind}"), folder, site)
    assert "my-" in fields


@pytest.mark.slow
def test_all_of_them_run_together(packages):
    folder, site = packages
    parts = [f"{slot}={{use='my_{slot}'}}" for slot in ("schedule", "denoiser", "sampler", "dataset")]
    changes = [word for change in [*parts, *SHORT, "evaluate.features=['my_features']"] for word in ("--set", change)]
    process(wb("run", folder / "my-sampler" / "recipe.toml", "--no-track", *changes), folder, site)
    (run,) = (folder / "home" / "runs").iterdir()
    info = json.loads((run / "run.json").read_text())
    assert info["status"] == "FINISHED"
    rows = {row["kind"]: row for row in info["components"]}
    assert {row["distribution"] for row in rows.values()} == {f"my-{kind}" for kind in KINDS if kind != "launcher"}
    assert all(len(row["sha256"]) == 64 and row["version"] == "0.1.0" for row in rows.values())
    assert {"fd_my_features", "kid_my_features"} <= set(json.loads((run / "cards.json").read_text()))


@pytest.mark.slow
def test_a_repeated_run_says_which_component_is_other_code_now(packages):
    folder, site = packages
    recipe = folder / "my-dataset" / "recipe.toml"
    changes = [word for change in SHORT for word in ("--set", change)]
    assert "is not the code" not in process(wb("run", recipe, "--no-track", "--set", "name=again", *changes), folder, site)
    source = site / "my_dataset" / "dataset.py"
    before = source.read_text()
    try:
        source.write_text(before + "\n# another version\n")
        output = process(wb("run", "again", "--no-track"), folder, site)
    finally:
        source.write_text(before)
    assert output.count("is not the code the run was made with") == 1
    assert "warning: dataset 'my_dataset' is not the code the run was made with: my-dataset 0.1.0 (sha256 " in output


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_tidy(kind, tmp_path):
    made = write_package(kind, f"my-{kind}", tmp_path)
    rules = ["--select", "A,B,C4,E,F,I,N,PIE,RET,RUF,SIM,UP,W", "--ignore", "E501,N803,N806,N812,RUF001,RUF002,RUF003"]
    for words in (["check", *rules], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--isolated", "--line-length", "130", "."],
            cwd=made.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
    project = tomllib.loads((made.folder / "pyproject.toml").read_text())
    assert project["project"]["dependencies"] == ["diffusion-workbench>=0.1,<0.2"]
    assert project["project"]["entry-points"] == {
        f"workbench.{KINDS[kind]}": {f"my_{kind}": f"my_{kind}.{kind}:My{kind.capitalize()}"}
    }


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_uses_the_plugin_api_alone_and_imports_torch_late(kind):
    for path, text in render_package(kind, Names.of(f"my-{kind}")).items():
        if path.suffix != ".py":
            continue
        tree = ast.parse(text)
        names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        assert {name for name in names if name.startswith("workbench")} <= {
            "workbench.interfaces",
            "workbench.diffusion",
            "workbench.testing",
        }
        if path.name == f"{kind}.py":
            top = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
            assert "torch" not in top


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "is not a package name"),
        ("a b", "is not a package name"),
        ("-mine", "is not a package name"),
        ("../mine", "is not a package name"),
        ("x" * 81, "at most 80"),
        ("1st", "the module would be called '1st', which Python cannot import"),
        ("class", "the module would be called 'class', which Python cannot import"),
        ("json", "there is already a module 'json'"),
        ("torch", "there is already a module 'torch'"),
        ("ddim", "diffusion-workbench-samplers already offers a component 'ddim' (samplers)"),
        ("diffusion-workbench-mine", "names that start with diffusion-workbench are reserved for the workbench's own packages"),
        ("diffusion-workbench", "names that start with diffusion-workbench"),
        ("prompt-toolkit-x", None),
    ],
)
def test_names_that_are_none_or_are_taken_are_refused(name, words):
    if words is None:
        assert Names.of(name) == Names("prompt-toolkit-x", "prompt_toolkit_x", "PromptToolkitX")
        return
    with pytest.raises(ScaffoldError) as raised:
        Names.of(name)
    assert words in str(raised.value)


def test_a_name_that_is_installed_is_refused(site):
    site.install("taken")
    with pytest.raises(ScaffoldError, match=r"a package of this name is installed \(1.2\)"):
        Names.of("taken")


def test_an_existing_folder_is_left_alone(tmp_path):
    (tmp_path / "my-sampler").mkdir()
    with pytest.raises(ScaffoldError, match="my-sampler already exists"):
        write_package("sampler", "My_Sampler", tmp_path)
    assert list(tmp_path.rglob("*")) == [tmp_path / "my-sampler"]


def test_a_folder_that_does_not_exist_is_reported(tmp_path):
    with pytest.raises(ScaffoldError, match="--into: no folder"):
        write_package("sampler", "my-sampler", tmp_path / "nowhere")


def test_no_placeholder_is_left(tmp_path):
    for kind in KINDS:
        for path, text in render_package(kind, Names.of("my-own")).items():
            assert "$" not in text.replace("$$", "")
            assert "MODULE" not in str(path)
            assert PurePosixPath(path).suffix != ".tmpl"


@pytest.mark.parametrize("kind", KINDS)
def test_a_renamed_field_breaks_no_law_and_no_collection(kind):
    names = Names.of(f"my-{kind}")
    files = {path.name: text for path, text in render_package(kind, names).items() if path.parent.name == "tests"}
    assert set(files) == {"test_laws.py", "test_example.py"}
    assert "keep this file" in files["test_laws.py"].splitlines()[0]
    assert "Replace them as you change" in files["test_example.py"].splitlines()[0]
    assert f"{names.class_name}(" not in files["test_laws.py"]
    # Nothing is made of fields before a test runs: pytest would report pydantic's words as an error of collection.
    early = [node for node in ast.parse(files["test_example.py"]).body if not isinstance(node, ast.FunctionDef)]
    early += [
        decorator
        for node in ast.parse(files["test_example.py"]).body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
    ]
    assert [node for node in early if f"{names.class_name}(" in ast.unparse(node)] == []
