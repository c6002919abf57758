"""Python's collector while a transfer comes in."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from runstore.sync.collector import held_back


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_the_collector_is_held_back_and_let_go() -> None:
    """Inside it looks seldom, and afterwards as often as before, however many are inside and whatever happens there."""
    gc.set_threshold(500, 7, 8)
    with held_back():
        assert gc.get_threshold()[0] >= 50_000
        with pytest.raises(ValueError, match="inside"), held_back():
            raise ValueError("inside")
        assert gc.get_threshold()[0] >= 50_000
    assert gc.get_threshold() == (500, 7, 8)


def test_one_that_was_stopped_stays_so() -> None:
    """A program that has set the collector itself is left with what it set."""
    gc.set_threshold(0)
    with held_back():
        assert gc.get_threshold()[0] == 0
    assert gc.get_threshold()[0] == 0
