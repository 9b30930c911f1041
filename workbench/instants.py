"""Moments that compare alike on every machine: UTC, whatever the time zone, summer time or not."""

from __future__ import annotations

import datetime

UNKNOWN = datetime.datetime.min.replace(tzinfo=datetime.UTC)  # sorts before everything that has a time


def utc_now() -> datetime.datetime:
    """The current time in UTC."""
    return datetime.datetime.now(datetime.UTC)


def instant_of(text: object) -> datetime.datetime:
    """The instant that an ISO 8601 text names, UTC where it has no offset; the earliest possible one if it is not such a text."""
    try:
        moment = datetime.datetime.fromisoformat(str(text))
        return moment.replace(tzinfo=datetime.UTC) if moment.tzinfo is None else moment.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return UNKNOWN


def local_time(text: object) -> str:
    """The instant that an ISO 8601 text names as the clock here shows it, to the minute."""
    moment = instant_of(text)
    return "unknown" if moment == UNKNOWN else f"{moment.astimezone():%Y-%m-%d %H:%M}"
