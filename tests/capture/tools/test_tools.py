"""Tools: recorded with name, arguments and result or error, answered from the record, and part of a session's tree."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import runstore
from runstore.capture.raised import ToolFailed
from runstore.cli.program import run as program
from runstore.errors import InvalidInput, NotRecorded
from tests.reproduce.guard import no_network

opened: list[runstore.Repo] = []
done: list[Any] = []
"""What the tools below did: a side effect."""


class NoSuchBook(Exception):
    """An error of the program's own, with arguments."""


@runstore.tool
def lend(title: str, days: int = 14, *, card: dict[str, Any] | None = None) -> dict[str, Any]:
    """Lend a book."""
    if title == "none":
        raise NoSuchBook(title, days)
    done.append(title)
    return {"title": title, "due in": days, "number": len(done)}


@runstore.tool("renew_book")
async def renew(title: str) -> str:
    """Renew a loan."""
    await asyncio.sleep(0)
    done.append(title)
    return f"renewed {title}"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """A store, and nothing done."""
    done.clear()
    yield tmp_path / "store"
    runstore.uninstrument()
    for repo in opened:
        repo.close()
    opened.clear()


def recording(store: Path) -> Any:
    """Record into a store."""
    return runstore.replay("record", store=store)


def executions(store: Path) -> list[Any]:
    """Return the executions of a store, the oldest first."""
    repo = runstore.open(store)
    opened.append(repo)
    return [repo.show(str(entry.link)) for entry in repo.log()][::-1]


def test_a_tool_is_a_function_where_nothing_records(store: Path) -> None:
    """Without a recording or a replay the decorated function does what it did, and no store is made."""
    assert lend("Emma") == {"title": "Emma", "due in": 14, "number": 1}
    assert asyncio.run(renew("Emma")) == "renewed Emma"
    assert (lend.__name__, store.exists()) == ("lend", False)


def test_a_call_is_recorded_as_a_run_of_its_tool(store: Path) -> None:
    """Model names the tool, history holds its arguments by the signature, output its result; the run has no envelope."""
    with recording(store):
        lend("Emma", card={"b": 1, "a": 1.0})
    (one,) = executions(store)
    assert one.run["model"] == {"api": "runstore.tool", "name": "lend"}
    arguments = {"title": "Emma", "days": 14, "card": {"b": 1, "a": 1.0}}
    assert list(one.run["history"]) == [{"type": "function_call", "name": "lend", "arguments": arguments}]
    assert list(one.output) == [{"title": "Emma", "due in": 14, "number": 1}]
    assert one.run["runtime"] == {"function": f"{__name__}.lend"}
    assert (one.fields.status, one.fields.wire) == ("ok", None)


def test_a_recorded_call_has_no_side_effect_a_second_time(store: Path) -> None:
    """In replay the recorded result is given, for functions and coroutines, and the function is not called."""
    with recording(store):
        first, second = lend("Emma"), asyncio.run(renew("Emma"))
    assert len(done) == 2
    with no_network(), runstore.replay(store=store) as replaying:
        assert (lend(title="Emma", days=14), asyncio.run(renew("Emma"))) == (first, second)
    assert (len(done), replaying.hits) == (2, 2)


def test_an_error_is_raised_again(store: Path) -> None:
    """What the function raised is raised in replay, of its own class and with its arguments; of one that is not loaded, as ToolFailed."""
    with recording(store), pytest.raises(NoSuchBook):
        lend("none")
    (one,) = executions(store)
    assert one.fields.status == "error"
    with runstore.replay(store=store), pytest.raises(NoSuchBook) as caught:
        lend("none")
    assert caught.value.args == ("none", 14)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{__name__}.NoSuchBook", None)
        with runstore.replay(store=store), pytest.raises(ToolFailed, match="NoSuchBook"):
            lend("none")


def test_other_arguments_are_a_miss_that_says_so(store: Path) -> None:
    """A call that was never recorded is not made, and the error names the nearest and the argument that differs."""
    with recording(store):
        lend("Emma")
    with pytest.raises(NotRecorded, match="days") as caught, runstore.replay(store=store):
        lend("Emma", 7)
    assert "14" in str(caught.value)
    assert len(done) == 1


def test_auto_calls_what_is_not_recorded(store: Path) -> None:
    """A miss in mode auto calls the function, once; the next time it is a hit."""
    for _ in range(2):
        with runstore.replay("auto", store=store):
            lend("Emma")
    assert len(done) == 1


def test_a_cancelled_call_is_no_answer(store: Path) -> None:
    """A coroutine that was cancelled is recorded as interrupted, and not answered."""

    @runstore.tool
    async def wait() -> None:
        await asyncio.sleep(60)

    async def cut() -> None:
        await asyncio.wait_for(wait(), 0.01)

    with recording(store), pytest.raises(TimeoutError):
        asyncio.run(cut())
    assert [one.fields.status for one in executions(store)] == ["interrupted"]
    with pytest.raises(NotRecorded), runstore.replay(store=store):
        asyncio.run(wait())


def test_what_is_no_json(store: Path) -> None:
    """A result that is no JSON is recorded as a call without an answer, unless `dump` and `load` know it; the program sees neither."""

    @runstore.tool
    def price() -> Decimal:
        return Decimal("9.90")

    @runstore.tool("known", dump=str, load=Decimal)
    def known() -> Decimal:
        return Decimal("9.90")

    with recording(store):
        assert price() == known() == Decimal("9.90")
    assert {one.run["model"]["name"]: one.fields.status for one in executions(store)} == {"price": "error", "known": "ok"}
    with runstore.replay(store=store, strict=False):
        assert known() == Decimal("9.90")
        with pytest.raises(NotRecorded):
            price()


def test_arguments_that_are_left_out(store: Path) -> None:
    """`self` and what is named in `ignore` do not count; another argument that is no JSON stops nothing but the recording."""

    class Desk:
        @runstore.tool(ignore=("connection",))
        def ask(self, question: str, connection: object) -> str:
            return question.upper()

    @runstore.tool
    def plain(connection: object) -> int:
        return 1

    with recording(store):
        assert (Desk().ask("open", object()), plain(object())) == ("OPEN", 1)
    assert [one.run["model"]["name"] for one in executions(store)] == ["Desk.ask"]
    with runstore.replay(store=store, strict=False):
        assert Desk().ask("open", object()) == "OPEN"
        with pytest.raises(NotRecorded, match="the argument connection of the tool plain") as caught:
            plain(object())
    assert caught.value.hint is not None
    assert "ignore" in caught.value.hint


def test_nothing_of_a_tool_can_be_sent_again(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`request` and `rerun` refuse a call of a tool and say why."""
    with recording(store):
        lend("Emma")
    for command in ("request", "rerun"):
        assert program(["--store", str(store), command, "@"]) == 14
        assert "is a call of the tool lend" in capsys.readouterr().err


def test_a_generator_is_no_tool() -> None:
    """What yields is refused when it is decorated."""
    with pytest.raises(InvalidInput, match="yields"):

        @runstore.tool
        def lines() -> Iterator[int]:
            yield 1


def test_none_and_lists_come_back(store: Path) -> None:
    """A tool that returns nothing has returned nothing, and so on for each kind of JSON."""

    @runstore.tool
    def same(value: Any) -> Any:
        return value

    values: list[Any] = [None, [], [1, 2.0], "", {"a": None}, True, 2**70]
    with recording(store):
        for value in values:
            same(value)
    with runstore.replay(store=store):
        assert json.dumps([same(value) for value in values]) == json.dumps(values)


def test_a_session_shows_calls_tools_and_what_lies_within_them(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`log --session` prints the tree: the agent's tools, and under a tool's name what it did itself."""

    @runstore.tool
    def librarian(question: str) -> str:
        return str(lend(question)["title"])

    runstore.instrument(store, background=False)
    with runstore.record(session="s1", scope="agent"):
        librarian("Emma")
        lend("Persuasion")
    runstore.uninstrument()
    assert program(["--store", str(store), "log", "--session", "s1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "3 executions" in lines[0]
    assert [line.split()[1] for line in lines if "execution" in line][1:] == ["agent", "librarian"]
    rows = [line for line in lines if " lend " in line]
    assert [line.index("─ ") for line in rows] == [7, 4]  # the one within the librarian, and the agent's own
    assert sum("  librarian " in line for line in lines) == 1


def test_sequences_of_tools_keep_their_order_per_caller(store: Path) -> None:
    """The nth call of a caller gets the nth answer."""
    with recording(store):
        for _ in range(3):
            lend("Emma")
    with runstore.replay(store=store, choice="sequence"):
        assert [lend("Emma")["number"] for _ in range(3)] == [1, 2, 3]


@runstore.tool(dump=lambda result: result.text)
def dumped(found: Any) -> Any:
    """Return what `dump` cannot read."""
    return found


def test_a_dump_that_fails_does_not_disturb_the_program(store: Path) -> None:
    """Whatever `dump` raises, the result comes back, and the call is recorded without an answer."""
    with recording(store):
        assert dumped(None) is None
    assert [one.status for one in executions(store)] == ["error"]
    assert "has no attribute 'text'" in executions(store)[0].notes["error"]
    with pytest.raises(NotRecorded), runstore.replay(store=store):
        dumped(None)


@pytest.mark.parametrize("kind", [classmethod, staticmethod])
def test_a_tool_stands_below_what_makes_a_method(kind: Any) -> None:
    """Above `classmethod` it would be given no function: that is said where it is written."""
    with pytest.raises(InvalidInput) as caught:
        runstore.tool(kind(lend))
    assert caught.value.hint == f"write @runstore.tool below @{kind.__name__}"
    with pytest.raises(InvalidInput, match="is no function"):
        runstore.tool("priced")(3)  # type: ignore[type-var]


def test_a_tool_below_a_classmethod_works(store: Path) -> None:
    """The class does not count, and the name has it."""

    class Desk:
        @classmethod
        @runstore.tool
        def ask(cls, question: str) -> str:
            return question.upper()

    with recording(store):
        assert Desk.ask("open") == "OPEN"
    (one,) = executions(store)
    assert one.run["model"]["name"] == "Desk.ask"
    assert one.run["history"][0]["arguments"] == {"question": "open"}
