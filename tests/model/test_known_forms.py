"""Executions that lie as some before them did are decoded by their form, and come out as the decoder would have them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from runstore.errors import Refused
from runstore.model import executions
from runstore.model.executions import (
    Execution,
    decode_execution,
    decode_execution_trusted,
    encode_execution,
    execution_links,
    open_execution,
)
from runstore.model.forms import MOST_OF_A_SIZE, MOST_SIZES, Forms
from runstore.model.ids import Kind, Link

SECOND = 1_700_000_000_000_000


@pytest.fixture(autouse=True)
def forms(monkeypatch: pytest.MonkeyPatch) -> Forms:
    """The forms of this process, none known."""
    made = Forms(Execution._fields)
    monkeypatch.setattr(executions, "_known_forms", made)
    return made


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
    lambda number: execution(number, actor="notes"),
    lambda number: execution(number, notes={"n": number}, usage={"output_tokens": number % 100}),
    lambda number: execution(number, message="m" * (number % 7)),
    lambda number: Execution(parents=tuple(sorted((link(Kind.EXECUTION, number), link(Kind.EXECUTION, 9)))), status="merge"),
    lambda number: Execution(run=link(Kind.TREE, number)),
)


@pytest.mark.parametrize("form", FORMS)
def test_what_lies_alike_is_read_alike(form: Callable[[int], Execution], forms: Forms) -> None:
    """Of many executions of one form each is decoded as the strict decoder does, the kinds of its links included."""
    for number in range(10, 40):
        body = encode_execution(form(number)).body
        found = decode_execution_trusted(body)
        assert found == form(number) == decode_execution(body)
        assert [type(item) for item in found] == [type(item) for item in executions._decode_any(body)]
        assert list(execution_links(body)) == open_execution(body)[1]


def test_a_form_reads_what_fits_it_alone(forms: Forms) -> None:
    """A body of the same length with another kind, status or actor in it is left to the decoder."""
    for number in range(3):
        decode_execution_trusted(encode_execution(execution(number)).body)
    assert forms.read(encode_execution(execution(2)).body) == execution(2)
    size = len(encode_execution(execution(2)).body)
    for other in (execution(2, output=link(Kind.VALUE, 2)), execution(2, actor="bob@desk")):
        body = encode_execution(other).body
        assert len(body) == size
        assert forms.read(body) is None
    assert forms.read(encode_execution(execution(2)).body.replace(b"\xa2ok", b"\xa2no")) is None


def test_mutations_are_read_as_by_the_decoder(forms: Forms) -> None:
    """With one byte changed, a body is what it is without forms: the same execution, or refused."""
    chance = random.Random(7)
    body = encode_execution(execution(1)).body
    for _ in range(3):
        decode_execution_trusted(body)
    assert forms.read(body) == execution(1)
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


def test_several_forms_of_one_size_are_known_at_once(forms: Forms) -> None:
    """Those that take turns do not drive each other out."""
    both = [encode_execution(execution(number, actor=actor)).body for number in range(4) for actor in ("ann@desk", "bob@desk")]
    for body in both:
        decode_execution_trusted(body)
    assert all(forms.read(body) is not None for body in both)


def test_no_form_is_learnt_of_what_varies(forms: Forms) -> None:
    """Executions with maps or a message, and those that came once, leave no form behind; what is remembered stays small."""
    for number in range(300):
        for fields in ({"notes": {"n": number}}, {"message": "m" * number}):
            decode_execution_trusted(encode_execution(execution(number, **fields)).body)
        decode_execution_trusted(encode_execution(execution(number, actor="a" * number)).body)
    assert not forms._known
    for actor in range(300):
        for number in range(2):
            decode_execution_trusted(encode_execution(execution(number, actor=f"{actor % 7}" * (actor % 60))).body)
    assert 0 < len(forms._known) <= MOST_SIZES
    assert max(map(len, forms._known.values())) <= MOST_OF_A_SIZE


def test_who_sends_forms_without_end_is_not_followed_for_ever(forms: Forms) -> None:
    """Learning costs more than decoding: after so many it is given up, and everything is decoded the long way."""
    for number in range(1200):
        body = encode_execution(execution(number, actor=f"{number:08d}")).body
        assert open_execution(body)[0] == execution(number, actor=f"{number:08d}")
    assert not forms.due(encode_execution(execution(1, actor="somebody")).body)
