"""Messages between stores: a name, fields and a payload of raw bytes; and how they stand on a stream.

What comes from a peer is checked for size before it is read, and decoded strictly. Source: docs/spec/protocol.md, "Messages".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Any, BinaryIO, NamedTuple, Protocol

from runstore import errors
from runstore.errors import Refused, RunstoreError, Unavailable
from runstore.model.encoding import ANY_KIND, decode, encode
from runstore.model.ids import ID_BYTES

VERSION = 1
MOST_HEAD = 1 << 20
MOST_PAYLOAD = (4 << 30) + (2 << 20)
BATCH = 8192
_LENGTHS = Struct("<IQ")
LENGTHS_BYTES = _LENGTHS.size
END = bytes(LENGTHS_BYTES)
_STEP = 1 << 20


class Source(Protocol):
    """What messages are read from: a stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, and none only at the end."""


class Message(NamedTuple):
    """One message. `fields` hold values (links among them), `payload` is raw bytes."""

    name: str
    fields: dict[str, Any] = {}  # noqa: RUF012 - never changed in place
    payload: bytes = b""

    def head(self) -> bytes:
        """Return name and fields encoded."""
        return encode([self.name, self.fields], links=ANY_KIND).body


def read_head(head: bytes, payload: bytes = b"") -> Message:
    """Decode a message's head strictly. Raises Refused."""
    value = decode(head)
    if not (isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)):
        raise Refused("not a message: its head is no pair of a name and fields", kind="bad-message")
    return Message(value[0], value[1], payload)


def to_bytes(message: Message) -> bytes:
    """Return a message as it stands on a stream."""
    head = message.head()
    return b"".join((_LENGTHS.pack(len(head), len(message.payload)), head, message.payload))


def write_call(stream: BinaryIO, messages: Iterable[Message]) -> None:
    """Write messages and the end of the call, and flush."""
    for message in messages:
        stream.write(to_bytes(message))
    stream.write(END)
    stream.flush()


def read_call(stream: Source, *, most_payload: int = MOST_PAYLOAD) -> Iterator[Message]:
    """Yield the messages of one call or answer, up to its end. Raises Refused, or Unavailable (`disconnected`) if the stream ends."""
    while (message := read_message(stream, most_payload=most_payload)) is not None:
        yield message


def read_message(stream: Source, *, most_payload: int = MOST_PAYLOAD) -> Message | None:
    """Read one message; None at the end of a call."""
    head_size, payload_size = _LENGTHS.unpack(read_exactly(stream, LENGTHS_BYTES))
    if not head_size:
        if payload_size:
            raise Refused("a message without a head", kind="bad-message")
        return None
    if head_size > MOST_HEAD or payload_size > most_payload:
        raise Refused(f"a message of {head_size:,} and {payload_size:,} bytes is larger than is taken here", kind="limit-exceeded")
    head = read_exactly(stream, head_size)
    return read_head(head, read_exactly(stream, payload_size))


def read_exactly(stream: Source, size: int) -> bytes:
    """Read so many bytes; memory grows with what is really there. Raises Unavailable (`disconnected`) if there are fewer."""
    parts: list[bytes] = []
    left = size
    while left:
        part = stream.read(min(left, _STEP))
        if not part:
            raise disconnected("the connection ended in the middle of a message")
        parts.append(part)
        left -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def disconnected(fact: str) -> Unavailable:
    """Return the error for a connection that ended: whether the last call was carried out is not known."""
    return Unavailable(fact, hint="try again: what was carried out is not done twice", kind="disconnected")


def ids_message(name: str, ids: Iterable[bytes]) -> Message:
    """Return a message whose payload is a batch of ids."""
    return Message(name, {}, b"".join(ids))


def id_batches(name: str, ids: Iterable[bytes]) -> Iterator[Message]:
    """Yield messages that hold these ids, at most 8,192 each."""
    batch: list[bytes] = []
    for one in ids:
        batch.append(one)
        if len(batch) == BATCH:
            yield ids_message(name, batch)
            batch = []
    if batch:
        yield ids_message(name, batch)


def read_ids(payload: bytes) -> list[bytes]:
    """Return the ids of a batch. Raises Refused."""
    if len(payload) % ID_BYTES or len(payload) > BATCH * ID_BYTES:
        raise Refused(f"a batch of ids has {len(payload):,} bytes", kind="bad-message")
    return [payload[at : at + ID_BYTES] for at in range(0, len(payload), ID_BYTES)]


def to_bitmap(flags: Iterable[bool]) -> bytes:
    """Return flags as a bitmap: the first in the lowest bit of the first byte."""
    digits = "".join("1" if flag else "0" for flag in flags)
    return int(digits[::-1], 2).to_bytes((len(digits) + 7) // 8, "little") if digits else b""


def from_bitmap(payload: bytes, count: int) -> list[bool]:
    """Return so many flags of a bitmap. Raises Refused if its length is another."""
    if len(payload) != (count + 7) // 8:
        raise Refused(f"a bitmap of {len(payload)} bytes for {count} ids", kind="bad-message")
    return [bool(payload[at >> 3] >> (at & 7) & 1) for at in range(count)]


def error_message(error: RunstoreError) -> Message:
    """Return the message that tells a peer of an error."""
    fields = {"class": _class_name(error), "kind": error.kind, "message": str(error)}
    if error.hint:
        fields["hint"] = error.hint
    return Message("error", fields)


def raise_error(message: Message) -> None:
    """Raise what a peer's `error` message tells, as the class that a caller would handle."""
    fields = message.fields
    found = {name: value for name in ("class", "kind", "message", "hint") if isinstance(value := fields.get(name), str)}
    raised = _CLASSES.get(found.get("class", ""), RunstoreError)
    raise raised(
        found.get("message", "the other side gave no reason")[:_MOST_TEXT],
        hint=found.get("hint", "")[:_MOST_TEXT] or None,
        kind=found.get("kind"),
    )


def _class_name(error: RunstoreError) -> str:
    return next((name for name, kind in _CLASSES.items() if isinstance(error, kind)), "error")


_MOST_TEXT = 2000
# The first class that fits names an error: subclasses stand before their bases.
_CLASSES: dict[str, type[RunstoreError]] = {
    "refused": errors.Refused,
    "busy": errors.Busy,
    "conflict": errors.Conflict,
    "not-found": errors.NotFound,
    "invalid": errors.InvalidInput,
    "unavailable": errors.Unavailable,
    "damaged": errors.Damaged,
}
