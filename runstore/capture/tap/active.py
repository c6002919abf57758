"""Which handler is in force, for the whole process: the one that was put on last, but for those put beneath."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from runstore.capture.tap.handler import Handler

_lock = threading.Lock()
_handlers: tuple[Handler, ...] = ()


def active() -> Handler | None:
    """Return the handler in force; None if there is none."""
    handlers = _handlers
    return handlers[-1] if handlers else None


def put_on(handler: Handler, *, beneath: bool = False) -> None:
    """Put a handler in force, above those that are; or `beneath` them, to be in force when they are taken off."""
    global _handlers
    with _lock:
        _handlers = (handler, *_handlers) if beneath else (*_handlers, handler)


def take_off(handler: Handler) -> None:
    """Take a handler out of force, wherever it stands. One that is not in force changes nothing."""
    global _handlers
    with _lock:
        for at in range(len(_handlers) - 1, -1, -1):
            if _handlers[at] is handler:
                _handlers = _handlers[:at] + _handlers[at + 1 :]
                return


@contextmanager
def in_force(handler: Handler) -> Iterator[None]:
    """Put a handler in force for a while. The clients' patches have to be in place: `patches.install`."""
    put_on(handler)
    try:
        yield
    finally:
        take_off(handler)
