"""Dates as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest

from runstore.errors import InvalidInput
from runstore.query.dates import parse_time, show_time

NOW = datetime(2026, 3, 31, 15, 30, 45, tzinfo=UTC)
INDIA = timezone(timedelta(hours=5, minutes=30))


def micros(moment: datetime) -> int:
    """Return a time as microseconds since 1970 UTC."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("today", NOW.replace(hour=0, minute=0, second=0)),
        ("Yesterday", datetime(2026, 3, 30, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31 12:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00.000001+02:00", datetime(2026, 1, 31, 10, 0, 0, 1, tzinfo=UTC)),
        ("20260131", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2 hours ago", NOW - timedelta(hours=2)),
        ("2.hours.ago", NOW - timedelta(hours=2)),
        ("an hour ago", NOW - timedelta(hours=1)),
        ("one week ago", NOW - timedelta(weeks=1)),
        ("90 seconds ago", NOW - timedelta(seconds=90)),
        ("10 mins ago", NOW - timedelta(minutes=10)),
        ("1 month ago", NOW.replace(month=2, day=28)),
        ("2 years ago", NOW.replace(year=2024)),
        ("4 months ago", NOW.replace(year=2025, month=11, day=30)),
    ],
)
def test_forms(text: str, expected: datetime) -> None:
    """Each form names its moment."""
    assert parse_time(text, now=micros(NOW)) == micros(expected)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-03-31", INDIA, datetime(2026, 3, 30, 18, 30, tzinfo=UTC)),
        ("today", timezone(timedelta(hours=9)), datetime(2026, 3, 31, 15, tzinfo=UTC)),
        ("2026-03-31T00:00Z", INDIA, datetime(2026, 3, 31, tzinfo=UTC)),
    ],
)
def test_zone(text: str, zone: tzinfo, expected: datetime) -> None:
    """A day begins where the caller is; an offset that is written counts."""
    assert parse_time(text, now=micros(NOW), zone=zone) == micros(expected)


@pytest.mark.parametrize(
    "text", ["", "soon", "ago", "2 hours", "two fortnightss ago", "2026-02-30", "3 parsecs ago", "99999 years ago", "umpteen days ago"]
)
def test_what_is_no_date(text: str) -> None:
    """What is no date is refused with examples."""
    with pytest.raises(InvalidInput) as caught:
        parse_time(text, now=micros(NOW))
    assert "2026-01-31" in (caught.value.hint or "") or "year 1" in str(caught.value)


def test_show_time_of_any_number() -> None:
    """A recorded time may be any 64-bit integer, and is shown all the same."""
    assert show_time(0) == "1970-01-01 00:00:00+00:00"
    assert "µs" in show_time(1 << 62)
