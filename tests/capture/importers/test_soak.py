"""Soak: recorded calls, imported whole. `pytest -m soak tests/capture/importers --data DIR`."""

from __future__ import annotations

from pathlib import Path

import pytest

from runstore.capture.importers import exchanges
from runstore.capture.importers.intake import import_entries
from tests.capture.importers.conftest import Imports


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_every_recorded_call_is_imported_exactly(imports: Imports, recordings: Path | None) -> None:
    """Every exchange decodes; every body comes back, byte for byte where the source has the bytes; a second import adds nothing."""
    if recordings is None:
        pytest.skip("needs recorded exchanges: give their directory with --data DIR")
    path = recordings / "cassettes_full.jsonl.zst"
    outcome = import_entries(imports.repo, "exchanges", exchanges.read, [(path.name, path.open("rb"))])
    assert outcome.skipped == ()
    assert all(row.api is not None and row.exchanges == row.decoded == row.byte_exact + row.json_equal for row in outcome.report)
    again = import_entries(imports.repo, "exchanges", exchanges.read, [(path.name, path.open("rb"))])
    assert (again.executions, again.new_objects) == (outcome.executions, 0)
