"""What a forked child does with the environments that it inherits: nothing, and it keeps everybody else from doing anything.

LMDB keys readers by process, so an inherited environment must not be used (lmdb.h, "Caveats"). It must not be closed either: closing it
ends the parent's transactions in the shared lock file. So the child holds a reference that is never given back, also at exit.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from typing import Any

INHERITED: list[Any] = []
# The transactions open in this process. In a child they are somebody else's: each is told so and kept.
LIVE: set[Any] = set()
_ACTIONS: list[Callable[[], None]] = []


def on_fork(action: Callable[[], None]) -> None:
    """Run an action in every forked child, before it goes on."""
    _ACTIONS.append(action)


def _in_child() -> None:
    for transaction in LIVE:
        INHERITED.append(transaction.abandon())
    LIVE.clear()
    for action in _ACTIONS:
        action()
    if INHERITED:
        _let_the_engine_forget()
        atexit.register(_keep_for_ever)


def _let_the_engine_forget() -> None:
    # py-lmdb refuses a file that "is already open in this process", and still counts what the parent opened. It knows files by these keys.
    try:
        from lmdb import _envid
    except ImportError:
        return
    keys = _envid.env_keys
    pid = os.getpid()

    def of_this_process(path: Any, subdir: Any) -> tuple[Any, ...]:
        return tuple((pid, *key) for key in keys(path, subdir))  # type: ignore[no-untyped-call]

    _envid.env_keys = of_this_process


def _keep_for_ever() -> None:
    # At exit Python frees what modules hold, which would close the environments. One reference too many prevents it.
    import ctypes

    for held in INHERITED:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))


os.register_at_fork(after_in_child=_in_child)
