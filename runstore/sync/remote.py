"""The calling side of the protocol: one method a call. What the peer answers is checked for form here and for content by `receive`.

Source: docs/spec/protocol.md, "Calls".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from runstore.errors import InvalidInput, Refused, RunstoreError, Unavailable
from runstore.model.ids import LINK_BYTES, Kind, Link, link_from_raw
from runstore.refs import check_name
from runstore.sync.channel import Channel
from runstore.sync.frame import Frame, read_frame
from runstore.sync.limits import Limits, from_announcement
from runstore.sync.messages import BATCH, VERSION, Message, from_bitmap, id_batches, raise_error, read_ids
from runstore.sync.partial import Omission
from runstore.sync.spool import headers_check
from runstore.sync.updates import ALREADY, MOVED, Update

# So many batches of ids go into one call.
_BATCHES = 16


class Hello(NamedTuple):
    """What a peer said of itself, and the refs that were asked for.

    `empty`: it has no ref that we may read. `needs`: executions that it has not, and that who fetches must have.
    """

    features: frozenset[str]
    limits: Limits
    default_ref: str | None
    empty: bool
    refs: dict[str, Link]
    needs: tuple[Link, ...] = ()


class Listed(NamedTuple):
    """What a peer would send: ids, their size in raw bytes, raw links to what it would leave out; and those of the `have` that it knows."""

    ids: list[bytes]
    size: int
    promised: bytes
    known: list[bytes]


class Remote:
    """A peer. `connect` opens a channel to it, and another one after a connection was lost. Used by one thread."""

    def __init__(self, connect: Callable[[], Channel], name: str = "the other side") -> None:
        self._connect = connect
        self._channel: Channel | None = None
        self.name = name
        self.calls = 0

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the connection. Idempotent."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _call(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Yield the messages of an answer; an `error` among them is raised. Whatever goes wrong ends the connection."""
        if self._channel is None:
            self._channel = self._connect()
        self.calls += 1
        failure: Message | None = None
        try:
            for message in self._channel.call(messages):
                if message.name == "error":
                    failure = message  # the last message of an answer, which is still taken to its end
                elif failure is None:
                    yield message
        except (RunstoreError, OSError, GeneratorExit):
            self.close()
            raise
        if failure is not None:
            raise_error(failure)

    def ask(self, messages: Iterable[Message]) -> list[Message]:
        """Make any call and return its whole answer; an `error` in it is raised."""
        return list(self._call(messages))

    def hello(self, *, names: Sequence[str] = (), prefixes: Sequence[str] = ()) -> Hello:
        """Ask what the peer can do, and for refs: those named and those that begin with a prefix. Raises Refused for another version."""
        answer = self._call([Message("hello", {"version": VERSION, "names": list(names), "prefixes": list(prefixes)})])
        first = next(answer, None)
        if first is None or first.name != "hello":
            raise Refused(f"{self.name} does not speak this protocol", kind="version")
        fields = first.fields
        if fields.get("version") != VERSION:
            raise Refused(
                f"{self.name} speaks version {fields.get('version')!r} of the protocol, and this program {VERSION}", kind="version"
            )
        found: dict[str, Link] = {}
        for message in answer:
            found.update(_read_refs(message))
        features = fields.get("features")
        limits = fields.get("limits")
        default = fields.get("default_ref")
        return Hello(
            frozenset(item for item in features if isinstance(item, str)) if isinstance(features, list) else frozenset(),
            from_announcement(limits if isinstance(limits, dict) else {}),
            default if isinstance(default, str) else None,
            fields.get("empty") is True,
            found,
            tuple(_read_needs(fields.get("needs", []))),
        )

    def has(self, ids: Sequence[bytes]) -> list[bool]:
        """Ask which objects the peer has (and lets us know of), in as few calls as their number allows."""
        found: list[bool] = []
        for part in _parts(ids, BATCH * _BATCHES):
            batches = _parts(part, BATCH)
            answers = list(self._call(id_batches("has", part)))
            if [message.name for message in answers] != ["has"] * len(batches):
                raise Refused(f"{self.name} did not answer what was asked", kind="bad-message")
            for batch, message in zip(batches, answers, strict=True):
                found += from_bitmap(message.payload, len(batch))
        return found

    def list(self, want: Sequence[bytes], have: Sequence[bytes], omission: Omission) -> Listed:
        """Ask what would be sent."""
        found = Listed([], 0, b"", [])
        known: list[bool] = []
        size, promised, ended = 0, [], False
        for message in self._call((*id_batches("want", want), *id_batches("have", have), Message("list", omission.fields()))):
            if message.name == "known":
                known += from_bitmap(message.payload, min(BATCH, len(have) - len(known)))
            elif message.name == "promised":
                promised.append(message.payload)
            elif message.name == "ids":
                found.ids.extend(read_ids(message.payload))
            elif message.name == "end":
                size, ended = _number(message, "bytes"), True
        if not ended or len(known) != len(have):
            raise Refused(f"{self.name} did not answer what was asked", kind="bad-message")
        return found._replace(size=size, promised=b"".join(promised), known=[one for one, flag in zip(have, known, strict=True) if flag])

    def fetch(
        self,
        want: Sequence[bytes],
        have: Sequence[bytes],
        omission: Omission,
        *,
        skip: Iterable[bytes] = (),
        take: Callable[[Frame], None],
        promise: Callable[[bytes], None],
    ) -> None:
        """Have everything sent that is wanted and neither had nor skipped."""
        call = (*id_batches("want", want), *id_batches("have", have), *id_batches("skip", skip), Message("fetch", omission.fields()))
        self._take_frames(self._call(call), take, promise)

    def get(self, ids: Sequence[bytes], *, take: Callable[[Frame], None]) -> None:
        """Have these objects sent. Raises NotFound if one of them is not there (for us)."""
        for part in _parts(ids, BATCH * _BATCHES):
            self._take_frames(self._call(id_batches("get", part)), take, _no_promise)

    def _take_frames(self, answer: Iterator[Message], take: Callable[[Frame], None], promise: Callable[[bytes], None]) -> None:
        headers = []
        ended = None
        for message in answer:
            if message.name == "frame":
                frame = read_frame(message.payload)
                headers.append(frame.header)
                take(frame)
            elif message.name == "promised":
                promise(message.payload)
            elif message.name == "end":
                ended = message
        if ended is None or ended.fields.get("check") != headers_check(headers).hex():
            raise Refused(f"{self.name} did not send all that it announced", kind="bad-message")

    def push(
        self,
        upload: str,
        first: int,
        frames: Iterable[Frame],
        updates: Sequence[Update],
        *,
        force: bool,
        message: str,
    ) -> tuple[dict[str, str], int]:
        """Send frames, the first with this number, and have the refs moved.

        Return what became of each ref, and how many objects were new.
        """
        answer = self.ask(_push_call(upload, first, frames, updates, force, message))
        if len(answer) != 1 or answer[0].name != "committed":
            raise Refused(f"{self.name} did not say what became of the push", kind="bad-message")
        states = answer[0].fields.get("refs")
        if not isinstance(states, list):
            raise Refused(f"{self.name} did not say what became of the refs", kind="bad-message")
        told = {item[0]: item[1] for item in states if isinstance(item, list) and len(item) == 2 and item[1] in (MOVED, ALREADY)}
        if told.keys() != {update.name for update in updates}:
            raise Refused(f"{self.name} did not say what became of the refs", kind="bad-message")
        return told, _number(answer[0], "objects")

    def uploaded(self, upload: str) -> tuple[int, str]:
        """Ask how many frames of an interrupted upload the peer kept, and for the hash of their headers."""
        answer = self.ask([Message("resume", {"upload": upload})])
        if len(answer) != 1 or answer[0].name != "uploaded" or not isinstance(answer[0].fields.get("check"), str):
            raise Refused(f"{self.name} did not answer what was asked", kind="bad-message")
        return _number(answer[0], "frames"), answer[0].fields["check"]


def is_disconnect(error: RunstoreError) -> bool:
    """True if a connection ended, so that whether the last call was carried out is not known and it may be made again."""
    return isinstance(error, Unavailable) and error.kind == "disconnected"


def _push_call(upload: str, first: int, frames: Iterable[Frame], updates: Sequence[Update], force: bool, message: str) -> Iterator[Message]:
    yield Message("push", {"upload": upload, "frame": first})
    for frame in frames:
        yield Message("frame", {}, frame.to_bytes())
    fields: dict[str, Any] = {"updates": [list(update) for update in updates], "force": force, "message": message}
    yield Message("commit", fields)


def _read_needs(told: Any) -> Iterator[Link]:
    if not isinstance(told, list):
        raise Refused("what is needed is no list", kind="bad-message")
    for text in told:
        try:
            yield Link(Kind.EXECUTION, bytes.fromhex(text))
        except (TypeError, ValueError) as error:
            raise Refused("what is needed is not named by ids", kind="bad-message") from error


def _read_refs(message: Message) -> Iterator[tuple[str, Link]]:
    """Read a `refs` message: names are checked, since they become names here. Raises Refused."""
    if message.name != "refs":
        raise Refused(f"a {message.name[:40]!r} message where refs are due", kind="bad-message")
    payload, at = message.payload, 0
    while at < len(payload):
        end = at + LINK_BYTES + 1
        if end > len(payload):
            raise Refused("a list of refs is cut off", kind="bad-message")
        size = payload[end - 1]
        raw, name = payload[at : end - 1], payload[end : end + size]
        at = end + size
        if len(name) != size:
            raise Refused("a list of refs is cut off", kind="bad-message")
        try:
            yield check_name(name.decode("ascii", "replace")), link_from_raw(raw)
        except InvalidInput as error:
            raise Refused(f"the peer has a ref that cannot be named here: {error}", kind="bad-name") from error


def _no_promise(_: bytes) -> None:
    raise Refused("a promise where all was asked for", kind="bad-message")


def _number(message: Message, name: str) -> int:
    value = message.fields.get(name)
    if type(value) is not int or value < 0:
        raise Refused(f"a {message.name} message without the number of {name}", kind="bad-message")
    return value


def _parts(ids: Sequence[bytes], size: int) -> list[Sequence[bytes]]:
    return [ids[at : at + size] for at in range(0, len(ids), size)]
