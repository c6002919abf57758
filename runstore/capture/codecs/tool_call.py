"""Calls of tools: what `@runstore.tool` and the MCP session show to a handler, as a request and its answer.

They never lie on a wire: the URL names no machine, and no envelope is kept, so that nothing can send one again.
Source: docs/spec/wire/runstore.tool.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runstore.capture.codecs.contract import ERROR, OK, STYLED, UNREAD, Answer, Decoded, Request, Unresolved
from runstore.capture.codecs.framing import json_bytes
from runstore.capture.codecs.media import Blob
from runstore.capture.codecs.urls import Headers, read_url
from runstore.errors import InvalidInput
from runstore.model.trees import ABSENT

HOST, PATH = "tools.localhost", "/runstore.tool"
URL = f"http://{HOST}{PATH}"


class ToolCall:
    """The codec `runstore.tool`."""

    name = "runstore.tool"
    version = 1

    def match(self, url: str, method: str, headers: Headers = ()) -> bool:
        """True for the one URL of tool calls."""
        return method == "POST" and url.partition("?")[0] == URL

    def decode_request(self, url: str, headers: Headers, body: bytes) -> Decoded:
        """See `Codec`."""
        read_url(url)
        told = _told(body)
        if told is None:
            return self.keep_request(url, headers, body)
        model = {"api": self.name, "name": told["name"], **({"server": told["server"]} if "server" in told else {})}
        call = {"type": "function_call", "name": told["name"], "arguments": told["arguments"]}
        nothing = dict.fromkeys(("prompt", "parameters", "documents", "tools"), ABSENT)
        return Decoded({"model": model, **nothing, "history": [call]}, {}, STYLED)

    def keep_request(self, url: str, headers: Headers, body: bytes) -> Decoded:
        """See `Codec`."""
        return Decoded({"model": {"api": self.name}, "extra": {"body": body}}, {}, UNREAD)

    def rebuild_request(self, slots: Mapping[str, Any], wire: Mapping[str, Any], blob: Blob | None = None) -> Request:
        """See `Codec`."""
        kept = slots["extra"]["body"] if isinstance(slots.get("extra"), dict) else None
        if kept is not None:
            return Request("POST", PATH, {}, kept if isinstance(kept, bytes) else blob(kept) if blob else b"")
        model, call = slots["model"], slots["history"][0]
        server = {"server": model["server"]} if "server" in model else {}
        return Request("POST", PATH, {}, json_bytes({"name": model["name"], **server, "arguments": call["arguments"]}))

    def unresolved(self, slots: Mapping[str, Any], wire: Mapping[str, Any]) -> tuple[Unresolved, ...]:
        """A call of a tool holds all that it says."""
        return ()

    def decode_response(self, status: int, headers: Headers, body: bytes, asked: Mapping[str, Any] | None = None) -> Answer:
        """See `Codec`. What a tool raised is an answer with status error."""
        try:
            told = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise InvalidInput("what a tool answered is no JSON", kind="bad-response") from error
        if not isinstance(told, dict):
            raise InvalidInput("what a tool answered is no JSON object", kind="bad-response")
        runtime = told.pop("runtime", None) or None
        if status != 200:
            return Answer(ERROR, None, runtime, None, {"status": status, "body": told})
        return Answer(OK, [told.pop("result", None)], runtime, None, {"status": status, "body": told})

    def rebuild_response(self, answer: Answer, blob: Blob | None = None) -> dict[str, Any]:
        """See `Codec`."""
        body = dict(answer.response["body"])
        return body if answer.output is None else {"result": answer.output[0], **body}


def _told(body: bytes) -> dict[str, Any] | None:
    """Return what a body says; None for one that is not written just so, since another that says the same would have the same id."""
    try:
        told = json.loads(body)
        return told if _is_call(told) and json_bytes(told) == body else None
    except (ValueError, RecursionError):
        return None


def _is_call(told: Any) -> bool:
    if not isinstance(told, dict) or not all(isinstance(told.get(key, ""), str) for key in ("name", "server")):
        return False
    return list(told) in (["name", "arguments"], ["name", "server", "arguments"])


TOOL = ToolCall()
"""The codec. It stands beside those of the APIs, since no API has it."""
