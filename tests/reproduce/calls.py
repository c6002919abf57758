"""Recorded calls to test with: chat completions as a client sends them, and what a server answers."""

from __future__ import annotations

import json
from typing import Any

from runstore.capture.codecs import codec_for
from runstore.model.run import Run
from runstore.repo import Repo
from runstore.runs.record import Recorded

URL = "https://api.openai.com/v1/chat/completions"
HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-secret"}


def chat(question: str = "What is two and two?", *, prompt: str = "You are terse.", **more: Any) -> dict[str, Any]:
    """Return the body of a chat request."""
    messages = [{"role": "system", "content": prompt}, {"role": "user", "content": question}]
    return {"model": "gpt-4o", "messages": messages, "temperature": 0, **more}


def completion(text: str = "Four.", *, model: str = "gpt-4o-2024-08-06", id: str = "chatcmpl-1", **message: Any) -> dict[str, Any]:
    """Return the body of an answer."""
    said = {"role": "assistant", "content": text, "refusal": None, **message}
    return {
        "id": id,
        "object": "chat.completion",
        "created": 1_767_268_800,
        "model": model,
        "choices": [{"index": 0, "message": said, "logprobs": None, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
        "system_fingerprint": "fp_1",
    }


def body_of(value: Any) -> bytes:
    """Return a body as the OpenAI library writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def record(repo: Repo, request: dict[str, Any], answer: dict[str, Any] | None = None, *, url: str = URL, **fields: Any) -> Recorded:
    """Record a call with its answer."""
    codec = codec_for(url, "POST", HEADERS)
    assert codec is not None
    decoded = codec.decode_request(url, HEADERS, body_of(request))
    got = codec.decode_response(200, {"content-type": "application/json"}, body_of(answer or completion()), decoded.slots)
    run = Run(**decoded.slots, runtime=got.runtime)
    return repo.add(run, status=got.status, output=got.output, usage=got.usage, response=got.response, wire=decoded.wire, **fields)
