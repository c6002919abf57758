"""`runstore show`: runs and executions as people read them, their parts, and as JSON."""

import json

from runstore.cli import safe
from tests.cli.conftest import Cli, run_at


def test_an_execution_is_shown_slot_by_slot(filled: Cli) -> None:
    """Who and when, every slot with state, size and first lines, the executions of the run, and both verdicts, within 80 columns."""
    ids = filled("rev-parse", "main", "main^{run}", "main^{request}", "main~1").lines
    shown = filled("show", "main").lines
    assert shown == [
        f"execution   {ids[0][:8]}  main",
        f"run         {ids[1][:8]}  request {ids[2][:8]}",
        f"parent      {ids[3][:8]}",
        "when        2026-01-01 12:02:00, took 1.2 s, by tester",
        "status      ok, 12 → 3 tokens",
        "notes       session=s2",
        "",
        "model       29 B         gpt-4o, api=openai.chat",
        "prompt      37 B         You are terse.",
        "                         Answer in one digit.",
        "parameters  28 B         seed=7, temperature=0.7",
        "documents   1 document   0  Sums: Two and two are four.",
        "tools       2 tools      add, multiply",
        "history     1 message    0  user       What is two and two?",
        "runtime     27 B         version=gpt-4o-2024-08-06",
        "output      1 message    0  assistant  Four.",
        "",
        "complete    yes",
        "repeatable  no: the temperature is not 0; the engine that answered is not",
        "            recorded; no digest of the weights is recorded: which ones answered",
        "            cannot be proven",
    ]


def test_unknown_absent_and_empty_are_told_apart_in_words(cli: Cli) -> None:
    """Without colour, what nobody recorded, what was not given and what was given empty read differently."""
    cli.add(documents=False, tools=[], parameters={})
    shown = cli("show", "main").out
    assert any(line.split() == ["parameters", "1", "B", "{}"] for line in shown.splitlines())
    assert "\nmodel       unknown\n" in shown
    assert "\ndocuments   absent\n" in shown
    assert "\ntools       0 tools\n" in shown
    assert "\noutput      none recorded\n" in shown
    assert "complete    no: model, prompt, history, runtime unknown" in shown


def test_fields_that_no_slot_places_are_shown_by_key(cli: Cli) -> None:
    """`extra` and `output_format` are shown like settings, in their order, and not as JSON without its indentation."""
    cli.add(extra={"user_template": "{{x}}", "a": {"b": [1, 2]}}, output_format={"type": "object"})
    lines = cli("show", "main").lines
    at = lines.index("output_format")
    assert [line[25:] for line in lines[at + 1 : at + 3]] == ["type=object", 'user_template={{x}}, a={"b":[1,2]}']
    assert lines[at + 2].startswith("extra ")


def test_executions_of_the_run_and_of_other_runtimes_are_listed(filled: Cli) -> None:
    """A run names all its executions, then those of the same request that another runtime answered, and that their outputs differ."""
    filled.add(**run_at(5, nonce="again"))
    ids = [line[:8] for line in filled("rev-parse", "main~3", "main", "main~2", "main~2^{run}").lines]
    shown = filled("show", "main~3^{run}").lines
    at = next(number for number, line in enumerate(shown) if line.startswith("executions"))
    assert shown[at : at + 5] == [
        "executions  2 of this run and of the same request; outputs differ",
        f"            {ids[0]}    2026-01-01 12:00:00  Four.",
        f"            {ids[1]}    2026-01-01 12:05:00  Four.",
        f"            1 of {ids[3]}, the same request, gpt-4o-2024-11-20 answered",
        f"            {ids[2]}    2026-01-01 12:01:00  4",
    ]


def test_outputs_that_agree_are_said_to(cli: Cli) -> None:
    """Two executions of one run with the same output object agree."""
    cli.add(**run_at(0, nonce="a"))
    cli.add(**run_at(1, nonce="b"))
    assert "executions  2 of this run; all outputs agree" in cli("show", "main").out
    assert cli("show", "main", "--json").json["outputs_agree"] is True


def test_a_long_history_shows_its_ends(cli: Cli) -> None:
    """Of many messages the first and the last two are shown, with how many lie between."""
    cli.add(history=[{"role": "user", "content": f"message {number}"} for number in range(12)])
    shown = cli("show", "main").lines
    at = next(number for number, line in enumerate(shown) if line.startswith("history"))
    assert [line[12:].strip() for line in shown[at : at + 4]] == [
        "12 messages   0  user       message 0",
        "… 9 more",
        "10  user       message 10",
        "11  user       message 11",
    ]


def test_parts_are_shown_in_full(filled: Cli) -> None:
    """A slot, an element and a path print their text; settings and tools print JSON."""
    assert filled("show", "main", "prompt").out == "You are terse.\nAnswer in one digit.\n"
    assert filled("show", "main", "history/0.content").out == "What is two and two?\n"
    assert filled("show", "main", "output").out == "[assistant]\nFour.\n"
    assert json.loads(filled("show", "main", "parameters").out) == {"seed": 7, "temperature": 0.7}
    assert json.loads(filled("show", "main:tools/1").out)["name"] == "multiply"


def test_a_slot_without_content_says_its_state(cli: Cli) -> None:
    """Asking for a slot that is unknown or absent is no success: exit code 12, the state is named, and what it means."""
    cli.add(documents=False)
    for slot, state, meaning in (("prompt", "unknown", "nobody recorded it"), ("documents", "absent", "there was none")):
        error, hint = cli("show", "main", slot, code=12).err.splitlines()
        assert error.endswith(f"is {state}")
        assert meaning in hint


def test_json_holds_everything(filled: Cli) -> None:
    """With --json the slots come back as they were given, ids in full, times as integers and in RFC 3339."""
    given = run_at(2, prompt="You are terse.\nAnswer in one digit.", parameters={"temperature": 0.7, "seed": 7})
    shown = filled("show", "main", "--json").json
    for name in ("model", "prompt", "parameters", "documents", "tools", "history", "runtime"):
        assert shown["slots"][name]["value"] == given[name]
    assert shown["execution"]["output"]["value"] == given["output"]
    assert shown["execution"]["started"] == given["started"]
    assert shown["execution"]["started_utc"] == "2026-01-01T12:02:00.000000Z"
    assert [shown["run"]] == filled("rev-parse", "main^{run}").lines


def test_tags_merges_and_objects_can_be_shown(filled: Cli) -> None:
    """A tag shows what it says when named by its id, and what it leads to when named by its ref; a list shows its elements."""
    tag = filled("tag", "v1", "main", "-m", "as shipped").out.strip()
    assert "as shipped" in filled("show", tag).out
    assert filled("show", "v1").lines[0].startswith("execution")
    link = filled("rev-parse", "main:history").out.strip()
    assert filled("show", link).out == "[user]\nWhat is two and two?\n"


def test_escape_sequences_in_content_never_reach_the_terminal(cli: Cli) -> None:
    """Prompts, answers, names and notes that try to paint, retitle or reorder are shown with visible escapes by every command."""
    evil = "\x1b]0;pwned\x07\x1b[31mred\u202egnp\x9b2J\r"
    message = {"role": evil, "content": evil}
    cli.add(
        **run_at(0),
        **{"message": evil, "actor": evil},
    )
    cli.add(
        model={"name": evil},
        prompt=evil,
        parameters={evil: evil},
        documents=[{"title": evil, "text": evil}],
        tools=[{"name": evil, "description": evil}],
        history=[message],
        runtime={"version": evil},
        output=[message],
        notes={evil: evil},
        message=evil,
        actor=evil,
    )
    cli("tag", "v1", "main", "-m", evil)
    lines = [
        "show main",
        "show main prompt",
        "show main parameters",
        "show main history",
        "log",
        "log --oneline",
        "log --graph",
        "diff main",
    ]
    lines += [
        "diff main --stat",
        "grep red",
        "refs",
        "refs tags/",
        "reflog",
        "ls main",
        "ls main^{run}",
        "check main",
        "find main:history/0",
    ]
    for line in lines:
        out = cli(*line.split(), code=None).out
        assert out == safe.text(out), line
        assert "\r" not in out


def test_what_was_masked_is_shown_and_checked(cli: Cli) -> None:
    """`show` lists each rule with its place, and `check` finds the run incomplete for it."""
    cli("init")
    cli.add(**run_at(0, notes={"redacted": [{"at": "/request/body/messages/0/content", "rule": "npm-token"}]}))
    assert "redacted    npm-token at /request/body/messages/0/content" in cli("show", "@").lines
    assert "a secret (npm-token) was masked at /request/body/messages/0/content" in " ".join(cli("check", "@", code=14).out.split())


def test_long_names_of_slots_are_whole(cli: Cli) -> None:
    """A slot's name is what `show REV SLOT` wants: one that is wider than its column has a line of its own, whatever its state."""
    cli.add(output_format=False, environment={"python": "3.11"})
    cli.add(output_format={"type": "object"})
    lines = cli("show", "main~1").lines
    assert lines[lines.index("output_format") + 1] == "            absent"
    assert any(line.startswith("environment ") for line in lines)
    lines = cli("show", "main").lines
    assert lines[lines.index("output_format") + 1].endswith("type=object")
