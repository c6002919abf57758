"""Wire codecs: one an API, from bytes to slots and back. Pure: no I/O, no clock.

`codec_for` finds the codec of a call, `codec_named` the one that a stored envelope names.
Source: docs/spec/wire/README.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runstore.capture.codecs.contract import Answer, Codec, Decoded, Request, Unresolved
    from runstore.capture.codecs.known import CODECS, codec_for, codec_named, older_versions
    from runstore.capture.codecs.media import lift

__all__ = ["CODECS", "Answer", "Codec", "Decoded", "Request", "Unresolved", "codec_for", "codec_named", "lift", "older_versions"]

# Loaded when first used: a program that is recorded needs the lists of urls.py, and no codec.
_PLACES = {"CODECS": "known", "codec_for": "known", "codec_named": "known", "lift": "media", "older_versions": "known"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module("runstore.capture.codecs." + _PLACES.get(name, "contract"))
    found = globals()[name] = getattr(module, name)
    return found
