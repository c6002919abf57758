"""Mistral chat completions: OpenAI's form with fields of its own. `POST api.mistral.ai/v1/chat/completions`.

Source: docs/spec/wire/mistral.chat.md.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from runstore.capture.codecs.openai_chat import FIELDS, OpenAIChat
from runstore.capture.codecs.places import Layout, Place, places
from runstore.capture.codecs.urls import Headers

_HOST = re.compile(r"(?:.*\.)?mistral\.ai\Z")


class MistralChat(OpenAIChat):
    """The codec `mistral.chat`."""

    name = "mistral.chat"
    layout = Layout(
        {**FIELDS, **places(Place.PARAMETER, "random_seed safe_prompt prompt_mode document_image_limit document_page_limit")},
        sole_format="response_format",
    )

    def match(self, url: str, method: str, headers: Headers = ()) -> bool:
        """True for a chat completion asked of Mistral itself."""
        return super().match(url, method, headers) and _HOST.match(urlsplit(url).hostname or "") is not None
