"""Places: where each field of a request goes, and the one list of fields that only steer delivery.

A codec names a place for every field that its API documents. What no codec names goes to `extra`, so that a new provider field changes the
identity rather than vanish. Source: docs/spec/wire/README.md, "Places" and "Delivery fields".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

DELIVERY_VERSION = 1
"""The version of `DELIVERY`. A change that moves an id is a new version of every codec that uses the field."""


class Place(Enum):
    """Where a field goes."""

    MODEL = "model.name"
    VERSION = "model"
    PROMPT = "prompt"
    PARAMETER = "parameters"
    DOCUMENTS = "documents"
    TOOLS = "tools"
    HISTORY = "history"
    FORMAT = "output_format"
    DELIVERY = "wire"
    EXTRA = "extra"


class Layout(NamedTuple):
    """The places of an API's fields, and those of the fields inside the maps that are opened (`generationConfig`).

    `sole_format` is the one field that holds an output format: it is the slot's value by itself. Without it the slot is a map by field.
    """

    fields: Mapping[str, Place]
    opened: Mapping[str, Mapping[str, Place]] = {}
    sole_format: str | None = None


DELIVERY: Mapping[str, str] = {
    "stream": "the same answer in one piece or in many",
    "stream_options": "what a stream carries beside the answer",
    "metadata": "labels that the provider files the call under; the model does not see them",
    "requestMetadata": "the same, in Bedrock",
    "labels": "the same, in Vertex",
    "user": "who is calling, for abuse detection",
    "safety_identifier": "the same under its later name",
    "store": "whether the provider keeps the answer",
    "background": "whether the caller waits for the answer",
    "service_tier": "what the call costs and how long it waits",
    "serviceTier": "the same, in Bedrock and Gemini",
    "prompt_cache_key": "where the provider looks for a cached prefix: cost and speed",
    "prompt_cache_retention": "how long the provider keeps a cached prefix",
    "prompt_cache_options": "how the provider caches a prefix",
    "cache_control": "at the top of an Anthropic request, where caching is to begin: cost and speed",
    "keep_alive": "how long Ollama keeps the model in memory",
    "usage": "OpenRouter: whether the answer states its cost",
    "priority": "vLLM: the place in the queue",
    "request_id": "vLLM: the caller's name for the call",
    "id_slot": "llama.cpp: which slot of the server computes",
}
"""Fields that only steer delivery, and why each is one. They go to `wire` and change no identity; in doubt a field is not here.

`include`, `logprobs` and `additionalModelResponseFieldPaths` are not: they change what the answer holds, and a replay of the one would
not serve the other.
"""


def delivery(*names: str) -> dict[str, Place]:
    """Return the places of delivery fields. Raises KeyError for a field that the list does not have."""
    return {name: Place.DELIVERY for name in names if DELIVERY[name]}


def places(place: Place, names: str) -> dict[str, Place]:
    """Return one place for many fields, named in one text with spaces between them."""
    return dict.fromkeys(names.split(), place)
