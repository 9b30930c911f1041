"""Findings: the problems of a recipe before they are located in its files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from workbench.errors import CombinationError, WorkbenchError
from workbench.registry import Kind, plugin_call

Finding = tuple[str, str]  # dotted key, message


@contextmanager
def component_call(findings: list[Finding], kind: Kind, use: str, key: str, what: str) -> Iterator[None]:
    """Turn an error of the component `use` during `what` into a finding: at the field that it names, else at `key`."""
    try:
        with plugin_call(kind, use, what):
            yield
    except CombinationError as error:
        findings.append((str(error.key), str(error)))
    except WorkbenchError as error:
        findings.append((key, str(error)))


def wrong_type(use: str, what: str, value: object, expected: str) -> str:
    """The message for a method of a component that returns something else than its interface states."""
    return f"'{use}': {what} returned {type(value).__name__}, not {expected} (wb plugins check {use})"
