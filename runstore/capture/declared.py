"""Declared documents: what a program says it gave to the model, looked for in what was sent.

A document is a string, a mapping, or an object of LangChain, LlamaIndex or Haystack, told by what it has and not by its class. Declaring
labels a call; what was sent is what the transport saw. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from runstore.errors import InvalidInput

_NAME_LENGTH = 120
_TEXTS = ("page_content", "content", "text", "body", "snippet")
_NAMES = ("title", "name", "source", "file_name", "file_path", "url", "id", "id_", "doc_id")
_SPACE = re.compile(r"\s+")
_SLOTS = ("documents", "history", "prompt", "extra", "tools")


class Declared(NamedTuple):
    """A document that a program declares: a name for people, and its text."""

    name: str
    text: str


def declare(document: Any) -> Declared:
    """Read a document. Raises InvalidInput for an object in which no text is found."""
    if isinstance(document, str):
        return Declared(_short(document), document)
    text = _text(document)
    if text is None:
        raise InvalidInput(
            f"{type(document).__name__} is no document that is known here",
            hint="give a string, a mapping with `text`, or an object of LangChain, LlamaIndex or Haystack",
            kind="bad-document",
        )
    return Declared(_name(document) or _short(text), text)


def found_in(documents: tuple[Declared, ...], slots: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Say of each document whether its text stands in what was sent: as it is, or but for white space."""
    sent = "\n".join(text for name in _SLOTS for text in _strings(slots.get(name)))
    loose: str | None = None
    told = []
    for document in documents:
        found = document.text in sent
        if not found:
            loose = _SPACE.sub(" ", sent) if loose is None else loose
            found = _SPACE.sub(" ", document.text).strip() in loose
        told.append({"name": document.name, "found": found})
    return told


def _text(document: Any) -> str | None:
    node = _get(document, "node")  # LlamaIndex wraps what it retrieved in a node with a score
    if node is not None:
        return _text(node)
    for key in _TEXTS:
        found = _get(document, key)
        if isinstance(found, str):
            return found
    return None


def _name(document: Any) -> str | None:
    node = _get(document, "node")
    if node is not None:
        return _name(node)
    for place in (document, _get(document, "metadata"), _get(document, "meta")):
        for key in _NAMES:
            found = _get(place, key)
            if isinstance(found, str) and found:
                return found[:_NAME_LENGTH]
    return None


def _get(place: Any, key: str) -> Any:
    if isinstance(place, Mapping):
        return place.get(key)
    found = getattr(place, key, None)
    return None if callable(found) else found


def _short(text: str) -> str:
    return _SPACE.sub(" ", text).strip()[:_NAME_LENGTH]


def _strings(value: Any) -> Iterator[str]:
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            todo.extend(reversed(list(item.values())))
        elif isinstance(item, list):
            todo.extend(reversed(item))
