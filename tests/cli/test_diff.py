"""`runstore diff`: component by component."""

from tests.cli.conftest import Cli, run_at


def test_what_differs_is_told_by_component(filled: Cli) -> None:
    """Prompts by lines, settings by keys, outputs by message; what is the same is not mentioned."""
    assert filled("diff", "main~1", "main").lines == [
        "prompt",
        "  @@ -1,2 +1,2 @@",
        "   You are terse.",
        "  -Answer in one word.",
        "  +Answer in one digit.",
        "",
        "parameters",
        "  ~ temperature  0 → 0.7",
        "",
        "runtime",
        '  ~ version  "gpt-4o-2024-11-20" → "gpt-4o-2024-08-06"',
        "",
        "output  1 → 1 message",
        "  ~ 0  assistant",
        "      @@ -1,2 +1,2 @@",
        "       [assistant]",
        "      -4",
        "      +Four.",
    ]


def test_one_revision_is_compared_with_the_one_before(filled: Cli) -> None:
    """`diff main`, `diff main~1..main` and `diff main~1 main` are the same."""
    whole = filled("diff", "main~1", "main").out
    assert filled("diff", "main").out == whole
    assert filled("diff", "main~1..main").out == whole


def test_stat_counts(filled: Cli) -> None:
    """--stat gives a line a component."""
    assert filled("diff", "main", "--stat").lines == [
        "prompt      +1  -1      lines",
        "parameters          ~1  keys",
        "runtime             ~1  keys",
        "output              ~1  messages",
    ]


def test_exit_code_says_whether_anything_differs(filled: Cli) -> None:
    """With --exit-code 1 if the two differ and 0 if not; without it always 0; equal runs print nothing."""
    assert filled("diff", "main", "--exit-code", code=1).out
    assert filled("diff", "main", "main", "--exit-code") == (0, "", "")
    assert filled("diff", "main").code == 0


def test_tools_documents_and_histories(cli: Cli) -> None:
    """Tools are told by name, a history from its first difference, documents by title, a slot that comes or goes by its state."""
    history = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    cli.add(**run_at(0, history=history))
    tools = [{"name": "multiply", "description": "Multiply."}, {"name": "divide"}]
    more = [*history, {"role": "user", "content": "three"}]
    cli.add(**run_at(1, history=more, tools=tools, documents=False))
    assert cli("diff", "main").lines == [
        "documents  present → absent",
        "  - 0  Sums       Two and two are four.",
        "",
        "tools  2 → 2 tools",
        "  - add",
        "  + divide",
        "  ~ multiply",
        '      ~ description  "Multiply numbers." → "Multiply."',
        "",
        "history  2 → 3 messages, the first 2 the same",
        "  + 2  user       three",
    ]


def test_json_tells_the_same(filled: Cli) -> None:
    """--json gives each component with its states, links and details, and a count."""
    found = filled("diff", "main", "--json").json
    assert found["equal"] is False
    prompt, parameters, *_ = found["components"]
    assert prompt["text"][0]["lines"] == [" You are terse.", "-Answer in one word.", "+Answer in one digit."]
    assert prompt["stat"] == {"unit": "lines", "added": 1, "removed": 1, "changed": 0}
    assert parameters["keys"] == [{"path": "temperature", "change": "changed", "old": 0, "new": 0.7}]
    assert found["a"]["execution"] == filled("rev-parse", "main~1").out.strip()
