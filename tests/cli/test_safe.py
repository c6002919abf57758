"""Text from the store on a terminal."""

import pytest

from runstore.cli import safe


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u2066b\u2069", "a\\u2066b\\u2069"),
        ("over\rwritten", "over\\x0dwritten"),
        ("\x00\x7f\b", "\\x00\\x7f\\x08"),
        ("lone \ud83d", "lone \\ud83d"),
        ("a\u2028b", "a\\u2028b"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    """Control sequences, marks of direction and lone surrogates come out as visible escapes, in lines and in texts alike."""
    assert safe.text(text) == shown
    assert safe.line(text) == shown


@pytest.mark.parametrize("text", ["plain", "Grüße, 世界 🙂", "👩‍👩‍👧", "נכון", "a\u00a0b"])
def test_ordinary_text_stays(text: str) -> None:
    """Letters of any script and joined emoji are left alone by `text`."""
    assert safe.text(text) == text


def test_a_text_keeps_its_lines_and_a_line_loses_them() -> None:
    """`text` keeps newlines and turns tabs into blanks; `line` joins everything with single blanks."""
    assert safe.text("a\r\nb\n\tc") == "a\nb\n    c"
    assert safe.line("a\r\nb\n\t c ") == "a b c"
