"""Answering as a server does: a miss is a response that says so, in the forms in which the SDKs of the APIs show an error's message.

The status is 404: no library tries that again.
"""

from __future__ import annotations

import json
from typing import Any

from runstore.capture.tap.handler import Call, Handler, Reply, Turn
from runstore.capture.wanted import wanted
from runstore.errors import NotRecorded

STATUS = 404


class Refused(Turn):
    """A turn whose reply is an error."""

    __slots__ = ("_error", "_path")

    def __init__(self, error: NotRecorded, path: str) -> None:
        self._error = error
        self._path = path

    @property
    def reply(self) -> Reply:
        """The error, as JSON."""
        body = json.dumps(said(self._error, self._path), ensure_ascii=False).encode("utf-8", "replace")
        headers = (
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("x-runstore-miss", self._error.kind),
            ("x-should-retry", "false"),
            ("x-amzn-errortype", "ResourceNotFoundException"),
        )
        return Reply(STATUS, headers, (body,))


class Answering:
    """A handler for servers. `sends`: what is no call of a model is passed on; else it is refused, so that nothing is sent at all."""

    def __init__(self, inner: Handler, *, sends: bool) -> None:
        self._inner = inner
        self._sends = sends

    def start(self, call: Call) -> Turn:
        """See `Handler`. Does not raise for a miss."""
        path = call.url.partition("?")[0]
        if not self._sends and not wanted(call.method, call.url):
            return Refused(NotRecorded(f"{call.method} {path} is no call of a model, and nothing is sent"), path)
        try:
            return self._inner.start(call)
        except NotRecorded as error:
            return Refused(error, path)


def said(error: NotRecorded, path: str) -> dict[str, Any]:
    """Return the body of an error: OpenAI, Anthropic, Google, Mistral, Cohere and Bedrock find the message in one of its places."""
    message = f"{error} ({error.hint})" if error.hint else str(error)
    if path.endswith(("/api/chat", "/api/generate", "/api/embed", "/api/embeddings")):
        return {"error": message}  # Ollama
    inner = {"type": "not_recorded_error", "message": message, "code": STATUS, "status": "NOT_FOUND"}
    return {"type": "error", "error": inner, "message": message}
