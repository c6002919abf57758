"""Soak: every recorded exchange is decoded, and every request comes back. `pytest -m soak tests/capture/codecs --data DIR -s`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.capture.codecs.exchanges import measure, read, table


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
