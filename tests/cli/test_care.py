"""`fsck`, pack, gc, stat, reindex, version, import and demo from the command line."""

import json
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Cli


def test_a_sound_store_is_whole(filled: Cli) -> None:
    """`fsck` says so on stderr, prints nothing, and exits with 0."""
    assert filled("fsck") == (0, "", "the store is whole\n")
    assert filled("fsck", "--fast", "--json").json == {"ok": True, "findings": []}


def test_packing_and_reindexing_change_nothing_that_is_told(filled: Cli) -> None:
    """After pack and reindex every id, log and search is as before."""
    before = [filled(*line.split()).out for line in ("log --json", "show main --json", "find main:tools/0 --json")]
    assert " → " in filled("pack").out
    filled("reindex")
    assert [filled(*line.split()).out for line in ("log --json", "show main --json", "find main:tools/0 --json")] == before
    assert filled("fsck").code == 0


def test_gc_drops_what_was_undone_and_forgotten(filled: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """An undone execution stays until the reflog forgets it; a dry run only counts. What is younger than an hour is never dropped."""
    gone = filled("rev-parse", "main").out.strip()
    monkeypatch.setattr(time, "time_ns", lambda: time.clock_gettime_ns(time.CLOCK_REALTIME) + 2 * 3_600_000_000_000)
    filled("undo")
    assert filled("gc", "--grace", "0", "--json").json["dead"] == 0
    filled("reflog", "expire", "--before", "tomorrow")
    counted = filled("gc", "--grace", "0", "--dry-run", "--json").json
    assert counted["dead"] > 0
    filled("show", gone)
    assert filled("gc", "--grace", "0").out.startswith(f"dropped {counted['dead']} objects")
    filled("show", gone, code=12)
    assert filled("fsck").code == 0


def test_stat_counts_objects_by_kind(filled: Cli) -> None:
    """The table and the JSON agree on the number of objects."""
    told = filled("stat", "--json").json
    assert told["kinds"]["execution"]["objects"] == 3
    assert told["refs"] == 1
    assert filled("stat").lines[0].split()[:2] == ["objects", str(told["objects"])]


def test_version_names_the_program(cli: Cli) -> None:
    """One line for people, all versions for programs; no store is needed."""
    told = cli("version", "--json").json
    assert cli("version").out.startswith(f"runstore {told['runstore']} (format 1, ")
    assert cli("--version").out == f"runstore {told['runstore']}\n"


CONVERSATION = {
    "conversation_id": "c/1",
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be terse."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "bye"},
        {"role": "assistant", "content": "farewell"},
    ],
    "reward": 1,
}


def test_conversations_are_imported_once(cli: Cli) -> None:
    """Importing makes a chain of executions on the conversation's own ref; importing again adds nothing."""
    Path("talks.jsonl").write_text(json.dumps(CONVERSATION) + "\n")
    assert cli("import", "conversations", "talks.jsonl").out.startswith("1 conversation, 2 executions, ")
    assert cli("import", "conversations", "talks.jsonl").out == "1 conversation, 2 executions, nothing new\n"
    assert [ref["name"] for ref in cli("refs", "--json").objects] == ["heads/conversations/c%2F1"]
    assert cli("show", "conversations/c%2F1", "output").out == "[assistant]\nfarewell\n"


def test_bad_lines_of_an_import_are_named(cli: Cli) -> None:
    """A line that is no conversation is named with its file and number; the others are imported; exit code 3."""
    Path("talks.jsonl").write_text("{\n" + json.dumps(CONVERSATION) + "\n[]\n")
    imported = cli("import", "conversations", "talks.jsonl", "--json", code=3)
    assert imported.json["executions"] == 2
    assert [(one["file"], one["line"]) for one in imported.json["skipped"]] == [("talks.jsonl", 1), ("talks.jsonl", 3)]
    assert "error: talks.jsonl, line 1: " in imported.err


def test_the_demo_is_the_same_every_time(cli: Cli, tmp_path: Path) -> None:
    """It shows, logs, compares, searches and checks with the same ids, and leaves nothing behind unless told to keep a store."""
    first, second = cli("demo").out, cli("demo", "--store", "kept").out
    assert first == second == cli("demo", "--store", "kept").out
    assert {"$ runstore show demo/library", "complete    yes"} <= set(first.splitlines())
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
