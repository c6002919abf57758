r"""Text from the store, made safe for terminals.

A prompt or an answer may hold anything: sequences that move the cursor, set the title, paint or reorder text. What a terminal would obey
rather than show is written as an escape (`\x1b`, `\u202e`); everything else stays as it is.
"""

from __future__ import annotations

import re

# C0 but for tab and newline, DEL and C1 (ESC, CSI and OSC among them); marks and overrides of direction; separators that break a line;
# interlinear marks; lone surrogates, which no output can carry.
_UNSAFE = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufff9-\ufffb\ud800-\udfff"
_TAB_COLUMNS = 4
_HARMLESS = {ord("\n"): None}


def text(value: str) -> str:
    """Return text of any number of lines: newlines stay, tabs become spaces, whatever a terminal would obey is escaped."""
    if value.isprintable() or value.translate(_HARMLESS).isprintable():
        return value
    return re.sub(f"[{_UNSAFE}]", _escape, value.replace("\r\n", "\n").expandtabs(_TAB_COLUMNS))


def line(value: str) -> str:
    """Return text as one line: runs of blanks and newlines become one blank, whatever a terminal would obey is escaped."""
    if not (value.isprintable() or value.translate(_HARMLESS).isprintable()):
        value = re.sub(f"[{_UNSAFE}]", _escape, value.replace("\r\n", "\n"))
    return " ".join(value.split())


def json(value: object) -> str:
    """Return a value as JSON on one line, as `line` makes it safe."""
    from runstore.model.jsontext import render_json

    return line(render_json(value))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
