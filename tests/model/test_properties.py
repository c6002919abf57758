"""Properties of values, settings and JSON texts over generated input."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstore.errors import InvalidInput
from runstore.model.encoding import decode_trusted, decode_value, encode, pack_plain
from runstore.model.jsonscan import Scanner
from runstore.model.jsontext import parse_json, render_json
from runstore.model.scalars import digits_of, int_from_digits, join_surrogates, parse_digits
from runstore.model.settings import decode_settings, encode_settings, is_normal, normalise
from tests.model.strategies import FLOATS, INTS, SCALARS, TEXTS, VALUES, canonical, exactly, general, nested, unambiguous


@given(VALUES.filter(unambiguous))
def test_decode_gives_back_what_was_encoded(value: Any) -> None:
    """decode(encode(x)) is x, with its types, the order of its keys and the sign of its zeros."""
    body = encode(value).body
    assert exactly(decode_value(body)) == exactly(canonical(value))
    assert exactly(decode_trusted(body)) == exactly(canonical(value))


@given(nested(SCALARS))
def test_both_encoders_agree(value: Any) -> None:
    """The fast encoder gives the bytes of the general one, or leaves the value to it."""
    fast = pack_plain(value)
    if fast is not None:
        assert fast == general(value)


PLAIN = st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | FLOATS | st.text(max_size=10)


@given(nested(PLAIN, keys=st.text(max_size=10)))
def test_plain_values_take_the_fast_path(value: Any) -> None:
    """A value of exact built-in types within 64 bits is never left to the general encoder."""
    assert pack_plain(value) == general(value)


@given(st.integers(0, 70), st.booleans(), st.sampled_from([None, [], {}, "x", 1.5]))
def test_depth_is_limited_alike(depth: int, maps: bool, inner: Any) -> None:
    """Both encoders take 64 levels of arrays and maps, an empty one counted, and no more."""
    value = inner
    for _ in range(depth):
        value = {"k": value} if maps else [value]
    allowed = depth + isinstance(inner, (list, dict)) <= 64
    assert (pack_plain(value) is not None) is allowed
    if allowed:
        assert decode_value(encode(value).body) == value
    else:
        with pytest.raises(InvalidInput, match="deeper"):
            encode(value)


@given(INTS | st.integers(1, 3000).map(lambda size: 10**size - 1))
def test_digits_of_integers(number: int) -> None:
    """Integers become their decimal digits and back, in any interpreter's limit on digits."""
    digits = digits_of(number)
    assert parse_digits(digits.decode()) == number
    if not -(1 << 63) <= number < 1 << 64:
        assert int_from_digits(digits) == number


@given(TEXTS)
def test_surrogates_are_joined_as_utf16_joins_them(text: str) -> None:
    """Joining is what a language of UTF-16 strings would read, and joining twice changes nothing."""
    joined = join_surrogates(text)
    assert joined == text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    assert join_surrogates(joined) == joined


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same settings as somebody else writes them: keys in another order, integers as floats where that loses nothing."""
    if type(value) is dict:
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    if type(value) is list:
        return [shuffled(item, chance) for item in value]
    if type(value) is int and abs(value) <= 1 << 53 and chance.random() < 0.5:
        return float(value)
    return value


@given(VALUES.filter(unambiguous), st.randoms(use_true_random=False))
def test_settings_do_not_depend_on_how_they_are_written(value: Any, chance: random.Random) -> None:
    """Settings have one body whatever the order of keys and the form of integers, and their normal form is its own."""
    body = encode_settings(value).body
    assert encode_settings(shuffled(value, chance)).body == body
    back = decode_settings(body)
    assert is_normal(back)
    assert exactly(normalise(back)) == exactly(back)
    assert encode_settings(back).body == body == encode(back).body


@given(nested(SCALARS).filter(unambiguous), st.sampled_from([None, 2]))
def test_json_text_gives_the_value(value: Any, indent: int | None) -> None:
    """What render_json writes is read back as the same value, and the exact reader agrees with the fast one."""
    text = render_json(value, indent=indent)
    assert exactly(parse_json(text)) == exactly(canonical(value))
    assert exactly(Scanner(text, max_depth=64, max_nodes=1000).read()) == exactly(canonical(value))
    assert exactly(parse_json(text.encode())) == exactly(canonical(value))


PIECES = ["", ",", ":", "}", "]", '"', "-", ".", "e", "0", "1", "\\", "\n", "\x00", "NaN", "\u00a0"]


@given(nested(SCALARS).filter(unambiguous), st.data())
def test_broken_json_is_judged_alike(value: Any, data: st.DataObject) -> None:
    """A text with a change in it is accepted or refused by both readers alike, and refused with line and column."""
    text = json.dumps(value)
    at = data.draw(st.integers(0, len(text)))
    text = text[:at] + data.draw(st.sampled_from(PIECES)) + text[at + 1 :]
    try:
        slow = exactly(Scanner(text, max_depth=72, max_nodes=1000).read())
    except InvalidInput:
        with pytest.raises(InvalidInput, match=r"^line \d+, column \d+: "):
            parse_json(text)
    else:
        assert exactly(parse_json(text)) == slow
