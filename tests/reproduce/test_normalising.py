"""Normalisers: a request that differs only in dates and ids finds its recording, and no identity changes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runstore
from runstore.cli.program import run as program
from runstore.errors import InvalidInput, NotRecorded
from runstore.repo import Repo
from runstore.reproduce.replay.normalising import BUILT_IN, Normaliser, declared
from tests.reproduce.calls import chat, completion, record
from tests.reproduce.guard import no_network
from tests.reproduce.provider import provider
from tests.reproduce.test_replay import command, post, text_of

DAY = "Today is 2026-01-05."
NEXT = "Today is 2026-02-17."


def test_a_request_of_another_day_finds_its_recording(repo: Repo) -> None:
    """With `date` put aside the recorded answer is given, the response and the context say so; without, it is a miss."""
    record(repo, chat(prompt=DAY), completion("Four."))
    with no_network(), runstore.replay(store=repo, normalise=["date"]) as replaying:
        response = post(chat(prompt=NEXT))
    assert (text_of(response), response.headers["x-runstore-normalised"]) == ("Four.", "date")
    assert (replaying.hits, replaying.missed, replaying.normalised) == (1, 0, {"date": 1})
    with pytest.raises(NotRecorded, match="prompt"), runstore.replay(store=repo):
        post(chat(prompt=NEXT))


def test_what_is_recorded_as_it_is_goes_first(repo: Repo) -> None:
    """An exact recording is answered without a normaliser, whatever is declared."""
    record(repo, chat(prompt=DAY), completion("day"))
    record(repo, chat(prompt=NEXT), completion("next"))
    with runstore.replay(store=repo, normalise=["date"]) as replaying:
        response = post(chat(prompt=DAY))
    assert (text_of(response), replaying.normalised) == ("day", {})
    assert "x-runstore-normalised" not in response.headers


@pytest.mark.parametrize(
    "other", [chat("And three?", prompt=NEXT), chat(prompt=NEXT, top_p=0.5), chat(prompt=NEXT + " Be kind."), chat(prompt="Today is soon.")]
)
def test_all_else_is_a_miss_still(repo: Repo, other: dict[str, Any]) -> None:
    """A changed message, parameter or word beside the date is not found."""
    record(repo, chat(prompt=DAY))
    with pytest.raises(NotRecorded), runstore.replay(store=repo, normalise=["date"]):
        post(other)


def test_messages_tools_and_ids_of_calls_are_put_aside_too(repo: Repo) -> None:
    """Ids stand in histories: of calls, of sessions, in several messages and at several depths."""

    def body(call: str, session: str) -> dict[str, Any]:
        called = {"id": call, "type": "function", "function": {"name": "find", "arguments": f'{{"session": "{session}"}}'}}
        told = [{"role": "assistant", "content": None, "tool_calls": [called]}, {"role": "tool", "tool_call_id": call, "content": "4"}]
        asked = chat()
        asked["messages"] += told
        return asked

    record(repo, body("call_abcdef123", "0b2f5a54-9d5c-4f0e-8a51-3d0f4c1b8a01"))
    other = body("call_zzzzzz999", "ffffffff-9d5c-4f0e-8a51-3d0f4c1b8a01")
    with runstore.replay(store=repo, normalise=["id", "uuid"]) as replaying:
        post(other)
    assert replaying.normalised == {"id": 1, "uuid": 1}
    with pytest.raises(NotRecorded), runstore.replay(store=repo, normalise=["id"]):
        post(other)


def test_a_sequence_counts_requests_that_are_alike_together(repo: Repo) -> None:
    """The nth call gets the nth answer, whatever its date."""
    for number in range(2):
        record(repo, chat(prompt=DAY), completion(str(number)))
    with runstore.replay(store=repo, choice="sequence", normalise=["date"], strict=False):
        assert [text_of(post(chat(prompt=f"Today is 2026-03-0{day}."))) for day in (1, 2)] == ["0", "1"]
        with pytest.raises(NotRecorded):
            post(chat(prompt="Today is 2026-03-03."))


def test_what_was_found_so_is_written_down_where_calls_are_recorded(tmp_path: Path) -> None:
    """In mode auto an execution of what was asked says by which normalisers it was answered, and from which; it is served to nobody."""
    place = tmp_path / "store"
    with provider() as server:
        for prompt in (DAY, NEXT, NEXT):
            with runstore.replay("auto", store=place, normalise=["date"]), runstore.record(session="s1"):
                post(chat(prompt=prompt), server.chat)
        assert len(server.bodies) == 1
    with runstore.open(place) as repo:
        entries = [entry.execution for entry in repo.log()][::-1]
        first = [entry.link for entry in repo.log()][-1]
    notes = [entry.notes or {} for entry in entries]
    assert [one.get("replayed") for one in notes] == [None, *[{"of": first.hex, "normalisers": ["date"]}] * 2]
    assert [one["session"] for one in notes] == ["s1"] * 3
    assert [entry.cause for entry in entries[1:]] == [first, first]
    with pytest.raises(NotRecorded), runstore.replay(store=place):
        post(chat(prompt=NEXT), server.chat)


def test_runs_recorded_later_are_found(repo: Repo) -> None:
    """The index takes in what is added while it is in use."""
    record(repo, chat("other"))
    with runstore.replay(store=repo, normalise=["date"], strict=False):
        with pytest.raises(NotRecorded):
            post(chat(prompt=DAY))
        record(repo, chat(prompt=NEXT), completion("later"))
        assert text_of(post(chat(prompt=DAY))) == "later"


# --- where they are declared -------------------------------------------------------------------------------------------------------


def test_settings_declare_them(repo: Repo, tmp_path: Path) -> None:
    """The table `[replay]` of the store's settings holds in the library and in `runstore replay`; an argument goes before it."""
    record(repo, chat(prompt="Ticket T-17."), completion("Four."))
    settings = tmp_path / ".runstore" / "runstore.toml"
    settings.write_text(settings.read_text() + "\n[replay]\nnormalise = [\"ticket\"]\n\n[replay.patterns]\nticket = 'T-\\d+'\n")
    with runstore.replay(store=repo) as replaying:
        post(chat(prompt="Ticket T-99."))
    assert replaying.normalised == {"ticket": 1}
    with pytest.raises(NotRecorded), runstore.replay(store=repo, normalise=()):
        post(chat(prompt="Ticket T-99."))
    assert declared(None, {"normalise": ["ticket"], "patterns": {"ticket": "T"}}) == {"ticket": "T"}


def test_the_command_takes_them(repo: Repo, tmp_path: Path) -> None:
    """`--normalise` names them, and what was found through one is said."""
    import sys

    from tests.reproduce.calls import URL, body_of

    record(repo, chat(prompt=DAY), completion("Four."))
    script = "import httpx, sys\nprint(httpx.post(sys.argv[1], content=sys.argv[2]).status_code)"
    words = ["--normalise", "date,uuid", "--", sys.executable, "-c", script, URL, body_of(chat(prompt=NEXT)).decode()]
    done = command(tmp_path / ".runstore", *words)
    assert (done.returncode, done.stdout) == (0, "200\n"), done
    assert "answered 1 call from the store (1 through the normaliser date), 0 not recorded" in done.stderr
    assert program(["--store", str(tmp_path / ".runstore"), "replay", "--normalise", "often", "--", "true"]) == 2


@pytest.mark.parametrize("given_", [["often"], {"x": "("}, {"two words": "a"}])
def test_what_is_no_normaliser(given_: Any) -> None:
    """A name that nobody knows, what is no regular expression, and a name that is none are refused."""
    with pytest.raises(InvalidInput):
        declared(given_, {})


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("date", ["2026-01-05", "2026-01-05T09:30:00Z", "2026-01-05 09:30:00.123+01:00", "5 January 2026", "Jan 5, 2026", "1/5/2026"]),
        ("time", ["09:30", "9:30 pm", "09:30:00.5"]),
        ("uuid", ["0b2f5a54-9d5c-4f0e-8a51-3d0f4c1b8a01", "0B2F5A54-9D5C-4F0E-8A51-3D0F4C1B8A01"]),
        ("id", ["call_abc123", "toolu_01A09q90qw90lq917835lq9", "chatcmpl-ABC123"]),
        ("hex", ["0123456789abcdef", "d41d8cd98f00b204e9800998ecf8427e"]),
    ],
)
def test_the_built_in_patterns(name: str, texts: list[str]) -> None:
    """Each fits what it is named for, whole."""
    for text in texts:
        assert re.sub(BUILT_IN[name], "", f"at {text}.") == "at .", text


@pytest.mark.parametrize(
    ("name", "text"),
    [("id", "run_payment"), ("id", "call_customer_back"), ("id", "thread-safety"), ("id", "item_description"), ("hex", "4111111111111111")],
)
def test_the_built_in_patterns_leave_names_and_numbers(name: str, text: str) -> None:
    """The name of a function is no id, and the number of an account no hexadecimal one: two of them are two things."""
    assert re.search(BUILT_IN[name], f"at {text}.") is None


@given(st.text(max_size=40))
def test_a_normal_form_does_not_depend_on_the_order_of_slots(text: str) -> None:
    """The key is a function of the composition."""
    run = runstore.Run(
        model={"api": "x"}, prompt=text, parameters={}, documents=[], tools=[], history=[text, {"a": [text]}], runtime={"m": 1}
    )
    objects = {obj.id: obj for obj in run.objects()}
    slots = dict(run.slots)
    one = Normaliser(BUILT_IN).request(slots, objects.__getitem__)
    other = Normaliser(BUILT_IN).request(dict(reversed(slots.items())), objects.__getitem__)
    assert one == other
