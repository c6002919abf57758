"""Media: base64 becomes bytes where media stand, and comes back as the same text."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstore.capture.codecs.media import URL_SAFE, from_base64, lift, unlift
from runstore.errors import InvalidInput
from runstore.model.ids import Kind, Link
from runstore.model.run import Run
from tests.capture.codecs.strategies import IMAGES, VALUES
from tests.capture.codecs.support import decode, named, stored

PNG = b"\x89PNG\r\n\x1a\n"
TEXT = b64encode(PNG).decode()


@given(st.one_of(VALUES, st.lists(IMAGES)))
def test_what_was_lifted_comes_back(value: Any) -> None:
    """Bytes for text and back is nothing at all, whatever the value."""
    before = repr(value)
    assert unlift(lift(value)) == value
    assert repr(value) == before


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{TEXT}"}},
            {"type": "image_url", "image_url": {"url": ["data:image/png;base64,", PNG]}},
        ),
        (
            {"type": "input_image", "image_url": f"data:image/png;base64,{TEXT}"},
            {"type": "input_image", "image_url": ["data:image/png;base64,", PNG]},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": TEXT, "format": "wav"}},
            {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
        ),
        ({"type": "base64", "media_type": "image/png", "data": TEXT}, {"type": "base64", "media_type": "image/png", "data": PNG}),
        ({"inlineData": {"mimeType": "image/png", "data": TEXT}}, {"inlineData": {"mimeType": "image/png", "data": PNG}}),
        ({"image": {"format": "png", "source": {"bytes": TEXT}}}, {"image": {"format": "png", "source": {"bytes": PNG}}}),
        ({"role": "user", "images": [TEXT]}, {"role": "user", "images": [PNG]}),
        ({"type": "image_generation_call", "result": TEXT}, {"type": "image_generation_call", "result": PNG}),
        ({"file": {"file_data": TEXT}}, {"file": {"file_data": PNG}}),
    ],
)
def test_each_api_has_its_places(sent: Any, kept: Any) -> None:
    """One shape an API, one blob for the same image."""
    assert lift([sent]) == [kept]


@pytest.mark.parametrize(
    "value",
    [
        {"type": "text", "text": TEXT},
        {"role": "user", "content": f"data:image/png;base64,{TEXT}"},
        {"type": "text", "media_type": "text/plain", "data": "abcd"},
        {"type": "redacted_thinking", "data": TEXT},
        {"mimeType": "image/png", "data": TEXT + "\n"},
        {"mimeType": "image/png", "data": TEXT.rstrip("=")},
        {"mimeType": "image/png", "data": ""},
        {"image_url": {"url": "https://example.org/x.png"}},
        {"images": [TEXT, "no base64"]},
    ],
)
def test_what_is_no_canonical_base64_at_a_place_of_media_stays_text(value: Any) -> None:
    """Texts that only look like media, and media that could not be rebuilt, are left as they are: the same object."""
    assert lift(value) is value


@given(st.binary(min_size=1))
def test_both_alphabets_come_back(data: bytes) -> None:
    """The alphabet of URLs is told apart only where the text uses it."""
    for text in (b64encode(data).decode(), urlsafe_b64encode(data).decode()):
        found = from_base64(text)
        assert found == data or found == [URL_SAFE, data]
        assert unlift([found]) == [text]


def test_one_image_is_one_blob_in_every_api() -> None:
    """The same picture sent to two providers is stored once."""
    blobs = set()
    chat = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{TEXT}"}}]}]}
    claude = {
        "messages": [
            {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": TEXT}}]}
        ]
    }
    for name, body in (("openai.chat", chat), ("anthropic.messages", claude)):
        blobs |= {item.id for item in Run(**decode(name, body).slots).objects() if item.kind == Kind.BLOB}
    assert len(blobs) == 1


def test_bytes_that_are_not_at_hand_are_an_error() -> None:
    """A link in a slot needs somebody who reads it."""
    decoded = decode(
        "openai.chat", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:;base64,{TEXT}"}}]}]}
    )
    slots, wire, _ = stored(decoded)
    with pytest.raises(InvalidInput):
        named("openai.chat").rebuild_request(slots, wire)
    with pytest.raises(InvalidInput):
        unlift([Link(Kind.BLOB, bytes(32))])
