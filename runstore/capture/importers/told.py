"""Telling a call in slots and fields, from what a source says in words of its own. Pure.

What the source has no word for is None (unknown); False (absent) only where it says that there was none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from runstore.capture.codecs import CODECS, Codec
from runstore.capture.codecs.media import lift
from runstore.capture.importers.bodies import as_json

INSTRUCTING = ("system", "developer")
_PATHS = {
    "openai.chat": "/v1/chat/completions",
    "openai.responses": "/v1/responses",
    "anthropic.messages": "/v1/messages",
    "gemini.generate": "/v1beta/models/{}:generateContent",
    "mistral.chat": "/v1/chat/completions",
}
# A host that codecs take for no endpoint: the source does not say which service it was.
_NOWHERE = "http://localhost"
_NOT_SENT = ("extra_headers", "extra_query", "timeout", "http_options")


def conversation(messages: Sequence[Any], *, without: bool | None = False) -> dict[str, Any]:
    """Return `prompt` and `history` of messages: the leading instructions, and the others. Base64 media become bytes.

    `without` is the prompt where there are no instructions: absent, or None where the source may have left them out.
    """
    start = next((at for at, message in enumerate(messages) if role_of(message) not in INSTRUCTING), len(messages))
    return {"prompt": lift(list(messages[:start])) or without, "history": lift(list(messages[start:]))}


def role_of(message: Any) -> str | None:
    """Return the role of a message, None if it has none."""
    found = message.get("role") if isinstance(message, Mapping) else None
    return found if isinstance(found, str) else None


def stated(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings that are not null."""
    return {key: value for key, value in (settings or {}).items() if value is not None}


def by_codec(name: str, request: Mapping[str, Any], response: Mapping[str, Any] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return slots and fields of a request that the source keeps as the API takes it, and of its answer if there is one.

    Nulls were not sent: libraries write them for what is not given. Which service answered is not said, so there is no endpoint.
    """
    codec: Codec = next(codec for codec in CODECS if codec.name == name)
    sent = {key: value for key, value in stated(request).items() if key not in _NOT_SENT}
    sent |= sent.pop("extra_body", None) or {}
    url = _NOWHERE + _PATHS[name].format(sent.pop("model", "") if name == "gemini.generate" else "")
    decoded = codec.decode_request(url, (), as_json(sent))
    slots: dict[str, Any] = dict(decoded.slots)
    if response is None:
        return slots, {}
    answer = codec.decode_response(200, (("content-type", "application/json"),), as_json(dict(response)), slots)
    slots["runtime"] = answer.runtime
    told = {"id": answer.response.get("id"), "body": answer.response.get("body")}
    return slots, {"output": answer.output, "usage": answer.usage, "status": answer.status, "response": stated(told)}


def unpacked(text: Any) -> Any:
    """Return the value of a text that is JSON, else the text; what is no text as it is."""
    if not isinstance(text, str) or text[:1] not in '{["' or not text:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
