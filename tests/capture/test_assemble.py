"""Assembling exchanges: what becomes a run, how it ended, and that the request can be written again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runstore
from runstore.capture.assemble import Assembled, Label, assemble
from runstore.capture.codecs import codec_named
from runstore.capture.codecs.contract import UNREAD
from runstore.capture.declared import declare
from runstore.capture.exchange import Exchange
from runstore.capture.resolving import CONVERSATION, RESPONSE, resolve
from runstore.errors import InvalidInput, Refused
from runstore.model.ids import Kind, Link
from runstore.runs.view import read_content
from tests.capture.calls import ANSWERED, ASKED, STREAM, exchange, stream

EXECUTION = Link(Kind.EXECUTION, bytes(range(32)))


def made(one: Exchange, label: Label = Label(), **options: Any) -> Assembled:  # noqa: B008 - immutable
    """Assemble an exchange that a codec knows."""
    found = assemble(one, label, **options)
    assert found is not None
    return found


def test_a_call_becomes_a_run_with_output_usage_and_what_served() -> None:
    """The parts of an answer go to output, usage, runtime and response."""
    found = made(exchange())
    assert found.fields["status"] == "ok"
    assert found.fields["output"] == [{"role": "assistant", "content": "It is."}]
    assert found.fields["usage"]["total_tokens"] == 7
    assert found.fields["response"]["id"] == "chatcmpl-1"
    assert found.facts[:6] == ("openai.chat", True, True, False, False, "small-1-0205")


def test_another_url_is_no_call() -> None:
    """What no codec knows is None."""
    assert assemble(exchange(url="https://example.org/v1/things")) is None


def test_what_was_assembled_can_be_added_and_rebuilt(tmp_path: Path) -> None:
    """From what the store gives back the codec writes the request byte for byte."""
    found = made(exchange(started=5, ended=9), Label(ref="calls", session="s1", nonce="n"))
    with runstore.open(tmp_path / "store", create=True) as repo:
        recorded = repo.add(found.run, **found.fields)
        view: Any = repo.show(str(recorded.execution))
        run: Any = repo.show(str(recorded.run))
        wire = read_content(view.wire, repo.fetch)
        slots = {name: list(run[name]) if name == "history" else run[name] for name in found.run.slots}
        assert codec_named(wire).rebuild_request(slots, wire).body == json.dumps(ASKED).encode()
    assert recorded.ref == "heads/calls"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"status": None, "error": "ConnectTimeout"}, "error"),
        ({"status": None, "interrupted": True}, "interrupted"),
        ({"complete": False}, "ok"),
        ({"answer": b"", "complete": False}, "partial"),
        ({"answer": b'{"id": "chat', "complete": False}, "partial"),
        ({"answer": stream("It "), "response_headers": STREAM}, "ok"),
        ({"answer": stream("It "), "response_headers": STREAM, "complete": False}, "ok"),
        ({"answer": stream("It ", done=False), "response_headers": STREAM, "complete": False}, "partial"),
        ({"answer": stream("It ", done=False), "response_headers": STREAM, "complete": False, "interrupted": True}, "interrupted"),
        ({"status": 429, "answer": {"error": {"message": "slow down"}}}, "error"),
    ],
)
def test_how_a_call_ended(fields: dict[str, Any], status: str) -> None:
    """The protocol's own end mark decides; without it whoever stopped makes the answer partial or interrupted."""
    assert made(exchange(**fields)).fields["status"] == status


def test_what_the_client_saw_instead_of_an_answer_is_noted() -> None:
    """An error of the transport stands in the notes."""
    found = made(exchange(status=None, error="ConnectError: refused"))
    assert found.fields["notes"] == {"error": "ConnectError: refused"}
    assert "output" not in found.fields


def test_a_label_says_where_and_in_what_scope() -> None:
    """Ref, actor, cause and nonce are fields; session and scope are notes beside those of the label."""
    found = made(exchange(), Label("support/reply", "s1", "triage", {"case": 7}, "me", EXECUTION, "0" * 32))
    assert found.fields["notes"] == {"case": 7, "session": "s1", "scope": "triage"}
    assert [found.fields[name] for name in ("ref", "actor", "cause", "nonce")] == ["support/reply", "me", EXECUTION, "0" * 32]


def test_documents_that_were_declared_and_not_sent_are_named() -> None:
    """Each declared document says whether its text stands in what was sent, white space aside."""
    body = {**ASKED, "messages": [{"role": "user", "content": "Use this: Open  at\nnine. Is it open?"}]}
    documents = (declare("Open at nine."), declare({"title": "Loans", "text": "Four weeks."}))
    found = made(exchange(body), Label(documents=documents))
    assert found.fields["notes"]["documents"] == [{"name": "Open at nine.", "found": True}, {"name": "Loans", "found": False}]


def test_what_no_run_can_hold_is_kept_unread() -> None:
    """A body that is deeper than a value may be is stored as it is, and comes back."""
    deep: Any = "x"
    for _ in range(70):
        deep = [deep]
    found = made(exchange({**ASKED, "metadata2": deep}))
    assert found.facts.unread
    assert found.facts.exact
    assert found.fields["wire"]["unread"] is True


def test_an_answer_that_no_value_can_hold_is_kept_as_bytes(tmp_path: Path) -> None:
    """More than a million nodes in an answer are a blob."""
    answer = b'{"id":"x","more":[' + b"0," * 1_000_001 + b"0]}"
    found = made(exchange(answer=answer))
    assert found.fields["response"]["body"] == answer
    with runstore.open(tmp_path / "store", create=True) as repo:
        repo.add(found.run, **found.fields)


def test_redaction_comes_before_decoding() -> None:
    """What is hashed and stored is what the redactor returned; its findings are noted."""
    secret = "sk-" + "a" * 20
    body = {**ASKED, "messages": [{"role": "user", "content": secret}]}

    def redact(one: Exchange) -> tuple[Exchange, list[Any]]:
        return one._replace(request_body=one.request_body.replace(secret.encode(), b"[removed]")), [["/messages/0/content", "key"]]

    found = made(exchange(body), redact=redact)
    assert found.fields["notes"]["redacted"] == [["/messages/0/content", "key"]]
    assert found.facts.redacted
    assert secret.encode() not in b"".join(one.body for one in found.run.objects())


def test_a_refused_call_is_refused() -> None:
    """A redactor that refuses is heard."""

    def refuse(one: Exchange) -> tuple[Exchange, list[Any]]:
        raise Refused("a key stands in it")

    with pytest.raises(Refused, match="a key"):
        made(exchange(), redact=refuse)


@pytest.mark.parametrize("conversation", ["conv_1", {"id": "conv_1"}])
def test_a_conversation_is_resolved_by_the_store(conversation: Any) -> None:
    """A conversation that the store has answers of is no longer unresolved; it is the session and the newest answer the cause."""
    body = {"model": "small-1", "input": "More.", "conversation": conversation}
    answer = {"id": "resp_2", "object": "response", "status": "completed", "model": "small-1", "output": []}
    asked: list[tuple[str, str]] = []

    def lookup(kind: str, name: str) -> Link:
        asked.append((kind, name))
        return EXECUTION

    found = resolve(made(exchange(body, answer, api="openai.responses")), lookup)
    assert asked == [(CONVERSATION, "conv_1")]
    assert found.facts.unresolved == ()
    assert found.fields["cause"] == EXECUTION
    assert found.fields["notes"]["session"] == "conv_1"


def test_a_previous_response_that_is_not_here_stays_unresolved() -> None:
    """What the store does not have is still a reference, with its pointer."""
    body = {"model": "small-1", "input": "More.", "previous_response_id": "resp_1"}
    answer = {"id": "resp_2", "object": "response", "status": "completed", "model": "small-1", "output": []}
    before = made(exchange(body, answer, api="openai.responses"))
    found = resolve(before, lambda kind, name: None)
    assert [one.pointer for one in found.facts.unresolved] == ["/previous_response_id"]
    known = resolve(before, lambda kind, name: EXECUTION if (kind, name) == (RESPONSE, "resp_1") else None)
    assert known.fields["notes"]["resolved"] == {"/previous_response_id": EXECUTION.hex}


@given(st.binary(max_size=200), st.binary(max_size=200), st.sampled_from([200, 404, 500]))
def test_any_bytes_are_kept_and_come_back(body: bytes, answer: bytes, status: int) -> None:
    """Whatever the bytes, a run is made and its request can be written again."""
    found = made(exchange(body, answer, status=status))
    assert found.facts.exact


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_any_field_is_kept(value: Any) -> None:
    """A field that no page names does not vanish."""
    found = made(exchange(json.dumps({**ASKED, "new_field": value}).encode()))
    assert found.facts.exact


class Node:
    """A node as LlamaIndex has it."""

    text = "Open at nine."
    metadata = {"file_name": "hours.md"}  # noqa: RUF012 - as theirs is


class Scored:
    """A node with its score."""

    node = Node()
    score = 0.5


class Page:
    """A document as LangChain has it."""

    page_content = "Open at nine."
    metadata = {"source": "hours.md"}  # noqa: RUF012 - as theirs is


class Haystack:
    """A document as Haystack has it."""

    content = "Open at nine."
    meta = {"name": "hours.md"}  # noqa: RUF012 - as theirs is


@pytest.mark.parametrize("document", [Node(), Scored(), Page(), Haystack(), {"text": "Open at nine.", "title": "hours.md"}])
def test_documents_are_told_by_what_they_have(document: Any) -> None:
    """Documents of the common frameworks are read without importing them."""
    assert declare(document) == ("hours.md", "Open at nine.")


def test_what_is_no_document_is_said() -> None:
    """An object without text is a mistake of the program."""
    with pytest.raises(InvalidInput, match="no document"):
        declare(object())


def test_answers_keep_their_form() -> None:
    """The body of the answer can be written again from what was stored."""
    found = made(exchange())
    assert found.fields["response"]["body"]["object"] == ANSWERED["object"]
    assert UNREAD not in found.fields["wire"]
