"""Ollama: chat, generate and embeddings under `/api`.

Source: docs/spec/wire/ollama.md.
"""

from __future__ import annotations

import re
from typing import Any

from runstore.capture.codecs.answer import Asked, JsonAnswers, Taken, Whole, fill, hole, mapping, served, told_before
from runstore.capture.codecs.chatstream import add_delta, finish
from runstore.capture.codecs.contract import ERROR, OK, PARTIAL
from runstore.capture.codecs.places import Layout, Place, delivery, places
from runstore.capture.codecs.request import JsonRequests
from runstore.capture.codecs.shapes import clean, fit, restore
from runstore.capture.codecs.sse import Event, Events

_COMMON = {
    "model": Place.MODEL,
    "format": Place.FORMAT,
    **delivery("stream", "keep_alive"),
    **places(Place.PARAMETER, "options think logprobs top_logprobs truncate shift dimensions"),
}
_MESSAGE = ("role", "content", "thinking", "images", "tool_calls")
_COUNTS = ("prompt_eval_count", "eval_count")


class _Ollama(JsonRequests, JsonAnswers):
    """What the two APIs share: lines of JSON, the last of which says `done`."""

    def assemble(self, events: list[Event], stream: Events, asked: Asked = None) -> Whole:
        """See `JsonAnswers`."""
        body: dict[str, Any] = {}
        message: dict[str, Any] = {}
        for event in events:
            for key, value in mapping(event.data).items():
                if key == "message" and isinstance(value, dict):
                    calls = message.get("tool_calls")
                    if isinstance(value.get("tool_calls"), list) and isinstance(calls, list):
                        # Calls come whole, without an index that would tell them apart.
                        value = {**value, "tool_calls": calls + value["tool_calls"]}
                        del message["tool_calls"]
                    _add_message(message, value)
                    body[key] = message
                elif key in ("response", "thinking") and isinstance(value, str) and isinstance(body.get(key), str):
                    body[key] += value
                else:
                    body[key] = value
        finish(message)
        return Whole(body, ERROR if body.get("error") else OK if body.get("done") is True else PARTIAL)

    def take(self, body: dict[str, Any], asked: Asked = None) -> Taken:
        """See `JsonAnswers`."""
        output = self.output(body, told_before(asked))
        usage = {key: body[key] for key in _COUNTS if type(body.get(key)) is int}
        body.update(dict.fromkeys(usage))
        status = ERROR if body.get("error") else OK
        return Taken(output, served(body, {"model": "model"}), usage or None, body, status)

    def put(self, rest: dict[str, Any], output: Any, runtime: dict[str, Any], usage: Any) -> dict[str, Any]:
        """See `JsonAnswers`."""
        self.back(rest, output)
        fill(rest, "model", runtime.get("model"))
        for key in _COUNTS:
            fill(rest, key, mapping(usage).get(key))
        return rest

    def output(self, body: dict[str, Any], like: Any) -> Any:
        """Take the output out of a body."""
        raise NotImplementedError

    def back(self, rest: dict[str, Any], output: Any) -> None:
        """Undo `output`."""
        raise NotImplementedError


class OllamaChat(_Ollama):
    """The codec `ollama.chat`."""

    name = "ollama.chat"
    path = re.compile(r"(?P<base>.*)/api/chat/?")
    layout = Layout({**_COMMON, "messages": Place.HISTORY, "tools": Place.TOOLS}, sole_format="format")
    leads = True

    def output(self, body: dict[str, Any], like: Any) -> Any:
        """See `_Ollama`."""
        if not isinstance(body.get("message"), dict):
            return None
        message, body["message"] = fit(*clean(body["message"], _MESSAGE, kept=("role", "content")), like)
        return [message]

    def back(self, rest: dict[str, Any], output: Any) -> None:
        """See `_Ollama`."""
        if output:
            rest["message"] = restore(output[0], rest.get("message"))


class OllamaGenerate(_Ollama):
    """The codec `ollama.generate`. `template`, `raw`, `suffix` and `context` are content and stand in `extra`."""

    name = "ollama.generate"
    path = re.compile(r"(?P<base>.*)/api/generate/?")
    layout = Layout({**_COMMON, "system": Place.PROMPT, "prompt": Place.HISTORY, "images": Place.HISTORY}, sole_format="format")

    def gather(self, held: dict[str, Any]) -> list[Any] | None:
        """Return the prompt as the one message; with images it is a map of both."""
        if not isinstance(held.get("prompt"), str) or not isinstance(held.get("images", []), list):
            return None
        return [held if "images" in held else held["prompt"]]

    def scatter(self, history: list[Any], fields: list[str]) -> dict[str, Any]:
        """Undo `gather`."""
        (told,) = history
        return told if isinstance(told, dict) else {"prompt": told}

    def output(self, body: dict[str, Any], like: Any) -> Any:
        """See `_Ollama`."""
        text = hole(body, "response")
        return None if text is None else [text]

    def back(self, rest: dict[str, Any], output: Any) -> None:
        """See `_Ollama`."""
        if output:
            fill(rest, "response", output[0])


class OllamaEmbed(JsonRequests, JsonAnswers):
    """The codec `ollama.embed`, for both of Ollama's endpoints."""

    name = "ollama.embed"
    path = re.compile(r"(?P<base>.*)/api/(?P<operation>embed|embeddings)/?")
    layout = Layout({**_COMMON, "input": Place.PROMPT, "prompt": Place.PROMPT}, sole_format="format")

    def assemble(self, events: list[Event], stream: Events, asked: Asked = None) -> Whole:
        """Embeddings are not streamed: nothing is known of one that is."""
        return Whole({}, PARTIAL)

    def take(self, body: dict[str, Any], asked: Asked = None) -> Taken:
        """See `JsonAnswers`."""
        key = "embeddings" if "embeddings" in body else "embedding"
        status = ERROR if body.get("error") else OK
        return Taken(hole(body, key, list), served(body, {"model": "model"}), None, body, status)

    def put(self, rest: dict[str, Any], output: Any, runtime: dict[str, Any], usage: Any) -> dict[str, Any]:
        """See `JsonAnswers`."""
        fill(rest, "embeddings" if "embeddings" in rest else "embedding", output)
        fill(rest, "model", runtime.get("model"))
        return rest


def _add_message(message: dict[str, Any], part: dict[str, Any]) -> None:
    calls = part.get("tool_calls")
    add_delta(message, {key: value for key, value in part.items() if key != "tool_calls"})
    if calls is not None:
        message["tool_calls"] = calls
