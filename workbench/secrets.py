"""Removing passwords from printed and stored text."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

MASK = "***"
MIN_LENGTH = 4  # characters of a password that is searched for by itself: shorter ones occur in every text

# Greedy: a password may contain an unescaped @ or /, and hiding too much is better than showing its end.
_CREDENTIALS = re.compile(r"(\w[\w+.-]{0,40}://)(?:[^\s/:@]*:\S*@|[^\s/]*@)")
_QUERY = re.compile(
    r"([?&;](?:[\w.-]{0,40}(?:password|passwd|pwd|secret|token|api_?key|credential)[\w.-]{0,40})=)[^\s&;'\"#)]+", re.IGNORECASE
)
_HEADER = re.compile(r"\b(Basic|Bearer)\s+[\w+/=.~-]{8,}")  # a server may quote the request
_NAMED = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL", re.IGNORECASE)
_URIS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "WB_SWEEP_STORAGE")
_SERVERS = ("http", "https")


def mask_password(text: str) -> str:
    """The text without user names and passwords in its URIs; the same for the same text, so that it can identify a store."""
    text = _CREDENTIALS.sub(rf"\1{MASK}@", text)
    text = _QUERY.sub(rf"\1{MASK}", text)
    return _HEADER.sub(rf"\1 {MASK}", text)


def has_secret(uri: str) -> bool:
    """True if a URI contains a password, or anything that a server accepts as one."""
    if _QUERY.search(uri):
        return True
    match = _CREDENTIALS.search(uri)
    return match is not None and (":" in match[0].removeprefix(match[1]) or match[1].removesuffix("://") in _SERVERS)


def conceal(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Mask a text for output, and the secrets of the environment in it: libraries quote parts of a URI."""
    text = mask_password(text)
    for secret in sorted(_secrets(environ), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def _secrets(environ: Mapping[str, str]) -> set[str]:
    """Passwords of the environment: MLflow's variables, and parts of URIs."""
    secrets = {value for name, value in environ.items() if name.startswith("MLFLOW_") and _NAMED.search(name)}
    for name in _URIS:
        secrets |= _passwords(environ.get(name, ""))
    return {secret for secret in secrets if len(secret) >= MIN_LENGTH}


def _passwords(uri: str) -> set[str]:
    try:
        password = urlsplit(uri).password
    except ValueError:  # not a URI; texts that look like one are masked
        return set()
    return {password, unquote(password)} if password else set()
