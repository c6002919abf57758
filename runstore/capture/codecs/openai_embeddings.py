"""OpenAI embeddings, and the servers that speak it (Voyage, Mistral): `POST …/embeddings`.

Source: docs/spec/wire/openai.embeddings.md.
"""

from __future__ import annotations

import re
from typing import Any

from runstore.capture.codecs.answer import Asked, JsonAnswers, Taken, Whole, fill, hole, served
from runstore.capture.codecs.contract import ERROR, OK, PARTIAL
from runstore.capture.codecs.places import Layout, Place, delivery, places
from runstore.capture.codecs.request import OpenAIRequests
from runstore.capture.codecs.sse import Event, Events

FIELDS = {
    "model": Place.MODEL,
    "input": Place.PROMPT,
    **delivery("user", "metadata", "service_tier"),
    **places(
        Place.PARAMETER, "dimensions encoding_format output_dimension output_dtype truncation truncate_prompt_tokens input_type normalize"
    ),
}


class OpenAIEmbeddings(OpenAIRequests, JsonAnswers):
    """The codec `openai.embeddings`."""

    name = "openai.embeddings"
    path = re.compile(r"(?P<base>.*)(?<!/api)/embeddings/?")
    layout = Layout(FIELDS)

    def assemble(self, events: list[Event], stream: Events, asked: Asked = None) -> Whole:
        """Embeddings are not streamed: nothing is known of one that is."""
        return Whole({}, PARTIAL)

    def take(self, body: dict[str, Any], asked: Asked = None) -> Taken:
        """See `JsonAnswers`."""
        status = ERROR if body.get("error") else OK
        return Taken(hole(body, "data", list), served(body, {"model": "model"}), hole(body, "usage", dict), body, status, body.get("id"))

    def put(self, rest: dict[str, Any], output: Any, runtime: dict[str, Any], usage: Any) -> dict[str, Any]:
        """See `JsonAnswers`."""
        fill(rest, "data", output)
        fill(rest, "model", runtime.get("model"))
        fill(rest, "usage", usage)
        return rest
