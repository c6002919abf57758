"""The encoding: bases of subclasses, limits before allocation, links of bodies, text forms."""

from __future__ import annotations

import sys
import threading
import time
import tracemalloc
from collections import OrderedDict, namedtuple
from collections.abc import Iterator
from enum import IntEnum, StrEnum
from typing import Any

import pytest

from runstore.errors import InvalidInput, LimitExceeded, Refused
from runstore.model import scalars
from runstore.model.encoding import count_nodes, decode, decode_trusted, decode_value, encode
from runstore.model.executions import Execution, decode_execution, encode_execution
from runstore.model.ids import Kind, Link, make_object
from runstore.model.jsontext import parse_json, render_json
from runstore.model.limits import MAX_DIGITS
from runstore.model.objects import links_of, open_body, verify_body
from runstore.model.settings import encode_settings
from runstore.model.tags import Tag, encode_tag, signed_text

BLOB = Link(Kind.BLOB, bytes(range(32)))


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "another"


class Level(IntEnum):
    LOW = 1


class Name(StrEnum):
    USER = "user"


Point = namedtuple("Point", "x y")


class Number(float):
    def __float__(self) -> float:
        return 9.0


@pytest.mark.parametrize(
    ("given", "base"),
    [
        (Text("a"), "a"),
        (Level.LOW, 1),
        (Name.USER, "user"),
        (Point(1, 2), [1, 2]),
        ((1, (2,)), [1, [2]]),
        (Number(-0.0), -0.0),
        (OrderedDict([("b", 1), ("a", 2)]), {"b": 1, "a": 2}),
        ({Text("k"): 1}, {"k": 1}),
    ],
)
def test_subclasses_count_as_their_base(given: Any, base: Any) -> None:
    """A subclass of a built-in type is encoded as the value of its base, whatever it says of itself."""
    assert encode(given).body == encode(base).body
    assert encode_settings(given).body == encode_settings(base).body


def test_an_ordered_dict_is_taken_in_its_own_order() -> None:
    """A dict subclass is taken in the order in which it shows its items."""
    given = OrderedDict(a=1, b=2)
    given.move_to_end("a")
    assert encode(given).body == encode({"b": 2, "a": 1}).body


@pytest.mark.parametrize("given", [bytearray(b"x"), memoryview(b"x"), {1}, 1j, object(), range(3), b"x".__class__, Ellipsis])
def test_other_types_are_refused(given: Any) -> None:
    """A type that no value has is refused, and the message names it."""
    with pytest.raises(InvalidInput, match=type(given).__name__) as caught:
        encode({"a": [given]})
    assert str(caught.value).startswith("a[0]: ")
    assert caught.value.kind == "unsupported-type"


def test_blobs_of_a_value() -> None:
    """Bytes become blobs, each once, and the value links to them."""
    encoded = encode({"a": b"x", "b": [b"x", b"y"]})
    assert encoded.blobs == (make_object(Kind.BLOB, b"x"), make_object(Kind.BLOB, b"y"))
    assert decode_value(encoded.body) == {"a": encoded.blobs[0].link, "b": [blob.link for blob in encoded.blobs]}


def test_large_input_is_refused_before_it_is_copied() -> None:
    """A small program object that spells a huge body is a limit error, at once."""
    text = "x" * (1 << 20)
    wide: Any = [0] * 1000
    for _ in range(4):
        wide = [wide] * 1000
    begun = time.monotonic()
    for given in ([text] * 1000, wide, {"a": [text] * 17}):
        with pytest.raises(LimitExceeded):
            encode(given)
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize(
    "body",
    [
        b"\xdd\x00\x0f\x42\x40" * 3000,
        b"\xdf\x00\x07\xa1\x20\xa0" * 3000,
        b"\xdc\xff\xff" * 5000,
        b"\x91" * 1_000_000,
        b"\xdd\x00\xff\xff\xf0" + b"\x90" * 0xFFFFF0,
        b"\xdd\x00\x0f\x42\x3f" + b"\x80" * 500_000,
        b"\xc9\xff\xff\xff\xff\x02" + b"7" * 100_000,
    ],
)
def test_claims_do_not_allocate(body: bytes) -> None:
    """A body whose headers claim more than it holds, or more than allowed, is refused within small memory and time."""
    tracemalloc.start()
    begun = time.monotonic()
    try:
        with pytest.raises(Refused):
            decode_value(body)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert time.monotonic() - begun < 20


def test_many_large_integers_are_read_in_seconds() -> None:
    """A body full of the longest integers is decoded without taking quadratic time for each twice."""
    number = b"\xc9\x00\x01\x00\x00\x02" + b"7" * 65_536
    begun = time.monotonic()
    assert len(decode_value(b"\xdc\x00\xc8" + number * 200)) == 200
    assert time.monotonic() - begun < 20


def test_nodes_are_counted_as_they_are_decoded() -> None:
    """The count of values in a body is that of the value: arrays, maps, scalars and keys."""
    value = {
        "a": [1, 1.5, None, "x" * 300, 10**30, BLOB, "\ud800"],
        "b": {"c": []},
        "d": list(range(-40, 40)),
        "e": {f"{n}": n for n in range(20)},
    }
    assert count_nodes(encode(value).body) == 1 + 2 * 4 + 7 + 2 + 80 + 40


def test_the_most_bits_are_those_of_the_most_digits() -> None:
    """The number that is written down, because working it out takes milliseconds, is right."""
    assert (10**MAX_DIGITS).bit_length() == scalars._MAX_BITS


def test_trusted_reading_gives_the_same_value() -> None:
    """What was checked on entry is read the same without the check."""
    body = encode({"a": [1, BLOB, 10**40, "\ud800", -0.0]}).body
    assert repr(decode_trusted(body)) == repr(decode(body))


def test_links_of_every_kind() -> None:
    """The links of a body are given in their order, whatever its kind."""
    value, run, execution = Link(Kind.VALUE, b"\xc7\x21\x01" + bytes(29)), Link(Kind.TREE, bytes(32)), Link(Kind.EXECUTION, bytes(32))
    assert links_of(Kind.BLOB, b"\xc7\x21\x01" * 40) == []
    assert links_of(Kind.VALUE, encode({"a": [value, {"b": BLOB}], "c": value}).body) == [value, BLOB, value]
    body = encode_execution(Execution(run, (execution,), output=value, notes={"x": [BLOB]}, extra={"y": run})).body
    assert sorted(links_of(Kind.EXECUTION, body)) == sorted([run, execution, value, BLOB, run])
    assert links_of(Kind.TAG, encode_tag(Tag(execution, "t")).body) == [execution]
    for kind, read in ((Kind.EXECUTION, body), (Kind.VALUE, encode([value, BLOB]).body)):
        assert sorted(open_body(kind, read).raws) == sorted(link.raw for link in links_of(kind, read))


def test_a_kind_without_a_code_is_refused() -> None:
    """A kind code of a later format is refused."""
    with pytest.raises(Refused):
        verify_body(7, b"\xc0")


def test_the_text_that_a_signature_signs() -> None:
    """A signature signs a fixed text and the tag's id in hex."""
    assert signed_text(bytes(32)) == b"runstore 2026 v1 tag:" + b"0" * 64


def test_bytes_in_an_execution_need_a_place() -> None:
    """Bytes in the notes of an execution are refused, or become blobs where the caller takes them."""
    execution = Execution(Link(Kind.TREE, bytes(32)), notes={"log": b"x"})
    with pytest.raises(InvalidInput, match="notes"):
        encode_execution(execution)
    blobs: list[Any] = []
    body = encode_execution(execution, blobs).body
    assert blobs == [make_object(Kind.BLOB, b"x")]
    assert blobs[0].link in links_of(Kind.EXECUTION, body)


def test_texts_and_times_of_an_execution_count_as_their_base() -> None:
    """A subclass of str or int in an execution is written as the text or the number that it is."""

    class Ending(StrEnum):
        OK = "ok"

    run = Link(Kind.TREE, bytes(32))
    given = Execution(run, status=Ending.OK, started=Level.LOW, nonce=Text("n"), actor=Name.USER)
    assert encode_execution(given) == encode_execution(Execution(run, status="ok", started=1, nonce="n", actor="user"))
    with pytest.raises(InvalidInput, match="started"):
        encode_execution(Execution(run, started=True))


@pytest.mark.parametrize("name", ["run", "output", "cause", "response", "wire", "parents"])
def test_a_link_of_another_length_stands_in_no_execution(name: str) -> None:
    """What is not 32 bytes is no id, whatever field it is given for."""
    kinds = {"run": Kind.TREE, "cause": Kind.EXECUTION, "parents": Kind.EXECUTION}
    short: Any = Link(kinds.get(name, Kind.VALUE), bytes(31))
    fields: dict[str, Any] = {"run": Link(Kind.TREE, bytes(32)), name: (short,) if name == "parents" else short}
    execution = Execution(**fields)
    with pytest.raises(InvalidInput, match=name):
        encode_execution(execution)


def test_blobs_of_all_maps_of_an_execution() -> None:
    """The blobs of usage, notes and extra are handed over together."""
    blobs: list[Any] = []
    encode_execution(Execution(Link(Kind.TREE, bytes(32)), usage={"a": b"1"}, notes={"a": b"2"}, extra={"a": b"3"}), blobs)
    assert {blob.body for blob in blobs} == {b"1", b"2", b"3"}


class Anything(str):
    """A text that says it equals everything."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True


class Shorter(tuple[Link, ...]):
    """A tuple that says it has one item."""

    __slots__ = ()

    def __len__(self) -> int:
        return 1


class Other(tuple[Link, ...]):
    """A tuple that shows its items the other way round where they are asked for."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Link]:
        return reversed(tuple(self[at] for at in range(len(self))))


@pytest.mark.parametrize(
    "given",
    [
        Execution(Link(Kind.TREE, bytes(32)), status=Anything("bogus")),
        Execution(Link(Kind.TREE, bytes(32)), Shorter(Link(Kind.EXECUTION, bytes((at,)) * 32) for at in range(2))),
        Execution(parents=Other(Link(Kind.EXECUTION, bytes((at,)) * 32) for at in range(2)), status="merge"),
    ],
    ids=["status", "parents", "merge"],
)
def test_what_is_checked_of_an_execution_is_what_is_written(given: Execution) -> None:
    """Whatever a subclass says of itself, an execution is made only if it reads back."""
    try:
        body = encode_execution(given).body
    except InvalidInput:
        return
    assert encode_execution(decode_execution(body)).body == body


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a": 1,\n "a": 2}', "line 2, column 2: the key 'a' stands twice"),
        ("[1,\n2,\n}", "line 3, column 1: no value"),
        ("[1 2]", "line 1, column 4: neither a comma nor ]"),
        ('{"a" 1}', "line 1, column 6: no colon"),
        ('["\\x"]', r"line 1, column 3: the escape \\x does not exist"),
        ("[1e999]", "line 1, column 2: the number 1e999 is larger"),
        ('{"a": NaN}', "line 1, column 7: NaN and infinities are no numbers of JSON"),
        ("[", "line 1, column 2: the text ends"),
        ("[1] x", "line 1, column 5: something stands behind"),
        ('["a\nb"]', r"line 1, column 4: the control character U\+000A"),
        (b'{"a": "\xff"}', "line 1, byte 8: not UTF-8"),
        ("[" * 100 + "]" * 100, "line 1, column 73: nested deeper than 72"),
        ("\ufeff1", "line 1, column 1: a byte order mark"),
    ],
)
def test_json_errors_name_line_and_column(text: str | bytes, place: str) -> None:
    """A text that is no JSON is refused with line, column and fact."""
    with pytest.raises(InvalidInput, match=place):
        parse_json(text)


def test_json_of_links_and_integers() -> None:
    """JSON for people shows links by kind and id, all digits, and escapes surrogates."""
    assert render_json({"a": BLOB, "b": [10**30, "é\ud800"]}) == f'{{"a":{{"$link":"{BLOB}"}},"b":[1{"0" * 30},"é\\ud800"]}}'
    assert render_json([10**5000, {}, [], 1.0]) == "[1" + "0" * 5000 + ",{},[],1.0]"
    assert render_json({"a": [BLOB, 1], "b": {}}, indent=2) == (
        f'{{\n  "a": [\n    {{\n      "$link": "{BLOB}"\n    }},\n    1\n  ],\n  "b": {{}}\n}}'
    )


def test_threads_encode_at_once() -> None:
    """What threads encode at the same time is what each would have encoded alone: nothing of one gets into the other's body."""
    link = Link(Kind.BLOB, bytes(range(32)))
    values = [{f"key-{number}": [link] * 40, "text": str(number) * 50} for number in range(2)]
    alone = [encode(value).body for value in values]
    wrong: list[bytes] = []

    def work(number: int) -> None:
        for _ in range(400):
            body = encode(values[number]).body
            if body != alone[number]:
                wrong.append(body)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []
