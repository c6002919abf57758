"""Files that importers read: opened, inflated, parsed, with one plain error for what is none."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any, BinaryIO

from runstore.errors import InvalidInput, LimitExceeded

MAX_FILE = 1 << 30


def stem(name: str) -> str:
    """Return what to call a file where a name is needed: its own, without directories and endings."""
    found = PurePath(name).name
    for ending in (".zst", ".gz", ".jsonl", ".json", ".yaml", ".yml", ".har", ".eval", ".db"):
        found = found.removesuffix(ending)
    return found or "unnamed"


def whole(stream: BinaryIO) -> bytes:
    """Return the bytes of a stream. Raises LimitExceeded above 1 GiB."""
    data = stream.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise LimitExceeded(f"the file has more than {MAX_FILE} bytes")
    return data


def values_of(data: bytes) -> list[Any]:
    """Return the values of a file: one of JSON, or one a line. Raises InvalidInput."""
    try:
        return [json_of(data)]
    except InvalidInput:
        lines = [line for line in data.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        return [json_of(line) for line in lines]


def json_of(data: bytes) -> Any:
    """Return the value of a JSON file, a byte order mark aside. Raises InvalidInput."""
    try:
        return json.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"no JSON: {error}", kind="bad-json") from error
