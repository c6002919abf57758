"""Dates as people write them: ISO dates and times, `yesterday`, `2 hours ago`. Pure: the clock and the time zone are arguments."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from runstore.errors import InvalidInput

_SECOND = 1_000_000
_UNITS = {
    "microsecond": 1,
    "millisecond": 1000,
    "second": _SECOND,
    "sec": _SECOND,
    "minute": 60 * _SECOND,
    "min": 60 * _SECOND,
    "hour": 3600 * _SECOND,
    "day": 86400 * _SECOND,
    "week": 7 * 86400 * _SECOND,
    "fortnight": 14 * 86400 * _SECOND,
}
_COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_AGO = r"(\d{1,9}|[a-z]+)[ ._-]?([a-z]+?)s?(?:[ ._-]ago)"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HINT = "for example 2026-01-31, 2026-01-31T12:00:00Z, yesterday, 2 hours ago"


def parse_time(text: str, *, now: int, zone: tzinfo | None = None) -> int:
    """Return the time that a text names, in microseconds since 1970 UTC. A day stands for its beginning.

    `now` is microseconds since 1970 UTC; `zone` (UTC unless given) is where a time without an offset is meant. Raises InvalidInput.
    """
    zone = zone or UTC
    words = " ".join(text.strip().lower().split())
    if words == "now":
        return now
    if words in ("today", "yesterday", "tomorrow"):
        days = {"today": 0, "yesterday": -1, "tomorrow": 1}[words]
        here = (_EPOCH + timedelta(microseconds=now)).astimezone(zone)
        return _microseconds(datetime(here.year, here.month, here.day, tzinfo=zone) + timedelta(days=days))
    ago = re.fullmatch(_AGO, words)
    if ago is not None:
        return _ago(ago, text, now, zone)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InvalidInput(f"{text[:40]!r} is no date or time", hint=_HINT, kind="bad-time") from error
    return _microseconds(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def show_time(microseconds: int, zone: tzinfo | None = None) -> str:
    """Return a time as ISO text to the second, for messages to people."""
    try:
        return (_EPOCH + timedelta(microseconds=microseconds)).astimezone(zone or UTC).isoformat(sep=" ", timespec="seconds")
    except (OverflowError, ValueError):
        return f"{microseconds} µs since 1970"  # a recorded time may be any 64-bit integer


def _ago(match: re.Match[str], text: str, now: int, zone: tzinfo) -> int:
    number = int(match[1]) if match[1].isdigit() else _COUNTS.get(match[1])
    unit = match[2]
    if number is None or (unit not in _UNITS and unit not in ("month", "year")):
        raise InvalidInput(f"{text[:40]!r} is no date or time", hint=_HINT, kind="bad-time")
    if unit in _UNITS:
        return now - number * _UNITS[unit]
    here = (_EPOCH + timedelta(microseconds=now)).astimezone(zone)
    months = here.year * 12 + here.month - 1 - number * (12 if unit == "year" else 1)
    if months < 12:
        raise InvalidInput(f"{text[:40]!r} lies before the year 1", hint=_HINT, kind="bad-time")
    year, month = divmod(months, 12)
    last_day = ((datetime(year + month // 11, (month + 1) % 12 + 1, 1) - timedelta(days=1)).day) if year < 9999 else 28
    return _microseconds(here.replace(year=year, month=month + 1, day=min(here.day, last_day)))


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
