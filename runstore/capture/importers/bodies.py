"""Bodies as files keep them: texts, base64, content encodings, and ids for entries that have none of their own. Pure."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode
from binascii import Error
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from runstore.capture.exchange import Exchange, Pairs
from runstore.capture.importers import naming
from runstore.capture.importers.entries import Bad, Call, Entry
from runstore.capture.importers.files import stem
from runstore.errors import InvalidInput
from runstore.model.ids import Kind, object_id

MAX_BODY = 1 << 30
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def from_text(text: str) -> bytes:
    """Return the bytes of a text. Raises InvalidInput for one that no UTF-8 has."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput(f"the body is no text: {error}", kind="bad-body") from error


def from_base64(text: str) -> bytes:
    """Return the bytes of base64 text, white space aside. Raises InvalidInput."""
    try:
        return b64decode("".join(text.split()), validate=True)
    except (Error, ValueError) as error:
        raise InvalidInput(f"the body is no base64: {error}", kind="bad-body") from error


def as_json(value: Any) -> bytes:
    """Return a parsed body as JSON again, compact, as a client might have written it."""
    return from_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def decoded(body: bytes, headers: Pairs) -> bytes:
    """Return a response body without its content encoding; as it is where the source kept the header and had inflated the body.

    Raises InvalidInput for a body that is damaged, too large, or encoded in a way that this program does not read.
    """
    encodings = [name.strip().lower() for key, value in headers if key.lower() == "content-encoding" for name in value.split(",")]
    for name in reversed(encodings):
        if name in ("gzip", "x-gzip") and body.startswith(_GZIP_MAGIC):
            body = _inflated(body, 31)
        elif name == "deflate" and body[:1] == b"\x78":
            body = _inflated(body, 15)
        elif name == "zstd" and body.startswith(_ZSTD_MAGIC):
            raise InvalidInput("the body is compressed with zstd", hint="export it decoded", kind="bad-body")
        elif name == "br" and not _is_text(body):
            body = _unbrotli(body)
    return body


def _inflated(body: bytes, window: int) -> bytes:
    inflater = zlib.decompressobj(window)
    try:
        found = inflater.decompress(body, MAX_BODY)
    except zlib.error as error:
        raise InvalidInput(f"the compressed body is damaged: {error}", kind="bad-body") from error
    if inflater.unconsumed_tail:
        raise InvalidInput(f"the body has more than {MAX_BODY} bytes", kind="limit-exceeded")
    return found


def _unbrotli(body: bytes) -> bytes:
    try:
        import brotli  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise InvalidInput("the body is compressed with brotli", hint="pip install brotli", kind="missing-extra") from None
    try:
        found: bytes = brotli.decompress(body)
    except brotli.error as error:
        raise InvalidInput(f"the compressed body is damaged: {error}", kind="bad-body") from error
    return found


def _is_text(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def pairs(headers: Any) -> Pairs:
    """Return headers as pairs of texts, from a map (of texts or of lists of texts), pairs, or maps of `name` and `value`."""
    if isinstance(headers, Mapping):
        return tuple((str(name), str(value)) for name, held in headers.items() for value in (held if isinstance(held, list) else [held]))
    found: list[tuple[str, str]] = []
    for item in headers if isinstance(headers, Iterable) and not isinstance(headers, str | bytes) else ():
        if isinstance(item, Mapping) and "name" in item:
            found.append((str(item["name"]), str(item.get("value", ""))))
        elif isinstance(item, list | tuple) and len(item) == 2:
            found.append((str(item[0]), str(item[1])))
    return tuple(found)


class Unnamed:
    """Names entries that have no id of their own: by what they say, and by which of those that say the same."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def name(self, exchange: Exchange) -> str:
        """Return a name for an exchange."""
        held = (exchange.request_body, exchange.response_body)
        said = naming.nonce_of(
            exchange.method, exchange.url, exchange.status, exchange.started, *(object_id(Kind.BLOB, body).hex() for body in held)
        )
        number = self._seen[said] = self._seen.get(said, 0) + 1
        return said if number == 1 else f"{said}.{number}"


def calls(file: str, where: str, what: str, entries: list[Any], exchange: Callable[[Any], Exchange]) -> Iterator[Entry]:
    """Yield the calls of a file's entries, which lie at `where` in it. `exchange` reads one; `what` is what errors call it."""
    unnamed = Unnamed()
    for number, entry in enumerate(entries):
        place = f"{where}[{number}]"
        try:
            found = exchange(entry)
        except (InvalidInput, KeyError, TypeError, AttributeError) as error:
            yield Bad(place, str(error) if isinstance(error, InvalidInput) else f"no {what} with a request and a response")
            continue
        yield Call(place, (stem(file),), unnamed.name(found), found)
