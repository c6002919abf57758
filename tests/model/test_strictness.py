"""One value has one accepted form: changed bodies are refused, or are the one body of another value."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runstore.errors import Refused, RunstoreError
from runstore.model.encoding import ANY_KIND, decode_trusted, decode_value, encode
from runstore.model.executions import Execution, decode_execution, decode_execution_trusted, encode_execution
from runstore.model.ids import Kind, Link
from runstore.model.jsontext import parse_json
from runstore.model.lists import build, decode_node
from runstore.model.nodes import Inner
from runstore.model.objects import links_of, open_body, verify_body
from runstore.model.run import ABSENT, UNKNOWN
from runstore.model.tags import Tag, decode_tag, encode_tag
from runstore.model.trees import Slot, decode_tree, decode_tree_trusted, encode_tree
from tests.model.strategies import general

LINK_A, LINK_B = Link(Kind.VALUE, bytes(range(32))), Link(Kind.EXECUTION, bytes(range(1, 33)))
SEEDS: list[tuple[Kind, bytes]] = [
    (Kind.VALUE, encode({"role": "user", "content": [{"type": "text", "text": "é\ud800"}, 1, -1, 300, 1.5, None, True]}).body),
    (Kind.VALUE, encode([10**30, -(10**25), {"a": LINK_A, "b": []}, "x" * 40, list(range(20))]).body),
    (Kind.VALUE, encode({f"k{number}": number * 1000 for number in range(18)}).body),
    (Kind.TREE, encode_tree({"model": LINK_A, "prompt": UNKNOWN, "tools": ABSENT, "a" * 40: LINK_A}).body),
    (Kind.LIST, build([LINK_A] * 3).nodes[-1].body),
    (Kind.LIST, build([LINK_A] * 200).nodes[-1].body),
    (Kind.EXECUTION, encode_execution(Execution(Link(Kind.TREE, bytes(32)), (LINK_B,), started=5, usage={"a": 1.5}, status="ok")).body),
    (Kind.EXECUTION, encode_execution(Execution(parents=(Link(Kind.EXECUTION, LINK_A.id), LINK_B), status="merge")).body),
    (Kind.TAG, encode_tag(Tag(LINK_B, "good", time=-7, message="é")).body),
]
HEADS = [bytes((code,)) for code in (0x80, 0x90, 0xA0, 0xC0, 0xC4, 0xC7, 0xCA, 0xCC, 0xCF, 0xD0, 0xD4, *range(0xD9, 0xE0))]
BYTES = st.binary(max_size=120) | st.lists(st.sampled_from(HEADS) | st.binary(max_size=9), max_size=30).map(b"".join)


def mutated(body: bytes, chance: random.Random) -> bytes:
    """A body with one to three changes: bits turned, bytes put in, taken out or doubled, and headers lengthened."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(body) + 1)
        way = chance.randrange(6)
        if way == 0 and at < len(body):
            body = body[:at] + bytes((body[at] ^ 1 << chance.randrange(8),)) + body[at + 1 :]
        elif way == 1:
            body = body[:at] + bytes((chance.randrange(256),)) + body[at:]
        elif way == 2:
            body = body[:at] + body[at + 1 :]
        elif way == 3:
            body = body[:at] + chance.choice(HEADS) + body[at:]
        elif way == 4 and at < len(body):
            body = _longer(body, at)
        else:
            end = at + chance.randrange(1, 40)
            body = body[:end] + body[at:end] + body[end:]
    return body


def _longer(body: bytes, at: int) -> bytes:
    """The body with the header at a place, taken for one, in its next longer form."""
    head = body[at]
    small = {0x80: (0xDE, 0x0F, 2), 0x90: (0xDC, 0x0F, 2), 0xA0: (0xD9, 0x1F, 1)}.get(head & (0xE0 if 0xA0 <= head < 0xC0 else 0xF0))
    if small:
        code, mask, width = small
        return body[:at] + bytes((code,)) + (head & mask).to_bytes(width, "big") + body[at + 1 :]
    if head < 0x80:
        return body[:at] + bytes((0xCC, head)) + body[at + 1 :]
    if head in (0xCC, 0xCD, 0xCE, 0xD9, 0xDA, 0xC7, 0xC8):
        width = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xD9: 1, 0xDA: 2, 0xC7: 1, 0xC8: 2}[head]
        return body[:at] + bytes((head + 1,)) + bytes(width) + body[at + 1 :]
    return body


def again(kind: Kind, body: bytes) -> bytes:
    """Read a body strictly and write what was read."""
    if kind is Kind.TREE:
        return encode_tree(decode_tree(body)).body
    if kind is Kind.EXECUTION:
        return encode_execution(decode_execution(body)).body
    if kind is Kind.TAG:
        return encode_tag(decode_tag(body)).body
    if kind is Kind.LIST:
        node = decode_node(body)
        return general([node.level, [list(child) for child in node.children] if isinstance(node, Inner) else list(node.links)], ANY_KIND)
    return general(decode_value(body))


def strictness(tries: int, seed: int) -> int:
    """Try mutations; return how many were accepted as other bodies."""
    chance = random.Random(seed)
    accepted = 0
    for number in range(tries):
        kind, body = SEEDS[number % len(SEEDS)]
        changed = mutated(body, chance)
        try:
            verify_body(kind, changed)
        except Refused:
            continue
        assert again(kind, changed) == changed, changed.hex()
        accepted += changed != body
    return accepted


def test_a_tree_whose_form_is_known_is_read_as_the_first_one() -> None:
    """With the same names and other links, trees read as their slots are; with one entry less, or names in another order, none does."""
    slots: dict[str, Slot] = {"model": LINK_A, "prompt": UNKNOWN, "text": LINK_A}
    for byte in (1, 0xC7, 0x21):
        other = {**slots, "text": Link(Kind.BLOB, bytes((byte,)) * 32), "model": Link(Kind.LIST, b"\xc7\x21\x01\x02" * 8)}
        body = encode_tree(other).body
        assert decode_tree(body) == other == decode_tree(body)
        assert [link.raw for link in other.values() if isinstance(link, Link)] == list(open_body(Kind.TREE, body).raws)
        for wrong in (b"\x92" + body[1:], body + body[1:], body[:1] + body[44:] + body[1:44]):
            with pytest.raises(Refused):
                decode_tree(wrong)


def test_one_value_has_one_accepted_form() -> None:
    """A changed body is refused, or it is the one body of another value."""
    assert strictness(3_000, 1) > 100


@pytest.mark.soak
def test_one_value_has_one_accepted_form_at_length() -> None:
    """The same over 100,000 mutations."""
    assert strictness(100_000, 2) > 3_000


@settings(max_examples=300)
@given(st.sampled_from(list(Kind)), BYTES)
def test_garbage_is_an_ordinary_error(kind: Kind, body: bytes) -> None:
    """No bytes make a reader raise anything but the errors of this program, not even the readers of trusted bytes."""
    for read in (verify_body, links_of):
        with suppress(RunstoreError):
            read(kind, body)
    for trusted in (decode_trusted, decode_execution_trusted, decode_tree_trusted, parse_json):
        with suppress(RunstoreError):
            trusted(body)
