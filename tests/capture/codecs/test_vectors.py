"""Vectors: recorded exchanges whose slot ids, run id and request id a version of a codec has promised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runstore.capture.codecs.contract import UNREAD
from tests.capture.codecs.exchanges import body_of, call
from tests.capture.codecs.make_vectors import expected
from tests.capture.codecs.support import rebuilt

DIRECTORY = Path(__file__).parents[3] / "docs" / "spec" / "wire" / "vectors"
FILES = sorted(DIRECTORY.glob("*.json"))
CASES = [
    pytest.param(case, id=f"{path.stem}-{at}") for path in FILES for at, case in enumerate(json.loads(path.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize("case", CASES)
def test_an_exchange_has_the_ids_that_were_promised(case: dict[str, Any]) -> None:
    """Slots, run, request, references and output are those of the vector, and the request is written again."""
    found = call(case)
    assert found is not None
    assert expected(found) == case["expected"]
    again = rebuilt(found.codec, found.decoded)
    assert again == body_of(case, "request") or (
        case.get("request_body_was_parsed") and json.loads(again) == json.loads(case["request_body"])
    )


def test_every_api_has_vectors() -> None:
    """Twenty for each API of which that many exchanges were recorded."""
    counts = {path.stem: len(json.loads(path.read_text(encoding="utf-8"))) for path in FILES}
    assert len(counts) == 11
    assert {name for name, count in counts.items() if count < 20} == {"ollama"}, "of Ollama twelve exchanges were recorded"


def test_no_vector_but_one_was_unreadable() -> None:
    """The recordings hold one body that was cut short, and it is kept unread."""
    assert sum(case.values[0]["expected"]["exact"] == UNREAD for case in CASES) <= 1  # type: ignore[index]
