"""Times without an offset: local on the command line, summer time included; UTC in the library, unless it is told."""

import time
from datetime import timedelta, timezone

import pytest

import runstore
from runstore.cli.settings import zone
from runstore.query.dates import parse_time
from tests.cli.conftest import FIRST, Cli

HOUR = 3_600_000_000
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"


@pytest.fixture
def berlin(filled: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Three executions started at 12:00, 12:01 and 12:02 UTC of a winter's day, on a machine that is an hour ahead."""
    monkeypatch.setenv("TZ", BERLIN)
    time.tzset()
    return filled


def test_since_and_until_are_local(berlin: Cli) -> None:
    """`--since` and `--until` without an offset mean the time on the clock here, as `log` shows it; with one, that."""
    assert "2026-01-01 13:01:00" in berlin("log").out
    assert len(berlin("log", "--since", "2026-01-01 13:01", "--json").objects) == 2
    assert len(berlin("log", "--since", "2026-01-01 13:01", "--until", "2026-01-01T12:02:00Z", "--json").objects) == 1
    assert len(berlin("log", "--since", "2026-01-01 13:01+00:00", "--json").objects) == 0


@pytest.mark.parametrize("command", ["show", "rev-parse", "cat", "ls", "check", "log", "dump", "grep ."])
def test_the_date_of_a_ref_is_local(berlin: Cli, command: str) -> None:
    """`ref@{date}` is local time in every command: the ref did not exist when it was this time of the clock in UTC, an hour later here."""
    here = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + 2))
    berlin(*command.split(), f"main@{{{here}}}", code=None)
    there = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() - 1800))
    assert "did not exist" in berlin(*command.split(), f"main@{{{there}}}", code=12).err


def test_the_offset_is_that_of_the_date(berlin: Cli) -> None:
    """A date in summer is read with the offset of summer, whatever the season is now."""
    read = [parse_time(text, now=FIRST, zone=zone()) for text in ("2026-01-15 12:00", "2026-07-15 12:00")]
    assert [parse_time(text, now=FIRST) for text in ("2026-01-15 11:00", "2026-07-15 10:00")] == read
    assert parse_time("today", now=FIRST + 11 * HOUR, zone=zone()) == parse_time("2026-01-01 23:00", now=FIRST)


def test_the_library_means_utc(berlin: Cli) -> None:
    """In the library the same texts are UTC, or of the zone that it was opened with."""
    with runstore.open(read_only=True) as repo:
        assert len(list(repo.log(since="2026-01-01 12:01"))) == 2
    with runstore.open(read_only=True, zone=timezone(timedelta(hours=5))) as repo:
        assert len(list(repo.log(since="2026-01-01 17:01", until="2026-01-01 17:02"))) == 1
