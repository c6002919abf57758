"""The time zone of this machine as Python's dates want it: with the offset that holds at each moment, summer time included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo


class LocalTime(tzinfo):
    """Local time, by $TZ or the system's setting."""

    def utcoffset(self, when: datetime | None) -> timedelta | None:
        """Return the offset from UTC that holds here at a local time."""
        return None if when is None else _here(when).utcoffset()

    def dst(self, when: datetime | None) -> timedelta | None:
        """Return None: the system does not say which part of the offset is summer time."""
        return None

    def tzname(self, when: datetime | None) -> str | None:
        """Return the name of the zone at a local time."""
        return None if when is None else _here(when).tzname()

    def fromutc(self, when: datetime) -> datetime:
        """Return the local time of a time in UTC."""
        return when.replace(tzinfo=UTC).astimezone().replace(tzinfo=self)


def _here(when: datetime) -> datetime:
    naive = when.replace(tzinfo=None)
    try:
        return naive.astimezone()
    except (OverflowError, ValueError, OSError):  # years at the ends of the calendar
        return naive.replace(tzinfo=UTC)
