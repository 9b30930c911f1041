"""One sentence about a component, read from its source: nothing is imported."""

from __future__ import annotations

import ast
import functools
import inspect
import re
from pathlib import Path

from workbench.registry.content import module_path
from workbench.registry.discovery import Entry

MAX_IMPORTS = 5  # re-exports that are followed
# A full stop before a space, but not that of an abbreviation.
_END = re.compile(r"(?<!\be\.g)(?<!\bi\.e)(?<!\bal)(?<!\bvs)(?<!\bcf)\.(?=\s)")


def describe_component(entry: Entry) -> str:
    """The first sentence of the class's docstring; "" if the source cannot be found or read, or the class has no docstring."""
    module, _, name = entry.target.partition(":")
    for _ in range(MAX_IMPORTS):
        path = module_path(module)
        tree = None if path is None else _parse(path)
        if path is None or tree is None:
            return ""
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return _first_sentence(ast.get_docstring(node) or "")
        origin = _origin(tree, name, module if path.name == "__init__.py" else module.rpartition(".")[0])
        if origin is None:
            return ""
        module, name = origin
    return ""


def _origin(tree: ast.Module, name: str, package: str) -> tuple[str, str] | None:
    """The module from which a name is imported, and its name there."""
    for node in tree.body:
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            if (alias.asname or alias.name) == name and isinstance(node, ast.ImportFrom):
                parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                return ".".join([*parents, *filter(None, [node.module])]), alias.name
    return None


@functools.cache
def _parse(path: Path) -> ast.Module | None:
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def _first_sentence(docstring: str) -> str:
    paragraph = " ".join(inspect.cleandoc(docstring).partition("\n\n")[0].split())
    end = _END.search(paragraph)
    return paragraph if end is None else paragraph[: end.end()]
