"""Imports point one way."""

import ast
from pathlib import Path

import pytest

# Who may import whom, inside the package. `cli` may import everything.
ARROWS = {
    "errors": set(),
    "random": set(),
    "faults": set(),
    "files": {"errors", "faults"},
    "home": {"errors"},
    "instants": set(),
    "nearest": set(),
    "secrets": set(),
    "sqlite": set(),
    "journal": {"errors", "faults"},
    "tensors": {"errors"},
    "storage": {"errors", "files"},
    "cache": {"errors", "files"},
    "interfaces": {"errors", "files", "random", "storage", "tensors"},
    "diffusion": {"errors", "random", "interfaces"},
    "registry": {"errors", "files", "nearest", "interfaces"},
    "metrics": {"errors", "interfaces"},
    "recipe": {"errors", "files", "nearest", "secrets", "sqlite", "interfaces", "registry", "diffusion"},
    "progress": set(),
    "compute": {"errors", "files", "interfaces", "diffusion", "recipe"},
    "model": {"errors", "interfaces", "diffusion", "registry", "recipe", "compute"},
    "sampling": {"errors", "progress", "random", "interfaces", "diffusion", "recipe", "compute", "model"},
    "evaluation": {
        "errors", "faults", "files", "progress", "random", "tensors",
        "interfaces", "registry", "recipe", "metrics", "compute", "model", "sampling",
    },
    "training": {
        "errors", "faults", "files", "progress", "random", "tensors",
        "interfaces", "diffusion", "registry", "recipe", "compute", "model", "evaluation",
    },
    "runs": {
        "errors", "faults", "files", "home", "instants", "journal", "progress", "secrets",
        "interfaces", "diffusion", "registry", "recipe", "metrics", "tracking",
        "compute", "model", "sampling", "evaluation", "training",
    },
    "tracking": {"errors", "faults", "files", "journal", "secrets", "sqlite", "interfaces"},
    "testing": {"errors", "random", "interfaces", "diffusion", "registry"},
    "sweep": {
        "errors",
        "files",
        "home",
        "instants",
        "journal",
        "secrets",
        "sqlite",
        "interfaces",
        "registry",
        "recipe",
        "progress",
        "compute",
        "model",
        "evaluation",
        "training",
        "runs",
    },
}  # fmt: skip
ONLY_IN = {"mlflow": "tracking", "optuna": "sweep", "typer": "cli", "rich": "cli"}
PLUGIN_API = {"interfaces", "diffusion", "testing"}


def imported(path: Path) -> set[str]:
    """Modules that a file imports, also as attributes: `import workbench as wb` and then `wb.recipe`."""
    tree = ast.parse(path.read_text())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "workbench" and node.level == 0:
            names |= {f"workbench.{alias.name}" for alias in node.names if alias.name != "__version__"}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "wb":
            names.add(f"workbench.{node.attr}")
    return names


def test_every_import_in_the_package_follows_an_arrow(repository):
    wrong = []
    for path in sorted((repository / "workbench").rglob("*.py")):
        owner = path.relative_to(repository / "workbench").parts[0].removesuffix(".py")
        if owner in ("__init__", "__main__", "cli"):
            continue
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "workbench" and len(parts) > 1 and parts[1] != owner and parts[1] not in ARROWS[owner]:
                wrong.append(f"{path.relative_to(repository)}: {name}")
    assert wrong == []


def test_libraries_are_imported_only_where_they_belong(repository):
    wrong = []
    for path in sorted((repository / "workbench").rglob("*.py")):
        owner = path.relative_to(repository / "workbench").parts[0]
        for name in imported(path):
            top = name.split(".")[0]
            if ONLY_IN.get(top, owner) != owner or top.startswith("wb_"):
                wrong.append(f"{path.relative_to(repository)}: {name}")
    assert wrong == []


def test_plugins_use_the_plugin_api_alone(repository):
    wrong = []
    for path in sorted((repository / "plugins").glob("*/src/**/*.py")):
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "workbench" and parts[1] not in PLUGIN_API:
                wrong.append(f"{path.relative_to(repository)}: {name}")
    assert wrong == []


def test_only_the_command_line_prints_or_exits(repository):
    wrong = []
    for path in sorted((repository / "workbench").rglob("*.py")):
        if "cli" in path.relative_to(repository).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "exit", "sys.exit", "os._exit"):
                wrong.append(f"{path.relative_to(repository)}:{node.lineno}")
    assert wrong == []


@pytest.mark.parametrize("module", ["workbench.cli", "workbench.interfaces", "workbench.registry", "workbench.recipe"])
def test_importing_what_must_be_quick_imports_neither_torch_nor_mlflow(module):
    import subprocess
    import sys

    code = f"import sys, {module}; sys.exit(bool({{'torch', 'mlflow', 'torchvision', 'numpy'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_component_modules_import_neither_torch_nor_pillow():
    import subprocess
    import sys

    code = """
import sys
from workbench.registry import GROUPS, installed, load
for kind in GROUPS:
    for entry in installed(kind):
        load(kind, entry.qualified)
sys.exit(bool({'torch', 'torchvision', 'PIL'} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
