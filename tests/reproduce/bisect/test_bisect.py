"""`runstore bisect`: the change that turned a good answer bad, found with a model on the loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import runstore
from runstore.errors import InvalidInput
from runstore.model.run import Run
from runstore.repo import Repo
from runstore.reproduce.bisect.narrowing import BAD, GOOD
from runstore.reproduce.bisect.trials import Trial
from tests.reproduce.calls import chat, completion, record
from tests.reproduce.conftest import Cli
from tests.reproduce.provider import Provider, provider

# Bad is an answer that speaks of money.
JUDGE = ("sh", "-c", '! grep -q money "$RUNSTORE_ANSWER"')

GOOD_LINES = [f"Rule {number}: be brief." for number in range(6)]
BAD_LINES = [f"Rule {number}: be long." for number in range(6)]
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("look", "book")]


def good_call() -> dict[str, Any]:
    """Return a request whose answer is good."""
    return chat(prompt="\nStay.\n".join(GOOD_LINES), seed=1, max_tokens=10, tools=TOOLS[:1])


def bad_call() -> dict[str, Any]:
    """Return one that differs in twelve places: six lines, three parameters, a tool, the message, the model."""
    body = chat("What is it?", prompt="\nStay.\n".join(BAD_LINES), seed=2, max_tokens=20, tools=TOOLS, temperature=1)
    return {**body, "model": "gpt-4o-mini"}


def money_if(*needed: Callable[[dict[str, Any]], bool]) -> Callable[[dict[str, Any], int], dict[str, Any]]:
    """Return a model that speaks of money if a request has all that is needed for it."""
    return lambda body, number: completion("money" if all(one(body) for one in needed) else "fine", id=f"c-{number}")


def line(number: int) -> Callable[[dict[str, Any]], bool]:
    """Return whether the prompt of a request has a line of the bad one."""
    return lambda body: BAD_LINES[number] in body["messages"][0]["content"]


def warm(body: dict[str, Any]) -> bool:
    """Return whether a request is warm."""
    return bool(body["temperature"] == 1)


def two(repo: Repo, server: Provider) -> None:
    """Record the good and the bad call with the answers that the model gives."""
    for ref, body in (("good", good_call()), ("bad", bad_call())):
        record(repo, body, server.answer(body, 0), url=server.chat, ref=ref)


def bisected(cli: Cli, *more: str, code: int = 0) -> Any:
    """Bisect the two on the command line; return the JSON."""
    return cli("bisect", "--good", "good", "--bad", "bad", "--json", *more, "--", *JUDGE, code=code).json


CULPRITS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "model.name": lambda body: body["model"] == "gpt-4o-mini",
    "prompt/0.content line 11": line(5),
    "parameters.temperature": warm,
    "tools.book": lambda body: len(body["tools"]) == 2,
    "history/0.content": lambda body: "it" in body["messages"][1]["content"],
}


@pytest.mark.parametrize("place", CULPRITS)
def test_one_culprit_of_twelve_is_found_in_eight_trials(repo: Repo, cli: Cli, place: str) -> None:
    """Wherever it lies, the one change is named, with at most 8 trials, of which the two ends are recorded and cost nothing."""
    with provider(money_if(CULPRITS[place])) as server:
        two(repo, server)
        found = bisected(cli)
        assert len(server.bodies) == found["asked"] <= 6
    assert ([one["place"] for one in found["changes"]], found["of"], found["finished"]) == ([place], 12, True)
    assert found["trials"] <= 8
    assert found["verdict"].startswith(f"one change turned the answer bad: {place}")
    assert repo.show(found["execution"]).output[0]["content"] == "money"


def test_two_culprits_that_act_together_are_both_found(repo: Repo, cli: Cli) -> None:
    """A line and a parameter that only together turn the answer: both are named, each is needed, and no third is."""
    with provider(money_if(line(2), warm)) as server:
        two(repo, server)
        found = bisected(cli)
    assert [one["place"] for one in found["changes"]] == ["prompt/0.content line 5", "parameters.temperature"]
    assert [(one["old"], one["new"]) for one in found["changes"]] == [(GOOD_LINES[2], BAD_LINES[2]), (0, 1)]


def test_a_planted_line_in_words(repo: Repo, cli: Cli) -> None:
    """On a terminal: the change with what stood there and what stands there now, the trials, and the verdict; the trials on stderr."""
    with provider(money_if(line(3))) as server:
        two(repo, server)
        result = cli("bisect", "--good", "good", "--bad", "bad", "--", *JUDGE)
    assert result.lines[:3] == ["~ prompt/0.content line 7", "    - Rule 3: be brief.", "    + Rule 3: be long."]
    assert result.lines[-1] == "one change turned the answer bad: prompt/0.content line 7"
    assert result.err.splitlines()[0] == "trial 1: good, with no change (recorded)"
    assert "(asked)" in result.err


def test_a_second_time_costs_nothing(repo: Repo, cli: Cli) -> None:
    """The same command line again gives the same, without asking and without judging."""
    with provider(money_if(line(3), warm)) as server:
        two(repo, server)
        first = bisected(cli)
        asked = len(server.bodies)
        again = bisected(cli)
        assert len(server.bodies) == asked
    assert (again["asked"], again["remembered"], again["trials"]) == (0, first["trials"], first["trials"])
    assert again["changes"] == first["changes"]
    assert bisected(cli, "--trials", "20")["ref"] == first["ref"]


def test_a_key_is_wanted_only_where_something_is_asked(repo: Repo, cli: Cli) -> None:
    """Without its key a bisect stops at the first thing to ask, and skips nothing; once all is recorded it needs none."""
    with provider(money_if(line(3))) as server, pytest.MonkeyPatch.context() as patch:
        two(repo, server)
        assert "$MY_KEY is not set" in cli("bisect", "--good", "good", "--bad", "bad", "--key-from", "MY_KEY", "--", *JUDGE, code=2).err
        assert server.bodies == []
        patch.setenv("MY_KEY", "k")
        first = bisected(cli, "--key-from", "MY_KEY")
        patch.delenv("MY_KEY")
        again = bisected(cli, "--key-from", "MY_KEY")
    assert ((first["unjudged"], again["asked"]), again["changes"]) == ((0, 0), first["changes"])


def test_killed_half_way_it_goes_on_where_it_was(repo: Repo, cli: Cli, tmp_path: Any) -> None:
    """A bisect that is killed with -9 in its fourth trial asks, when it is run again, only for what was not asked before."""
    with provider(money_if(line(3))) as server:
        two(repo, server)
        (tmp_path / "count").write_text("")
        judge = tmp_path / "judge"
        judge.write_text(
            f"#!/bin/sh\necho >> {tmp_path}/count\n"
            f'[ ! -e {tmp_path}/go ] && [ $(wc -l < {tmp_path}/count) = 4 ] && kill -9 $PPID\n! grep -q money "$RUNSTORE_ANSWER"\n'
        )
        judge.chmod(0o755)
        words = ["bisect", "--good", "good", "--bad", "bad", "--json", "--", str(judge)]
        done = subprocess.run([sys.executable, "-m", "runstore", *words], cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == -9
        asked = len(server.bodies)
        (tmp_path / "go").touch()
        found = cli(*words).json
        assert len(server.bodies) == asked + found["asked"]
        assert len({*server.bodies}) == len(server.bodies)
    assert found["remembered"] == 3
    assert [one["place"] for one in found["changes"]] == ["prompt/0.content line 7"]
    assert asked + found["asked"] == found["trials"] - 2


def test_mixes_that_the_service_refuses_are_passed_over(repo: Repo, cli: Cli) -> None:
    """A mix that the service answers with 400 is skipped, and the rest is narrowed all the same."""
    with provider(money_if(line(3))) as server:
        answer = server.respond

        def respond(to: Any) -> None:
            body = json.loads(server.bodies[-1])
            server.status = 400 if (body["seed"] == 2) != (body["max_tokens"] == 20) else 200
            answer(to)

        server.respond = respond  # type: ignore[method-assign]
        two(repo, server)
        found = bisected(cli)
    assert [one["place"] for one in found["changes"]] == ["prompt/0.content line 7"]


@pytest.mark.parametrize("status", [429, 500, 401])
def test_a_service_that_fails_stops_it_and_it_goes_on_later(repo: Repo, cli: Cli, status: int) -> None:
    """What says nothing of the composition is no verdict: it stops, and when the service is back it goes on."""
    with provider(money_if(line(3))) as server:
        two(repo, server)
        server.status = status
        result = cli("bisect", "--good", "good", "--bad", "bad", "--", *JUDGE, code=1)
        assert f"the service answered {status}" in result.err
        server.status = 200
        found = bisected(cli)
    assert [one["place"] for one in found["changes"]] == ["prompt/0.content line 7"]
    assert found["remembered"] == 2


def test_a_command_that_cannot_say(repo: Repo, cli: Cli) -> None:
    """125 skips a mix; what cannot be told apart then is told together."""
    mixed = 'grep -q "be brief" "$RUNSTORE_REQUEST" && grep -q "be long" "$RUNSTORE_REQUEST" && exit 125; '
    skips = mixed + JUDGE[2]
    with provider(money_if(line(3))) as server:
        two(repo, server)
        found = cli("bisect", "--good", "good", "--bad", "bad", "--json", "--", "sh", "-c", skips).json
    assert [one["place"] for one in found["changes"]] == [f"prompt/0.content line {number}" for number in (1, 3, 5, 7, 9, 11)]
    assert found["unjudged"] > 0


@pytest.mark.parametrize(("command", "code", "words"), [("exit 2", 2, "exited with 2"), ("kill -9 $$", 2, "signal 9")])
def test_other_exit_codes_stop(repo: Repo, cli: Cli, command: str, code: int, words: str) -> None:
    """A command that fails gives no verdict, and the first one ends it."""
    with provider() as server:
        two(repo, server)
        assert words in cli("bisect", "--good", "good", "--bad", "bad", "--", "sh", "-c", command, code=code).err
        assert "no program" in cli("bisect", "--good", "good", "--bad", "bad", "--", "not-there", code=12).err
        assert server.bodies == []


def test_what_the_command_is_given(repo: Repo, cli: Cli, tmp_path: Any) -> None:
    """The request as it is sent, the text of the answer, the ids; and the store, so that other commands work in it."""
    copy = 'cp "$RUNSTORE_REQUEST" last.json; runstore cat "$RUNSTORE_EXECUTION:output/0.content" > said; echo talk'
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "runstore").write_text(f'#!/bin/sh\nexec {sys.executable} -m runstore "$@"\n')
    (tools / "runstore").chmod(0o755)
    with provider(money_if(warm)) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
        two(repo, server)
        result = cli("bisect", "--good", "good", "--bad", "bad", "--json", "--", "sh", "-c", f"{copy}; {JUDGE[2]}")
        assert (tmp_path / "last.json").read_bytes() in server.bodies
    assert json.loads((tmp_path / "said").read_text()) in ("money", "fine")
    assert result.json["finished"]


def test_the_command_may_ask_by_itself(repo: Repo, cli: Cli) -> None:
    """With --no-ask nothing is sent: the command judges the request in its file, and what surrounded the calls is mixed too."""
    for ref, body, code in (("good", good_call(), "1"), ("bad", bad_call(), "2")):
        record(repo, body, ref=ref)
        shown: Any = repo.show(ref)
        repo.add(Run(slots={**shown.run.slots, "environment": {"code": code}}), ref=f"env/{ref}", wire=shown.fields.wire)
    judge = '[ -z "$RUNSTORE_ANSWER" ] && ! grep -q "Rule 4: be long" "$RUNSTORE_REQUEST"'
    found = cli("bisect", "--good", "env/good", "--bad", "env/bad", "--no-ask", "--json", "--", "sh", "-c", judge).json
    assert [one["place"] for one in found["changes"]] == ["prompt/0.content line 9"]
    assert (found["asked"], found["execution"], found["of"], found["left"]) == (0, None, 13, [])


def test_answers_that_vary_are_judged_by_their_share(repo: Repo, cli: Cli) -> None:
    """Of several answers the share of bad ones counts, the confidence is stated, and sampling ends once a verdict stands."""

    def mostly(body: dict[str, Any], number: int) -> dict[str, Any]:
        said = "money" if number % 5 != 1 and line(3)(body) else "money" if number % 7 == 0 else "fine"
        return completion(said, id=f"c-{number}")

    with provider(mostly) as server:
        two(repo, server)
        found = bisected(cli, "--samples", "9", "--threshold", "0.5")
        assert found["asked"] < 9 * found["trials"] - 2
        assert len(server.bodies) == found["asked"]
        _, words, told = cli("bisect", "--good", "good", "--bad", "bad", "--samples", "9", "--threshold", "0.5", "--", *JUDGE)
    assert [one["place"] for one in found["changes"]] == ["prompt/0.content line 7"]
    assert 0.5 < found["confidence"] < 1
    assert "exact binomial, 9 answers each, bad from 50% on" in words
    assert " bad, remembered)" in told


def test_a_limit_of_trials(repo: Repo, cli: Cli) -> None:
    """--trials ends it with 3 and says among which changes it is; a further call goes on."""
    with provider(money_if(line(3))) as server:
        two(repo, server)
        found = bisected(cli, "--trials", "4", code=3)
        assert found["verdict"].startswith("stopped after 4 trials: what turned the answer bad is among ")
        assert 1 < len(found["changes"]) < 12
        assert not found["finished"]
        assert bisected(cli)["remembered"] == 4
    cli("bisect", "--good", "good", "--bad", "bad", "--trials", "1", "--", *JUDGE, code=2)


def test_ends_that_are_not_what_they_are_called(repo: Repo, cli: Cli) -> None:
    """A good side that is judged bad, or a bad one that is judged good, is an error that names it."""
    with provider(money_if(warm)) as server:
        two(repo, server)
        swapped = cli("bisect", "--good", "bad", "--bad", "good", "--", *JUDGE, code=2)
        assert "bad is judged bad, and is to be good" in swapped.err
        assert "ask the same" in cli("bisect", "--good", "good", "--bad", "good", "--", *JUDGE, code=2).err
    assert "--good REV" in cli("bisect", "--bad", "good", "--", *JUDGE, code=2).err


def test_fresh_answers_show_that_the_model_changed(repo: Repo, cli: Cli) -> None:
    """With --fresh the ends are asked too: a bad answer that no longer comes is told, where a recorded one would mislead."""
    with provider(money_if(warm)) as server:
        two(repo, server)
        server.answer = lambda body, number: completion("fine")
        assert "bad is judged good" in cli("bisect", "--good", "good", "--bad", "bad", "--fresh", "--", *JUDGE, code=2).err
        assert len(server.bodies) == 2


def test_no_trial_moves_what_was_recorded(repo: Repo, cli: Cli) -> None:
    """All that a bisect records stands on its own ref, and keys are in no object."""
    with provider(money_if(line(3))) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNSTORE_API_KEY", "sk-very-secret")
        two(repo, server)
        before = {ref.name: ref.target for ref in repo.refs()}
        found = bisected(cli)
        assert {*server.keys} == {"Bearer sk-very-secret"}
    assert {ref.name: ref.target for ref in repo.refs() if ref.name != found["ref"]} == before
    assert not any(b"sk-very" in obj.body for obj in repo.dump())


def test_the_log_of_a_bisect_reads_as_its_story(repo: Repo, cli: Cli) -> None:
    """Each verdict stands in the log as what was said of which changes, above the answer that it judges."""
    with provider(money_if(line(3))) as server:
        two(repo, server)
        ref = bisected(cli)["ref"].removeprefix("heads/")
    first = cli("log", ref).lines
    assert first[2].endswith("→ (bad: prompt/0.content line 7)")
    assert repo.show(ref).fields.cause == repo.show(f"{ref}~1").link


def test_the_library_takes_a_function(repo: Repo) -> None:
    """`bisect` of the library judges with a function of the trial, and records the same."""
    with provider(money_if(line(1), line(4))) as server:
        two(repo, server)

        def judge(trial: Trial) -> str:
            return BAD if trial.answer[0]["content"] == "money" else GOOD

        found = runstore.bisect(repo, "good", "bad", judge, label="money")
        assert [change.new for change in found.changes] == [BAD_LINES[1], BAD_LINES[4]]
        with pytest.raises(InvalidInput, match="judged good"):
            runstore.bisect(repo, "good", "bad", lambda trial: GOOD, label="never")


# --- along a log -------------------------------------------------------------------------------------------------------------------


def log_of(repo: Repo, answers: Sequence[str | None]) -> list[str]:
    """Record calls on one ref with these answers, None for one that failed; return their ids."""
    made = []
    for number, answer in enumerate(answers):
        if answer is None:
            shown: Any = repo.show("main")
            done = repo.add(Run(slots={**shown.run.slots, "parameters": {"seed": number}}), ref="main", status="error")
        else:
            done = record(repo, chat(seed=number), completion(answer, id=f"c-{number}"), ref="main")
        made.append(done.execution.hex)
    return made


@pytest.mark.parametrize("first", [1, 7, 8, 15])
def test_the_first_bad_execution_of_a_log(repo: Repo, cli: Cli, first: int) -> None:
    """Over a log of 16 the first bad one is found in at most 6 trials, and nothing is asked."""
    ids = log_of(repo, ["fine"] * first + ["money"] * (16 - first))
    found = cli("bisect", "--over", "main", "--json", "--", *JUDGE).json
    assert (found["first"], found["before"], found["asked"]) == ([ids[first]], ids[first - 1], 0)
    assert found["trials"] <= 6


def test_executions_without_an_answer_are_passed_over(repo: Repo, cli: Cli) -> None:
    """Where those between cannot be judged, the candidates are told, with 3; two named ends narrow the log."""
    ids = log_of(repo, ["fine", "fine", None, None, "money", "money"])
    found = cli("bisect", "--over", "main", "--json", "--", *JUDGE, code=3).json
    assert found["first"] == ids[2:5]
    words = cli("bisect", "--over", "main", "--good", ids[0], "--bad", ids[4], "--", *JUDGE, code=3)
    assert words.lines[-1] == "the first bad execution is one of 3, the others of which cannot be judged"
    assert "does not stand on the log" in cli("bisect", "--over", "main~3", "--good", "main", "--", *JUDGE, code=12).err


def test_the_two_forms_lead_into_one_another(repo: Repo, cli: Cli) -> None:
    """What was found along a log is told with the command that shows what changed there."""
    log_of(repo, ["fine", "fine", "money"])
    last = cli("bisect", "--over", "main", "--", *JUDGE).lines[-1]
    found = runstore.bisect_over(repo, "main", lambda trial: BAD if "money" in str(trial.answer) else GOOD)
    assert found.first[0].hex[:12] in last
    command = last.partition("`runstore ")[2].rstrip("`").split()
    assert "parameters" in cli(*command).out
