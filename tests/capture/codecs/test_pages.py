"""The pages of docs/spec/wire say where each field goes, and so do the codecs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runstore.capture.codecs import CODECS
from runstore.capture.codecs.jsonstyle import PRESETS
from runstore.capture.codecs.places import DELIVERY
from runstore.capture.codecs.request import JsonRequests
from runstore.capture.codecs.urls import VERSION_HEADERS

PAGES = Path(__file__).parents[3] / "docs" / "spec" / "wire"


def page_of(name: str) -> str:
    """Return the page on which a codec is described."""
    path = PAGES / f"{name}.md"
    return (path if path.exists() else PAGES / f"{name.partition('.')[0]}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_a_page_names_every_field_in_the_row_of_its_place(codec: JsonRequests) -> None:
    """A field that moves, or one that was added, fails here until its page says so."""
    rows = [line for line in page_of(codec.name).splitlines() if line.startswith("| `")]
    fields = dict(codec.layout.fields)
    for key in codec.layout.opened:
        fields.pop(key, None)
    for inside in codec.layout.opened.values():
        fields |= inside
    for field, place in fields.items():
        assert any(row.startswith(f"| `{place.value}` |") and f"`{field}`" in row for row in rows), f"{field}: {place.value}"


def test_the_shared_page_names_what_is_shared() -> None:
    """Delivery fields, presets, version headers and codecs stand on it by name."""
    text = (PAGES / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([^`]+)`", text))
    assert named >= {*DELIVERY, *PRESETS, *VERSION_HEADERS, *(codec.name for codec in CODECS)}
    assert all(codec.version == 1 for codec in CODECS)
