"""`log --session`: the tree of an agent's calls."""

from __future__ import annotations

import runstore
from runstore.capture.assemble import Label, assemble
from tests.capture.calls import exchange
from tests.cli.conftest import FIRST, MINUTE, Cli


def record(*calls: tuple[str, str | None]) -> None:
    """Record calls a minute apart: what was asked, and the scope."""
    with runstore.open("runs", create=True, actor="ann") as repo:
        for number, (text, scope) in enumerate(calls):
            body = {"model": "small-1", "messages": [{"role": "user", "content": text}]}
            begun = FIRST + number * MINUTE
            made = assemble(exchange(body, started=begun, ended=begun + 1_000_000), Label(session="s1", scope=scope, nonce=str(number)))
            assert made is not None
            repo.add(made.run, **made.fields)


def test_the_scopes_of_a_session_are_a_tree(cli: Cli) -> None:
    """Executions stand under their scopes, in the order in which they began, and each scope says how many it has."""
    record(("plan", "agent"), ("look", "agent/search"), ("again", "agent/search"), ("answer", "agent"), ("thanks", None))
    lines = cli("--store", "runs", "log", "--session", "s1").lines
    assert lines[0] == "session s1  5 executions, 25 → 10 tokens, 4 min 01 s"
    assert lines[1] == "├─ agent  4 executions"
    assert lines[2].startswith("│  ├─ ")
    assert lines[3] == "│  ├─ search  2 executions"
    assert lines[4].startswith("│  │  ├─ ")
    assert [line.rpartition("  ")[2] for line in lines if "→ It is" in line] == [
        f"{asked} → It is." for asked in ("plan", "look", "again", "answer", "thanks")
    ]
    assert lines[-1].startswith("└─ ")


def test_other_forms_list_a_session(cli: Cli) -> None:
    """`--oneline` and `--json` give a line an execution, newest first."""
    record(("one", "a"), ("two", "b"))
    assert len(cli("--store", "runs", "log", "--session", "s1", "--oneline").lines) == 2
    assert [one["notes"]["scope"] for one in cli("--store", "runs", "log", "--session", "s1", "--json").objects] == ["b", "a"]


def test_a_scope_is_listed_whatever_its_session(cli: Cli) -> None:
    """`--scope` lists the executions of that very scope, those below it not among them."""
    record(("one", "agent"), ("two", "agent/search"), ("three", "agent"))
    assert [one["notes"]["scope"] for one in cli("--store", "runs", "log", "--scope", "agent", "--json").objects] == ["agent", "agent"]
    assert cli("--store", "runs", "log", "--scope", "s1", "--json").objects == []


def test_a_scope_may_be_deeper_than_the_screen_is_wide(cli: Cli) -> None:
    """A scope of thousands of parts is listed, a line a part, and the lines do not grow with it."""
    record(("far down", "/".join(["agent"] * 3_000)))
    lines = cli("--store", "runs", "log", "--session", "s1").lines
    assert len(lines) == 3_002
    assert max(map(len, lines)) < 100
    assert "→ It i" in lines[-1]
