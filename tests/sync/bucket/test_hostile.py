"""Buckets with hostile contents: whoever can write to one can break it, and nobody who reads from it takes anything over."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from runstore.errors import RunstoreError
from runstore.model.digest import checksum
from runstore.model.encoding import decode
from runstore.model.executions import Execution, encode_execution
from runstore.model.ids import Kind, Link, Object, make_object
from runstore.model.run import Run
from runstore.sync.bucket.bucket import Bucket
from runstore.sync.bucket.connect import connector, open_bucket
from runstore.sync.bucket.index import MAGIC as INDEX_MAGIC
from runstore.sync.bucket.root import MAGIC, START_BYTES, Pack, Root, read_root, seal, sealed_size, unseal
from runstore.sync.bucket.write import PackUpload
from runstore.sync.frame import Frame, Header, make_frame
from runstore.sync.packs import HEAD, TRAILER_BYTES
from runstore.sync.urls import parse_url
from runstore.testing.machines import Machine
from tests.sync.bucket.test_transport import ACCESS

NAME = "0123456789abcdef0123456789abcdef"
LINK = Link(Kind.EXECUTION, bytes(range(32)))


class Forger:
    """Puts into a bucket whatever is asked."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = f"dir://{directory}"
        self.bucket = open_bucket(self.url)

    def filled(self) -> Root:
        """Let an honest machine push five turns; return the root."""
        machine = Machine(1)
        machine.talk(5)
        machine.push(connector(parse_url(self.url), ACCESS))
        return self.bucket.load().root

    def pack(self, *objects: Object, frame: Frame | None = None) -> Pack:
        """Put a pack with these objects."""
        upload = PackUpload(self.bucket.files, lambda _: 1)
        upload.add(make_frame(2, objects) if frame is None else frame)
        return upload.finish()[0]

    def root(self, root: Root) -> None:
        """Put a root."""
        self.raw_root(root.stamped(NAME).to_bytes())

    def raw_root(self, data: bytes) -> None:
        """Put bytes as the root."""
        self.directory.mkdir(exist_ok=True)
        (self.directory / "root").write_bytes(data)

    def change(self, name: str, edit: Callable[[bytearray], None]) -> None:
        """Edit an object in place."""
        path = self.directory / name
        data = bytearray(path.read_bytes())
        edit(data)
        path.write_bytes(data)


@pytest.fixture
def forger(tmp_path: Path) -> Forger:
    """Someone who writes to a bucket."""
    return Forger(tmp_path / "bucket")


def refused(forger: Forger) -> RunstoreError:
    """Fetch from the bucket into a store with something in it; return the error. Nothing has changed there."""
    victim = Machine(9)
    victim.talk(2)
    before = victim.state()
    with pytest.raises(RunstoreError) as error:
        victim.fetch(connector(parse_url(forger.url), ACCESS))
    assert victim.state() == before
    return error.value


def value_of(root: Root) -> dict[str, object]:
    """Return the sealed value of a root."""
    found = decode(root.stamped(NAME).to_bytes()[START_BYTES:])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("edit", "kind"),
    [
        ({"refs": [["heads/../../etc/passwd", LINK]]}, "bad-name"),
        ({"refs": [["heads/\x1b]0;x", LINK]]}, "bad-name"),
        ({"refs": [["remotes/origin/main", LINK]]}, "bad-name"),
        ({"refs": [["heads/Main", LINK], ["heads/main", LINK]]}, "bad-name"),
        ({"refs": [["heads/b", LINK], ["heads/a", LINK]]}, "bad-bucket"),
        ({"refs": [["heads/a", LINK], ["heads/a", LINK]]}, "bad-bucket"),
        ({"refs": [["heads/a", Link(Kind.BLOB, bytes(32))]]}, "bad-target"),
        ({"refs": [["heads/a", 7]]}, "bad-bucket"),
        ({"packs": [["../../../etc/passwd", "00" * 32, 1, 1, 1]]}, "bad-bucket"),
        ({"packs": [[NAME, "00" * 32, 1, 1 << 40, 1]]}, "bad-bucket"),
        ({"packs": [[NAME, "00" * 32, 1, -1, 1]]}, "bad-bucket"),
        ({"packs": [[NAME, "00" * 31, 1, 1, 1]]}, "bad-bucket"),
        ({"packs": [[NAME, "00" * 32, 1, 1, 1]] * 2}, "bad-bucket"),
        ({"retired": [["root", 1]]}, "bad-bucket"),
        ({"retired": [["packs/../../x.pack", 1]]}, "bad-bucket"),
        ({"writes": []}, "bad-bucket"),
        ({"writes": ["x"]}, "bad-bucket"),
        ({"id": "x"}, "bad-bucket"),
        ({"default_ref": "heads/.."}, "bad-name"),
        ({"pages": []}, "bad-bucket"),
        ({"more": 1}, "bad-bucket"),
    ],
)
def test_a_root_that_breaks_a_rule_is_refused(forger: Forger, edit: dict[str, object], kind: str) -> None:
    """Names that are paths, names for terminals, case twins, lying sizes, unknown keys: the root is refused whole."""
    forger.raw_root(seal(MAGIC, {**value_of(Root()), **edit}))
    assert refused(forger).kind == kind


@pytest.mark.parametrize(
    "data",
    [b"", b"RSROOT", b"x" * 100, b"RSROOT\x01\x00" + b"x" * 60, b"RSROOT\x02\x00" + bytes(60)],
    ids=["no", "cut", "x", "rest", "later"],
)
def test_what_is_no_root_is_refused(forger: Forger, data: bytes) -> None:
    """Rubbish, a root that is cut off, and one of a later version."""
    forger.raw_root(data)
    assert refused(forger).kind in ("bad-bucket", "version")


def test_a_root_of_a_gigabyte_is_refused_unread(forger: Forger) -> None:
    """Of a root no more is read than it may have."""
    forger.raw_root(b"")
    os.truncate(forger.directory / "root", 1 << 30)
    assert refused(forger).kind == "limit-exceeded"


def test_a_ref_to_what_is_in_no_pack_is_refused(forger: Forger) -> None:
    """A ref that leads to an object which the bucket lacks is not followed."""
    root = forger.filled()
    forger.root(root._replace(refs={**root.refs, "heads/x": LINK}))
    assert refused(forger).kind == "not-found"


@pytest.mark.parametrize("place", [8, 200, -1])
def test_wrong_bytes_in_a_pack_are_refused(forger: Forger, place: int) -> None:
    """A pack whose bytes are others than its index says: nothing of it is taken."""
    pack = forger.filled().packs[0]
    forger.change(pack.path, lambda data: data.__setitem__(place if place > 0 else pack.size // 2, data[place] ^ 1))
    assert refused(forger).kind in ("damaged", "bad-frame", "bad-pack")


def test_an_index_that_lies_about_ids_is_refused(forger: Forger) -> None:
    """An index bound to its pack by its hash, with an id for bytes of another object."""
    run = Run(model={"name": "m"})
    execution = encode_execution(Execution(run=run.tree.link))
    honest = forger.pack(*run_objects(run), execution)
    data = bytearray((forger.directory / honest.index_path).read_bytes())
    wanted = bytes(reversed(execution.id))
    data[data.index(execution.id) : data.index(execution.id) + 32] = wanted
    forged = rehash(forger, honest, data)
    forger.root(Root(packs=(forged,), refs={"heads/main": Link(Kind.EXECUTION, wanted)}))
    assert refused(forger).kind == "damaged"


def test_an_index_of_another_pack_is_refused(forger: Forger) -> None:
    """Each index says whose it is."""
    root = forger.filled()
    machine = Machine(2)
    machine.talk(3, "other")
    machine.push(connector(parse_url(forger.url), ACCESS), "other")
    first, second = forger.bucket.load().root.packs
    (forger.directory / first.index_path).write_bytes((forger.directory / second.index_path).read_bytes())
    assert refused(forger).kind == "bad-bucket"
    assert root.packs == (first,)


def test_packs_that_supersede_one_another_are_refused(forger: Forger) -> None:
    """Two packs that each claim to stand for the other, and one that claims to stand for itself."""
    root = forger.filled()
    pack = root.packs[0]
    data = (forger.directory / pack.index_path).read_bytes()
    forger.root(root._replace(packs=(resealed(forger, pack, data, [pack.name]),)))
    assert refused(forger).kind == "bad-bucket"
    other = forger.pack(make_object(Kind.VALUE, b"\x01"))
    mutual = resealed(forger, pack, data, [other.name])
    forger.root(root._replace(packs=(mutual, resealed(forger, other, (forger.directory / other.index_path).read_bytes(), [pack.name]))))
    assert refused(forger).kind == "bad-bucket"


def test_a_bomb_is_refused_by_its_sizes(forger: Forger) -> None:
    """A frame of a kilobyte whose header claims gigabytes is not inflated."""
    size = 1 << 20
    small = zstandard.ZstdCompressor(level=19).compress(bytes([1]) + size.to_bytes(4, "little") + bytes(size))
    honest = Frame(Header(2, 1, size + 5, len(small), checksum(small)), small)
    run = Run(model={"name": "m"})
    execution = encode_execution(Execution(run=run.tree.link))
    bomb = forger.pack(frame=honest)
    data = bytearray((forger.directory / bomb.path).read_bytes())
    at = data.index(honest.header.to_bytes())
    data[at : at + 56] = honest.header._replace(raw=10 << 30).to_bytes()
    (forger.directory / bomb.path).write_bytes(data)
    index = bytearray((forger.directory / bomb.index_path).read_bytes())
    at = index.index(honest.header.to_bytes())
    index[at : at + 56] = honest.header._replace(raw=10 << 30).to_bytes()
    forged = rehash(forger, bomb, index)
    rest = forger.pack(*run_objects(run), execution)
    forger.root(Root(packs=(forged, rest), refs={"heads/main": execution.link}))
    assert refused(forger).kind in ("damaged", "bad-size", "bad-frame", "limit-exceeded", "limit-ratio")


def test_an_object_that_nothing_leads_to_stays_there(forger: Forger) -> None:
    """What a pack holds beside what its refs lead to is not brought along."""
    root = forger.filled()
    stray = make_object(Kind.BLOB, b"stray")
    forger.root(root._replace(packs=(*root.packs, forger.pack(stray))))
    victim = Machine(9)
    victim.fetch(connector(parse_url(forger.url), ACCESS))
    assert stray.id not in victim.ids()


def test_a_pack_that_is_gone_is_named(forger: Forger) -> None:
    """A pack that the root lists and nobody has any more is damage, and named."""
    pack = forger.filled().packs[0]
    (forger.directory / pack.path).unlink()
    error = refused(forger)
    assert error.kind == "lost"
    assert pack.name in str(error)


def test_roots_read_back_as_they_were_written() -> None:
    """What is written is read as the same."""
    pack = Pack(NAME, bytes(range(32)), 3, 1000, 400)
    root = Root((NAME,), (pack,), {"heads/a": LINK, "tags/b": Link(Kind.TAG, bytes(32))}, (), ((pack.path, 5),), "heads/a", NAME)
    assert read_root(root.to_bytes()) == root


def run_objects(run: Run) -> list[Object]:
    """Return the objects of a run."""
    return [*(obj for part in run.parts.values() for obj in part.objects), run.tree]


def resealed(forger: Forger, pack: Pack, index: bytes, supersedes: list[str]) -> Pack:
    """Write the index of a pack again, with other claims in its head."""
    head = unseal(INDEX_MAGIC, index, "it", more=True)
    data = seal(INDEX_MAGIC, {**head, "supersedes": supersedes}) + index[sealed_size(index) :]
    (forger.directory / pack.index_path).write_bytes(data)
    return pack._replace(index_size=len(data))


def rehash(forger: Forger, pack: Pack, index: bytearray) -> Pack:
    """Make the trailer in an index fit what the index says, and return the pack as a root lists it then."""
    offset = unseal(INDEX_MAGIC, bytes(index), "it", more=True)["offset"]
    start = sealed_size(bytes(index))
    end = start + pack.size - offset
    trailer = bytes(index[end - TRAILER_BYTES : end])
    check = checksum(HEAD, bytes(index[start : end - TRAILER_BYTES]), trailer[:24])
    index[end - TRAILER_BYTES : end] = trailer[:24] + check + trailer[56:]
    (forger.directory / pack.index_path).write_bytes(index)
    return pack._replace(check=check)


def test_the_bucket_of_these_tests_is_sound(forger: Forger) -> None:
    """Without forgery all of it comes over: so it is the forgery that is refused above."""
    forger.filled()
    victim = Machine(9)
    victim.fetch(connector(parse_url(forger.url), ACCESS))
    assert len(victim.executions()) == 5
    assert isinstance(forger.bucket, Bucket)
