"""`runstore rerun`: the same request again, and how the answers agree."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

import runstore
from runstore.errors import InvalidInput
from runstore.repo import Repo
from runstore.reproduce.agreement import Agreement, Answered, agreement, verdict
from runstore.reproduce.setting import changed, parse_removal, parse_setting
from tests.reproduce.calls import body_of, chat, completion, record
from tests.reproduce.conftest import Cli
from tests.reproduce.provider import model, provider


def test_at_temperature_0_every_answer_is_the_recorded_one(repo: Repo, cli: Cli) -> None:
    """The exact bytes are sent again, each answer is an execution of the same request, and one answer is what there is."""
    with provider() as server:
        made = record(repo, chat(), completion("Four."), url=server.chat)
        found = cli("rerun", "main", "-n", "5", "--concurrency", "2", "--exit-code", "--json").json
    assert server.bodies == [body_of(chat())] * 5
    assert found["same_request"]
    assert found["request"] == made.request.hex()
    assert (found["asked"], found["failed"], found["equal"], len(found["variants"])) == (5, 0, 5, 1)
    assert found["verdict"] == "reproduced: all 5 answers are byte for byte the recorded one"
    views = [repo.show(execution) for execution in found["executions"]]
    assert {view.request_id.hex() for view in views} == {made.request.hex()}
    assert repo.resolve("main").link == made.execution


def test_what_was_not_asked_yet_is_not_asked_after_an_interruption(repo: Repo) -> None:
    """Ctrl-C in the middle keeps the answers that came, and sends no more than what was under way."""

    def interrupt(done: int, of: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    def slow(body: dict[str, Any], number: int) -> dict[str, Any]:
        time.sleep(0.05)
        return model(body, number)

    with provider(slow) as server:
        record(repo, chat(), completion("Four."), url=server.chat)
        with pytest.raises(KeyboardInterrupt):
            runstore.rerun(repo, "main", times=40, concurrency=2, progress=interrupt)
        sent = len(server.bodies)
        time.sleep(0.3)
        assert len(server.bodies) == sent < 20
    assert len(list(repo.log("rerun/" + repo.show("main").request_id.hex()[:12]))) == 3


def test_the_temperature_of_the_demo(repo: Repo, cli: Cli) -> None:
    """The built-in model: one answer at 0, several at 0.9, one again where a seed is sent."""
    from runstore.capture import deskdemo

    deskdemo.record(repo)
    warm = ["--set", "parameters.temperature=0.9"]
    for words, several in ((["-n", "5"], False), (["-n", "20", *warm, "--unset", "parameters.seed"], True), (["-n", "5", *warm], False)):
        assert (len(cli("rerun", deskdemo.REF, *words, "--json").json["variants"]) > 1) == several


def test_at_a_temperature_answers_differ(repo: Repo, cli: Cli) -> None:
    """Several answers come with their shares, and the first difference is told."""
    with provider() as server:
        record(repo, chat(temperature=0.9), completion("Four."), url=server.chat)
        found = cli("rerun", "main", "-n", "6", "--exit-code", "--json", code=1).json
    assert [variant["share"] for variant in found["variants"]] == [pytest.approx(1 / 3, abs=1e-5)] * 3
    assert found["equal"] == 2
    assert found["first_difference"].startswith("message 0, character 4: ")
    assert found["verdict"] == "reproduced in part: 2 of 6 answers are byte for byte the recorded one"


def test_a_change_makes_another_run_and_says_so(repo: Repo, cli: Cli) -> None:
    """--set sends the request with that one change, keys that were not there included, and the report names it."""
    with provider() as server:
        record(repo, chat(temperature=0.9), completion("Four."), url=server.chat)
        result = cli("rerun", "main", "--set", "parameters.temperature=0", "--set", "parameters.top_p=0.5", "--set", "prompt=Shout. shout")
    assert json.loads(server.bodies[0]) == chat(prompt="Shout. shout", temperature=0, top_p=0.5)
    assert "changed     parameters.temperature=0" in result.out
    assert "not the recorded" in result.out
    found = repo.show("@")
    assert found.parameters == {"temperature": 0, "top_p": 0.5}
    assert found.output[0]["content"] == "FOUR."
    assert found.notes["rerun"]["set"][0] == "parameters.temperature=0"


def test_what_is_unset_is_not_sent(repo: Repo, cli: Cli) -> None:
    """--unset leaves a key out of the body."""
    with provider() as server:
        record(repo, chat(seed=7), url=server.chat)
        cli("rerun", "main", "--unset", "parameters.seed")
    assert json.loads(server.bodies[0]) == chat()


def test_another_service(repo: Repo, cli: Cli) -> None:
    """--against asks another service, with the key of the variable that is named; the key is in no object."""
    with provider() as server, pytest.MonkeyPatch.context() as patch:
        record(repo, chat())
        patch.setenv("MY_KEY", "sk-other-secret")
        found = cli("rerun", "main", "--against", server.url, "--key-from", "MY_KEY", "--json").json
    assert server.keys == ["Bearer sk-other-secret"]
    assert found["against"] == server.url
    assert not found["same_request"]
    assert not any(b"sk-other" in obj.body for obj in repo.dump())


def test_a_missing_key_stops_before_anything_is_sent(repo: Repo, cli: Cli) -> None:
    """Without the key of a known service nothing is asked and nothing recorded."""
    made = record(repo, chat())
    result = cli("rerun", "main", code=2)
    assert "OPENAI_API_KEY" in result.err
    assert repo.resolve("@").link == made.execution


@pytest.mark.parametrize("stop", [True, False])
def test_calls_that_fail_are_recorded_as_failed(repo: Repo, cli: Cli, stop: bool) -> None:
    """A service that refuses or is gone gives executions with an error, and a verdict that says so."""
    with provider() as server:
        record(repo, chat(), url=server.chat)
        if stop:
            server.stop()
        else:
            server.status = 500
        found = cli("rerun", "main", "-n", "2", "--json").json
    assert (found["failed"], found["verdict"]) == (2, "no answer: all of 2 calls failed")
    assert repo.show("@").status == "error"


def test_the_demo_answers_itself(repo: Repo, cli: Cli) -> None:
    """The demo's runs are answered by its built-in model, without a network and without a key."""
    from runstore.capture import demo

    demo.record(repo)
    assert "reproduced: the answer is byte for byte the recorded one" in cli("rerun", demo.REF).out
    assert (
        cli("rerun", f"{demo.REF}~1", "--set", f"prompt={demo.CHANGED_PROMPT}", "--json")
        .json["variants"][0]["preview"]
        .endswith("(Borrowing)")
    )


def test_a_changed_model_is_named(repo: Repo, cli: Cli) -> None:
    """What served the answer is compared with what served the recorded one."""
    with provider(lambda body, number: {**model(body, number), "model": "gpt-4o-2024-11-20"}) as server:
        record(repo, chat(), completion("Four."), url=server.chat)
        found = cli("rerun", "main", "--json").json
    assert found["served_changes"] == [{"path": "model", "change": "changed", "old": "gpt-4o-2024-08-06", "new": "gpt-4o-2024-11-20"}]


# --- the parts ---------------------------------------------------------------------------------------------------------------------


def said(text: str, *, status: str = "ok", **message: Any) -> Answered:
    """Return an answer with this text."""
    from runstore.model.ids import Link
    from runstore.runs.compose import output_part

    value = [{"role": "assistant", "content": text, **message}]
    return Answered(Link(5, bytes(32)), status, output_part(value).link, value, None, ("stop",))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("recorded", "answers", "words"),
    [
        ("a", ["a"], "reproduced: the answer is byte for byte the recorded one"),
        ("a", ["b"], "not reproduced: the answer is not the recorded one"),
        ("a", ["b", "b"], "not reproduced: none of 2 answers is the recorded one; they are all the same"),
        ("a", ["b", "c"], "not reproduced: none of 2 answers is the recorded one; they are 2 different ones"),
        ("a", ["a", "c"], "reproduced in part: 1 of 2 answers are byte for byte the recorded one"),
        (None, ["a", "a"], "nothing complete was recorded to compare with: 2 answers agree"),
        (None, ["a", "b"], "nothing complete was recorded to compare with: 2 different answers in 2"),
    ],
)
def test_verdicts(recorded: str | None, answers: list[str], words: str) -> None:
    """Each outcome has its words."""
    found = agreement(None if recorded is None else said(recorded), [said(text) for text in answers])
    assert verdict(found) == words


def test_tool_calls_agree_by_name_and_argument() -> None:
    """The ids of calls and the spelling of their arguments count for nothing, their content does."""

    def calling(id: str, arguments: str) -> Answered:
        return said("", tool_calls=[{"id": id, "type": "function", "function": {"name": "look", "arguments": arguments}}])

    found: Agreement = agreement(calling("1", '{"q":1}'), [calling("2", '{"q": 1}'), calling("3", '{"q":2}')])
    assert (found.equal, found.same_calls) == (0, 1)


def test_failed_answers_are_not_compared() -> None:
    """A partial answer is counted as failed and makes no variant."""
    found = agreement(said("a"), [said("a"), said("ab", status="partial")])
    assert (found.failed, found.equal, len(found.variants), found.reproduced) == (1, 1, 1, False)


SLOTS: dict[str, Any] = {
    "prompt": [{"role": "system", "content": "x"}],
    "parameters": {"temperature": 1, "stop": ["a", "b"]},
    "history": [{"role": "user", "content": "hi"}],
}


@pytest.mark.parametrize(
    ("text", "slot", "value"),
    [
        ("parameters.temperature=0", "parameters", {"temperature": 0, "stop": ["a", "b"]}),
        ("parameters.stop/0=c", "parameters", {"temperature": 1, "stop": ["c", "b"]}),
        ("history/0.content=bye", "history", [{"role": "user", "content": "bye"}]),
        ("prompt=y", "prompt", [{"role": "system", "content": "y"}]),
        ('prompt=[{"role":"system"}]', "prompt", [{"role": "system"}]),
    ],
)
def test_one_thing_is_changed(text: str, slot: str, value: Any) -> None:
    """The right side is JSON or a text; everything beside the place stays, and the slots given are left as they are."""
    made = changed(SLOTS, [parse_setting(text)])
    assert made[slot] == value
    assert SLOTS["parameters"]["temperature"] == 1
    assert {name: made[name] for name in SLOTS if name != slot} == {name: SLOTS[name] for name in SLOTS if name != slot}


def test_one_thing_is_left_out() -> None:
    """A key or an element can be left out."""
    assert changed(SLOTS, [parse_removal("parameters.stop")])["parameters"] == {"temperature": 1}
    assert changed(SLOTS, [parse_removal("parameters.stop[0]")])["parameters"]["stop"] == ["b"]


@pytest.mark.parametrize("text", ["nonsense", "runtime.model=x", "=1"])
def test_what_cannot_be_set(text: str) -> None:
    """What has no path, and what says who answered, is refused."""
    with pytest.raises(InvalidInput):
        parse_setting(text)
