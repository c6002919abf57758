"""The endpoint: answers the calls of peers to one store. Every transport serves this one object.

It keeps nothing between calls but interrupted uploads in the quarantine, so one may be made for each call, or one serve many threads
if `view` does. An answer is taken in the thread that began it: it reads from a snapshot of the store.
Source: docs/spec/protocol.md.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain
from time import monotonic
from typing import Any

from runstore import refs
from runstore.errors import Conflict, NotFound, Refused, RunstoreError, Unavailable
from runstore.model.ids import LINK_BYTES, Link
from runstore.store.protocol import Reader, Store
from runstore.sync import partial, updates
from runstore.sync.collector import held_back
from runstore.sync.frame import read_frame
from runstore.sync.limits import SERVING, Limits
from runstore.sync.marks import Marks
from runstore.sync.messages import BATCH, VERSION, Message, error_message, id_batches, read_ids, to_bitmap
from runstore.sync.receive import Receiver
from runstore.sync.rights import All, Rights
from runstore.sync.select import select
from runstore.sync.send import frames_of, objects_of
from runstore.sync.spool import Spool, headers_check, resume, sweep
from runstore.sync.updates import forbidden
from runstore.sync.visible import Everything, View

FEATURES = ("partial", "resume")
_REFS = 4096
_MOST_IDS = 128 * BATCH


class Endpoint:
    """One store as a peer sees it.

    `rights` and `view` say what the peer may do and see; `now` gives microseconds since 1970 UTC and `actor` stands in the reflog;
    `quarantine` is a directory for what comes in (None: the system's temporary one, and nothing can be resumed). `needs` are executions
    that are not in the store, and that who fetches must have.
    """

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], int],
        actor: str,
        rights: Rights | None = None,
        view: View | None = None,
        limits: Limits = SERVING,
        quarantine: str | None = None,
        default_ref: str | None = None,
        needs: Sequence[Link] = (),
    ) -> None:
        self._store = store
        self._needs = needs
        self._now = now
        self._actor = actor
        self._rights = rights or All()
        self._view = view or Everything()
        self._limits = limits
        self._quarantine = quarantine
        self._default_ref = default_ref

    def answer(self, messages: Iterable[Message]) -> Generator[Message, None, None]:
        """Answer one call. Errors of this side become an `error` message; only a connection that ends while the call is read raises."""
        try:
            yield from self._answer(iter(messages))
        except RunstoreError as error:
            if error.kind == "disconnected":
                raise
            yield error_message(error)

    def _answer(self, messages: Iterator[Message]) -> Iterator[Message]:
        first = next(messages, None)
        if first is None:
            raise Refused("an empty call", kind="bad-message")
        if first.name == "hello":
            return self._hello(first, messages)
        if first.name == "push":
            return self._push(first, messages)
        if first.name == "resume":
            return self._resume(first)
        if first.name in ("has", "get", "want", "have", "skip"):
            return self._query(first, messages)
        raise Refused(f"no call begins with {first.name[:40]!r}", kind="bad-message")

    # --- hello -------------------------------------------------------------------------------------------------------------

    def _hello(self, first: Message, rest: Iterator[Message]) -> Iterator[Message]:
        _end_of_call(rest)
        version = first.fields.get("version")
        if version != VERSION:
            raise Refused(f"the peer speaks version {version!r} of the protocol, and this program {VERSION}", kind="version")
        names, prefixes = _texts(first.fields.get("names", [])), _texts(first.fields.get("prefixes", []))
        with self._store.read() as reader:
            empty = not any(self._rights.read(ref.name) for ref in refs.each(reader))
            fields: dict[str, Any] = {"version": VERSION, "features": list(FEATURES), "limits": self._limits.announced(), "empty": empty}
            if self._default_ref is not None:
                fields["default_ref"] = self._default_ref
            if self._needs:
                fields["needs"] = [link.hex for link in self._needs]
            yield Message("hello", fields)
            yield from _ref_messages(self._readable(reader, names, prefixes))

    def _readable(self, reader: Reader, names: list[str], prefixes: list[str]) -> Iterator[refs.Ref]:
        found: dict[str, refs.Ref] = {}
        for name in names:
            ref = refs.read(reader, name)
            if ref is not None:
                found[name] = ref
        for prefix in prefixes:
            found.update((ref.name, ref) for ref in refs.each(reader, prefix))
        return (ref for ref in found.values() if self._rights.read(ref.name))

    # --- asking and fetching -------------------------------------------------------------------------------------------------

    def _query(self, first: Message, rest: Iterator[Message]) -> Iterator[Message]:
        batches: dict[str, list[list[bytes]]] = {"has": [], "get": [], "want": [], "have": [], "skip": []}
        last: Message | None = None
        total = 0
        for message in chain((first,), rest):
            if last is not None:
                raise Refused("a message after the end of the call", kind="bad-message")
            if message.name in ("list", "fetch"):
                last = message
                continue
            if message.name not in batches:
                raise Refused(f"a {message.name[:40]!r} message has no place here", kind="bad-message")
            ids = read_ids(message.payload)
            total += len(ids)
            if total > _MOST_IDS and message.name != "skip":
                raise Refused(f"more than {_MOST_IDS:,} ids in one call", kind="limit-exceeded")
            batches[message.name].append(ids)
        with self._store.read() as reader:
            self._view.update(reader)
            if batches["has"]:
                yield from self._has(reader, batches["has"])
            elif batches["get"]:
                yield from self._get(reader, batches["get"])
            elif last is None:
                raise Refused("a call that asks for nothing", kind="bad-message")
            else:
                yield from self._bring(reader, batches, last)

    def _has(self, reader: Reader, batches: list[list[bytes]]) -> Iterator[Message]:
        for batch in batches:
            yield Message("has", {}, to_bitmap(self._view.has(reader, one) for one in batch))

    def _get(self, reader: Reader, batches: list[list[bytes]]) -> Iterator[Message]:
        wanted = Marks()
        for batch in batches:
            for one in batch:
                address = reader.address(one) if self._view.has(reader, one) else None
                if address is None:
                    raise NotFound(f"no object {one.hex()} is here")
                wanted.add(address)
        yield from self._frames(reader, wanted)

    def _bring(self, reader: Reader, batches: dict[str, list[list[bytes]]], last: Message) -> Iterator[Message]:
        omission = partial.from_fields(last.fields)
        wants = [one for batch in batches["want"] for one in batch]
        known = [[self._view.has(reader, one) for one in batch] for batch in batches["have"]]
        for flags in known:
            yield Message("known", {}, to_bitmap(flags))
        had = [one for batch, flags in zip(batches["have"], known, strict=True) for one, flag in zip(batch, flags, strict=True) if flag]
        for one in wants:
            if not self._view.has(reader, one):
                raise NotFound(f"no object {one.hex()} is here")
        chosen = select(reader, wants, had, omission)
        promised = b"".join(sorted(link.raw for link in chosen.promised))
        for at in range(0, len(promised), LINK_BYTES * BATCH):
            yield Message("promised", {}, promised[at : at + LINK_BYTES * BATCH])
        if last.name == "fetch":
            for batch in batches["skip"]:
                for one in batch:
                    address = reader.address(one)
                    if address is not None:
                        chosen.addresses.discard(address)
            yield from self._frames(reader, chosen.addresses)
            return
        size = 0

        def ids() -> Iterator[bytes]:
            nonlocal size
            for obj in objects_of(reader, chosen.addresses):
                size += len(obj.body)
                yield obj.id

        yield from id_batches("ids", ids())
        yield Message("end", {"objects": len(chosen.addresses), "bytes": size})

    def _frames(self, reader: Reader, wanted: Marks) -> Iterator[Message]:
        headers = []
        for frame in frames_of(reader, wanted):
            headers.append(frame.header)
            yield Message("frame", {}, frame.to_bytes())
        yield Message(
            "end",
            {
                "objects": sum(header.objects for header in headers),
                "bytes": sum(header.raw for header in headers),
                "check": headers_check(headers).hex(),
            },
        )

    # --- pushing -------------------------------------------------------------------------------------------------------------

    def _push(self, first: Message, rest: Iterator[Message]) -> Iterator[Message]:
        if not self._rights.writes():
            raise forbidden("this peer may not write to this store")
        spool = self._open_upload(first)
        receiver = Receiver(self._store, limits=self._limits, seconds=monotonic, spool=spool, view=self._view)
        keep = False
        try:
            commit = None
            for message in rest:
                if commit is not None:
                    raise Refused("a message after the end of the call", kind="bad-message")
                if message.name == "frame":
                    receiver.take(read_frame(message.payload))
                elif message.name == "commit":
                    commit = message
                else:
                    raise Refused(f"a {message.name[:40]!r} message has no place here", kind="bad-message")
            if commit is None:
                keep = True
                yield _uploaded(spool)
            else:
                with held_back():
                    committed = self._commit(receiver, commit)
                yield committed
        except Unavailable as error:
            keep = error.kind == "disconnected"
            raise
        finally:
            receiver.close(keep=keep)

    def _open_upload(self, first: Message) -> Spool:
        name, start = first.fields.get("upload"), first.fields.get("frame", 0)
        if not isinstance(name, str) or type(start) is not int:
            raise Refused("an upload has a name and a first frame", kind="bad-message")
        sweep(self._quarantine, self._now() / 1_000_000)
        if not start:
            return Spool(self._quarantine, name)
        spool = resume(self._quarantine, name)
        if len(spool) != start:
            spool.close(keep=True)
            raise Conflict(f"the upload has {len(spool)} frames here, not {start}", hint="begin it again", kind="resume")
        return spool

    def _commit(self, receiver: Receiver, message: Message) -> Message:
        wanted = updates.read_updates(message.fields.get("updates"), self._limits)
        force, text = message.fields.get("force", False), message.fields.get("message", "")
        if type(force) is not bool or not isinstance(text, str):
            raise Refused("force is a bool, and message a string", kind="bad-message")
        with self._store.read() as reader:
            self._view.update(reader)
            inspection = receiver.inspect(reader, [update.new for update in wanted])
            updates.check(reader, receiver.ancestry(reader, inspection), wanted, self._rights, force=force)
            new = inspection.unseen()  # how many were new to the store would tell what it holds elsewhere
        now = self._now()
        action = "force-push" if force else "push"
        states, _ = receiver.commit(
            lambda writer: updates.move(writer, wanted, force=force, now=now, actor=self._actor, action=action, message=text), now=now
        )
        return Message("committed", {"refs": [[name, state] for name, state in states.items()], "objects": new})

    def _resume(self, first: Message) -> Iterator[Message]:
        name = first.fields.get("upload")
        if not isinstance(name, str):
            raise Refused("an upload has a name", kind="bad-message")
        spool = resume(self._quarantine, name)
        try:
            yield _uploaded(spool)
        finally:
            spool.close(keep=True)


def _uploaded(spool: Spool) -> Message:
    return Message("uploaded", {"frames": len(spool), "check": spool.check().hex()})


def _ref_messages(found: Iterable[refs.Ref]) -> Iterator[Message]:
    batch: list[bytes] = []
    for ref in found:
        name = ref.name.encode()
        batch.append(ref.target.raw + bytes((len(name),)) + name)
        if len(batch) == _REFS:
            yield Message("refs", {}, b"".join(batch))
            batch = []
    if batch:
        yield Message("refs", {}, b"".join(batch))


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Refused("names and prefixes are arrays of strings", kind="bad-message")
    return value


def _end_of_call(rest: Iterator[Message]) -> None:
    if next(rest, None) is not None:
        raise Refused("a message after the end of the call", kind="bad-message")
