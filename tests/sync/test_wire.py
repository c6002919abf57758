"""Messages and packs as bytes: what is written is read back, and no bytes at all make a reader fail otherwise than by refusing."""

from __future__ import annotations

import io
import os
import random
import threading
from collections.abc import Iterator
from io import BufferedReader
from typing import Any, BinaryIO, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runstore import errors
from runstore.errors import Refused, RunstoreError, Unavailable
from runstore.model.digest import checksum
from runstore.model.ids import Kind, Link, make_object
from runstore.sync.frame import make_frame, open_frame, read_frame
from runstore.sync.messages import (
    Message,
    error_message,
    from_bitmap,
    raise_error,
    read_call,
    read_head,
    read_ids,
    to_bitmap,
    to_bytes,
    write_call,
)
from runstore.sync.packs import PackFile, write_pack
from runstore.sync.streams import StreamChannel, serve_streams

LINKS = st.builds(Link, st.sampled_from(list(Kind)), st.binary(min_size=32, max_size=32))
FIELDS: st.SearchStrategy[Any] = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | LINKS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)
MESSAGES = st.builds(Message, st.text(min_size=1, max_size=12), FIELDS, st.binary(max_size=200))


@given(st.lists(MESSAGES, max_size=5))
def test_a_call_is_read_as_it_was_written(messages: list[Message]) -> None:
    """Names, fields and payloads come back, and the call ends where it ended."""
    stream = io.BytesIO()
    write_call(stream, messages)
    stream.write(b"next")
    stream.seek(0)
    assert list(read_call(stream)) == messages
    assert stream.read() == b"next"


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_message_decoder(data: bytes) -> None:
    """Whatever comes over a stream, it is a message, a refusal, or the end of the connection."""
    try:
        list(read_call(io.BytesIO(data)))
    except (Refused, Unavailable):
        return


@settings(max_examples=200)
@given(MESSAGES, st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_breaks_no_decoder(message: Message, place: int, change: int) -> None:
    """The same with one byte changed in a good message."""
    data = bytearray(to_bytes(message))
    data[place % len(data)] ^= change
    try:
        list(read_call(io.BytesIO(bytes(data))))
    except (Refused, Unavailable):
        return


def test_sizes_are_checked_before_anything_is_read() -> None:
    """A message that claims more than is taken is refused by its first twelve bytes."""
    for head, payload in ((1 << 31, 0), (10, 1 << 62), (0, 5)):
        with pytest.raises(Refused):
            list(read_call(io.BytesIO(head.to_bytes(4, "little") + payload.to_bytes(8, "little") + bytes(100))))


@given(st.lists(st.booleans(), max_size=100))
def test_bitmaps(flags: list[bool]) -> None:
    """Flags come back from a bitmap; one of another length is refused."""
    assert from_bitmap(to_bitmap(flags), len(flags)) == flags
    with pytest.raises(Refused):
        from_bitmap(to_bitmap(flags), len(flags) + 8)


def test_batches_of_ids() -> None:
    """Ids come back whole; a batch that is cut off or too large is refused."""
    ids = [bytes((number,)) * 32 for number in range(5)]
    assert read_ids(b"".join(ids)) == ids
    for payload in (bytes(31), bytes(32 * 8193)):
        with pytest.raises(Refused):
            read_ids(payload)


@pytest.mark.parametrize("name", ["Refused", "Conflict", "Busy", "NotFound", "InvalidInput", "Unavailable", "Damaged", "RunstoreError"])
def test_errors_cross_as_what_they_are(name: str) -> None:
    """An error of the other side is raised here as the class that a caller would handle, with kind and hint."""
    kind: type[RunstoreError] = getattr(errors, name)
    with pytest.raises(kind, match="no luck") as raised:
        raise_error(read_head(error_message(kind("no luck", hint="try", kind="k")).head()))
    assert (raised.value.hint, raised.value.kind) == ("try", "k")


def objects(count: int) -> list[Any]:
    """Return blobs of several sizes."""
    return [make_object(Kind.BLOB, b"%d " % number * (1 + number % 50)) for number in range(count)]


def test_a_pack_is_read_as_it_was_written() -> None:
    """Objects come back in order, by frame and by place; the index names them."""
    wanted = objects(500)
    stream = io.BytesIO()
    size = write_pack(stream, [make_frame(0, wanted[at : at + 100]) for at in range(0, 500, 100)])
    assert size == len(stream.getvalue())
    pack = PackFile(stream)
    assert list(pack.objects()) == wanted
    assert list(pack.index.ids()) == [item.id for item in wanted]
    place = pack.index.place(250)
    assert (place.frame, place.position) == (2, 50)
    assert pack.segment(place.frame).make(place.position) == wanted[250]


def test_an_empty_pack() -> None:
    """A pack without objects is a pack."""
    stream = io.BytesIO()
    write_pack(stream, [])
    assert list(PackFile(stream).objects()) == []


def test_a_frame_is_checked_by_itself() -> None:
    """A frame opens with its header alone, and not with another one."""
    frame = make_frame(0, objects(10))
    assert open_frame(read_frame(frame.to_bytes())).n == 10
    for header in (
        frame.header._replace(check=checksum(b"")),
        frame.header._replace(raw=frame.header.raw + 1),
        frame.header._replace(objects=9),
    ):
        with pytest.raises(Refused):
            open_frame(frame._replace(header=header))


def test_no_bytes_break_the_pack_reader() -> None:
    """A pack with bytes changed, cut or added is read rightly or refused."""
    chosen = random.Random(11)
    stream = io.BytesIO()
    wanted = objects(60)
    write_pack(stream, [make_frame(0, wanted[:30]), make_frame(0, wanted[30:])])
    good = stream.getvalue()
    for _ in range(2000):
        bad = bytearray(good)
        act = chosen.randrange(4)
        place = chosen.randrange(len(bad))
        if act == 0:
            bad[place] = chosen.randrange(256)
        elif act == 1:
            del bad[place:]
        elif act == 2:
            bad[place:place] = os.urandom(chosen.randrange(1, 9))
        else:
            bad[place : place + 8] = (1 << chosen.randrange(64)).to_bytes(8, "little")
        try:
            assert list(PackFile(io.BytesIO(bytes(bad))).objects()) == wanted
        except Refused:
            continue


class Pipes(NamedTuple):
    """Two pipes, crossed: our ends and theirs."""

    incoming: BufferedReader
    outgoing: BinaryIO
    their_incoming: BufferedReader
    their_outgoing: BinaryIO


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    """Two pipes, closed afterwards."""
    first, second = os.pipe(), os.pipe()
    with (
        open(first[0], "rb") as incoming,
        open(second[1], "wb") as outgoing,
        open(second[0], "rb") as their_incoming,
        open(first[1], "wb") as their_outgoing,
    ):
        yield Pipes(incoming, outgoing, their_incoming, their_outgoing)


def test_an_answer_that_comes_early_ends_the_sending(pipes: Pipes) -> None:
    """A peer that refuses a call before it has read all of it is heard, and nobody waits for ever."""

    def refuse(messages: Any) -> Any:
        next(iter(messages))
        yield error_message(Refused("enough", kind="enough"))

    server = threading.Thread(target=serve_streams, args=(refuse, pipes.their_incoming, pipes.their_outgoing))
    server.start()
    channel = StreamChannel(pipes.incoming, pipes.outgoing)
    endless = (Message("frame", {}, bytes(1 << 16)) for _ in range(10_000))
    answer = list(channel.call(endless))
    assert [message.name for message in answer] == ["error"]
    server.join(10)
    assert not server.is_alive()


def test_a_stream_that_ends_in_a_call_ends_the_server(pipes: Pipes) -> None:
    """A connection that is cut while it is read leaves a server that returns."""
    streams = (pipes.their_incoming, pipes.their_outgoing)
    server = threading.Thread(target=serve_streams, args=(lambda messages: iter(list(messages)), *streams))
    server.start()
    pipes.outgoing.write(to_bytes(Message("hello"))[:-1])
    pipes.outgoing.close()
    server.join(10)
    assert not server.is_alive()
