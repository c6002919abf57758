"""What hostile peers cost: a process that serves a store refuses all of them, keeps nothing, and stays small meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from struct import pack
from subprocess import PIPE, Popen
from typing import IO, NamedTuple, cast

import pytest
import zstandard

from benchmarks.serverwatch import Watched
from runstore.errors import Refused
from runstore.model.digest import checksum
from runstore.model.ids import Kind, Link, Object, make_object
from runstore.model.lists import build
from runstore.model.nodes import inner_body, leaf_body
from runstore.model.trees import ABSENT, tree_body
from runstore.sync.frame import Frame, Header
from runstore.sync.remote import Remote
from runstore.sync.streams import StreamChannel
from runstore.testing.machines import Machine
from tests.sync.forge import execution, frames, send, value, whole

ALLOWED = 256 << 20
NOWHERE = Link(Kind.EXECUTION, bytes(range(32)))
GIB = 1 << 30


class Attack(NamedTuple):
    """A transfer that has to be refused: what it is, its frames, and what its ref shall point at."""

    what: str
    frames: list[Frame]
    tip: Link = NOWHERE


def raw_frame(data: bytes, claimed: int, objects: int = 1) -> Frame:
    """Return a frame of these bytes whose header claims a size."""
    return Frame(Header(1, objects, claimed, len(data), checksum(data)), data)


def bombs() -> Iterator[Attack]:
    """Yield small frames that claim to be large, or are."""
    claims = b"\x28\xb5\x2f\xfd\xe0" + pack("<Q", 10 * GIB) + bytes(1000)
    yield Attack("a kilobyte that claims 10 GiB", [raw_frame(claims, 10 * GIB)])
    yield Attack("a kilobyte that claims 10 GiB in the frame alone", [raw_frame(claims, 1000)])
    zeros = zstandard.ZstdCompressor(level=19).compress(bytes(60 << 20))
    yield Attack("many frames of zeros", [raw_frame(zeros, 60 << 20)] * 40)
    yield Attack("one frame of zeros, as one object", [raw_frame(zeros, 60 << 20)])
    yield Attack("one frame that is larger than it says", [raw_frame(zeros, 5000)])
    yield Attack("one frame that says it holds 65,536 objects", [raw_frame(zeros, 60 << 20, 65_536)])
    stream = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(60 << 20))
    yield Attack("a frame that states no size", [raw_frame(stream, 60 << 20)])


def bodies(count: int) -> Iterator[Attack]:
    """Yield objects that are many, deep, or claim much."""
    objects, made = whole(prompt="x")
    tiny = [make_object(Kind.BLOB, b"%d" % number) for number in range(count)]
    parts = [one for at in range(0, count, 60_000) for one in frames(tiny[at : at + 60_000])]
    yield Attack(f"{count:,} tiny objects that nothing leads to", [*parts, *frames(objects)], made.link)
    for what, body in (
        ("a value of 16 million arrays in one another", b"\x91" * (16 << 20)),
        ("a value of 100,000 arrays in one another", b"\x91" * 100_000 + b"\x90"),
        ("five bytes that claim 2**32 items", b"\xdd\xff\xff\xff\xff"),
        ("a value of 8 million empty lists", b"\xdd" + pack(">I", 8_000_000) + b"\x90" * 8_000_000),
        ("a string that claims 4 GiB", b"\xdb\xff\xff\xff\xff" + bytes(100)),
    ):
        bad = make_object(Kind.VALUE, body)
        yield Attack(what, *with_history(list(build([bad.link]).nodes), build([bad.link]).root, [bad]))


def lists(count: int) -> Iterator[Attack]:
    """Yield lists that spell what no list may, or in another way than lists do."""
    element = value("x")
    node = make_object(Kind.LIST, leaf_body([element.link.raw] * 64))
    nodes, total = [node], 64
    for level in range(1, 13):
        total = min(total * 64, 1 << 32)
        node = make_object(Kind.LIST, inner_body(level, [min(total // 64, 1 << 26)] * 64, [node.link.raw] * 64))
        nodes.append(node)
    yield Attack("10**20 elements in thirteen nodes", *with_history(nodes, node.link, [element]))
    elements = [value(number) for number in range(count)]
    leaves = [make_object(Kind.LIST, leaf_body([one.link.raw for one in elements[at : at + 7]])) for at in range(0, count, 7)]
    level, below = 1, [(leaf, min(7, count - at * 7)) for at, leaf in enumerate(leaves)]
    made: list[Object] = list(leaves)
    while len(below) > 1:
        grouped = [below[at : at + 7] for at in range(0, len(below), 7)]
        below = [
            (
                make_object(Kind.LIST, inner_body(level, [size for _, size in some], [one.link.raw for one, _ in some])),
                sum(s for _, s in some),
            )
            for some in grouped
        ]
        made += [one for one, _ in below]
        level += 1
    yield Attack(f"a list of {count:,} elements in another shape", *with_history(made, below[0][0].link, elements))


def with_history(nodes: list[Object], root: Link, more: list[Object]) -> tuple[list[Frame], Link]:
    """Return the frames of an execution whose run has this history, and the link to it."""
    slots = dict.fromkeys(("model", "prompt", "parameters", "documents", "tools", "runtime"), ABSENT)
    tree = make_object(Kind.TREE, tree_body({**slots, "history": root}))
    made = execution(tree.link)
    return frames([*more, *nodes, tree, made]), made.link


def cost(directory: Path, attack: Attack) -> int:
    """Let a process that serves a store refuse an attack; return how many bytes it took more than when it was idle."""
    command = [sys.executable, "-m", "runstore", "serve", "--stdio", str(directory)]
    with Popen(command, stdin=PIPE, stdout=PIPE) as process:
        channel = StreamChannel(cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stdin))  # type: ignore[arg-type]
        with Remote(lambda: channel) as remote:
            remote.hello(prefixes=["heads/"])
            watch = Watched(process.pid)
            idle = watch.memory()
            assert idle > 0
            with watch.peaking(), pytest.raises(Refused):
                send(remote, attack.frames, [("heads/x", None, attack.tip)])
    return watch.peak - idle


@pytest.mark.parametrize("count", [20_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_hostile_peers_cost_little_memory(tmp_path: Path, count: int) -> None:
    """Each attack is refused, the store is as it was, and the process never takes 256 MiB more than when it was idle."""
    theirs = Machine(1, tmp_path / "store")
    theirs.talk(2)
    before = theirs.state()
    for attack in (*bombs(), *bodies(count), *lists(count // 10)):
        assert cost(tmp_path / "store", attack) < ALLOWED, attack.what
        assert theirs.state() == before, attack.what
    assert not list((tmp_path / "store").rglob("*.upload"))
    theirs.close()
