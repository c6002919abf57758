"""Times for people and for programs. Inside, a time is an integer: microseconds since 1970 UTC."""

from __future__ import annotations

import time

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND


def local(microseconds: int) -> str:
    """Return a time as people read it: local, to the second."""
    return _formatted(microseconds, time.localtime, "%Y-%m-%d %H:%M:%S")


def utc(microseconds: int) -> str:
    """Return a time in RFC 3339, in UTC, to the microsecond."""
    return _formatted(microseconds, time.gmtime, "%Y-%m-%dT%H:%M:%S." + f"{microseconds % _SECOND:06d}Z")


def span(microseconds: int) -> str:
    """Return a duration in the unit that reads best."""
    if abs(microseconds) < 1_000:
        return f"{microseconds} µs"
    if abs(microseconds) < _SECOND:
        return f"{microseconds / 1_000:.0f} ms"
    if abs(microseconds) < 120 * _SECOND:
        return f"{microseconds / _SECOND:.1f} s"
    if abs(microseconds) < 2 * _DAY:
        minutes, seconds = divmod(microseconds // _SECOND, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"
    return f"{microseconds / _DAY:.1f} days"


def _formatted(microseconds: int, convert: object, form: str) -> str:
    try:
        moment = convert(microseconds // _SECOND)  # type: ignore[operator]
        if not 1 <= moment.tm_year <= 9999:
            raise ValueError(moment.tm_year)
        return time.strftime(form, moment)
    except (OverflowError, ValueError, OSError):
        return f"{microseconds} µs after 1970"  # beyond what calendars here can say
