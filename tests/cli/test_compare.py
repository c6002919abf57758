"""`runstore compare`, and the parts of `diff` that read messages, words and pages."""

from html.parser import HTMLParser
from pathlib import Path

from tests.cli.conftest import Cli, run_at


def test_a_table_of_what_differs_where(filled: Cli) -> None:
    """A row for each component that differs, equal letters for equal contents, and the keys that differ below."""
    assert filled("compare", "main~2", "main~1", "main").lines == [
        _row("", "main~2", "main~1", "main"),
        _row("", *(_id(filled, rev) for rev in ("main~2", "main~1", "main"))),
        _row("prompt", "A", "A", "B"),
        _row("parameters", "A", "A", "B"),
        _row("  temperature", "0", "0", "0.7"),
        _row("runtime", "A", "B", "A"),
        _row("  version", '"gpt-4o-2024-08-06"', '"gpt-4o-2024-11-20"', '"gpt-4o-2024-08-06"'),
        _row("output", "A", "B", "A"),
    ]


def _row(name: str, *cells: str) -> str:
    return (name.ljust(15) + "".join(cell.ljust(21) for cell in cells)).rstrip()


def _id(cli: Cli, rev: str) -> str:
    return cli("rev-parse", rev).out[:8]


def test_one_revision_is_told_by_what_changed_in_its_log(filled: Cli) -> None:
    """From an answer to the executions at which a component changed is one command."""
    lines = filled("compare", "main").lines
    assert [line.split("  ")[-1] for line in lines] == ["prompt, parameters.temperature, runtime.version", "runtime.version"]
    assert [one["changed"] for one in filled("compare", "main", "--json").objects][1] == ["runtime.version"]


def test_exit_code_and_json(filled: Cli) -> None:
    """--exit-code ends with 1 if anything differs; --json tells every component."""
    assert filled("compare", "main", "main", "--exit-code").out == ""
    found = filled("compare", "main~1", "main", "--exit-code", "--json", code=1).json
    assert {row["slot"]: row["groups"] for row in found["components"] if row["differs"]}["prompt"] == [0, 1]


def test_where_nothing_differs_it_is_said(filled: Cli) -> None:
    """On stderr, so that stdout holds data alone: of two that are the same, and of a log in which only the conversation changed."""
    assert filled("compare", "main", "main").err == "nothing differs; --all lists what they hold\n"
    assert filled("compare", "main", "main", "--json").err == ""
    same = filled("compare", "main", "main", "--all")
    assert same.err == "nothing differs\n"
    assert "prompt" in same.out
    assert filled("compare", "main~2", "--exit-code").err == "nothing but the conversation changed in this log\n"
    filled("compare", "main", "--exit-code", code=1)


def test_letters_begin_with_a(cli: Cli) -> None:
    """What a side does not state takes no letter from those that do."""
    cli("init")
    for schema in (None, "one", "other"):
        cli.add(**run_at(0), **({} if schema is None else {"output_format": schema}))
    rows = [line.split() for line in cli("compare", "main~2", "main~1", "main").lines]
    assert ["output_format", "-", "A", "B"] in rows


def test_tool_calls_and_long_lines(cli: Cli) -> None:
    """Calls are told by argument, long lines by words."""
    long = "Look a booking up before you speak about it. " * 3 + "Up to {} hours before departure it can be changed for free."
    call = {"id": "1", "type": "function", "function": {"name": "book", "arguments": '{"seat":"1A"}'}}
    other = {**call, "function": {"name": "book", "arguments": '{"seat":"2B"}'}}
    cli.add(**run_at(0, prompt=long.format(24), output=[{"role": "assistant", "content": None, "tool_calls": [call]}]))
    cli.add(**run_at(1, prompt=long.format(2), output=[{"role": "assistant", "content": None, "tool_calls": [other]}]))
    assert cli("diff", "main").lines == [
        "prompt",
        "  @@ -1 +1 @@",
        "  ~… before you speak about it. Up to [-24-]{+2+} hours before departure it can be changed for…",
        "",
        "output  1 → 1 message",
        "  ~ 0  assistant",
        "      ~ calls book",
        '          ~ seat  "1A" → "2B"',
    ]
    [output] = [one for one in cli("diff", "main", "--json").json["components"] if one["slot"] == "output"]
    assert output["elements"]["changes"][0]["calls"]["changed"][0]["keys"][0]["new"] == "2B"


class _Page(HTMLParser):
    """Checks that tags are closed, and keeps the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [name for name, value in attrs if name in ("src", "href") and not (value or "").startswith("#")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_a_page_of_its_own(cli: Cli, tmp_path: Path) -> None:
    """--html writes one well-formed page that loads nothing, in which text from the store is text and never markup."""
    cli.add(**run_at(0, tools=[{"name": "<script>alert(1)</script>"}]))
    cli.add(**run_at(1, prompt="<b>bold</b> \x1b[31m", tools=[{"name": "add"}], history=[], documents=False))
    result = cli("diff", "main", "--html", "page.html")
    assert (result.out, result.err) == ("", "wrote page.html\n")
    page = _Page()
    text = (tmp_path / "page.html").read_text()
    page.feed(text)
    assert page.open == []
    assert page.loads == []
    assert "<script" not in text
    told = "".join(page.text)
    assert "<b>bold</b> \\x1b[31m" in told
    assert "<script>alert(1)</script>" in told
    assert cli("diff", "main", "--html", "-").out == text
