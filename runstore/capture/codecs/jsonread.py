"""Reading JSON text that came over a wire: fast where a style will prove it, strict where nothing else does."""

from __future__ import annotations

import json
from typing import Any

from runstore.model.jsontext import parse_json
from runstore.model.limits import MAX_DEPTH


def _refuse(name: str) -> Any:
    raise ValueError(name)


_ANSWER_DEPTH = MAX_DEPTH - 8
_fast = json.JSONDecoder(parse_constant=_refuse).decode


def read_fast(text: str) -> Any:
    """Return the value of a JSON text. Duplicate keys and overflow pass: whoever writes the value again finds them. Raises InvalidInput."""
    try:
        return _fast(text)
    except (ValueError, RecursionError):
        return parse_json(text)


def read_strict(text: str | bytes) -> Any:
    """Return the value of a JSON text by the rules of docs/spec/identity.md, "Values". Raises InvalidInput."""
    return parse_json(text)


def read_answer(text: str | bytes) -> Any:
    """Return the value of a JSON text that goes into a `response`: of less depth, for the maps around it. Raises InvalidInput."""
    return parse_json(text, max_depth=_ANSWER_DEPTH)
