"""JSON styles: whatever way a text was written, it is written again so."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runstore.capture.codecs.jsonstyle import PRESETS, Style, detect, from_value, render, to_value
from runstore.errors import InvalidInput
from runstore.model.encoding import decode_value, encode
from tests.capture.codecs.strategies import VALUES, write, write_plainly

RANDOMS = st.randoms(use_true_random=False)


@given(VALUES, RANDOMS)
def test_a_text_of_pythons_encoder_has_a_style_that_writes_it(value: Any, random: Random) -> None:
    """Every style that an SDK is likely to use is found, without an exception for a single token."""
    text = write_plainly(value, random)
    style = detect(text, json.loads(text))
    assert style is not None
    assert render(json.loads(text), style) == text
    assert not style.tokens


@given(VALUES, RANDOMS, st.sampled_from([0.0, 0.05, 0.5]))
@settings(max_examples=200)
def test_a_style_writes_the_text_it_was_found_in_or_is_not_found(value: Any, random: Random, mess: float) -> None:
    """What `detect` returns always writes the text again, also after it was stored as data."""
    text = write(value, random, mess)
    read = json.loads(text)
    style = detect(text, read)
    if style is not None:
        kept = decode_value(encode(to_value(style)).body)
        assert render(read, from_value(kept)) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a":1,"b":"é"}', "compact"),
        ('{"a":1,"b":"\\u00e9"}', "compact-ascii"),
        ('{"a": 1, "b": "\\u00e9"}', "python"),
        ('{"a": 1, "b": "é"}', "python-utf8"),
        ('{\n  "a": 1\n}', "indent-2"),
        ('{"a":1}\n', {"end": "\n"}),
        ('{"a":"x\\/y"}', {"escapes": {"/": "\\/"}}),
        ('{"a":"\\u003Cb\\u003E"}', {"escapes": {"<": "\\u003C", ">": "\\u003E"}}),
        ('{"a":2e5,"b":[1,2,3,4]}', {"tokens": [[3, "2e5"]]}),
        ('{ "a":1}', {"gaps": [[1, " "]]}),
    ],
)
def test_a_style_is_told_in_few_words(text: str, told: Any) -> None:
    """The envelope names what is common and lists only what is not."""
    style = detect(text, json.loads(text))
    assert style is not None
    assert to_value(style) == told


def test_a_float_written_as_an_integer_does_not_hide_behind_an_exception() -> None:
    """An exception may change how a value is spelled, never which value it is."""
    assert detect('{"a":1}', {"a": 1.0}) is None
    assert detect('{"a":1}', {"a": True}) is None


def test_a_text_that_says_more_in_exceptions_than_in_style_has_no_style() -> None:
    """A body spaced at random is kept raw rather than as a list of exceptions."""
    text = "[" + ",".join(" " * (at % 7) + "1" for at in range(200)) + "]"
    assert detect(text, json.loads(text)) is None


@pytest.mark.parametrize("value", ["zigzag", {"item": 1}, {"x": 1}, {"tokens": [[1]]}, {"tokens": [["a", "b"]]}, None, 7])
def test_data_that_states_no_style_is_refused(value: Any) -> None:
    """A damaged envelope ends in an ordinary error."""
    with pytest.raises(InvalidInput):
        from_value(value)


def test_exceptions_that_lie_outside_the_text_are_refused() -> None:
    """A style of a longer text does not fit a shorter one."""
    with pytest.raises(InvalidInput):
        render({}, Style(tokens={99: "1"}))


def test_presets_survive_being_stored() -> None:
    """A name in an envelope stands for the same style for ever."""
    assert {name: from_value(to_value(style)) for name, style in PRESETS.items()} == PRESETS
