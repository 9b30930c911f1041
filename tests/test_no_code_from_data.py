"""Nothing that is read from a file or typed by a user is ever run: what could do it is not in the source, but for places that are named here."""

import ast
from pathlib import Path

import pytest

PARTS = ("workbench", "plugins", "benchmarks")
# Formats whose reading runs code, and libraries that read them.
MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "cloudpickle",
    "dill",
    "joblib",
    "jsonpickle",
    "marshal",
    "shelve",
    "dbm",
    "imp",
    "code",
    "pty",
}
CALLS = {
    "eval", "exec", "compile", "__import__",
    "os.system", "os.popen", "os.posix_spawn", "os.startfile", "subprocess.getoutput", "subprocess.getstatusoutput",
    "torch.load", "torch.jit.load", "torch.hub.load", "torch.hub.load_state_dict_from_url", "torch.package.PackageImporter", "torch.export.load",
    "yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "yaml.FullLoader", "yaml.UnsafeLoader",
    "pandas.read_pickle", "numpy.fromregex", "logging.config.fileConfig", "runpy.run_path", "runpy.run_module", "tempfile.mktemp",
    "concurrent.futures.ProcessPoolExecutor",
}  # fmt: skip
NUMPY_LOADS = {"numpy.load", "numpy.lib.format.read_array", "numpy.lib.npyio.NpzFile"}
BETWEEN_OWN_PROCESSES = {"multiprocessing", "concurrent.futures.ProcessPoolExecutor", "torch.multiprocessing", "submitit", "ray"}

ALLOWED = {
    ("plugins/features/src/wb_features/files.py", "torch.load"): "weights that others publish as a pickle: bytes of a known SHA-256, tensors only",
    ("workbench/testing/dataset_checks.py", "pickle"): "whether a plugin's examples reach data workers; reads what it wrote a moment ago",
    ("workbench/testing/sampler_conduct.py", "pickle"): "states of generators, to be compared; nothing is read",
    ("workbench/compute/fast/building.py", "multiprocessing"): "forks of a process of ours, for the next line",
    ("workbench/compute/fast/building.py", "concurrent.futures.ProcessPoolExecutor"): "hands functions of ours to forks that compile them",
    ("plugins/launchers/src/wb_launchers/slurm.py", "submitit"): "hands a function of ours to a job of ours, in the sweep's own folder",
    ("plugins/launchers/src/wb_launchers/on_ray.py", "ray"): "hands a function of ours to a task of ours",
}  # fmt: skip


def calls_in(source: str) -> list[tuple[int, str]]:
    """Line and name of everything in the source that runs data, or could."""
    tree = ast.parse(source)
    names = _imported_names(tree)
    hits = [hit for node in ast.walk(tree) for hit in _hits(node, names)]
    return sorted(set(hits))


def _imported_names(tree: ast.AST) -> dict[str, str]:
    """What a name in the source stands for: np -> numpy, load -> torch.load."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = alias.name if alias.asname else alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _hits(node: ast.AST, names: dict[str, str]):
    if isinstance(node, ast.Import):
        yield from ((node.lineno, module) for alias in node.names if (module := _unsafe(alias.name)))
    elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
        whole = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from ((node.lineno, module) for name in whole if (module := _unsafe(name)))
        yield from ((node.lineno, name) for name in whole if name in CALLS)
    elif isinstance(node, ast.Call):
        name = _full_name(node.func, names)
        if name in CALLS or (name in NUMPY_LOADS and not _says(node, "allow_pickle", False)):
            yield node.lineno, name
        if any(word.arg == "shell" and not _is(word.value, False) for word in node.keywords):
            yield node.lineno, "shell"
        if any(
            word.arg in ("allow_pickle", "weights_only") and not _is(word.value, word.arg == "weights_only")
            for word in node.keywords
        ):
            yield node.lineno, "allow_pickle"
    elif isinstance(node, ast.Attribute | ast.Name) and _full_name(node, names) in CALLS - {"compile", "eval", "exec"}:
        yield node.lineno, _full_name(node, names)  # handed on, to be called elsewhere


def _unsafe(module: str) -> str | None:
    for unsafe in MODULES | BETWEEN_OWN_PROCESSES:
        if module == unsafe or module.startswith(f"{unsafe}."):
            return unsafe
    return None


def _full_name(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_full_name(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else "?"


def _says(call: ast.Call, name: str, value: object) -> bool:
    return any(word.arg == name and _is(word.value, value) for word in call.keywords)


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def sources(repository: Path) -> list[Path]:
    files = [path for part in PARTS for path in (repository / part).rglob("*.py")]
    return sorted(path for path in files if "tests" not in path.relative_to(repository).parts)


def test_no_source_runs_what_it_reads(repository):
    wrong = [
        f"{path.relative_to(repository)}:{line}: {name}"
        for path in sources(repository)
        for line, name in calls_in(path.read_text())
        if (str(path.relative_to(repository)), name) not in ALLOWED
    ]
    assert wrong == []


@pytest.mark.parametrize(("place", "name"), ALLOWED, ids=[f"{place} {name}" for place, name in ALLOWED])
def test_allowed_calls_exist_and_are_in_their_places_only(place, name, repository):
    lines = {line for line, call in calls_in((repository / place).read_text()) if call == name}
    assert lines, f"{place} does not use {name} any more: take it off the list"
    assert name in BETWEEN_OWN_PROCESSES | MODULES or len(lines) == 1


def test_the_one_torch_load_accepts_tensors_only(repository):
    calls = [
        node
        for node in ast.walk(ast.parse((repository / "plugins/features/src/wb_features/files.py").read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
    ]
    assert [_says(call, "weights_only", True) for call in calls] == [True]


def test_the_sources_are_read(repository):
    names = {str(path.relative_to(repository)) for path in sources(repository)}
    assert {"workbench/tensors.py", "plugins/features/src/wb_features/files.py", "benchmarks/__main__.py"} <= names
    assert len(names) > 200


SAMPLES = {
    "import pickle": "pickle",
    "from pickle import loads": "pickle",
    "import joblib as j": "joblib",
    "def f():\n    import marshal": "marshal",
    "import shelve": "shelve",
    "import multiprocessing.pool": "multiprocessing",
    "from concurrent.futures import ProcessPoolExecutor": "concurrent.futures.ProcessPoolExecutor",
    "from concurrent import futures\nfutures.ProcessPoolExecutor()": "concurrent.futures.ProcessPoolExecutor",
    "import torch\ntorch.load('a')": "torch.load",
    "import torch as t\nt.load('a', weights_only=True)": "torch.load",
    "from torch import load as get\nget('a')": "torch.load",
    "import torch\nread = torch.load": "torch.load",
    "import torch\nx.load(weights_only=False)": "allow_pickle",
    "import numpy as np\nnp.load('a')": "numpy.load",
    "import numpy as np\nnp.load('a', allow_pickle=True)": "numpy.load",
    "import numpy\nnumpy.load('a', allow_pickle=flag)": "numpy.load",
    "eval('1')": "eval",
    "exec(text)": "exec",
    "import yaml\nyaml.load(x, Loader=yaml.SafeLoader)": "yaml.load",
    "import os\nos.system('ls')": "os.system",
    "import subprocess\nsubprocess.run('ls', shell=True)": "shell",
    "from subprocess import run as go\ngo('ls', shell=flag)": "shell",
    "import pandas as pd\npd.read_pickle('a')": "pandas.read_pickle",
}


@pytest.mark.parametrize(("source", "name"), SAMPLES.items(), ids=list(SAMPLES))
def test_calls_that_run_data_are_found(source, name):
    assert name in {call for _, call in calls_in(source)}


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nnp.load('a', mmap_mode='r', allow_pickle=False)",
        "import re\nre.compile('a')",
        "import subprocess\nsubprocess.run(['ls'])",
        "import torch\nmodel.load_state_dict(x)\nmodel.eval()",
        "import json\njson.load(x)",
        "import torch\ntorch.compile(model)",
        "from concurrent.futures import ThreadPoolExecutor",
    ],
)
def test_similar_calls_are_not(source):
    assert calls_in(source) == []
