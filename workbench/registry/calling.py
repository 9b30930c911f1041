"""Calls of third-party code: any error becomes one that names the distribution and the line."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from workbench.errors import BrokenComponent, ComponentError, WorkbenchError
from workbench.registry.discovery import find
from workbench.registry.kinds import Kind

MAX_LENGTH = 300


@contextmanager
def plugin_call(kind: Kind, use: str, what: str) -> Iterator[None]:
    """Turn errors of the component `use` during `what` into a BrokenComponent that names its distribution.

    Errors of the workbench pass: they are what components are meant to raise.
    """
    try:
        yield
    except WorkbenchError:
        raise
    except (Exception, SystemExit) as error:  # third-party code may raise anything
        raise BrokenComponent(
            f"'{use}'{_distribution_of(kind, use)}: {what} raised {_describe_error(error)}{place_of(error)}"
        ) from error


def place_of(error: BaseException) -> str:
    """The place that raised an error, as " (file:line)"; "" for a SyntaxError, which names its own, and for the import system."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    if isinstance(error, SyntaxError) or len(frames) < 2 or frames[-1].filename == importlib.__file__:
        return ""
    return f" ({frames[-1].filename}:{frames[-1].lineno})"


def _distribution_of(kind: Kind, use: str) -> str:
    try:
        entry = find(kind, use)
    except ComponentError:
        return ""  # the component was not found by this name
    return f" of {entry.distribution} {entry.version}"


def _describe_error(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except Exception:  # even the text of an exception may be third-party code
        text = ""
    text = text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
