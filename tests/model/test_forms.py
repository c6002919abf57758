"""The short ways of the strict decoders: what they read, the long way reads as the same, and what it refuses they do not take."""

from __future__ import annotations

import random
from typing import Any

import pytest

from runstore.errors import InvalidInput, Refused
from runstore.model.encoding import CONTENT, decode, decode_value, encode
from runstore.model.executions import Execution, encode_execution, open_execution
from runstore.model.forms import Forms, form_of
from runstore.model.ids import ID_BYTES, Kind, Link

FIELDS = Execution._fields
RUN, OUTPUT, PARENT = (Link(kind, bytes((kind,)) * ID_BYTES) for kind in (Kind.TREE, Kind.LIST, Kind.EXECUTION))
FULL = Execution(run=RUN, parents=(PARENT,), output=OUTPUT, status="ok", started=1_700_000_000_000_000, nonce="0f" * 16, actor="me")
EXECUTIONS = (
    FULL,
    FULL._replace(parents=(), ended=1 << 32),
    FULL._replace(cause=PARENT, response=Link(Kind.VALUE, b"\n" * ID_BYTES), wire=Link(Kind.VALUE, b"." * ID_BYTES)),
    Execution(run=RUN),
)
VALUES: tuple[Any, ...] = (
    {"role": "user", "content": "what is the weather?"},
    {"b": [1, -1, 70_000, None, True, {"a": []}], "a": "ä ę ☃"},
    "a text",
    [[[]], {}, 2.5, float(1), Link(Kind.VALUE, b"x" * ID_BYTES), 1 << 80],
)


def long_way(body: bytes) -> Execution | str:
    """Decode an execution, or give the kind of the refusal, with no form at hand."""
    value = decode(body)
    assert type(value) is dict
    return Execution(**{**value, "parents": tuple(value["parents"])})


def learnt(execution: Execution) -> tuple[Forms, bytes]:
    """Return forms that know an execution, and its body."""
    body = encode_execution(execution).body
    forms = Forms(FIELDS)
    forms.learn(decode(body))
    return forms, body


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_a_form_reads_what_differs_in_its_holes(execution: Execution) -> None:
    """An execution with other ids, times and nonce is read as it was written, with its links in order."""
    forms, _ = learnt(execution)
    changes: dict[str, Any] = {"run": Link(Kind.TREE, b"\n" * ID_BYTES)}
    if execution.nonce:
        changes |= {"nonce": "a0" * 16, "started": (1 << 63) - 1}
    other = execution._replace(**changes)
    found = forms.open(encode_execution(other).body)
    raws: list[bytes] = []
    decode(encode_execution(other).body, take=raws.append)
    assert found is not None
    assert (Execution(*found[0]), found[1]) == (other, raws)
    assert (forms.read(encode_execution(other).body), forms.links(encode_execution(other).body)) == found


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_nothing_fits_a_form_that_is_not_canonical(execution: Execution) -> None:
    """Of bodies with a changed, a missing or a further byte, a form takes only those that encoding gives again."""
    forms, body = learnt(execution)
    chance = random.Random(7)
    taken = 0
    for _ in range(8000):
        at = chance.randrange(len(body))
        byte = bytes((chance.choice((0, 1, 5, 0x7F, 0x80, 0xC7, 0xCF, 0xFF, chance.randrange(256))),))
        cut = chance.choice(((at, at + 1, byte), (at, at + 1, b""), (at, at, byte), (len(body), len(body), byte)))
        mutated = body[: cut[0]] + cut[2] + body[cut[1] :]
        found = forms.read(mutated)
        if found is not None:
            taken += 1
            assert long_way(mutated) == Execution(*found)
            assert encode_execution(Execution(*found)).body == mutated
    assert taken


@pytest.mark.parametrize("started", [0, 1, (1 << 32) - 1])
def test_a_time_in_a_longer_form_is_refused(started: int) -> None:
    """Nine bytes for a number that needs fewer are refused where the form is known."""
    _, body = learnt(FULL)
    for _ in range(20):  # so often that its form is known
        open_execution(body)
    at = body.index(b"\xcf")
    with pytest.raises(Refused):
        open_execution(body[: at + 1] + started.to_bytes(8, "big") + body[at + 9 :])


def test_what_has_no_form() -> None:
    """Maps, messages and merges have no form."""
    assert form_of(decode(encode_execution(FULL._replace(notes={"a": 1})).body), FIELDS) is None
    assert form_of(decode(encode_execution(FULL._replace(message="hello")).body), FIELDS) is None
    assert form_of({"parents": [PARENT, PARENT], "status": "merge"}, FIELDS) is None


def outcome(read: Any, body: bytes) -> Any:
    """Return what a decoder makes of a body, with types, or the kind of its refusal."""
    try:
        return repr(read(body))
    except (Refused, InvalidInput) as error:
        return error.kind


@pytest.mark.parametrize("value", VALUES)
def test_values_are_read_as_the_long_way_reads_them(value: Any) -> None:
    """For bodies with changed bytes, decoding a value gives what decoding with every look gives, refusals too."""
    body = encode(value).body
    chance = random.Random(8)
    for _ in range(4000):
        mutated = bytearray(body)
        for _ in range(chance.randrange(3)):
            mutated[chance.randrange(len(body))] = chance.choice((0x80, 0x81, 0x90, 0xA0, 0xC1, 0xC4, 0xC7, 0xD9, chance.randrange(256)))
        tried = bytes(mutated)
        assert outcome(decode_value, tried) == outcome(lambda one: decode(one, links=CONTENT), tried)


def test_the_depth_of_short_values_is_bounded() -> None:
    """A value as deep as is allowed is read, and one that is deeper is refused."""
    deep: Any = None
    for _ in range(5):
        deep = [deep]
    body = encode(deep).body
    assert decode_value(body, max_depth=5) == deep
    with pytest.raises(Refused):
        decode_value(body, max_depth=4)
