"""One chart: bytes of the same calls in each store, drawn as plain SVG that reads on a light and on a dark page."""

from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.figures import Measured, Row
from benchmarks.peers.runstore import Runstore
from benchmarks.peers.zstlog import ZstLog

WIDTH = 760
NAME_END = 190
BAR = 16
PITCH = 24
HEAD = 44
LABEL_ROOM = 150
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #57606a }
  .head { font-weight: 600; font-size: 13px; fill: #24292f }
  .own { fill: #2f81f7 } .other { fill: #9aa4ae }
  .ours { font-weight: 600; fill: #24292f }
  @media (prefers-color-scheme: dark) { text { fill: #9aa4ae } .head, .ours { fill: #e6edf3 } .other { fill: #57606a } }
"""


def draw(measured: Sequence[Measured]) -> str:
    """The chart of all workloads, one panel each, every store that was measured, fewest bytes first."""
    body: list[str] = []
    top = 0
    for one in measured:
        body += _panel(one, top)
        top += HEAD + PITCH * len(one.rows) + 12
    lines = "\n".join(f"  {line}" for line in body)
    size = f'width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}"'
    label = "Bytes of the same calls in each store"
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{label}">\n  <style>{STYLE}  </style>\n{lines}\n</svg>\n'


def _panel(one: Measured, top: int) -> Iterator[str]:
    head = f"{one.workload}: {one.calls:,} model calls, {one.plain_bytes / 1e6:.1f} MB as JSON lines, kept in"
    yield _text(0, top + 20, head, "head")
    scale = (WIDTH - NAME_END - LABEL_ROOM) / max(row.settled_bytes for row in one.rows)
    for at, row in enumerate(sorted(one.rows, key=lambda row: row.settled_bytes)):
        yield from _bar(row, top + HEAD + at * PITCH, scale, one)


def _bar(row: Row, y: int, scale: float, one: Measured) -> Iterator[str]:
    own = row.store == Runstore.name
    length = max(2.0, row.settled_bytes * scale)
    yield _text(NAME_END - 8, y + 4, row.store, "ours" if own else "", anchor="end")
    yield f'<rect x="{NAME_END}" y="{y - 8}" width="{length:.1f}" height="{BAR}" rx="2" class="{"own" if own else "other"}"/>'
    git = one.row("git")
    beside = f" · {row.settled_bytes / git.settled_bytes:.2f} × git" if git and git is not row else ""
    beside += " · no random access" if row.store == ZstLog.name else ""
    yield _text(NAME_END + length + 8, y + 4, f"{row.settled_bytes / 1e6:.2f} MB{beside}", "ours" if own else "")


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}"{named}>{escape(text)}</text>'
