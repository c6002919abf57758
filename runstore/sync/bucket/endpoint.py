"""A bucket behind the protocol: whoever pushes to it or fetches from it does as with any other store.

Fetching is served from the root as it stands. What is pushed becomes packs; then the root is moved, on the condition that the refs stand
where they were taken to stand. There is no server to decide: this side checks names, ids, form, links and the way forward before it writes,
and every reader checks again at its own border.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from runstore.errors import Conflict, NoStore, Refused, RunstoreError
from runstore.model.ids import Kind, Link, Object, link_from_raw
from runstore.model.objects import links_of, open_body
from runstore.refs import check_name
from runstore.runs.generations import Near, generation_at, near
from runstore.store.protocol import Reader
from runstore.sync import updates
from runstore.sync.ancestry import Ancestry
from runstore.sync.bucket.bucket import Bucket
from runstore.sync.bucket.compact import tend
from runstore.sync.bucket.pages import change_refs
from runstore.sync.bucket.root import Pack, Root
from runstore.sync.bucket.store import BucketStore
from runstore.sync.bucket.write import PackUpload, list_packs
from runstore.sync.endpoint import Endpoint
from runstore.sync.frame import Frame, open_frame, read_frame
from runstore.sync.limits import FETCHING, Meter
from runstore.sync.messages import Message, error_message
from runstore.sync.rights import All
from runstore.sync.updates import ALREADY, MOVED, Update, not_forward


class BucketEndpoint:
    """Answers calls to one bucket; each call sees the root as it stands then. `now` gives microseconds since 1970 UTC."""

    def __init__(self, bucket: Bucket, *, now: Callable[[], int], actor: str) -> None:
        self._bucket = bucket
        self._now = now
        self._actor = actor
        self._store: BucketStore | None = None

    def close(self) -> None:
        """Let go of what was fetched. Idempotent."""
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def answer(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Answer one call, as Endpoint.answer does."""
        try:
            given = iter(messages)
            first = next(given, None)
            if first is not None and first.name == "push":
                yield self._push(given)
            elif first is not None:
                if first.name == "hello" and first.fields.get("prefixes") and self._bucket.load().version is None:
                    raise NoStore(f"there is no store in {self._bucket.url}", hint="`runstore push` to it makes one")
                yield from self._reading().answer(_again(first, given))
            else:
                raise Refused("an empty call", kind="bad-message")
        except RunstoreError as error:
            if error.kind == "disconnected":
                raise
            yield error_message(error)

    def _reading(self) -> Endpoint:
        store = self._current()
        return Endpoint(store, now=self._now, actor=self._actor, rights=All(), limits=FETCHING, default_ref=_short(store.root.default_ref))

    def _current(self) -> BucketStore:
        root = self._bucket.load().root
        if self._store is None or self._store.root is not root:
            self.close()
            self._store = BucketStore(self._bucket, root)
        return self._store

    # --- pushing -------------------------------------------------------------------------------------------------------------

    def _push(self, rest: Iterator[Message]) -> Message:
        self._bucket.probe()
        store, began = self._current(), self._now()
        with store.read() as reader:
            arriving = Arriving(self._bucket, reader)
            commit: Message | None = None
            for message in rest:
                if commit is None and message.name == "frame":
                    arriving.take(read_frame(message.payload))
                elif commit is None and message.name == "commit":
                    commit = message
                else:
                    raise Refused(f"a {message.name[:40]!r} message has no place here", kind="bad-message")
            if commit is None:
                raise Refused("a push to a bucket comes in one call", kind="bad-message")
            wanted = updates.read_updates(commit.fields.get("updates"), FETCHING)
            force = commit.fields.get("force", False) is True
            arriving.check(wanted)
            updates.check(reader, Ancestry(reader, arriving.parents), wanted, All(), force=force)
            packs = arriving.finish()
        states = move_refs(self._bucket, packs, wanted, began=began, now=self._now, force=force)
        return Message(
            "committed", {"refs": [[name, state] for name, state in states.items()], "objects": sum(pack.objects for pack in packs)}
        )


class Arriving:
    """What one push brings: packs are put as frames come; links are checked when all are there."""

    def __init__(self, bucket: Bucket, reader: Reader) -> None:
        self._reader = reader
        self._url = bucket.url
        self._upload = PackUpload(bucket.files, self._generation)
        self._meter = Meter(FETCHING)
        self._own: set[bytes] = set()
        self._linked: set[bytes] = set()
        self.parents: dict[bytes, Near] = {}
        self._near: dict[bytes, Near] = {}
        self._heights: dict[bytes, int] = {}
        self._waiting: list[Frame] = []

    def take(self, frame: Frame) -> None:
        """Check the objects of a frame. One that holds executions waits, as their generations follow from one another. Raises Refused."""
        self._meter.take(frame.header)
        segment = open_frame(frame)
        objects = [segment.make(i) for i in range(segment.n)]
        for obj in objects:
            self._look_at(obj)
        if any(obj.kind == Kind.EXECUTION for obj in objects):
            self._waiting.append(frame)
        else:
            self._upload.add(frame, segment, objects)

    def _look_at(self, obj: Object) -> None:
        raw = obj.link.raw
        if raw in self._own:
            raise Refused(f"{obj.link} comes twice", kind="duplicate-object")
        self._own.add(raw)
        opened = open_body(obj.kind, obj.body)
        if obj.kind == Kind.BLOB:
            return
        self._linked.update(opened.raws)
        if obj.kind == Kind.EXECUTION:
            self.parents[obj.id] = tuple(link.id for link in opened.content.parents)
            self._near[obj.id] = near(links_of(obj.kind, obj.body))

    def check(self, wanted: Sequence[Update]) -> None:
        """Raise Refused if something is linked to, or pointed at, that is neither in the push nor in the bucket."""
        for raw in self._linked - self._own:
            if self._reader.address(raw[1:]) is None:
                raise Refused(f"{link_from_raw(raw)} is linked to, and is neither in the push nor in {self._url}", kind="missing-object")
        for update in wanted:
            if update.new.raw not in self._own and self._reader.address(update.new.id) is None:
                raise Refused(f"{update.name} is to point at {update.new}, which is not there", kind="missing-object")

    def finish(self) -> list[Pack]:
        """Put what waits, and return the packs."""
        for frame in self._waiting:
            self._upload.add(frame)
        return self._upload.finish()

    def _generation(self, execution: Object) -> int:
        heights, below = self._heights, self._near
        todo = [execution.id]
        while todo:
            key = todo[-1]
            missing = [one for one in below[key] if one not in heights]
            unknown = [one for one in missing if one in below]
            heights.update({one: self._stored(one) for one in missing if one not in below})
            if unknown:
                todo += unknown
                continue
            heights[key] = 1 + max((heights[one] for one in below[key]), default=0)
            todo.pop()
        return heights[execution.id]

    def _stored(self, key: bytes) -> int:
        address = self._reader.address(key)
        return 0 if address is None else generation_at(self._reader, address) or 0


def move_refs(
    bucket: Bucket, packs: Sequence[Pack], wanted: Sequence[Update], *, began: int, now: Callable[[], int], force: bool
) -> dict[str, str]:
    """Let the root list the packs, and its refs stand where they are wanted, all or none; return what became of each. Raises Conflict."""
    states: dict[str, str] = {}

    def change(root: Root) -> Root:
        refs = bucket.refs(root)
        due: dict[str, Link | None] = {}
        for name, old, new in wanted:
            current = refs.get(name)
            states[name] = ALREADY if current == new else MOVED
            if current == new:
                continue
            if current != old:
                raise Conflict(f"the ref {name} has moved meanwhile", hint="`runstore pull` brings what is new there", kind="conflict")
            if current is not None and name.startswith("tags/") and not force:
                raise not_forward(name)
            due[check_name(name)] = new
        if not due:
            return root
        default = root.default_ref or next((name for name in due if name.startswith("heads/")), None)
        moment = now()
        listed = list_packs(root, packs, began=began, now=moment)._replace(default_ref=default)
        return change_refs(bucket, listed, due, now=moment)

    root = bucket.move(change)
    tend(bucket, root, now=now)
    return states


def _again(first: Message, rest: Iterator[Message]) -> Iterator[Message]:
    yield first
    yield from rest


def _short(name: str | None) -> str | None:
    return None if name is None else name.removeprefix("heads/")
