"""URLs of SQLite files, as SQLAlchemy reads them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote

_ESCAPED = "%?#{}"  # `?` starts a query, `%` an escape, and Optuna passes URLs to str.format


def sqlite_url(path: Path) -> str:
    """The URL of a database file; any name is allowed."""
    text = str(path)
    if not any(character in text for character in _ESCAPED):
        return f"sqlite:///{text}"
    # With the driver named, MLflow does not create the parent folder a second time under its escaped name.
    return "sqlite+pysqlite:///" + "".join(quote(character) if character in _ESCAPED else character for character in text)


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite URL; None for other databases, for servers, and for a database in memory."""
    scheme, separator, rest = url.partition(":///")
    name = unquote(rest.partition("?")[0])
    if not separator or scheme.partition("+")[0].lower() != "sqlite" or name in ("", ":memory:") or name.startswith("file:"):
        return None
    return Path(name)


def absolute_url(url: str, folder: Path | None = None) -> str:
    """The URL with a relative SQLite file resolved against `folder` or the working directory; any other URL unchanged."""
    path = sqlite_path(url)
    if path is None or path.is_absolute():
        return url
    query = url.partition("?")[1:]
    return sqlite_url((folder or Path.cwd()).absolute() / path) + "".join(query)
