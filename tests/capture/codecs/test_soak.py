"""Soak: every recorded exchange is decoded, and every request comes back. `pytest -m soak tests/capture/codecs --data DIR -s`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from runstore.capture.codecs import codec_for
from runstore.capture.codecs.places import DELIVERY
from tests.capture.codecs.changes import changed, parsed, request_id, spots, without_delivery
from tests.capture.codecs.exchanges import body_of, measure, read, table


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("files", ["cassettes/*.jsonl", "cassettes_full.jsonl.zst"])
def test_every_recorded_exchange_is_decoded_and_rebuilt(files: str, recordings: Path | None) -> None:
    """All requests decode and are rebuilt: byte for byte those from the wire, as JSON those that the recorder wrote anew."""
    if recordings is None:
        pytest.skip("needs recorded exchanges: give their directory with --data DIR")
    found = sorted(recordings.glob(files))
    assert found, f"no {files} in {recordings}"
    counts = measure(exchange for path in found for exchange in read(path))
    print(f"\n{files}\n{table(counts)}")
    for name, count in counts.items():
        assert count["decoded"] == count["exchanges"], name
        assert count["byte_exact"] == count["wire"], name
        assert count["json_equal"] == count["parsed"], name
        assert count["ok"] + count["error"] + count["partial"] == count["decoded"], name


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_any_change_of_a_recorded_request_is_another_request(recordings: Path | None) -> None:
    """A value changed, an element added, taken or moved, anywhere: another request id, unless it is in a field that steers delivery."""
    if recordings is None:
        pytest.skip("needs recorded exchanges: give their directory with --data DIR")
    random, tried = Random(5), Counter[str]()
    for exchange in read(recordings / "cassettes_full.jsonl.zst"):
        codec = codec_for(exchange["url"], exchange["method"], exchange["request_headers"])
        asked = parsed(body_of(exchange, "request")) if codec is not None else None
        if codec is None or asked is None or tried[codec.name] >= 2000:
            continue
        places = [place for place in spots(asked) if not place or place[0] not in DELIVERY]
        for place in random.sample(places, min(len(places), 20)):
            other = changed(asked, place, random)
            if json.dumps(without_delivery(other)) == json.dumps(without_delivery(asked)):
                continue
            tried[codec.name] += 1
            assert request_id(codec, exchange, other) != request_id(codec, exchange, asked), (exchange["url"], place, other)
    assert sum(tried.values()) > 10_000
