"""What a command prints on stdout: lines for people, JSON for programs, bytes for pipes.

Colour and the pager are for terminals only; `NO_COLOR` (no-color.org) turns colour off. Whatever comes from the store goes through safe.py
before it gets here, so that the only escape sequences on a terminal are ours.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from runstore.cli.pager import Pager

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36"}
_DEFAULT_WIDTH = 80
_PIPED_WIDTH = 120
_LEAST_WIDTH = 40
# Common signs that are one column wide everywhere, ours among them: a text with no others needs no look at Unicode's tables.
_NARROW = dict.fromkeys(map(ord, "…→–—‘’“”•·äöüßéè"), ".")


class Output:
    """Where a command's data goes. `terminal`, `colour` and `width` are found out unless given."""

    def __init__(self, stream: TextIO | None = None, *, colour: bool | None = None, width: int | None = None, paged: bool = True) -> None:
        self._stream = sys.stdout if stream is None else stream
        self.terminal = self._stream.isatty()
        self.colour = _wants_colour(self.terminal) if colour is None else colour
        self.width = _columns(self.terminal) if width is None else width
        self._paged = paged and self.terminal
        self._pager: Pager | None = None
        # A terminal that cannot show a character gets an escape for it, not a traceback; so does what is no character, as in a file's name.
        self._narrow = hasattr(self._stream, "reconfigure") and self._stream.encoding.lower() not in ("utf-8", "utf8")
        if hasattr(self._stream, "reconfigure") and (self._narrow or self._stream.errors == "strict"):
            self._stream.reconfigure(errors="backslashreplace")

    def page(self) -> None:
        """Send what follows through a pager, if this is a terminal and it turns out longer than the screen."""
        if self._paged and self._pager is None:
            from runstore.cli.pager import Pager

            self._pager = Pager(self._stream)

    def line(self, text: str = "") -> None:
        """Write one line (or several, joined by newlines)."""
        if self._pager is None:
            self._stream.write(text + "\n")
        else:
            self._pager.line(text)

    def lines(self, texts: Iterable[str]) -> None:
        """Write lines."""
        for text in texts:
            self.line(text)

    def json(self, value: Any) -> None:
        """Write a value as JSON on one line."""
        from runstore.model.jsontext import render_json

        self.line(self._json(render_json(value)))

    def value(self, value: Any) -> None:
        """Write a value as JSON over several lines. What a terminal would obey is an escape in JSON already, or is made one."""
        from runstore.cli import safe
        from runstore.model.jsontext import render_json

        text = self._json(render_json(value, indent=2))
        self.line(safe.text(text) if self.terminal else text)

    def _json(self, text: str) -> str:
        """Return JSON in characters that the stream has: JSON is UTF-8 wherever it is read, so for any other encoding in ASCII alone."""
        if not self._narrow or text.isascii():
            return text
        import json
        import re

        return re.sub(r"[^\x00-\x7f]+", lambda found: json.dumps(found[0])[1:-1], text)

    def bytes(self, data: bytes) -> None:
        """Write bytes as they are; on a terminal as text made safe."""
        if self.terminal:
            from runstore.cli import safe

            self.line(safe.text(data.decode("utf-8", "backslashreplace")))
            return
        self._stream.flush()
        self._stream.buffer.write(data)

    def paint(self, text: str, *styles: str) -> str:
        """Return text in styles (`bold`, `red`, ...) where there is colour, else as it is."""
        if not self.colour or not styles or not text:
            return text
        return f"\x1b[{';'.join(_STYLES[style] for style in styles)}m{text}\x1b[0m"

    def close(self) -> None:
        """Write out what waits, and wait for the pager."""
        if self._pager is not None:
            self._pager.close()
        self._stream.flush()


def columns(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Lay out rows of plain text in columns, aligned left but for the columns numbered in `right`. The last column is not padded."""
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    laid = []
    for row in rows:
        cells = [cell if at == last and at not in right else pad(cell, widths[at], right=at in right) for at, cell in enumerate(row)]
        laid.append("  ".join(cells).rstrip())
    return laid


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Fill a text with blanks to a display width."""
    blanks = " " * (width - display_width(text))
    return blanks + text if right else text + blanks


def clip(text: str, width: int) -> str:
    """Cut a text to a display width, with `…` where something was cut off."""
    if display_width(text) <= width:
        return text
    return _first(text, width - 1).rstrip() + "…"


def clip_start(text: str, width: int) -> str:
    """Cut a text to the end that fits a display width, with `…` where something was cut off."""
    if display_width(text) <= width:
        return text
    return "…" + _first(text[::-1], width - 1)[::-1].lstrip()


def _first(text: str, width: int) -> str:
    """Return as many characters from the beginning as fit a display width."""
    kept = text[:width]
    while display_width(kept) > width:
        kept = kept[: -max((display_width(kept) - width) // 2, 1)]
    return kept


def display_width(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    if text.isascii() or text.translate(_NARROW).isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1 for character in text)


def count(number: int, thing: str) -> str:
    """Return a number with its noun: `1 run`, `1,200 runs`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def size(number: int) -> str:
    """Return a number of bytes as people read it, in powers of 1000."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _wants_colour(terminal: bool) -> bool:
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _columns(terminal: bool) -> int:
    stated = os.environ.get("COLUMNS", "")
    if stated.isascii() and stated.isdigit() and int(stated):
        return max(int(stated), _LEAST_WIDTH)
    # In `runstore log | head` the lines end on the screen all the same, and that is where the messages go.
    stream = sys.stdout if terminal else sys.stderr
    try:
        return max(os.get_terminal_size(stream.fileno()).columns, _LEAST_WIDTH)
    except (OSError, ValueError):
        return _DEFAULT_WIDTH if terminal else _PIPED_WIDTH
