"""Progress: told of each frame that goes over, with its objects and its bytes on the wire."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]


def nothing(objects: int, size: int) -> None:
    """Tell nobody."""
