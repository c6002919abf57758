"""Reading what a command is given: files, standard input (`-`), `@FILE` in place of a text, `k=v` pairs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO

from runstore.errors import InvalidInput

_JSON = "write JSON as RFC 8259 says: texts in double quotes, each key once, no comma at the end, null for what is unknown"
_JSON_WORDS: dict[type, str] = {dict: "an object", list: "an array", str: "a string"}


@contextmanager
def open_file(path: str) -> Iterator[BinaryIO]:
    """Open a file, or standard input for `-`, for reading bytes. Raises InvalidInput with the system's reason."""
    if path == "-":
        yield sys.stdin.buffer
        return
    with ExitStack() as closing:
        try:
            stream = closing.enter_context(open(path, "rb"))
        except OSError as error:
            found = f"cannot read {path}: {error.strerror}"
            raise InvalidInput(found, hint="name a file, or - for standard input", kind="unreadable-file") from error
        yield stream


def read_file(path: str) -> bytes:
    """Return the bytes of a file, or of standard input for `-`. Raises InvalidInput."""
    with open_file(path) as stream:
        return stream.read()


def read_json(path: str) -> Any:
    """Return the value of a JSON file. Raises InvalidInput that names the file, the line and the column."""
    return _json(name_of(path), read_file(path))


def json_or_file(name: str, text: str) -> Any:
    """Return the value of a JSON text, or, for `@FILE`, of a file. Raises InvalidInput; `name` is what to call the text in it."""
    return read_json(text[1:]) if text.startswith("@") else _json(name, text)


def _json(name: str, text: str | bytes) -> Any:
    from runstore.model.jsontext import parse_json

    try:
        return parse_json(text)
    except InvalidInput as error:
        raise InvalidInput(f"{name}: {error}", hint=error.hint or _JSON, kind=error.kind) from error


def check_shapes(slots: dict[str, Any]) -> None:
    """Raise InvalidInput, in the words of JSON, for settings that are no object and for a list that is no array."""
    from runstore.model.run import SETTINGS_EXAMPLES
    from runstore.model.slots import LIST_SLOTS, SETTINGS_SLOTS

    for name, value in slots.items():
        wanted = (dict, "object") if name in SETTINGS_SLOTS else (list, "array") if name in LIST_SLOTS else (object, "")
        if value is not None and value is not False and not isinstance(value, wanted[0]):
            example = SETTINGS_EXAMPLES.get(name, "[…]")
            hint = f"write {name} as an {wanted[1]}, like {example}; null says that nobody recorded it, false that there was none"
            raise InvalidInput(f"{name}: {_in_json(value)} where an {wanted[1]} is due", hint=hint, kind="bad-slot")


def check_fields(fields: dict[str, Any]) -> None:
    """Raise InvalidInput, in the words of JSON, for a field of an execution that is no object, or no string, where one is due."""
    from runstore.runs.compose import MAPS, TEXTS

    for name, value in fields.items():
        wanted: tuple[type, str] = (dict, "an object") if name in MAPS else (str, "a string") if name in TEXTS else (object, "")
        if value is not None and not isinstance(value, wanted[0]):
            hint = f"write {name} as {wanted[1]}, or leave it out"
            raise InvalidInput(f"{name}: {_in_json(value)} where {wanted[1]} is due", hint=hint, kind="bad-execution")


def _in_json(value: Any) -> str:
    """Return what JSON calls a value that is something else than it should be."""
    return str(value).lower() if isinstance(value, bool) else _JSON_WORDS.get(type(value), "a number")


def text_or_bytes(data: bytes) -> str | bytes:
    """Return bytes as the text they are in UTF-8, or as they are."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def text_or_file(text: str) -> str | bytes:
    """Return a text as given, or, for `@FILE`, what the file holds: text, or bytes if it is not UTF-8.

    Bytes of the command line that are no text come as lone surrogates (PEP 383), and are taken for the bytes that they are.
    """
    if text.startswith("@"):
        return text_or_bytes(read_file(text[1:]))
    try:
        text.encode()
    except UnicodeEncodeError:
        return text_or_bytes(os.fsencode(text))
    return text


def document(path: str) -> Any:
    """Return a document: the value of a `.json` file, the text of any other, the bytes of one that is not UTF-8."""
    return read_json(path) if path.endswith(".json") else text_or_bytes(read_file(path))


def pairs(items: tuple[str, ...], what: str) -> dict[str, Any]:
    """Read `k=v` pairs; the right side is JSON if it parses, else text. Raises InvalidInput for a pair without `=` or a key twice."""
    from runstore.model.jsontext import parse_json

    found: dict[str, Any] = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not equals or not key:
            raise InvalidInput(f"{item!r} is no {what}", hint=f"write {what}s as key=value, for example temperature=0.7")
        if key in found:
            raise InvalidInput(f"the {what} {key!r} is given twice")
        try:
            found[key] = parse_json(text)
        except InvalidInput:
            found[key] = text
    return found


def plain_size(paths: Sequence[str]) -> int | None:
    """Return how many bytes of lines the files hold; None where that is not known: of standard input and of what is compressed."""
    if any(path == "-" or path.endswith(".zst") for path in paths):
        return None
    return sum(os.path.getsize(path) for path in paths)


def name_of(path: str) -> str:
    """Return what to call a file in a message."""
    return "standard input" if path == "-" else path
