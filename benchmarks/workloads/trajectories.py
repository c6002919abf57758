"""Agent conversations (`trajectories/*.jsonl.zst`): every assistant message is one model call."""

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

from benchmarks.call import Call
from benchmarks.workloads.zstlines import read_lines

INSTRUCTIONS = ("system", "developer")
FIRST_START = 1_700_000_000_000_000
APART = 1_000_000


def read(data: Path) -> list[Call]:
    """All calls of all conversations, file by file."""
    calls = [call for path in files(data) for conversation in read_lines(path) for call in calls_of(conversation)]
    # The source states no times; a log needs an order, so calls are put a second apart.
    return [Call(call.conversation, call.turn, FIRST_START + APART * n, call.slots, call.output) for n, call in enumerate(calls)]


def files(data: Path) -> list[Path]:
    """The files of conversations, by name."""
    return sorted((data / "trajectories").glob("*.jsonl.zst"))


def calls_of(conversation: dict[str, Any]) -> Iterator[Call]:
    """One call an assistant message: the leading instructions are the prompt, the messages between are the history."""
    messages = conversation["messages"]
    prompt = list(takewhile(lambda message: message["role"] in INSTRUCTIONS, messages))
    fixed = {key: conversation[key] for key in ("tools",) if key in conversation}
    if "model" in conversation:
        fixed["model"] = {"name": conversation["model"]}
    turn = 0
    for at, message in enumerate(messages):
        if message["role"] == "assistant":
            slots = {**fixed, "prompt": prompt or False, "history": messages[len(prompt) : at]}
            yield Call(conversation["conversation_id"], turn, 0, slots, [message])
            turn += 1
