"""Lines of JSON in a zstd file, one at a time."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zstandard import ZstdDecompressor

WINDOW = 1 << 25  # the recordings were written with --long=25


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Every line of `path` as an object."""
    with path.open("rb") as file, ZstdDecompressor(max_window_size=WINDOW).stream_reader(file) as plain:
        for line in io.TextIOWrapper(plain, encoding="utf-8", newline="\n"):
            yield json.loads(line)
