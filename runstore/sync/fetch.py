"""Fetching: what a peer's refs lead to comes here, and `remotes/NAME/...` follow them. Tags come too; ours stay where names collide.

After the first time a fetch takes three calls: hello, list, get. A fetch into an empty store takes hello and fetch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from time import monotonic
from typing import NamedTuple

from runstore import refs
from runstore.errors import NotFound, RunstoreError
from runstore.model.ids import Link
from runstore.refs.names import MAX_BYTES
from runstore.store.protocol import Reader, Store, Writer
from runstore.sync.ancestry import ROUND, known_there
from runstore.sync.collector import held_back
from runstore.sync.frame import open_frame
from runstore.sync.limits import FETCHING, Limits
from runstore.sync.partial import Omission
from runstore.sync.progress import Progress, nothing
from runstore.sync.receive import Receiver, check_needs
from runstore.sync.remote import Hello, Remote, is_disconnect
from runstore.sync.spool import Spool
from runstore.sync.updates import MOVED, is_first_parent

KEPT = "kept"
UP_TO_DATE = "up to date"
_MOST_HAVES = 4096


class Arrived(NamedTuple):
    """A ref of the peer: its name there and here, where it stood here before, where it stands there, and a state.

    States: `moved`, `up to date`, and `kept` for a tag of another target that was here before.
    """

    theirs: str
    ours: str
    old: Link | None
    new: Link
    state: str


class Fetched(NamedTuple):
    """What a fetch brought. `heads` are the peer's heads by their full names there; for a dry run, what would come."""

    refs: list[Arrived]
    objects: int
    bytes: int
    new: int
    heads: dict[str, Link]
    default_ref: str | None


class Fetch:
    """One fetch from a remote with a name. `now` gives microseconds since 1970 UTC; `actor` stands in the reflog."""

    def __init__(
        self,
        store: Store,
        remote: Remote,
        name: str,
        *,
        now: Callable[[], int],
        actor: str,
        names: Sequence[str] = (),
        omission: Omission | None = None,
        limits: Limits = FETCHING,
        quarantine: str | None = None,
        attempts: int = 3,
        progress: Progress = nothing,
        action: str = "fetch",
        also_heads: bool = False,
    ) -> None:
        self._store = store
        self._remote = remote
        self._name = name
        self._now = now
        self._actor = actor
        self._names = names
        self._omission = omission or Omission()
        self._limits = limits
        self._quarantine = quarantine
        self._attempts = attempts
        self._progress = progress
        self._action = action
        self._also_heads = also_heads
        self._spool = Spool(quarantine)
        self._size = 0
        self._promised = b""

    def run(self, *, dry_run: bool = False) -> Fetched:
        """Fetch. Raises NotFound for a name that the peer does not have, Refused for what must not come in, Unavailable."""
        try:
            for attempt in range(self._attempts):
                try:
                    with held_back():
                        return self._attempt(dry_run)
                except RunstoreError as error:
                    if not is_disconnect(error) or attempt == self._attempts - 1:
                        raise
        finally:
            self._spool.close()
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, dry_run: bool) -> Fetched:
        hello = self._hello()
        receiver = Receiver(self._store, limits=self._limits, seconds=monotonic, spool=self._spool, progress=self._progress)
        with self._store.read() as reader:
            check_needs(reader, hello.needs, self._remote.name)
            arrived = self._plan(reader, hello.refs)
            wanted = {ref.new for ref in arrived if ref.state != KEPT and reader.address(ref.new.id) is None}
            heads = {name: link for name, link in hello.refs.items() if name.startswith("heads/")}
            found = Fetched(arrived, 0, 0, 0, heads, hello.default_ref)
            if wanted and dry_run:
                listed = self._list(reader, [link.id for link in wanted])
                return found._replace(objects=len(listed), bytes=self._size)
            if dry_run:
                return found
            if wanted:
                self._bring(reader, [link.id for link in wanted], receiver)
            receiver.inspect(reader, wanted)
        _, received = receiver.commit(lambda writer: self._move(writer, arrived), now=self._now(), source=self._remote.name)
        return found._replace(objects=received.objects, bytes=receiver.meter.received, new=received.new)

    def _hello(self) -> Hello:
        if not self._names:
            return self._remote.hello(prefixes=("heads/", "tags/"))
        hello = self._remote.hello(names=self._names)
        missing = [name for name in self._names if name not in hello.refs]
        if missing:
            raise NotFound(f"{self._remote.name} has no ref {missing[0]}", hint="`runstore ls-remote` lists what it has")
        return hello

    # --- what is wanted ----------------------------------------------------------------------------------------------------

    def _plan(self, reader: Reader, theirs: dict[str, Link]) -> list[Arrived]:
        found: list[Arrived] = []
        for name, new in sorted(theirs.items()):
            if name.startswith("tags/"):
                old = refs.get(reader, name)
                taken = refs.twin(reader, name) is not None or (old is not None and old != new)
                found.append(Arrived(name, name, old, new, KEPT if taken else UP_TO_DATE if old == new else MOVED))
            elif name.startswith("heads/"):
                ours = tracking_name(self._name, name)
                old = refs.get(reader, ours)
                found.append(Arrived(name, ours, old, new, UP_TO_DATE if old == new else MOVED))
        return found

    def _bring(self, reader: Reader, wanted: list[bytes], receiver: Receiver) -> None:
        if next(refs.each(reader), None) is None:
            self._remote.fetch(wanted, [], self._omission, skip=self._held(), take=receiver.take, promise=receiver.promise)
            return
        missing = self._list(reader, wanted)
        receiver.promise(self._promised)
        held = set(self._held())
        self._remote.get([one for one in missing if one not in held], take=receiver.take)

    def _held(self) -> list[bytes]:
        """Return the ids of what an interrupted attempt left in quarantine."""
        segments = (open_frame(frame) for frame in self._spool.frames())
        return [segment.make(i).id for segment in segments for i in range(segment.n)]

    def _list(self, reader: Reader, wanted: list[bytes]) -> list[bytes]:
        """Return the ids of what the peer would send and is not here."""
        have, tracked = self._haves(reader)
        listed = self._remote.list(wanted, have, self._omission)
        if not listed.known and not tracked and listed.ids:
            known = known_there(reader, [ref.target.id for ref in islice(refs.each(reader, "heads/"), ROUND)], self._remote.has)
            if known:
                listed = self._remote.list(wanted, known, self._omission)
        self._size, self._promised = listed.size, listed.promised
        return [one for one in listed.ids if reader.address(one) is None]

    def _haves(self, reader: Reader) -> tuple[list[bytes], bool]:
        """Return what the peer had when it was last asked, and our own tips; and whether it was asked before."""
        tracked = dict.fromkeys(ref.target.id for ref in refs.each(reader, f"remotes/{self._name}/"))
        ours = dict.fromkeys(ref.target.id for ref in islice(refs.each(reader), _MOST_HAVES))
        return list(islice(tracked | ours, _MOST_HAVES)), bool(tracked)

    # --- refs ----------------------------------------------------------------------------------------------------------------

    def _move(self, writer: Writer, arrived: Sequence[Arrived]) -> None:
        due = [(ref.ours, ref.new) for ref in arrived if ref.state != KEPT]
        if self._also_heads:
            due += [(ref.theirs, ref.new) for ref in arrived if ref.theirs.startswith("heads/")]
        moves = [(name, old, new) for name, new in due if (old := refs.get(writer, name)) != new]
        if moves:
            operation = refs.Operation(writer, now=self._now(), actor=self._actor, action=self._action, message=self._name)
            for name, old, new in moves:
                operation.move(name, old, new, extends=old is not None and is_first_parent(writer, old, new))


def tracking_name(remote: str, name: str) -> str:
    """Return the ref under which a head of a remote is followed here. One whose name gets too long is cut and told apart by a hash."""
    ours = f"remotes/{remote}/{name.removeprefix('heads/')}"
    if len(ours) <= MAX_BYTES:
        return ours
    from runstore.model.digest import checksum

    mark = checksum(name.encode()).hex()[:16]
    return f"{ours[: MAX_BYTES - len(mark) - 1].rstrip('/.')}-{mark}"
