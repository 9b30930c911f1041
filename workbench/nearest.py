"""Suggestions for misspelled names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggest(word: str, names: Iterable[str]) -> str:
    """ " (did you mean 'x'?)" with the name closest to `word`; "" if none is close."""
    close = difflib.get_close_matches(word, list(names), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
