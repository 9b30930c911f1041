"""Points in time in UTC, comparable between machines and time zones."""

from __future__ import annotations

import datetime

UNKNOWN = datetime.datetime.min.replace(tzinfo=datetime.UTC)  # sorts before every known time


def utc_now() -> datetime.datetime:
    """The current time in UTC."""
    return datetime.datetime.now(datetime.UTC)


def instant_of(text: object) -> datetime.datetime:
    """The time of an ISO 8601 text, in UTC if it has no offset; UNKNOWN if it is not such a text."""
    try:
        moment = datetime.datetime.fromisoformat(str(text))
        return moment.replace(tzinfo=datetime.UTC) if moment.tzinfo is None else moment.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return UNKNOWN


def local_time(text: object) -> str:
    """The time of an ISO 8601 text in the local time zone, to the minute."""
    moment = instant_of(text)
    return "unknown" if moment == UNKNOWN else f"{moment.astimezone():%Y-%m-%d %H:%M}"
