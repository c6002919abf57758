"""Every codec, and how one is found: by a call, or by the envelope that it wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runstore.capture.codecs.anthropic_messages import AnthropicMessages
from runstore.capture.codecs.bedrock_converse import BedrockConverse
from runstore.capture.codecs.bedrock_invoke import BedrockInvoke
from runstore.capture.codecs.cohere_chat import CohereChat1, CohereChat2, CohereGenerate
from runstore.capture.codecs.contract import Codec
from runstore.capture.codecs.gemini_generate import GeminiGenerate
from runstore.capture.codecs.mistral_chat import MistralChat
from runstore.capture.codecs.ollama import OllamaChat, OllamaEmbed, OllamaGenerate
from runstore.capture.codecs.openai_chat import OpenAIChat
from runstore.capture.codecs.openai_completions import OpenAICompletions
from runstore.capture.codecs.openai_embeddings import OpenAIEmbeddings
from runstore.capture.codecs.openai_responses import OpenAIResponses
from runstore.capture.codecs.tool_call import TOOL
from runstore.capture.codecs.urls import Headers
from runstore.errors import InvalidInput

CODECS: tuple[Codec, ...] = (
    MistralChat(),  # before the API whose form it has
    OpenAIChat(),
    OpenAIResponses(),
    AnthropicMessages(),
    GeminiGenerate(),
    BedrockConverse(),
    BedrockInvoke(),
    CohereChat2(),
    CohereChat1(),
    CohereGenerate(),
    OllamaChat(),
    OllamaGenerate(),
    OllamaEmbed(),
    OpenAICompletions(),
    OpenAIEmbeddings(),
)
"""Every codec of an API, in the order in which they are asked. Each has a `name` and a `version`."""

OLDER: tuple[Codec, ...] = ()
"""Versions whose place a newer one has taken. What they recorded is read with them, and look-ups ask for their request ids too."""


def codec_for(url: str, method: str, headers: Headers = ()) -> Codec | None:
    """Return the codec of a call; None if no API here has such calls."""
    return next((codec for codec in (*CODECS, TOOL) if codec.match(url, method, headers)), None)


def older_versions(codec: Codec) -> tuple[Codec, ...]:
    """Return the versions whose place a codec has taken: a call may have been recorded under the request id that one of them gave it."""
    return tuple(one for one in OLDER if one.name == codec.name)


def codec_named(wire: Mapping[str, Any]) -> Codec:
    """Return the codec that an envelope names. Raises InvalidInput for another, or for a version that this program does not know."""
    stated = wire.get("codec")
    for codec in (*CODECS, *OLDER):
        if stated == f"{codec.name}/{codec.version}":
            return codec
    raise InvalidInput(f"no codec here reads the envelope of {str(stated)[:80]!r}", hint="a newer runstore wrote it", kind="unknown-codec")
