"""Python's collector of cycles, held back while a transfer is checked and stored.

A transfer makes objects by the hundred thousand, none of them in a cycle, and the collector goes over all of them again and again
whenever there are some hundred more: a quarter of the time. It is held back, not stopped, so what others leave meanwhile is found.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_SELDOM = 100_000  # new objects between two looks; Python's own number is 700
_lock = Lock()
_holders = 0
_usual = (0, 0, 0)


@contextmanager
def held_back() -> Iterator[None]:
    """Let the collector look seldom. May be entered by several threads; the last one out puts things back."""
    global _holders, _usual
    with _lock:
        if not _holders:
            _usual = gc.get_threshold()
            if 0 < _usual[0] < _SELDOM:  # 0: somebody has stopped it, and it stays so
                gc.set_threshold(_SELDOM, *_usual[1:])
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if not _holders:
                gc.set_threshold(*_usual)
