"""The benchmarks run, and say something about every store. What they say is never tested here."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.__main__ import CHART, write
from benchmarks.effort import Effort
from benchmarks.figures import Measured
from benchmarks.peers import PEERS
from benchmarks.session import measure
from benchmarks.workloads import generated, made

TINY = Effort(rounds=1, turns=12, pairs=1)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """Two short conversations through the whole program."""
    scratch = tmp_path_factory.mktemp("scratch")
    return measure(made(generated.lines(count=2, exchanges=2), scratch), scratch, lambda line: None, TINY)


def test_every_store_is_measured_or_named_as_skipped(measured: Measured) -> None:
    """No store is left out in silence: it has a row with all its figures, or a reason."""
    rows = {row.store for row in measured.rows}
    assert rows | measured.skipped.keys() == {peer.name for peer in PEERS}
    assert "runstore" in rows
    for row in measured.rows:
        assert min(row.added_bytes, row.settled_bytes, row.bulk_cpu, row.read_cpu, row.log_cpu) > 0, row
        assert row.durable, row


def test_every_target_of_the_project_has_a_figure(measured: Measured) -> None:
    """Each promise about cost is measured and judged: adding, bytes, long conversations, reading, listing, starting."""
    judged = {figure.name for figure in measured.figures if figure.verdict}
    for word in (
        "durable add, wall",
        "durable add, own",
        "in bulk, processor",
        "packed, in `git",
        "turn 12",
        "full verified",
        "`log`",
        "process",
    ):
        assert any(word in name for name in judged), word


def test_page_and_chart_show_every_row(measured: Measured, tmp_path: Path) -> None:
    """The page names each store and figure; the chart is well-formed and names each store."""
    write([measured], tmp_path / "RESULTS.md")
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    chart = "".join(ElementTree.parse(tmp_path / CHART).getroot().itertext())
    for row in measured.rows:
        assert f"| {row.store}" in page
        assert row.store in chart
    for figure in measured.figures:
        assert figure.name in page


def test_the_generated_workload_is_the_same_every_time() -> None:
    """A seed gives the same conversations, so two runs of the program compare."""
    assert generated.lines(count=3) == generated.lines(count=3)
    assert generated.lines(seed=1, count=3) != generated.lines(seed=2, count=3)
