"""Media: base64 text in requests and answers becomes bytes, and bytes become the same text again.

A rule looks at the shape around the text and at nothing else, so that one image is one blob whichever API carried it. Only text that is
the canonical base64 of its bytes is taken; everything else stays the text that it was. What stands in its place is

- the bytes, where the text was plain base64;
- `[prefix, bytes]`, where it was a data URL (the prefix is all before the data) or used the alphabet of URLs (the prefix is `base64url:`).

No JSON holds bytes, so nothing that was sent can be taken for such a place. Source: docs/spec/wire/README.md, "Media".
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable
from typing import Any

from runstore.errors import InvalidInput
from runstore.model.ids import Link

URL_SAFE = "base64url:"
_DATA_URL = re.compile(r"data:[^,]{0,256};base64,")
# Keys under which clients and servers put media, as a data URL or as plain base64.
_URL_KEYS = frozenset(
    ("url", "image_url", "audio_url", "video_url", "file_url", "file_data", "data", "image", "audio", "video", "document")
)
_TYPE_KEYS = ("media_type", "mediaType", "mime_type", "mimeType", "format", "transcript")
_KEYS = _URL_KEYS | {"bytes", "images", "result", "b64_json"}

_DEEP = frozenset((dict, list))
_LIFTED = frozenset((bytes, Link))
_SEARCHED = _LIFTED | {list}

Blob = Callable[[Link], bytes]


def lift(value: Any) -> Any:
    """Return a value with its base64 texts as bytes; the very same object where it has none. Nothing is changed in place."""
    if not _may_hold(value):
        return value
    if type(value) is list:
        items = [_lift(item) if _may_hold(item) else item for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return _lift(value)


def _may_hold(value: Any) -> bool:
    """False if no map in a value has a key for media: most values end here, and this is much cheaper than `_lift`."""
    stack = [value]
    while stack:
        at = stack.pop()
        if type(at) is dict:
            if not _KEYS.isdisjoint(at):
                return True
            for item in at.values():
                if type(item) in _DEEP:
                    stack.append(item)
        elif type(at) is list:
            stack += at
    return False


def _lift(value: Any) -> Any:
    if type(value) is dict:
        taken = _take(value)
        changed: dict[str, Any] = dict(taken)
        for key, item in value.items():
            if key not in taken and type(item) in _DEEP:
                lifted = _lift(item)
                if lifted is not item:
                    changed[key] = lifted
        return {key: changed.get(key, item) for key, item in value.items()} if changed else value
    if type(value) is list:
        items = [_lift(item) if type(item) in _DEEP else item for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def unlift(value: Any, blob: Blob | None = None) -> Any:
    """Return a value with its bytes as the text that they were; the very same object where it has none.

    Links to blobs are read through `blob`. Raises InvalidInput for a link where `blob` is not given.
    """
    if type(value) is list and not _is_marked(value):
        items = [_unlift(item, blob) if type(item) in _SEARCHED or _may_hold(item) else item for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return _unlift(value, blob)


def _is_marked(value: list[Any]) -> bool:
    return len(value) == 2 and type(value[0]) is str and type(value[1]) in _LIFTED


def _unlift(value: Any, blob: Blob | None) -> Any:
    if type(value) is dict:
        changed = {key: new for key, item in value.items() if (new := _unlift(item, blob)) is not item}
        return {**value, **changed} if changed else value
    if type(value) is list:
        if _is_marked(value):
            data = _bytes(value[1], blob)
            return urlsafe_b64encode(data).decode() if value[0] == URL_SAFE else value[0] + b64encode(data).decode()
        items = [_unlift(item, blob) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if type(value) in _LIFTED:
        return b64encode(_bytes(value, blob)).decode()
    return value


def from_base64(text: str) -> bytes | list[Any] | None:
    """Return what stands for a base64 text: bytes, or `[prefix, bytes]`; None if it is not canonical."""
    try:
        data = b64decode(text, validate=True)
        if data and b64encode(data).decode() == text:
            return data
    except (Error, ValueError):
        pass
    if "-" in text or "_" in text:
        try:
            data = urlsafe_b64decode(text)
            if urlsafe_b64encode(data).decode() == text:
                return [URL_SAFE, data]
        except (Error, ValueError):
            pass
    return None


def _bytes(given: Any, blob: Blob | None) -> bytes:
    if type(given) is bytes:
        return given
    if blob is None:
        raise InvalidInput(f"{given} stands for bytes that are not at hand", kind="no-blob")
    return blob(given)


def _take(value: dict[str, Any]) -> dict[str, Any]:
    """Return what the media texts directly in a map become, by key."""
    taken: dict[str, Any] = {}
    for key, item in value.items():
        if type(item) is str:
            found: Any = _data_url(item) if key in _URL_KEYS and item.startswith("data:") else None
            if found is None and item and _is_plain(value, key):
                found = from_base64(item)
            if found is not None:
                taken[key] = found
        elif key == "images" and type(item) is list and item and all(type(each) is str for each in item):
            # Ollama: a list of plain base64. All or none, so that the list keeps one shape.
            images = [from_base64(each) for each in item]
            if all(each is not None for each in images):
                taken[key] = images
    return taken


def _data_url(text: str) -> list[Any] | None:
    start = _DATA_URL.match(text)
    found = from_base64(text[start.end() :]) if start else None
    return [text[: start.end()], found] if start and type(found) is bytes else None


def _is_plain(value: dict[str, Any], key: str) -> bool:
    """True if plain base64 is what this key of this map holds."""
    if key == "data":
        return value.get("type") not in ("text", "redacted_thinking") and any(name in value for name in _TYPE_KEYS)
    if key == "bytes":
        return len(value) == 1
    if key == "result":
        return value.get("type") == "image_generation_call"
    return key in ("file_data", "b64_json")
