"""Bundles: refs and what they lead to in one file. The same runs give the same bytes.

Source: docs/spec/bundle.md.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from typing import Any, BinaryIO, NamedTuple

from runstore.errors import InvalidInput, NotFound, Refused, Unavailable
from runstore.model.digest import checksum
from runstore.model.encoding import ANY_KIND, decode
from runstore.model.ids import Kind, Link
from runstore.model.settings import check_normal, encode_settings
from runstore.store.lanes import TARGET, cut, lane_for
from runstore.store.protocol import Reader
from runstore.sync.frame import PACKED_LEVEL, Frame, make_frame
from runstore.sync.marks import Marks
from runstore.sync.packs import PackWriter
from runstore.sync.progress import Progress, nothing
from runstore.sync.reading import reading_order
from runstore.sync.send import ORDER
from runstore.sync.updates import check_pushed_name
from runstore.sync.visible import mark_reachable

VERSION = 1
MAGIC = b"RSBNDL" + bytes((VERSION, 0))
_START = Struct("<8sII32s")
_MOST_HEADER = 1 << 30


class Header(NamedTuple):
    """What a bundle says of itself: its refs, by name, and the executions that a receiver must have."""

    refs: dict[str, Link]
    prerequisites: tuple[Link, ...]


class Written(NamedTuple):
    """What was written: objects, and the bytes of the file."""

    objects: int
    bytes: int


def write_bundle(
    reader: Reader, stream: BinaryIO, refs: dict[str, Link], prerequisites: Sequence[Link] = (), *, progress: Progress = nothing
) -> Written:
    """Write a bundle of these refs (full names) and all that they lead to, less what the prerequisites lead to.

    Raises InvalidInput for a bundle without refs or with a prerequisite that is no execution, NotFound for a target that is not here.
    """
    if not refs:
        raise InvalidInput("a bundle needs a ref", hint="name one, or --all", kind="bad-name")
    for link in (*refs.values(), *prerequisites):
        if reader.address(link.id) is None:
            raise NotFound(f"no object {link} is here")
    for link in prerequisites:
        if link.kind != Kind.EXECUTION:
            raise InvalidInput(f"{link} is no execution; only executions can be prerequisites", kind="bad-link")
    seen = Marks()
    mark_reachable(reader, prerequisites, seen)
    head = _render(Header(refs, tuple(prerequisites)))
    stream.write(head)
    writer = PackWriter(stream)
    objects = 0
    for frame in _frames(reader, [refs[name] for name in sorted(refs)], seen):
        writer.add(frame)
        objects += frame.header.objects
        progress(frame.header.objects, frame.header.length)
    return Written(objects, len(head) + writer.finish())


def _frames(reader: Reader, tops: Iterable[Link], seen: Marks) -> Iterator[Frame]:
    lanes = {lane: array("Q") for lane in ORDER}
    for address, obj in reading_order(reader, tops, seen):
        lanes[lane_for(obj.kind, len(obj.body))].append(address)
    for lane in ORDER:
        for group, _ in cut((reader.at(address) for address in lanes[lane]), TARGET[lane]):
            yield make_frame(lane, group, level=PACKED_LEVEL)


def _render(header: Header) -> bytes:
    prerequisites = sorted(header.prerequisites, key=lambda link: link.id)
    value = {"prerequisites": prerequisites, "refs": [[name, header.refs[name]] for name in sorted(header.refs)]}
    body = encode_settings(value, links=ANY_KIND).body
    return _START.pack(MAGIC, len(body), 0, checksum(body)) + body


def read_header(file: BinaryIO) -> tuple[Header, int]:
    """Read the header of a bundle; return it and where the pack begins. Raises Refused for what is no bundle, or a damaged one."""
    file.seek(0)
    start = file.read(_START.size)
    if start[:6] != MAGIC[:6]:
        raise Refused("not a bundle", kind="bad-bundle")
    if len(start) == _START.size and start[:8] != MAGIC:
        raise Refused(
            f"a bundle of version {start[6]}, and this program reads version {VERSION}", hint="use a newer runstore", kind="version"
        )
    if len(start) != _START.size:
        raise Refused("a bundle is cut short", kind="bad-bundle")
    _, size, zero, check = _START.unpack(start)
    body = file.read(min(size, _MOST_HEADER))
    if zero or len(body) != size or checksum(body) != check:
        raise Refused("the header of a bundle is damaged", kind="bad-bundle")
    value = decode(body)
    check_normal(value)
    return _parse(value), _START.size + size


def _parse(value: Any) -> Header:
    if not isinstance(value, dict) or value.keys() != {"refs", "prerequisites"}:
        raise Refused("the header of a bundle is not of this version", kind="bad-bundle")
    refs: dict[str, Link] = {}
    for item in value["refs"] if isinstance(value["refs"], list) else [None]:
        if not isinstance(item, list) or len(item) != 2 or not isinstance(item[0], str) or not isinstance(item[1], Link):
            raise Refused("the refs of a bundle are not pairs of a name and a link", kind="bad-bundle")
        refs[check_pushed_name(item[0])] = item[1]
    prerequisites = value["prerequisites"]
    if not isinstance(prerequisites, list) or not all(isinstance(link, Link) and link.kind == Kind.EXECUTION for link in prerequisites):
        raise Refused("the prerequisites of a bundle are not links to executions", kind="bad-bundle")
    if list(refs) != sorted(refs) or len(refs) != len(value["refs"]):
        raise Refused("the refs of a bundle are not sorted by name, each once", kind="bad-bundle")
    return Header(refs, tuple(prerequisites))


def open_header(path: str) -> Header:
    """Return the header of a bundle file. Raises Refused, Unavailable."""
    try:
        with open(path, "rb") as file:
            return read_header(file)[0]
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error


def is_bundle(path: str) -> bool:
    """True if a file begins as a bundle does."""
    try:
        with open(path, "rb") as file:
            return file.read(6) == MAGIC[:6]
    except OSError:
        return False
