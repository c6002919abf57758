"""What the tests of recording share: programs that ask the fake provider, and what a store has of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import runstore
from runstore.capture.codecs import codec_named
from runstore.capture.entries import seen_of
from runstore.capture.journal.frames import CALL, MAGIC, entries
from runstore.model.ids import Link
from runstore.repo import Repo
from runstore.runs.view import ExecutionView, ListView, read_content

ROOT = Path(__file__).parents[2]
RUNSTORE = [sys.executable, "-m", "runstore"]


class Found(NamedTuple):
    """An execution as a store has it; `sent` is the request's body, rebuilt, `id` the execution's."""

    id: str
    status: str
    output: Any
    notes: dict[str, Any]
    usage: Any
    response: Any
    sent: bytes
    model: Any
    nonce: str


def executions(store: Path, *revisions: str) -> list[Found]:
    """The executions of a store in the order of recording, with what waited in its journal."""
    runstore.drain(store)
    with runstore.open(store) as repo:
        return [_found(repo, entry.link) for entry in repo.log(*revisions)][::-1]


def _found(repo: Repo, link: Link) -> Found:
    view = repo.show(str(link))
    assert isinstance(view, ExecutionView)
    assert view.run is not None
    wire = read_content(view.wire, repo.fetch)
    slots = {name: _plain(view.run[name]) for name in view.run.slots}
    request = codec_named(wire).rebuild_request(slots, wire, lambda blob: repo.fetch(blob.id).body)
    fields = view.fields
    return Found(
        link.hex,
        fields.status or "",
        _plain(view.output),
        fields.notes or {},
        fields.usage,
        view.response,
        request.body,
        slots["model"],
        fields.nonce or "",
    )


def _plain(slot: Any) -> Any:
    return list(slot) if isinstance(slot, ListView) else slot


def journalled(store: Path) -> list[tuple[bytes, bytes]]:
    """What waits in a store's journal: the bodies of each call, sent and received, the second without its compression."""
    found = []
    for file in sorted((store / "journal").glob("*.journal")):
        data = file.read_bytes()
        found += [entry for _, entry in entries(data, len(MAGIC)) if entry is not None and entry.kind == CALL]
    seen = [seen_of(entry) for entry in found]
    return [(one.exchange.request_body, one.exchange.response_body) for one in seen]


def program(tmp_path: Path, text: str, *words: str, env: dict[str, str] | None = None, options: tuple[str, ...] = ()) -> Any:
    """Run a program under `runstore exec` with a store in `tmp_path`; return what it gave."""
    file = tmp_path / "program.py"
    file.write_text(text)
    store = tmp_path / "store"
    if not store.exists():
        runstore.open(store, create=True).close()
    return subprocess.run(
        [*RUNSTORE, "--store", str(store), "exec", *options, "--", sys.executable, str(file), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        timeout=60,
    )
