"""docs/json.md against what the program prints: the same keys, none undocumented, none that never occurs."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import runstore
from runstore.capture import demo
from tests.cli.conftest import Cli, run_at
from tests.reproduce import calls

PAGE = Path(__file__).parents[2] / "docs" / "json.md"
_ROW = re.compile(r"^\| `([^`]+)` \| (.*?) \| ", re.MULTILINE)
_ANCHORS = re.compile(r"\(#([a-z-]+)\)")


@cache
def sections() -> dict[str, str]:
    """Return the text under each heading of the page, by its anchor."""
    parts = re.split(r"^##+ (.*)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return {title.lower().replace("`", "").replace(" ", "-"): text for title, text in zip(parts[::2], parts[1::2], strict=True)}


def documented(anchor: str) -> dict[str, str]:
    """Return the keys under a heading with their types, those of the tables it refers to included."""
    text = sections()[anchor]
    found: dict[str, str] = {}
    before = text.split("\n| ")[0]
    for other in _ANCHORS.findall(before):
        if other != anchor and before.lstrip().startswith("A line each: the keys of"):
            found |= documented(other)
    for key, kind in _ROW.findall(text):
        found[key] = kind
        for other in _ANCHORS.findall(kind):
            found |= {f"{key}.{inner}": inner_kind for inner, inner_kind in documented(other).items()}
    return found


def keys_of(value: Any, known: dict[str, str], at: str = "") -> Iterator[str]:
    """Yield the keys of a printed value as the page writes them, down to those that hold just anything."""
    if at in known and (known[at] == "any" or known[at].startswith("array of")):
        yield at
    elif isinstance(value, dict) and any(key.startswith(f"{at}.*" if at else "*") for key in known):
        for item in value.values():
            yield from keys_of(item, known, f"{at}.*" if at else "*")
    elif isinstance(value, dict):
        if at in known:
            yield at
        for key, item in value.items():
            yield from keys_of(item, known, f"{at}.{key}" if at else key)
    elif isinstance(value, list):
        for item in value:
            yield from keys_of(item, known, f"{at}[]")
    elif value is not None or at in known:
        yield at


def printed(cli: Cli, tmp_path: Path) -> dict[str, list[Any]]:
    """Return what each command prints with --json, over enough cases that every key occurs."""
    message = {"role": "user", "content": "one"}
    cli("init")
    first = run_at(0, history=[message], nonce="a", message="m", wire={"x": 1}, response={"id": "r"}, extra_fields={"y": 1})
    a = cli.add(**first)["execution"]
    cli.add(ref="side", **run_at(0, history=[message], runtime={"version": "v0"}, nonce="e"))
    called = [cli.add(ref="called", **run_at(0, prompt="word " * 30 + end, output=[_asking(end)]))["execution"] for end in ("one", "two")]
    with runstore.open() as repo:
        calls.record(repo, calls.chat(), ref="call")
        asked = calls.chat("Loans?", documents=demo.DOCUMENTS)
        calls.record(repo, asked, ref="built", url=f"http://{demo.HOST}{demo.PATH}")
    tools = [{"name": "multiply", "description": "M"}, {"name": "add", "description": "Add numbers."}, {"name": "divide"}]
    more = [message, {"role": "user", "content": "two"}]
    answer = [{"role": "assistant", "content": "Five."}]
    other = run_at(1, history=more, tools=tools, prompt="other", documents=False, nonce="b", output=answer, environment={"a": 1})
    b = cli.add(**other)["execution"]
    documents = [{"title": "Sums", "text": "Else."}, "B"]
    named = [{**message, "name": "x"}]
    c = cli.add(**run_at(2, history=named, runtime={"version": "v2"}, nonce="c", documents=documents, tools=tools[:2]))["execution"]
    cli("tag", "v1")
    talk = {"conversation_id": "c", "messages": [message, {"role": "assistant", "content": "x"}], "tree": {"a": 1}}
    Path("talks.jsonl").write_text(json.dumps(talk) + "\n{\n")
    Path("calls.jsonl").write_text('{"url": "https://api.openai.com/v1/chat/completions", "request_body": {"model": "m"}}\n{\n')
    Path("judge").write_text('! grep -q -e Else -e \'two"\' "$RUNSTORE_REQUEST"')
    Path("run.json").write_text(json.dumps(run_at(9)))
    lines = {
        "add": ["add run.json"],
        "import-conversations": ["import conversations talks.jsonl"],
        "import-exchanges": ["import exchanges calls.jsonl", "import exchanges calls.jsonl --report"],
        "show": [f"show {a}", f"show {b}^{{run}}", f"show {c}"],
        "show-rev-part": ["show main history/0", "show main history/0.content"],
        "log": ["log"],
        "diff": [f"diff {a} {b}", f"diff {a} {c}", f"diff {c} {b}", f"diff {' '.join(called)}"],
        "compare": [f"compare {a} {b} {c}"],
        "compare-rev": ["compare main"],
        "request": ["request call"],
        "rerun": ["rerun built --set parameters.seed=7"],
        "bisect": [f"bisect --json --good {called[0]} --bad {c} --no-ask -- sh judge"],
        "bisect---over": ["bisect --json --over called -- sh judge"],
        "drift": ["drift --all"],
        "grep": ["grep one"],
        "find": ["find main:history/0"],
        "check": ["check main conversations/c"],
        "cat": ["cat main:prompt", "cat main:history/0.content"],
        "ls": [f"ls {b}^{{run}}"],
        "rev-parse": ["rev-parse main main:history/0.content"],
        "hash": ["hash run.json"],
        "dump": ["dump main"],
        "refs": ["refs"],
        "undo": ["undo"],
        "reflog": ["reflog"],
        "fsck": ["fsck"],
        "stat": ["stat"],
        "pack": ["pack"],
        "gc": ["gc"],
        "version": ["version"],
    }
    return {name: [one for line in some for one in cli(*line.split(), "--json", code=None).objects] for name, some in lines.items()}


def _asking(seat: str) -> dict[str, Any]:
    """Return an answer that calls tools: one with other arguments, one that is there once, and both in an order."""
    names = ["book", seat, "look"] if seat == "one" else ["look", "book", seat]
    made = [{"function": {"name": name, "arguments": json.dumps({"seat": seat})}} for name in names]
    return {"role": "assistant", "content": None, "tool_calls": made}


NEVER_HERE = {
    "show": {"execution.output.bytes", "execution.response.count", "execution.wire.count"},  # lists have a count, all else has bytes
    "fsck": {"findings[].code", "findings[].subject", "findings[].message"},  # this store is whole
}


def test_the_page_and_the_program_agree(cli: Cli, tmp_path: Path) -> None:
    """Every key that is printed is documented for its command, and every documented key is printed."""
    for name, objects in printed(cli, tmp_path).items():
        known = documented(name)
        occurring = {key for one in objects for key in keys_of(one, known)}
        assert occurring - known.keys() == set(), f"{name}: printed and not documented"
        assert known.keys() - occurring - _containers(known) - NEVER_HERE.get(name, set()) == set(), f"{name}: documented and not printed"


def _containers(known: dict[str, str]) -> set[str]:
    """Return the keys that stand in the page only for the sake of those below them."""
    return {key for key in known if any(other.startswith((f"{key}.", f"{key}[")) for other in known)}


def test_every_command_that_prints_json_is_on_the_page() -> None:
    """A command with --json has a heading of its own."""
    from runstore.cli.declare import JSON
    from runstore.cli.registry import COMMANDS, load

    names = [name for name in COMMANDS if JSON in load(name).parameters]
    assert [name for name in names if name.replace(" ", "-") not in sections()] == []


@pytest.mark.parametrize("name", ["merge", "tag"])
def test_what_else_show_prints_is_described(cli: Cli, name: str) -> None:
    """The keys of the rarer kinds of `show` are named in its section."""
    assert f"(`{name}`)" in sections()["show"]


def test_numbers_and_texts_survive_the_round_trip(cli: Cli) -> None:
    """Big integers, floats, lone surrogates and the order of keys come back from --json as they were given to add."""
    text = '{"history":[{"b":123456789012345678901234567890,"a":-0.0,"f":1e300,"s":"\\ud800","t":true,"n":null}]}'
    cli("add", "-", stdin=text)
    shown = cli("show", "main", "--json").json["slots"]["history"]["value"][0]
    assert list(shown) == ["b", "a", "f", "s", "t", "n"]
    assert shown == json.loads(text)["history"][0]
    assert str(shown["a"]) == "-0.0"
    (run,) = {cli("rev-parse", "main^{run}").out.strip()}
    history = cli("cat", "main:history").out
    assert cli("add", "-", "--json", stdin='{"history":' + history + "}").json["run"] == run
