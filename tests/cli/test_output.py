"""Layout, colour and JSON on stdout."""

import io

import pytest

from runstore.cli.output import Output, clip, clip_start, columns, count, display_width, pad, size
from tests.cli.conftest import Cli, run_at


def test_columns_align_and_the_last_is_not_padded() -> None:
    """Every column is as wide as its widest cell; right-aligned ones are filled on the left; no line ends with blanks."""
    assert columns([("a", "1", "x"), ("long", "200", "")], right=(1,)) == ["a       1  x", "long  200"]


def test_wide_characters_take_two_columns() -> None:
    """Widths are those of a terminal, so that tables with Chinese text stay aligned."""
    assert display_width("世界") == 4
    assert display_width("e\u0301") == 1
    assert pad("世", 4) == "世  "


def test_clipping_keeps_to_the_width() -> None:
    """A text is cut with an ellipsis inside its width, and one that fits stays whole."""
    assert clip("abcdef", 4) == "abc…"
    assert clip("abcd", 4) == "abcd"
    assert clip("世界世界", 5) == "世界…"
    assert clip_start("abcdef", 4) == "…def"
    assert clip_start("世界世界", 5) == "…世界"
    assert clip_start("abcd", 4) == "abcd"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1234, "1.2 kB"), (99_960, "100 kB"), (12_345_678, "12.3 MB"), (3 * 10**12, "3.0 TB")]
)
def test_sizes_read_well(number: int, text: str) -> None:
    """Bytes are given in powers of 1000 with two or three digits."""
    assert size(number) == text


def test_counts_agree_with_their_noun() -> None:
    """One run, two runs."""
    assert [count(number, "run") for number in (0, 1, 1200)] == ["0 runs", "1 run", "1,200 runs"]


def test_colour_is_painted_only_where_it_is_wanted() -> None:
    """Without colour a styled text is the text itself."""
    assert Output(io.StringIO(), colour=False).paint("x", "red") == "x"
    assert Output(io.StringIO(), colour=True).paint("x", "bold", "red") == "\x1b[1;31mx\x1b[0m"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "colour"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)]
)
def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], colour: bool) -> None:
    """Colour is for terminals, and not where NO_COLOR is set and not empty, or the terminal is dumb."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Output(Terminal()).colour is colour
    assert Output(io.StringIO()).colour is False


@pytest.mark.parametrize("command", ["log", "log --oneline", "log --graph", "show {ref}", "check {ref}", "refs", "reflog"])
def test_long_names_stay_within_the_screen(cli: Cli, command: str) -> None:
    """No line is wider than the screen, however long a ref, a model or a role is."""
    ref = "experiments/" + "a-long-name-for-a-branch/" * 4 + "end"
    cli("init")
    history = [{"role": "user", "content": "What?"}, {"type": "function_call_output", "output": "x" * 100}]
    cli.add(ref, **run_at(0, history=history, model={"name": "m" * 90}, documents=None))
    told = cli(*command.format(ref=ref).split(), code=None)
    assert max(display_width(line) for line in told.lines) <= 80
    assert "a-long-name" in told.out or "a-branch/end" in told.out
