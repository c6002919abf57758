"""What the fake provider says: bodies in the shape of each API, a function of the request alone. Pure.

A model whose name contains `tool` calls the first tool that it is given, unless a tool has just answered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

CREATED = 1_767_603_600
Reply = Callable[[Mapping[str, Any]], str]
"""The body of a request to the text of the answer."""


def echo(body: Mapping[str, Any]) -> str:
    """Answer with what was said last."""
    return f"You said: {(texts(body) or [''])[-1]}"


def answer(api: str, model: str, body: Mapping[str, Any], reply: Reply = echo) -> dict[str, Any]:
    """Return the body of the answer to a request of an API (the name of its codec). Raises KeyError for one that is not told here."""
    tools = body.get("tools") or (body.get("toolConfig") or {}).get("tools")
    tool = _first_tool(tools) if "tool" in model and not _is_tool_answer(body) else None
    text = reply(body)
    asked = sum(len(one.split()) for one in texts(body))
    return _BODIES[api](_id(body), model, text, tool, asked, len(text.split()), body)


def texts(body: Mapping[str, Any]) -> list[str]:
    """Return the texts of a request: instructions, then messages."""
    found: list[str] = []
    for key in ("instructions", "system", "systemInstruction", "system_instruction", "messages", "input", "contents", "prompt", "message"):
        _gather(body.get(key), found)
    return found


def _gather(value: Any, found: list[str]) -> None:
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, list):
        for item in value:
            _gather(item, found)
    elif isinstance(value, dict):
        for key in ("text", "content", "parts", "output"):
            _gather(value.get(key), found)


def _id(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _first_tool(tools: Any) -> str | None:
    for tool in tools or ():
        for place in (tool, tool.get("function"), tool.get("toolSpec"), *(tool.get("functionDeclarations") or ())):
            if isinstance(place, dict) and isinstance(place.get("name"), str):
                return str(place["name"])
    return None


def _is_tool_answer(body: Mapping[str, Any]) -> bool:
    last = (body.get("messages") or body.get("input") or body.get("contents") or [{}])[-1]
    if not isinstance(last, dict):
        return False
    told = json.dumps(last.get("content", last.get("parts", "")))
    return (
        last.get("role") == "tool"
        or last.get("type") == "function_call_output"
        or any(mark in told for mark in ("tool_result", "toolResult", "functionResponse", "function_response"))
    )


def _chat(id: str, model: str, text: str, tool: str | None, asked: int, said: int, body: Mapping[str, Any]) -> dict[str, Any]:
    call = {"id": f"call_{id}", "type": "function", "function": {"name": tool, "arguments": "{}"}}
    message: dict[str, Any] = (
        {"role": "assistant", "content": None, "tool_calls": [call]} if tool else {"role": "assistant", "content": text}
    )
    return {
        "id": f"chatcmpl-{id}",
        "object": "chat.completion",
        "created": CREATED,
        "model": f"{model}-2026-01-05",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls" if tool else "stop"}],
        "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
        "system_fingerprint": "fp_fake",
    }


def _completion(id: str, model: str, text: str, tool: str | None, asked: int, said: int, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"cmpl-{id}",
        "object": "text_completion",
        "created": CREATED,
        "model": f"{model}-2026-01-05",
        "choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
    }


def _embedding(id: str, model: str, text: str, tool: str | None, asked: int, said: int, body: Mapping[str, Any]) -> dict[str, Any]:
    wanted = body.get("input")
    vector: Any = [0.25, -0.5, 0.125]
    if body.get("encoding_format") == "base64":
        vector = "AACAPgAAAL8AAAA+"  # the same, as little-endian 32-bit floats
    many = len(wanted) if isinstance(wanted, list) else 1
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": at, "embedding": vector} for at in range(many)],
        "model": f"{model}-2026-01-05",
        "usage": {"prompt_tokens": asked, "total_tokens": asked},
    }


def _response(id: str, model: str, text: str, tool: str | None, asked: int, said: int, body: Mapping[str, Any]) -> dict[str, Any]:
    spoken = {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
    item: dict[str, Any] = {"id": f"msg_{id}", "type": "message", "status": "completed", "role": "assistant", "content": [spoken]}
    if tool:
        named = {"call_id": f"call_{id}", "name": tool, "arguments": "{}"}
        item = {"id": f"fc_{id}", "type": "function_call", "status": "completed", **named}
    return {
        "id": f"resp_{id}",
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": f"{model}-2026-01-05",
        "output": [item],
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "temperature": body.get("temperature", 1.0),
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": said,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + said,
        },
        "metadata": {},
    }


def _message(id: str, model: str, text: str, tool: str | None, asked: int, said: int, body: Mapping[str, Any]) -> dict[str, Any]:
    block = {"type": "tool_use", "id": f"toolu_{id}", "name": tool, "input": {}} if tool else {"type": "text", "text": text}
    return {
        "id": f"msg_{id}",
        "type": "message",
        "role": "assistant",
        "model": f"{model}-20260105",
        "content": [block],
        "stop_reason": "tool_use" if tool else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": asked, "output_tokens": said},
    }


def _content(id: str, model: str, text: str, tool: str | None, asked: int, said: int, body: Mapping[str, Any]) -> dict[str, Any]:
    part = {"functionCall": {"name": tool, "args": {}}} if tool else {"text": text}
    return {
        "candidates": [{"content": {"parts": [part], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": asked, "candidatesTokenCount": said, "totalTokenCount": asked + said},
        "modelVersion": f"{model}-001",
        "responseId": id,
    }


def _converse(id: str, model: str, text: str, tool: str | None, asked: int, said: int, body: Mapping[str, Any]) -> dict[str, Any]:
    block: dict[str, Any] = {"toolUse": {"toolUseId": f"tool_{id}", "name": tool, "input": {}}} if tool else {"text": text}
    return {
        "output": {"message": {"role": "assistant", "content": [block]}},
        "stopReason": "tool_use" if tool else "end_turn",
        "usage": {"inputTokens": asked, "outputTokens": said, "totalTokens": asked + said},
        "metrics": {"latencyMs": 1},
    }


def _cohere(id: str, model: str, text: str, tool: str | None, asked: int, said: int, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": id,
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": [{"type": "text", "text": text}]},
        "usage": {
            "billed_units": {"input_tokens": asked, "output_tokens": said},
            "tokens": {"input_tokens": asked, "output_tokens": said},
        },
    }


def _ollama(id: str, model: str, text: str, tool: str | None, asked: int, said: int, body: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"response": text} if "prompt" in body else {"message": {"role": "assistant", "content": text}}
    return {
        "model": model,
        "created_at": "2026-01-05T09:00:00Z",
        **told,
        "done_reason": "stop",
        "done": True,
        "total_duration": 1000,
        "prompt_eval_count": asked,
        "eval_count": said,
    }


_BODIES: dict[str, Callable[..., dict[str, Any]]] = {
    "openai.chat": _chat,
    "mistral.chat": _chat,
    "openai.completions": _completion,
    "openai.embeddings": _embedding,
    "openai.responses": _response,
    "anthropic.messages": _message,
    "gemini.generate": _content,
    "bedrock.converse": _converse,
    "bedrock.invoke": _message,
    "cohere.chat.v2": _cohere,
    "ollama.chat": _ollama,
    "ollama.generate": _ollama,
}
