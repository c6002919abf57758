"""Generated requests of every API, and JSON texts of every style."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import strategies as st

from runstore.capture.codecs.places import Layout, Place
from runstore.capture.codecs.request import JsonRequests
from tests.capture.codecs.support import named

TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", "é", "</script>", "a/b", "\u2028", "😀", "\x7f\x00", "data:image/png;base64,AAEC", "AAEC", "\ud83d"]),
)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0.0, -0.0, 1.0, 1e300, 0.7])
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)), max_leaves=8
)
IMAGES = st.sampled_from([
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo"}},  # not canonical
    {"inlineData": {"mimeType": "image/png", "data": "-_-_"}},
    {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}},
    {"type": "input_image", "image_url": "https://example.org/cat.png"},
    {"images": ["iVBORw0KGgo=", "AAEC"]},
])  # fmt: skip
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "model", "USER"])},
    optional={
        "content": st.one_of(TEXTS, st.lists(st.one_of(IMAGES, VALUES), max_size=2)),
        "parts": st.lists(IMAGES, max_size=2),
        "x": VALUES,
    },
)


def requests(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for bodies of an API: fields that it knows, well and badly filled, and fields that nobody knows."""
    codec = named(name)
    assert isinstance(codec, JsonRequests)
    return _bodies(codec.layout)


def _bodies(layout: Layout) -> st.SearchStrategy[dict[str, Any]]:
    known = {key: _filling(place) for key, place in layout.fields.items()}
    known |= {key: st.one_of(_inside(layout, key), VALUES) for key in layout.opened}
    unknown = st.dictionaries(TEXTS, VALUES, max_size=2)
    chosen = st.lists(st.sampled_from(sorted(known)), unique=True, max_size=7).flatmap(
        lambda keys: st.fixed_dictionaries({key: known[key] for key in keys})
    )
    told = st.fixed_dictionaries(
        {}, optional={key: known[key] for key, place in layout.fields.items() if place in (Place.HISTORY, Place.PROMPT)}
    )
    return st.tuples(chosen, told, unknown, st.randoms(use_true_random=False)).map(_shuffled)


def _shuffled(parts: tuple[dict[str, Any], dict[str, Any], dict[str, Any], Random]) -> dict[str, Any]:
    items = list({**parts[0], **parts[1], **parts[2]}.items())
    parts[3].shuffle(items)
    return dict(items)


def _inside(layout: Layout, key: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.one_of(st.sampled_from(sorted(layout.opened[key])), TEXTS), VALUES, max_size=4)


def _filling(place: Place) -> st.SearchStrategy[Any]:
    if place is Place.HISTORY:
        return st.one_of(st.lists(MESSAGES, max_size=4), TEXTS, VALUES)
    if place in (Place.TOOLS, Place.DOCUMENTS):
        return st.one_of(st.lists(VALUES, max_size=3), VALUES)
    return st.one_of(SCALARS, VALUES)


def write(value: Any, random: Random, mess: float) -> str:
    """Write a value as JSON in a style of its own; `mess` is the share of tokens that follow no style at all."""
    item, key = random.choice([(",", ":"), (", ", ": "), (",", " : "), (" ,", ": ")])
    plain, slash, upper, spread = (random.random() < 0.5 for _ in range(4))

    def gap(usual: str) -> str:
        return random.choice(["", " ", "\n", "\t ", "\r\n"]) if random.random() < mess else usual

    def text(string: str) -> str:
        told = json.dumps(string, ensure_ascii=plain or any("\ud800" <= char <= "\udfff" for char in string))
        if slash != (random.random() < mess):
            told = told.replace("/", "\\/")
        return told.replace("<", "\\u003C" if upper else "\\u003c") if spread else told

    def number(told: str) -> str:
        if random.random() < mess:
            return random.choice([told.upper(), told.replace("e", "E+") if "e+" not in told and "e-" not in told else told])
        return told

    def told(inner: Any) -> str:
        if isinstance(inner, str):
            return text(inner)
        if isinstance(inner, dict):
            return (
                "{"
                + gap("")
                + (gap("") + item + gap("")).join(text(name) + gap("") + key + told(each) for name, each in inner.items())
                + gap("")
                + "}"
            )
        if isinstance(inner, list):
            return "[" + gap("") + item.join(told(each) for each in inner) + gap("") + "]"
        usual = json.dumps(inner)
        return number(usual) if isinstance(inner, float) else usual

    return gap("") + told(value) + gap("")


_INDENTS = (None, 1, 2, 4, "\t")


def write_plainly(value: Any, random: Random) -> str:
    """Write a value as Python's encoder writes it, in one of its styles."""
    indent = random.choice(_INDENTS)
    separators = random.choice([(",", ":"), (", ", ": ")]) if indent is None else (",", ": ")
    plain = random.random() < 0.5
    told = json.dumps(value, indent=indent, separators=separators, ensure_ascii=plain)
    try:
        told.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent, separators=separators)
    return told
