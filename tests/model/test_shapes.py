"""Executions that lie as one before them did are decoded by its shape, and come out as the decoder would have them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from runstore.errors import Refused
from runstore.model import executions
from runstore.model.encoding import decode_trusted
from runstore.model.executions import Execution, decode_execution, decode_execution_trusted, encode_execution
from runstore.model.ids import Kind, Link
from runstore.model.shapes import Shape, learn

SECOND = 1_700_000_000_000_000


def link(kind: Kind, number: int) -> Link:
    """A link to something."""
    return Link(kind, random.Random(number).randbytes(32))


def execution(number: int, **fields: Any) -> Execution:
    """One of many executions as a program records them."""
    common: dict[str, Any] = {
        "run": link(Kind.TREE, number),
        "parents": (link(Kind.EXECUTION, number + 1),),
        "output": link(Kind.LIST, number + 2),
        "status": "ok",
        "started": SECOND + number,
        "nonce": f"{number:032x}",
        "actor": "ann@desk",
    }
    return Execution(**common | fields)


FORMS: tuple[Callable[[int], Execution], ...] = (
    execution,
    lambda number: execution(number, parents=()),
    lambda number: execution(number, output=link(Kind.VALUE, number), actor=None),
    lambda number: execution(number, ended=SECOND + 2 * number, response=link(Kind.VALUE, number)),
    lambda number: execution(number, nonce="é" * 8, started=None),
    lambda number: execution(number, started=number % 3, status="error"),
    lambda number: execution(number, actor="an\ud800", nonce=f"\udfff{number:032x}"),
    lambda number: execution(number, notes={"n": number}, usage={"output_tokens": number % 100}),
    lambda number: execution(number, message="m" * (number % 7)),
    lambda number: Execution(parents=tuple(sorted((link(Kind.EXECUTION, number), link(Kind.EXECUTION, 9)))), status="merge"),
)


def shape_of(body: bytes) -> Shape:
    """The shape of a body that has one."""
    found = learn(body, decode_trusted(body), Execution._fields, decode_execution(body))
    assert found is not None
    return found


@pytest.mark.parametrize("form", FORMS)
def test_what_lies_alike_is_read_alike(form: Callable[[int], Execution]) -> None:
    """Of many executions of one form each is decoded as the strict decoder does, the kinds of its links included."""
    for number in range(10, 40):
        body = encode_execution(form(number)).body
        found = decode_execution_trusted(body)
        assert found == decode_execution(body)
        assert [type(item) for item in found] == [type(item) for item in decode_execution(body)]


def test_a_shape_reads_what_has_its_form_alone() -> None:
    """A body of the same length with another kind, status or actor in it is left to the decoder."""
    shape = shape_of(encode_execution(execution(1)).body)
    assert shape.read(encode_execution(execution(2)).body) == execution(2)
    for other in ({"output": link(Kind.VALUE, 2)}, {"status": "no"}, {"actor": "bob@desk"}):
        body = bytearray(encode_execution(execution(2)).body)
        if "status" in other:
            body[-2:] = b"no"
        else:
            body = bytearray(encode_execution(execution(2, **other)).body)
        assert len(body) == shape.size
        assert shape.read(bytes(body)) is None


def test_mutations_are_read_as_by_the_decoder() -> None:
    """With one byte changed, a body is what it is without shapes: the same execution, or refused."""
    chance = random.Random(7)
    body = encode_execution(execution(1)).body
    decode_execution_trusted(body)
    decode_execution_trusted(body)
    assert len(body) in executions._shapes
    for _ in range(4000):
        changed = bytearray(body)
        changed[chance.randrange(len(body))] = chance.randrange(256)
        assert outcome(decode_execution_trusted, bytes(changed)) == outcome(executions._decode_any, bytes(changed))


def outcome(decode: Callable[[bytes], Execution], body: bytes) -> Execution | str:
    """What a decoder makes of a body, or that it refuses it."""
    try:
        return decode(body)
    except Refused as error:
        return error.kind


def test_no_shape_is_learnt_of_what_varies() -> None:
    """Executions with maps or a message, and those that came once, leave no shape behind; what is remembered stays small."""
    executions._shapes.clear()
    executions._sizes.clear()
    for number in range(300):
        for fields in ({"notes": {"n": number}}, {"message": "m" * number}):
            decode_execution_trusted(encode_execution(execution(number, **fields)).body)
    assert not executions._shapes
    for size in range(300):
        for number in range(2):
            decode_execution_trusted(encode_execution(execution(number, actor="a" * size)).body)
    assert 0 < len(executions._shapes) <= executions._MOST_SHAPES
