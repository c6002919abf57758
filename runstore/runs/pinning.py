"""What pins a model: a version, a digest, or a name that carries one. Pure.

A dated name is the provider's promise that it means one model; only a digest of the weights is proof.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SERVED = ("version", "model_version", "modelVersion", "served_model", "weights", "digest", "model")
WEIGHTS = ("weights", "weights_digest", "digest")
_STATED = (("weights", "a digest of its weights"), ("digest", "a digest"), ("version", "its version"), ("revision", "its revision"))
_MONTH, _DAY, _END = "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])", r"(?=\Z|[-_@:.](?!latest))"
# A pattern takes a tenth of a millisecond to be made, so it is made only for a name in which one of the texts before it stands.
_IN_NAME = (
    (("20",), rf"[-_@:.]20[0-9]{{2}}-?{_MONTH}-?{_DAY}{_END}", "the date in its name"),  # gpt-4o-2024-08-06, …-20241022, …@20240620
    (("-20",), rf"-{_MONTH}-20[0-9]{{2}}\Z", "the month in its name"),  # command-r-08-2024
    (("-preview-", "-exp-"), rf"-(?:preview|exp)-{_MONTH}-{_DAY}\Z", "the date in its name"),  # gemini-2.5-flash-preview-05-20
    # gpt-4-0613, gpt-4-1106-preview, mistral-large-2407
    (("-0", "-1", "-2"), rf"-(?:{_MONTH}{_DAY}|2[3-9]{_MONTH})(?:-preview)?\Z", "the date in its name"),
    (("-00",), r"-00[1-9]\Z", "the number in its name"),  # gemini-1.5-pro-002
    ((":",), r"-v?[0-9]+:[0-9]+\Z", "the version in its name"),  # amazon.nova-lite-v1:0
    (("sha256", "@"), r"(?:sha256[:-]|@)[0-9a-f]{7,64}\Z", "the digest in its name"),
)


def pinned(model: Mapping[str, Any]) -> str | None:
    """Return what pins the model in a run's `model` settings, in words; None if nothing does."""
    for key, words in _STATED:
        if is_stated(model.get(key)):
            return words
    name = model.get("name")
    if not isinstance(name, str):
        return None
    return next((words for texts, pattern, words in _IN_NAME if any(text in name for text in texts) and re.search(pattern, name)), None)


def is_stated(value: Any) -> bool:
    """True for what says something: not null, not empty, not `latest`."""
    return bool(value) and value is not True and value != "latest"
