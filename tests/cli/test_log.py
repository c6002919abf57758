"""`runstore log`: order, filters and layout."""

import json

import pytest

from tests.cli.conftest import Cli, run_at


def nonces(cli: Cli, *words: str) -> str:
    """Return the nonces of the executions that a log lists, joined."""
    return "".join(entry["nonce"] for entry in cli("log", "--json", *words).objects)


def test_lines_are_aligned_and_newest_first(filled: Cli) -> None:
    """--oneline gives id, time, ref, model, tokens and what was said, in columns, within the width of the screen."""
    ids = [line[:8] for line in filled("rev-parse", "main", "main~1", "main~2").lines]
    assert filled("log", "--oneline").lines == [
        f"{ids[0]}  2026-01-01 12:02  main  gpt-4o-2024-08-…  12 → 3  …wo and two? → Four.",
        f"{ids[1]}  2026-01-01 12:01  main  gpt-4o-2024-11-…  12 → 3  …is two and two? → 4",
        f"{ids[2]}  2026-01-01 12:00  main  gpt-4o-2024-08-…  12 → 3  …wo and two? → Four.",
    ]


def test_blocks_tell_the_same_on_three_lines(filled: Cli) -> None:
    """Without --oneline each execution is a short block, an empty line between two."""
    newest = filled("rev-parse", "main").out[:8]
    assert filled("log", "--limit", "2").lines[:4] == [
        f"{newest}  2026-01-01 12:02:00  main",
        "    gpt-4o (served gpt-4o-2024-08-06), 12 → 3 tokens, 1.2 s",
        "    What is two and two? → Four.",
        "",
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "cba"),
        (("main~1",), "ba"),
        (("main~2..main",), "cb"),
        (("--limit", "1"), "c"),
        (("--since", "2026-01-01T12:01:00"), "cb"),
        (("--until", "2026-01-01T12:01:00Z"), "a"),
        (("--model", "gpt-4o-2024-11-20"), "b"),
        (("--model", "gpt-4o*"), "cba"),
        (("--session", "s2"), "c"),
        (("--where", "parameters.temperature=0.7"), "c"),
        (("--where", "runtime.version=gpt-4o-2024-11-20"), "b"),
        (("--where", "notes.session=s1", "--where", "parameters.temperature=0"), "ba"),
        (("--changed", "prompt"), "c"),
        (("--changed", "runtime"), "cb"),
        (("--changed", "prompt", "--against", "main"), "ba"),
        (("--status", "error"), ""),
        (("--run", "main~1"), "b"),
        (("--run", "main~1^{run}"), "b"),
        (("--run", "main~1^{request}"), "ba"),
    ],
)
def test_filters(filled: Cli, words: tuple[str, ...], expected: str) -> None:
    """Each filter keeps the executions it names, in the order of the log, with or without the graph."""
    assert nonces(filled, *words) == expected
    drawn = [line for line in filled("log", "--graph", "--oneline", *words).lines if "*" in line.split(" ")[0]]
    assert len(drawn) == len(expected)


def test_the_graph_shows_where_refs_part(filled: Cli) -> None:
    """Two refs that share a past are drawn as two columns that meet."""
    filled("ref", "set", "side", "main~1")
    filled.add(ref="side", **run_at(4, nonce="d"))
    drawn = filled("log", "--graph", "--oneline").lines
    assert [line.split("  ")[0].rstrip("0123456789abcdef") for line in drawn] == ["* ", "| * ", "|/", "* ", "* "]


def test_the_graph_names_a_ref_once(filled: Cli) -> None:
    """Beside the graph a ref stands at its newest execution that is shown, and not at those below it."""
    drawn = filled("log", "--graph", "--oneline", "main").lines
    assert ["  main  " in line for line in drawn] == [True, False, False]
    drawn = filled("log", "--graph", "--oneline", "--model", "gpt-4o-2024-11-20").lines
    assert ["  main  " in line for line in drawn if "*" in line] == [True]


def test_what_changed_along_no_log_is_told(cli: Cli) -> None:
    """Where each log has one prompt, `--changed prompt` says so, and that `--against` compares across logs, which finds the other one."""
    for ref, prompt in (("a", "Be kind."), ("b", "Be brief.")):
        for number in range(2):
            cli.add(**run_at(number, nonce=f"{ref}{number}", ref=ref, prompt=prompt))
    for words in ((), ("--limit", "4"), ("a",)):
        told = cli("log", "--changed", "prompt", *words)
        assert (told.out, told.err) == (
            "",
            "along no log does prompt differ from the execution before\nhint: --against REV compares every execution with one\n",
        )
    assert sorted(nonces(cli, "--changed", "prompt", "--against", "a")) == sorted("b0b1")
    assert cli("log", "--changed", "prompt", "--until", "1 day ago").err == ""


def test_an_error_stands_out_in_words(cli: Cli) -> None:
    """What did not end well is marked without colour too."""
    cli.add(**run_at(0, status="error", output=None))
    assert (
        "[error] What is two and two? → (no output)" in cli("log", "--oneline", "main").out.replace("…", "")
        or "[error]" in cli("log", "--oneline").out
    )
    assert ", error" in cli("log").out


def test_an_empty_store_has_an_empty_log(cli: Cli) -> None:
    """Nothing recorded is no error."""
    cli("init")
    assert cli("log") == (0, "", "")
    assert cli("log", "--oneline", "--graph").out == ""


def test_json_lines_carry_ids_in_full(filled: Cli) -> None:
    """Each line is one object, and the ids of a line lead to the next."""
    entries = filled("log", "--json").objects
    assert [entry["parents"] for entry in entries] == [[entries[1]["execution"]], [entries[2]["execution"]], []]
    assert entries[0]["refs"] == ["main"]
    assert entries[0]["tokens"] == {"input": 12, "output": 3}
    assert json.dumps(entries[0]["question"]) == '"What is two and two?"'
