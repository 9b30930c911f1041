"""Suggestions for misspelled names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """ "did you mean 'x'? " with the name most like `word`; "" if none is much like it."""
    close = difflib.get_close_matches(word, list(names), n=1)
    return f"did you mean '{close[0]}'? " if close else ""


def suggest(word: str, names: Iterable[str]) -> str:
    """The same in brackets, to be put after a word: " (did you mean 'x'?)"."""
    question = did_you_mean(word, names).rstrip()
    return f" ({question})" if question else ""
