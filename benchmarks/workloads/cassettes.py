"""Recorded API exchanges (`cassettes_full.jsonl.zst`): every exchange is one call.

The split into slots is a rough one, by the names of the fields: it is here to give each store the same parts, not to be right about
each API.
"""

import json
from collections import Counter
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.call import Call
from benchmarks.workloads.trajectories import APART, FIRST_START, INSTRUCTIONS
from benchmarks.workloads.zstlines import read_lines

HISTORY = ("messages", "contents", "input", "chat_history")
PROMPT = ("system", "instructions", "systemInstruction", "preamble")
DELIVERY = ("stream", "stream_options", "metadata", "user")


def read(data: Path) -> list[Call]:
    """Every exchange whose request is a JSON object."""
    turns: Counter[str] = Counter()
    calls: list[Call] = []
    for exchange in read_lines(data / "cassettes_full.jsonl.zst"):
        request = _json(exchange["request_body"])
        if isinstance(request, dict):
            conversation = exchange["api"]  # recorded traffic of many programs: one log an API
            slots = _slots(exchange, request)
            calls.append(Call(conversation, turns[conversation], FIRST_START + APART * len(calls), slots, _json(exchange["response_body"])))
            turns[conversation] += 1
    return calls


def _slots(exchange: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    fields = {key: value for key, value in request.items() if key not in DELIVERY}
    url = urlsplit(exchange["url"])
    name = fields.pop("model", None) or url.path.rpartition("/")[2]
    history = _take(fields, HISTORY, list)
    prompt = _take(fields, PROMPT, (str, list, dict))
    if prompt is False and history:
        leading = list(takewhile(lambda message: isinstance(message, dict) and message.get("role") in INSTRUCTIONS, history))
        prompt, history = leading or False, history[len(leading) :]
    slots = {
        "model": {"api": exchange["api"], "name": name, "endpoint": f"{url.scheme}://{url.netloc}"},
        "prompt": prompt,
        "documents": _take(fields, ("documents",), list),
        "tools": _take(fields, ("tools", "functions"), list),
        "history": history,
    }
    extra = {key: fields.pop(key) for key in list(fields) if isinstance(fields[key], dict | list | str)}
    return {**slots, "parameters": fields or False, **({"extra": extra} if extra else {})}


def _take(fields: dict[str, Any], names: tuple[str, ...], kinds: type | tuple[type, ...]) -> Any:
    for name in names:
        if isinstance(fields.get(name), kinds):
            return fields.pop(name)
    return False


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
