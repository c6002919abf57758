"""One call has the same slot ids whichever way it came in: over the wire, as a conversation that is imported, or by hand."""

from __future__ import annotations

from typing import Any

from runstore.capture.importers.conversations import conversation_chain
from runstore.model.run import Run
from runstore.model.trees import ABSENT
from tests.capture.codecs.support import answered, decode

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
