"""What the documents say is true."""

import importlib.util
import re

import pytest

from workbench.registry import GROUPS, installed


def documents(repository):
    return [
        repository / "README.md",
        repository / "CONTRIBUTING.md",
        *sorted((repository / "docs").rglob("*.md")),
        *sorted(repository.glob("plugins/*/README.md")),
    ]


def blocks(path, language):
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)


def module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_python_in_the_documents_runs(repository):
    code = [block for path in documents(repository) for block in blocks(path, "python")]
    assert code
    for block in code:
        exec(compile(block, "document", "exec"), {})  # noqa: S102 - our own text


def test_the_recipe_in_the_documents_is_valid(repository, tmp_path):
    from workbench.recipe import load

    (block,) = [block for block in blocks(repository / "docs" / "recipes.md", "toml") if "name =" in block]
    (tmp_path / "recipe.toml").write_text(block)
    assert load(tmp_path / "recipe.toml").name == "mine"


def test_every_field_of_the_cores_tables_is_documented(repository):
    from workbench.recipe import model, search

    text = (repository / "docs" / "recipes.md").read_text()
    sections = (
        model.Heading,
        model.SamplerSettings,
        model.Churn,
        model.Restart,
        model.ObjectiveSettings,
        model.Train,
        model.Evaluate,
        model.Tracking,
        search.Space,
        search.Sweep,
    )
    missing = [
        f"{section.__name__}.{name}"
        for section in sections
        for name in section.model_fields
        if f"`{name}`" not in text and f"{name} =" not in text and f".{name}]" not in text and name != "space"
    ]
    assert [name for name in missing if name != "Heading.description"] == []


def test_every_number_of_a_run_is_explained(repository):
    text = (repository / "docs" / "metrics.md").read_text()
    logged = {
        name
        for path in (repository / "workbench").rglob("*.py")
        for name in re.findall(r'"((?:train|val|eval|sweep)/[a-z_]*[a-z])"', path.read_text())
    }
    assert len(logged) > 10
    assert [name for name in sorted(logged) if f"`{name}`" not in text] == []


def test_the_documented_orders_are_those_that_are_measured(repository):
    made = module(repository / "docs" / "make_orders.py")
    text = made.PAGE.read_text()
    # Orders as printed; the smallest errors differ in their last digit between processors.
    orders = [line.split(" | ")[:-1] for line in made.table().splitlines()]
    documented = text.partition(made.MARKS[0])[2].partition(made.MARKS[1])[0]
    assert [line.split(" | ")[:-1] for line in documented.splitlines()] == orders, "python docs/make_orders.py"


@pytest.mark.long
def test_the_documented_errors_of_paths_are_those_that_are_measured(repository):
    made = module(repository / "docs" / "make_paths.py")
    documented = made.PAGE.read_text().partition(made.MARKS[0])[2].partition(made.MARKS[1])[0].splitlines()[2:]
    for line, (name, count, errors) in zip(documented, made.rows(), strict=True):
        sampler, evaluations, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert (sampler, int(evaluations)) == (name, count)
        # Printed to three decimals; drawing and rounding differ a little between processors.
        assert [float(cell) for cell in cells] == pytest.approx(errors, abs=1.5e-3, rel=0.05), "python docs/make_paths.py"


def test_every_sampler_and_schedule_is_on_its_page(repository):
    text = (repository / "docs" / "samplers.md").read_text()
    ours = [
        entry.name
        for kind in ("samplers", "schedules")
        for entry in installed(kind)
        if entry.distribution.startswith("diffusion-")
    ]
    assert [name for name in ours if f"`{name}`" not in text and f"[`{name}`]" not in text] == []


def test_every_component_is_in_its_packages_readme(repository):
    missing = [
        f"{kind}: {entry.name}"
        for kind in GROUPS
        for entry in installed(kind)
        if entry.distribution == f"diffusion-workbench-{kind}"
        and f"`{entry.name}`" not in (repository / "plugins" / kind / "README.md").read_text()
    ]
    assert missing == []


def test_every_verb_is_in_the_change_log(repository):
    from workbench.cli import app

    verbs = [command.name or command.callback.__name__ for command in app.registered_commands]
    text = (repository / "CHANGELOG.md").read_text()
    assert [verb for verb in verbs if f"wb {verb}" not in text] == []


def test_links_and_pictures_exist(repository):
    broken = []
    for path in documents(repository):
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            if not target.startswith("http") and not (path.parent / target).exists():
                broken.append(f"{path.name}: {target}")
    assert broken == []


@pytest.mark.parametrize("word", ["recipes/cars_linear.toml", "make cars", "make test"])
def test_the_first_screen_of_the_readme_has_what_a_newcomer_needs(repository, word):
    assert word in "\n".join((repository / "README.md").read_text().splitlines()[:40])
