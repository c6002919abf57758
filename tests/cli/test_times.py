"""Times for people and for programs."""

import time

import pytest

from runstore.cli import times

NOON = 1_767_268_800_123_456  # 2026-01-01 12:00:00.123456 UTC


def test_utc_is_rfc_3339_to_the_microsecond() -> None:
    """A time for programs names its zone and loses no digit, before 1970 too."""
    assert times.utc(NOON) == "2026-01-01T12:00:00.123456Z"
    assert times.utc(-1) == "1969-12-31T23:59:59.999999Z"


def test_local_follows_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time for people is that of the place, to the second."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert times.local(NOON) == "2026-01-01 21:00:00"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("microseconds", [(1 << 63) - 1, -(1 << 63)])
def test_times_beyond_the_calendar_are_shown_as_numbers(microseconds: int) -> None:
    """Any integer can be recorded as a time, and every one can be shown."""
    assert str(microseconds) in times.local(microseconds)
    assert str(microseconds) in times.utc(microseconds)


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "0 µs"),
        (12_300, "12 ms"),
        (1_234_000, "1.2 s"),
        (150_000_000, "2 min 30 s"),
        (7_500_000_000, "2 h 05 min"),
        (400_000_000_000, "4.6 days"),
    ],
)
def test_spans_are_in_the_unit_that_reads_best(microseconds: int, text: str) -> None:
    """A duration is given in one or two units."""
    assert times.span(microseconds) == text
