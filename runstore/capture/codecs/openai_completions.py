"""OpenAI completions: a text and its continuation. `POST …/completions`.

Source: docs/spec/wire/openai.completions.md.
"""

from __future__ import annotations

import re
from typing import Any

from runstore.capture.codecs.answer import Asked, JsonAnswers, Taken, Whole, fill, hole, mapping, maps, served
from runstore.capture.codecs.contract import ERROR, OK
from runstore.capture.codecs.openai_chat import FIELDS as CHAT_FIELDS
from runstore.capture.codecs.openai_chat import ended
from runstore.capture.codecs.places import Layout, Place
from runstore.capture.codecs.request import OpenAIRequests
from runstore.capture.codecs.sse import Event, Events

FIELDS = {key: place for key, place in CHAT_FIELDS.items() if place not in (Place.HISTORY, Place.TOOLS, Place.DOCUMENTS)} | {
    "prompt": Place.PROMPT
}


class OpenAICompletions(OpenAIRequests, JsonAnswers):
    """The codec `openai.completions`. `suffix` is content and stands in `extra`."""

    name = "openai.completions"
    path = re.compile(r"(?P<base>.*)(?<!/chat)/completions/?")
    layout = Layout(FIELDS, sole_format="response_format")

    def assemble(self, events: list[Event], stream: Events, asked: Asked = None) -> Whole:
        """See `JsonAnswers`."""
        body: dict[str, Any] = {}
        choices: dict[int, dict[str, Any]] = {}
        for event in events:
            for key, value in mapping(event.data).items():
                if key == "choices":
                    for at, choice in enumerate(maps(value)):
                        index = choice.get("index")
                        _add(choices.setdefault(index if type(index) is int else at, {}), choice)
                    body.setdefault(key, [])
                elif key != "obfuscation" and (value not in (None, "") or key not in body):
                    body[key] = value
        if choices or "choices" in body:
            body["choices"] = [choices[number] for number in sorted(choices)]
        return Whole(body, ended(body, choices, stream, asked))

    def take(self, body: dict[str, Any], asked: Asked = None) -> Taken:
        """See `JsonAnswers`."""
        texts = [text for choice in maps(body.get("choices")) if (text := hole(choice, "text")) is not None]
        runtime = served(body, _RUNTIME)
        status = ERROR if body.get("error") else OK
        return Taken(texts or None, runtime, hole(body, "usage", dict), body, status, body.get("id"))

    def put(self, rest: dict[str, Any], output: Any, runtime: dict[str, Any], usage: Any) -> dict[str, Any]:
        """See `JsonAnswers`."""
        texts = iter(output or ())
        for choice in maps(rest.get("choices")):
            if "text" in choice:
                fill(choice, "text", next(texts, None))
        for key, name in _RUNTIME.items():
            fill(rest, key, runtime.get(name))
        fill(rest, "usage", usage)
        return rest


_RUNTIME = {"model": "model", "system_fingerprint": "fingerprint", "provider": "provider"}


def _add(choice: dict[str, Any], part: dict[str, Any]) -> None:
    for key, value in part.items():
        kept = choice.get(key)
        if key == "text" and isinstance(kept, str) and isinstance(value, str):
            choice[key] = kept + value
        elif key == "logprobs" and isinstance(kept, dict) and isinstance(value, dict):
            choice[key] = {**kept, **{name: _more(kept.get(name), item) for name, item in value.items()}}
        elif value is not None or key not in choice:
            choice[key] = value


def _more(kept: Any, more: Any) -> Any:
    return kept + more if isinstance(kept, list) and isinstance(more, list) else more
