"""Asking a component something: whatever it raises is told as its distribution's, with the line."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from workbench.errors import BrokenComponent, ComponentError, WorkbenchError
from workbench.registry.discovery import find
from workbench.registry.kinds import Kind

LONGEST = 300


@contextmanager
def plugin_call(kind: Kind, use: str, what: str) -> Iterator[None]:
    """While open, what the component `use` raises in `what` becomes a BrokenComponent that names its distribution.

    Errors of the workbench pass: they are what components are meant to raise.
    """
    try:
        yield
    except WorkbenchError:
        raise
    except (Exception, SystemExit) as error:  # a stranger's code may raise anything
        raise BrokenComponent(f"'{use}'{_author(kind, use)}: {what} raised {_told(error)}{place_of(error)}") from error


def place_of(error: BaseException) -> str:
    """Where it was raised, as " (file:line)"; a SyntaxError tells its own, and where the import system failed there is none."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    if isinstance(error, SyntaxError) or len(frames) < 2 or frames[-1].filename == importlib.__file__:
        return ""
    return f" ({frames[-1].filename}:{frames[-1].lineno})"


def _author(kind: Kind, use: str) -> str:
    try:
        entry = find(kind, use)
    except ComponentError:
        return ""  # it came by another way than its name
    return f" of {entry.distribution} {entry.version}"


def _told(error: BaseException) -> str:
    try:
        words = " ".join(str(error).split())
    except Exception:  # even an exception's text is the stranger's code
        words = ""
    cut = words if len(words) <= LONGEST else f"{words[:LONGEST]}..."
    return f"{type(error).__name__}: {cut}" if cut else type(error).__name__
