"""Exchanges written by hand, for the tests of capture."""

from __future__ import annotations

import json
from typing import Any

from runstore.capture.exchange import Exchange
from tests.capture.codecs.support import URLS, events

JSON = (("content-type", "application/json"),)
STREAM = (("content-type", "text/event-stream"),)
ASKED = {"model": "small-1", "messages": [{"role": "user", "content": "Is it open?"}], "temperature": 1.0}
ANSWERED = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "small-1-0205",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "It is."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}


def exchange(body: Any = None, answer: Any = None, *, api: str = "openai.chat", **fields: Any) -> Exchange:
    """Return an exchange: a body and an answer given as values are written as JSON."""
    asked = ASKED if body is None else body
    told = ANSWERED if answer is None else answer
    stated: dict[str, Any] = {
        "method": "POST",
        "url": URLS[api],
        "request_headers": JSON,
        "request_body": asked if isinstance(asked, bytes) else json.dumps(asked).encode(),
        "status": 200,
        "response_headers": JSON,
        "response_body": told if isinstance(told, bytes) else json.dumps(told).encode(),
    }
    return Exchange(**{**stated, **fields})


def delta(text: str, finish: str | None = None) -> dict[str, Any]:
    """Return an event of a chat completion that is streamed."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "small-1-0205",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}],
    }


def stream(*texts: str, done: bool = True) -> bytes:
    """Return the bytes of a streamed chat completion that says these texts."""
    return events(*[delta(text) for text in texts], *([delta("", "stop")] if done else []), done=done).body
