"""JSON of what is JSON and nothing else: no two values that a program tells apart by their keys have one text. Standard library alone."""

from __future__ import annotations

import json
from typing import Any


def plain_json(value: Any) -> bytes:
    """Return the compact JSON of a value.

    Raises TypeError, ValueError or RecursionError for what is none: a number that is a key, which JSON would make a text, is none, too.
    """
    _check_keys(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "surrogatepass")


def _check_keys(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a key is a text, and {key!r:.40} is not")
            _check_keys(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_keys(item)
