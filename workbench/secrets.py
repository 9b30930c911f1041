"""Keeping passwords out of what is printed and written down."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

MASK = "***"
SHORTEST = 4  # letters of a password that is looked for by itself: of a shorter one, every text would be full

# Greedy: a password may hold what ought to be written %40 or %2F, and rather too much is hidden than its end is shown.
_CREDENTIALS = re.compile(r"(\w[\w+.-]{0,40}://)(?:[^\s/:@]*:\S*@|[^\s/]*@)")
_QUERY = re.compile(
    r"([?&;](?:[\w.-]{0,40}(?:password|passwd|pwd|secret|token|api_?key|credential)[\w.-]{0,40})=)[^\s&;'\"#)]+", re.IGNORECASE
)
_HEADER = re.compile(r"\b(Basic|Bearer)\s+[\w+/=.~-]{8,}")  # as a server may quote what it was sent
_NAMED = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL", re.IGNORECASE)
_URIS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "WB_SWEEP_STORAGE")
_SERVERS = ("http", "https")


def mask_password(text: str) -> str:
    """The text without user names and passwords in its URIs; the same for the same text, so that it can name a store."""
    text = _CREDENTIALS.sub(rf"\1{MASK}@", text)
    text = _QUERY.sub(rf"\1{MASK}", text)
    return _HEADER.sub(rf"\1 {MASK}", text)


def has_secret(uri: str) -> bool:
    """Whether a URI holds what must not be written down: a password, or anything that a server takes as one."""
    if _QUERY.search(uri):
        return True
    found = _CREDENTIALS.search(uri)
    return found is not None and (
        ":" in found.group(0).removeprefix(found.group(1)) or found.group(1).removesuffix("://") in _SERVERS
    )


def conceal(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """The text for people: masked, and without what the environment holds as a secret, as libraries quote parts of a URI."""
    text = mask_password(text)
    for secret in sorted(_secrets(environ), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def _secrets(environ: Mapping[str, str]) -> set[str]:
    """Passwords that the environment holds: by themselves in what MLflow is told, and in URIs."""
    found = {value for name, value in environ.items() if name.startswith("MLFLOW_") and _NAMED.search(name)}
    for name in _URIS:
        found |= _passwords(environ.get(name, ""))
    return {secret for secret in found if len(secret) >= SHORTEST}


def _passwords(uri: str) -> set[str]:
    try:
        password = urlsplit(uri).password
    except ValueError:  # no URI at all; what looks like one is masked
        return set()
    return {password, unquote(password)} if password else set()
