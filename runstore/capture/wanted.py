"""Which requests are worth a look: those whose path an API here has. Standard library alone, and quick.

A codec decides later; a test says that no path of any codec is left out.
"""

from __future__ import annotations

import re

from runstore.capture.codecs.urls import read_url
from runstore.errors import InvalidInput

_PATHS = re.compile(
    r".*(?:/chat/completions|/completions|/embeddings|/responses(?:/compact|/input_tokens)?|/messages(?:/count_tokens)?"
    r"|:(?:streamR|r)awPredict|:(?:g|streamG)enerateContent|/converse(?:-stream)?|/invoke(?:-with-response-stream)?"
    r"|/v[12]/chat|/v1/generate|/api/(?:chat|generate|embed|embeddings)|/runstore\.tool)/?"
)


def wanted(method: str, url: str) -> bool:
    """True if a request may be a call of an API that has a codec."""
    if method != "POST":
        return False
    try:
        return _PATHS.fullmatch(read_url(url).path) is not None
    except InvalidInput:
        return False
