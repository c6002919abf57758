"""The vectors of values, settings, JSON texts, ids and refused bodies."""

from __future__ import annotations

from typing import Any

import pytest

from runstore.errors import InvalidInput, Refused, RunstoreError
from runstore.model.encoding import decode_value, encode
from runstore.model.ids import KINDS, Kind, make_object, object_id, parse_link
from runstore.model.jsontext import parse_json
from runstore.model.objects import check_run, verify_body
from runstore.model.settings import decode_settings, encode_settings, normalise
from tests.model import vectors


def same(one: Any, other: Any) -> bool:
    """True if two values are equal and alike in type and order all the way down."""
    if type(one) is dict:
        return type(other) is dict and list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if type(one) is list:
        return type(other) is list and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and repr(one) == repr(other) if isinstance(one, float) else type(one) is type(other) and one == other


@pytest.mark.parametrize("case", vectors.cases("values"))
def test_value(case: Any) -> None:
    """A value has the body and id of its vector, and its body gives the value back."""
    encoded = encode(vectors.value(case["value"]))
    assert vectors.agrees(case, encoded.body)
    assert object_id(Kind.VALUE, encoded.body).hex() == case["id"]
    assert all(blob == make_object(Kind.BLOB, blob.body) for blob in encoded.blobs)
    back = decode_value(encoded.body)
    assert encode(back).body == encoded.body


@pytest.mark.parametrize("case", vectors.cases("values", "errors"))
def test_value_refused(case: Any) -> None:
    """A value that no body can hold is an ordinary error."""
    with pytest.raises(InvalidInput):
        encode(vectors.value(case["value"]))


def test_equal_values() -> None:
    """The pairs named equal share an id, and no others do."""
    ids: dict[str, list[str]] = {}
    for case in vectors.load("values")["cases"]:
        ids.setdefault(case["id"], []).append(case["name"])
    shared = {frozenset(names) for names in ids.values() if len(names) > 1}
    assert shared == {frozenset(names) for names in vectors.load("values")["equal"]}


@pytest.mark.parametrize("case", vectors.cases("values", "id_texts"))
def test_id_text(case: Any) -> None:
    """A text id means the kind and id of its vector."""
    link = parse_link(case["text"], KINDS[case["context"]] if "context" in case else None)
    assert (link.kind.label, link.id.hex()) == (case["kind"], case["id"])


@pytest.mark.parametrize("case", vectors.cases("values", "id_text_errors"))
def test_id_text_refused(case: Any) -> None:
    """A text that is no id, or contradicts its context, is an ordinary error."""
    with pytest.raises(InvalidInput):
        parse_link(case["text"], KINDS[case["context"]] if "context" in case else None)


@pytest.mark.parametrize("case", vectors.cases("settings"))
def test_settings(case: Any) -> None:
    """Settings have the body of their normal form, which is its own normal form and reads back."""
    given = vectors.value(case["value"])
    encoded = encode_settings(given)
    assert vectors.agrees(case, encoded.body)
    assert object_id(Kind.VALUE, encoded.body).hex() == case["id"]
    back = decode_settings(encoded.body)
    assert encode_settings(back).body == encoded.body
    assert same(normalise(back), back)


@pytest.mark.parametrize("case", vectors.cases("settings", "errors"))
def test_settings_refused(case: Any) -> None:
    """Settings that no body can hold are an ordinary error."""
    with pytest.raises(InvalidInput):
        encode_settings(vectors.value(case["value"]))


@pytest.mark.parametrize("case", vectors.cases("json"))
def test_json(case: Any) -> None:
    """A JSON text, as text and as bytes, is the value of its vector."""
    text = vectors.text_of(case)
    for form in (text, text.encode() if isinstance(text, str) else text):
        body = encode(parse_json(form)).body
        assert vectors.agrees(case, body)
        assert object_id(Kind.VALUE, body).hex() == case["id"]


@pytest.mark.parametrize("case", vectors.cases("json", "errors"))
def test_json_refused(case: Any) -> None:
    """A text that is no JSON of this format is an ordinary error."""
    text = vectors.text_of(case)
    with pytest.raises(InvalidInput):
        encode(parse_json(text))
    with pytest.raises(InvalidInput):
        encode(parse_json(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text))


def _read(kind: str, body: bytes) -> None:
    if kind == "settings":
        decode_settings(body)
    elif kind == "run":
        check_run(make_object(Kind.TREE, body), vectors.fetcher(()))
    else:
        verify_body(KINDS[kind], body)


@pytest.mark.parametrize("case", vectors.cases("rejects"))
def test_reject(case: Any) -> None:
    """A body that breaks a rule is refused by the reader of its kind, with an ordinary error."""
    with pytest.raises(RunstoreError) as caught:
        _read(case["as"], vectors.body_of(case))
    assert isinstance(caught.value, Refused)
