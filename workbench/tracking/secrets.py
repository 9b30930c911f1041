"""Keeping passwords out of what people see."""

from __future__ import annotations

import re

__all__ = ["masked"]

_CREDENTIALS = re.compile(r"(\w[\w+.-]*://)[^/@\s'\"]*@")


def masked(text: str) -> str:
    """The text without user names and passwords in its URIs."""
    return _CREDENTIALS.sub(r"\1***@", text)
