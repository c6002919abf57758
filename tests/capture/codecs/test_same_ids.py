"""One call has the same slot ids whichever way it came in: over the wire, as a conversation that is imported, or by hand."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import runstore
from runstore.capture.codecs import lift
from runstore.capture.importers.conversations import conversation_chain, import_conversations
from runstore.model.run import Run
from runstore.model.trees import ABSENT
from runstore.runs.view import ExecutionView
from tests.capture.codecs.support import URLS, answered, decode

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"b": {}, "a": {}}}}}]
MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "2+2?"},
    {"role": "assistant", "content": "4"},
    {"role": "user", "content": "and 3+3?"},
]
ANSWER = {"role": "assistant", "content": "6"}


def test_a_call_on_the_wire_and_in_a_conversation_share_their_slots() -> None:
    """Prompt, tools, history and output of the imported conversation are the objects of the recorded call."""
    line = {"conversation_id": "c", "model": "m", "tools": TOOLS, "messages": [*MESSAGES, ANSWER]}
    imported = conversation_chain(line, {}).drafts[-1]
    recorded = Run(**decode("openai.chat", {"model": "m", "messages": MESSAGES, "tools": TOOLS, "temperature": 0}).slots)
    for slot in ("prompt", "tools", "history"):
        assert recorded.slots[slot] == imported.run.slots[slot]
    answer = answered("openai.chat", {"choices": [{"index": 0, "message": {**ANSWER, "refusal": None}, "finish_reason": "stop"}]})
    assert Run(history=answer.output).slots["history"] == imported.fields["output"]


def test_a_call_on_the_wire_and_by_hand_are_one_request() -> None:
    """A run composed in Python from what was sent has the request id of the recorded call, media as bytes included."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAEC"}}
    body = {"model": "m", "messages": [MESSAGES[0], {"role": "user", "content": [image]}], "temperature": 0.0, "stream": True}
    by_hand = Run(
        model={"api": "openai.chat", "name": "m", "endpoint": "https://api.openai.com/v1"},
        prompt=[MESSAGES[0]],
        parameters={"temperature": 0},
        documents=ABSENT,
        tools=ABSENT,
        history=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": ["data:image/png;base64,", b"\x00\x01\x02"]}}]}],
    )
    assert Run(**decode("openai.chat", body).slots).request_id == by_hand.request_id


def test_compatible_servers_differ_in_their_endpoint_alone() -> None:
    """The same call to another server has the same slots but for the model."""
    here = Run(**decode("openai.chat", {"model": "m", "messages": MESSAGES}).slots)
    there = Run(**decode("openai.chat", {"model": "m", "messages": MESSAGES}, url="https://api.deepseek.com/chat/completions").slots)
    assert {name for name in here.slots if here.slots[name] != there.slots[name]} == {"model"}


IMAGE = base64.b64encode(bytes(range(48))).decode()
DATA_URL = f"data:image/png;base64,{IMAGE}"
SYSTEM = {"role": "system", "content": "Be brief."}
PARTS = {"parts": [{"text": "Be brief."}]}


class Shape(NamedTuple):
    """How an API tells one call: its body, and the slots that a program would state of it. `model` comes from the URL and the body."""

    body: dict[str, Any]
    slots: dict[str, Any]


def user(*content: Any) -> dict[str, Any]:
    """A message of a user."""
    return {"role": "user", "content": list(content)}


def in_messages(message: dict[str, Any], **more: Any) -> Shape:
    """The call of an API whose messages carry the instructions."""
    return Shape({"model": "m", "messages": [SYSTEM, message], **more}, {"prompt": [SYSTEM], "history": [message]})


ANTHROPIC = user({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": IMAGE}})
CONVERSE = user({"image": {"format": "png", "source": {"bytes": IMAGE}}})
RESPONSES = user({"type": "input_image", "image_url": DATA_URL})
GEMINI = {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": IMAGE}}]}
SHAPES = {
    "openai.chat": in_messages(user({"type": "image_url", "image_url": {"url": DATA_URL}})),
    "mistral.chat": in_messages(user({"type": "image_url", "image_url": DATA_URL})),
    "cohere.chat.v2": in_messages(user({"type": "image_url", "image_url": {"url": DATA_URL}})),
    "ollama.chat": in_messages({"role": "user", "content": "What is it?", "images": [IMAGE]}),
    "openai.responses": Shape(
        {"model": "m", "instructions": "Be brief.", "input": [RESPONSES]}, {"prompt": "Be brief.", "history": [RESPONSES]}
    ),
    "anthropic.messages": Shape(
        {"model": "m", "system": "Be brief.", "messages": [ANTHROPIC]}, {"prompt": "Be brief.", "history": [ANTHROPIC]}
    ),
    "bedrock.invoke": Shape({"system": "Be brief.", "messages": [ANTHROPIC]}, {"prompt": "Be brief.", "history": [ANTHROPIC]}),
    "bedrock.converse": Shape({"system": [PARTS], "messages": [CONVERSE]}, {"prompt": [PARTS], "history": [CONVERSE]}),
    "gemini.generate": Shape({"systemInstruction": PARTS, "contents": [GEMINI]}, {"prompt": PARTS, "history": [GEMINI]}),
    "cohere.chat.v1": Shape(
        {"model": "m", "preamble": "Be brief.", "message": "bye", "chat_history": [{"role": "USER", "message": "hi"}]},
        {"prompt": "Be brief.", "history": [{"role": "USER", "message": "hi"}, {"role": "USER", "message": "bye"}]},
    ),
}
AS_MESSAGES = ("openai.chat", "mistral.chat", "cohere.chat.v2", "ollama.chat")


@pytest.mark.parametrize("name", SHAPES)
def test_a_call_added_by_hand(name: str, tmp_path: Path) -> None:
    """What a program adds of what it sent, its media lifted, has the slots and the request id of the recorded call."""
    shape = SHAPES[name]
    recorded = decode(name, shape.body).slots
    slots = {**shape.slots, "model": recorded["model"], "parameters": False, "documents": False, "tools": False}
    with runstore.open(tmp_path / "store", create=True) as repo:
        added = repo.add({slot: lift(value) for slot, value in slots.items()})
        assert added.request == Run(**recorded).request_id
        assert repo.show(added.run.hex).slots == Run(**recorded).slots


@pytest.mark.parametrize("name", AS_MESSAGES)
def test_a_call_imported_as_a_conversation(name: str, tmp_path: Path) -> None:
    """A conversation of the messages of an API whose messages carry the instructions has the prompt, history and output of its calls."""
    recorded = Run(**decode(name, SHAPES[name].body).slots)
    line = {"conversation_id": "c", "messages": [*SHAPES[name].body["messages"], ANSWER]}
    with runstore.open(tmp_path / "store", create=True) as repo:
        import_conversations(repo, [("lines", io.BytesIO(json.dumps(line).encode()))])
        shown = repo.show("conversations/c")
        assert isinstance(shown, ExecutionView)
        assert shown.run is not None
        assert {slot: shown.run.slots[slot] for slot in ("prompt", "history")} == {
            slot: recorded.slots[slot] for slot in ("prompt", "history")
        }
        assert next(repo.log("conversations/c")).execution.output == Run(history=[ANSWER]).slots["history"]


@pytest.mark.parametrize("name", ["anthropic.messages", "bedrock.converse"])
def test_instructions_beside_the_messages_are_not_in_a_conversation(name: str) -> None:
    """Where the API carries instructions in a field of their own, a conversation has the history of the call, and not its prompt."""
    recorded = Run(**decode(name, SHAPES[name].body).slots)
    line = {"conversation_id": "c", "messages": [*SHAPES[name].body["messages"], ANSWER]}
    imported = conversation_chain(line, {}).drafts[-1].run
    assert imported.slots["history"] == recorded.slots["history"]
    assert imported.slots["prompt"] is ABSENT


def test_every_chat_api_has_a_shape_here() -> None:
    """A codec for a chat API that is added is added here."""
    assert {name for name in URLS if not name.endswith((".embeddings", ".completions", ".generate", ".embed"))} <= SHAPES.keys()
