"""What a tool raised, as JSON and back: its class, what it said and its arguments. Standard library alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from runstore.capture.strictjson import plain_json
from runstore.errors import RunstoreError


class ToolFailed(RunstoreError):
    """The recorded call of a tool raised an error that cannot be made here: of a class that is not loaded, or that takes more to make."""

    kind = "tool-failed"


def told(error: Exception) -> dict[str, Any]:
    """Return an error as JSON: `type` (module and qualified name), `message`, and `args` where they are JSON."""
    kind = type(error)
    found: dict[str, Any] = {"type": f"{kind.__module__}.{kind.__qualname__}", "message": said(error)}
    with suppress(TypeError, ValueError, RecursionError):
        plain_json(error.args)
        found["args"] = list(error.args)
    return found


def said(error: Exception) -> str:
    """Return what an error says; the name of its class, where saying it fails."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the border to the host program: its class cannot say what it is
        return type(error).__name__


def remade(name: str, recorded: dict[str, Any]) -> Exception:
    """Return the error that a tool raised: of its own class where that is loaded already, since nothing is imported on a record's word.

    A class may be made of other arguments than those that it keeps: then it is made without its own way of being made. That which says
    what was recorded goes before one that says something else.
    """
    message = recorded.get("message")
    kind = _loaded(str(recorded.get("type")))
    args = recorded.get("args", [message])
    made = list(_made(kind, args)) if kind is not None and isinstance(args, list) else []
    for error in made:
        if said(error) == message:
            return error
    if made:
        return made[0]
    hint = "the class of the error is not loaded here" if kind is None else "the class of the error needs more to be made than was recorded"
    return ToolFailed(f"{name} raised {recorded.get('type')}: {message}", hint=hint)


def _made(kind: type[Exception], args: Sequence[Any]) -> Iterator[Exception]:
    with suppress(Exception):
        yield kind(*args)
    with suppress(Exception):
        yield kind.__new__(kind, *args)


def _loaded(name: str) -> type[Exception] | None:
    """Return the class of this name, of a module or within a class of it."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:cut]))
        for part in parts[cut:]:
            found = getattr(found, part, None)
        if isinstance(found, type) and issubclass(found, Exception):
            return found
    return None
