"""Putting the tap on and taking it off: clients that are imported now, and those that will be.

No client is imported for it. What is patched is said, and can be undone.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from runstore.capture.tap import botocore_sessions, httpx_clients

_PATCHES: dict[str, Callable[[ModuleType], list[tuple[type, str]]]] = {
    **dict.fromkeys(httpx_clients.MODULES, httpx_clients.patch),
    **dict.fromkeys(botocore_sessions.MODULES, botocore_sessions.patch),
}

_lock = threading.RLock()
_patched: list[tuple[type, str]] = []


def install() -> list[str]:
    """Tap every client that is imported, and each that will be. Returns what is patched now. Installing twice changes nothing."""
    with _lock:
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)
        for name in _PATCHES:
            module = sys.modules.get(name)
            # A module that is being imported is patched when that is done.
            if module is not None and not getattr(getattr(module, "__spec__", None), "_initializing", False):
                _patch(module, name)
        return patched()


def remove() -> list[str]:
    """Undo all of it. Returns what was restored."""
    with _lock:
        if _FINDER in sys.meta_path:
            sys.meta_path.remove(_FINDER)
        restored = [one for one in _patched if httpx_clients.restore(*one)]
        _patched.clear()
        return _names(restored)


def patched() -> list[str]:
    """Return what is patched, as `module.Class.method`."""
    return _names(_patched)


def _names(found: list[tuple[type, str]]) -> list[str]:
    return [f"{owner.__module__.partition('._')[0]}.{owner.__qualname__}.{method}" for owner, method in found]


def _patch(module: ModuleType, name: str) -> None:
    _patched.extend(_PATCHES[name](module))


class _Finder(MetaPathFinder):
    """Watches for the import of the clients, and patches them when their modules have been executed."""

    def __init__(self) -> None:
        self._busy = threading.local()

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname not in _PATCHES or getattr(self._busy, "on", False):
            return None
        self._busy.on = True
        try:
            spec = self._from_the_others(fullname, path, target)
        finally:
            self._busy.on = False
        if spec is not None and spec.loader is not None:
            _after(spec.loader, fullname)
        return spec

    def _from_the_others(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(fullname, path, target)
                if spec is not None:
                    return spec
        return PathFinder.find_spec(fullname, path, target) if self not in sys.meta_path else None


def _after(loader: Any, name: str) -> None:
    """Let a loader patch the module when it has executed it."""
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        with _lock:
            if _FINDER in sys.meta_path:
                _patch(module, name)

    try:
        loader.exec_module = exec_module
    except AttributeError:
        return  # a loader that cannot be changed: whoever installs after the import finds the module


_FINDER = _Finder()
