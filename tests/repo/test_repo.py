"""The library's verbs over a real store: recording, joining, undoing, importing, and a store of an older index."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

import runstore
from runstore import ABSENT, Run
from runstore.capture.importers.conversations import Imported, import_conversations, nonce_of, ref_of
from runstore.errors import Conflict, InvalidInput, NotFound
from runstore.model.ids import Link
from runstore.refs.refs import REFS
from runstore.repo import TABLES as ALL_TABLES
from runstore.repo import Repo
from runstore.runs.tables import INDEX_STATE, TABLES, is_current
from runstore.store.protocol import Reader, Table, Writer

QUESTION = {"role": "user", "content": "2+2?"}
ANSWER = {"role": "assistant", "content": "4"}


@pytest.fixture
def repo(tmp_path: Path) -> Any:
    """A new store."""
    with runstore.open(tmp_path / "runs", create=True, actor="ann") as made:
        yield made


def conversation(name: str, *texts: str, **more: Any) -> dict[str, Any]:
    """A conversation in which user and assistant take turns."""
    roles = ("user", "assistant")
    return {"conversation_id": name, "messages": [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)], **more}


def bring(repo: Repo, *rows: Any) -> Imported:
    """Import rows as JSON lines."""
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    return import_conversations(repo, [("rows", io.BytesIO(text.encode()))])


def test_the_ids_are_known_before_anything_is_stored(repo: Repo) -> None:
    """A Run has its ids without a store; recording it gives the same ones."""
    run = Run(model={"name": "m"}, prompt="Be terse.", parameters={"temperature": 0}, documents=ABSENT, tools=[], history=[QUESTION])
    recorded = repo.add(run, output="4", ref="calculator")
    assert recorded.run.id == run.id
    assert recorded.request == run.request_id
    assert repo.show("calculator").prompt == "Be terse."
    assert repo.show("calculator").documents is ABSENT
    assert repo.show("calculator").tools == []
    assert repo.show("calculator").output == "4"


def test_many_executions_of_one_run_are_one_run(repo: Repo) -> None:
    """Recording a composition again adds one execution and no other object."""
    first = repo.add({"model": {"name": "m"}, "history": [QUESTION]}, output=[ANSWER])
    second = repo.add({"history": [QUESTION], "model": {"name": "m"}}, output=[ANSWER])
    assert first.run == second.run
    assert second.new_objects == 1
    assert [view.id for view in repo.executions("main^{run}")] == [first.execution.id, second.execution.id]
    assert repo.show("main").parents == (first.execution,)


def test_a_caller_may_change_what_it_handed_over(repo: Repo) -> None:
    """What was recorded stays as it was when the caller changes its list in place."""
    history = [dict(QUESTION)]
    first = repo.add({"history": history})
    history[0]["content"] = "3+3?"
    second = repo.add({"history": history})
    assert first.run != second.run
    assert repo.show("main~1").history == [QUESTION]


@pytest.mark.parametrize(
    ("slots", "fields"),
    [
        ({"history": [{"x": float("nan")}]}, {}),
        ({"histroy": []}, {}),
        ({"model": {"name": object()}}, {}),
        ({}, {"status": "merge"}),
        ({}, {"ref": "tags/x"}),
        ({}, {"ref": "beef"}),
        ({}, {"started": "yesterday"}),
        ({}, {"colour": "red"}),
    ],
)
def test_bad_input_stores_nothing(repo: Repo, slots: dict[str, Any], fields: dict[str, Any]) -> None:
    """Whatever cannot be recorded is an InvalidInput, and the store is as before."""
    with pytest.raises(InvalidInput):
        repo.add(slots, **fields)
    assert repo.stat()["objects"] == 0
    assert repo.refs() == []


def test_a_batch_is_all_or_nothing(repo: Repo) -> None:
    """One bad item in add_many leaves nothing of the others."""
    with pytest.raises(InvalidInput):
        repo.add_many([({"prompt": "a"}, {}), ({"prompt": {1: 2}}, {})])
    assert repo.stat()["objects"] == 0


def test_a_batch_is_one_change_of_its_ref(repo: Repo) -> None:
    """However many executions a batch records on a ref, `@{1}` is where the ref stood before it, and `undo` takes all of them back."""
    first = repo.add({"prompt": "a"}).execution
    last = repo.add_many([({"prompt": str(number)}, {}) for number in range(3)])[-1].execution
    assert [(change.old, change.new) for change in repo.reflog("main")] == [(first, last), (None, first)]
    assert repo.resolve("main@{1}").link == first
    repo.add({"prompt": "b"})
    repo.undo()
    repo.undo()
    assert repo.resolve("main").link == first


def test_a_transaction_is_all_or_nothing(repo: Repo) -> None:
    """What fails last in a transaction takes objects, index rows, refs, reflog and `@` back with it, for others and for this process."""
    repo.add({"prompt": "a"}, output="b", started=1)
    with repo.read() as reader:
        before = [(table.name, _content(reader, table)) for table in ALL_TABLES]
    stat = repo.stat()

    def fail(writer: Writer) -> None:
        assert writer.count() == stat["objects"] + 4
        assert _content(writer, REFS) != dict(before)["refs"]
        raise RuntimeError("last of all")

    draft = ({"prompt": "c"}, {"output": "d", "notes": {"session": "s"}, "nonce": "n", "started": 2})
    for _ in range(2):
        with pytest.raises(RuntimeError, match="last of all"):
            repo.add_many([draft], within=fail)
    with repo.read() as reader:
        assert [(table.name, _content(reader, table)) for table in ALL_TABLES] == before
    assert repo.stat() == stat
    assert repo.add_many([draft])[0].new_objects == 4
    assert list(repo.fsck()) == []


def _content(reader: Reader, table: Table) -> object:
    return dict(reader.items(table.name)) if table.row_bytes is None else list(reader.rows(table.name))


def test_importing_twice_adds_nothing(repo: Repo, tmp_path: Path) -> None:
    """The same rows give the same ids in another store and nothing new in the same one."""
    rows = [conversation("a/1", "q", "r", "q2", "r2", model="m", licence="MIT"), conversation("b", "q", "r")]
    first = bring(repo, *rows)
    assert (first.conversations, first.executions) == (2, 3)
    tips = {ref.name: ref.target for ref in repo.refs()}
    assert set(tips) == {"heads/conversations/a%2F1", "heads/conversations/b"}
    assert bring(repo, *rows).new_objects == 0
    assert {ref.name: ref.target for ref in repo.refs()} == tips
    with runstore.open(tmp_path / "other", create=True, actor="bob") as other:
        bring(other, *reversed(rows))
        assert {ref.name: ref.target for ref in other.refs()} == tips


def test_an_imported_execution_says_what_the_line_said(repo: Repo) -> None:
    """Prompt, history, model and notes are where the line put them; what it did not say is unknown."""
    messages = [{"role": "system", "content": "s"}, QUESTION, ANSWER]
    bring(repo, {"conversation_id": "c", "model": "m", "messages": messages, "licence": "MIT", "nested": {"x": 1}})
    shown = repo.show("conversations/c")
    assert shown.prompt == messages[:1]
    assert shown.history == [QUESTION]
    assert shown.output == [ANSWER]
    assert shown.model == {"name": "m"}
    assert shown.tools is runstore.UNKNOWN
    assert shown.notes == {"licence": "MIT"}
    assert shown.started is None
    assert shown.nonce == nonce_of("c", 2)


def test_a_conversation_that_grew_extends_its_chain(repo: Repo) -> None:
    """Importing a longer state moves the ref on; importing the shorter one again leaves it."""
    bring(repo, conversation("c", "q", "r"))
    bring(repo, conversation("c", "q", "r", "q2", "r2"))
    tip = repo.refs()[0].target
    bring(repo, conversation("c", "q", "r"))
    assert repo.refs()[0].target == tip
    assert len(list(repo.log("conversations/c"))) == 2


def test_an_edited_conversation_is_joined(repo: Repo) -> None:
    """Another text under the same id is kept beside the first one by a merge."""
    bring(repo, conversation("c", "q", "r"), conversation("c", "q", "other"))
    statuses = [entry.execution.status for entry in repo.log("conversations/c")]
    assert sorted(str(status) for status in statuses) == ["merge", "ok", "ok"]


def test_ids_that_differ_in_case_alone_get_two_refs(repo: Repo) -> None:
    """Neither of two such conversations is lost."""
    bring(repo, conversation("Case", "q", "r"), conversation("case", "q", "r2"))
    bring(repo, conversation("CASE", "q", "r3"))
    assert len(repo.refs()) == 3


def test_bad_lines_are_named_and_skipped(repo: Repo) -> None:
    """A bad line is reported with its number, and the others are imported."""
    found = bring(repo, "{", conversation("c", "q", "r"), '{"messages": []}', "", '{"conversation_id": "d", "messages": [1]}')
    assert [(skipped.file, skipped.line) for skipped in found.skipped] == [("rows", 1), ("rows", 3), ("rows", 5)]
    assert found.executions == 1


def test_a_line_with_notes_that_cannot_be_stored_is_skipped(repo: Repo) -> None:
    """Notes larger than a body may be are found line by line: all other lines are imported, and what the bad one held is not counted."""
    large = conversation("large", "q", "r", note="x" * (17 << 20), nested={})
    found = bring(repo, conversation("c", "q", "r", nested={}), large, conversation("d", "q", "r"))
    assert [(skipped.line, skipped.reason) for skipped in found.skipped] == [(2, "notes.note: a string takes more than 16 MiB")]
    assert (found.conversations, found.executions, dict(found.dropped)) == (2, 2, {"nested": 1})
    assert len(repo.refs()) == 2


def test_a_file_that_cannot_be_read_on_is_named(repo: Repo) -> None:
    """What a cut compressed file still holds is imported, and so are the files after it."""
    import zstandard

    text = "".join(json.dumps(conversation(name, "q", "r")) + "\n" for name in "ab").encode()
    sources = [("cut", io.BytesIO(zstandard.compress(text)[:-1])), ("after", io.BytesIO(json.dumps(conversation("c", "q", "r")).encode()))]
    found = import_conversations(repo, sources)
    assert [(skipped.file, "cut short" in skipped.reason) for skipped in found.skipped] == [("cut", True)]
    assert "heads/conversations/c" in {ref.name for ref in repo.refs()}


@pytest.mark.parametrize(
    ("identity", "name"), [("a b", "a%20b"), (".x", "%2Ex"), ("a..b", "a.%2Eb"), ("50%", "50%25"), ("ä", "%C3%A4"), ("a@b", "a@b")]
)
def test_the_ref_of_a_conversation(identity: str, name: str) -> None:
    """Bytes that a ref name cannot hold are %-escaped."""
    assert ref_of(identity) == f"heads/conversations/{name}"


def test_long_conversation_ids_are_cut_and_hashed() -> None:
    """A long id keeps 150 bytes and gets 16 digits of its hash, so that two of them stay two."""
    assert len(ref_of("x" * 500)) == len("heads/conversations/") + 166
    assert ref_of("x" * 500) != ref_of("x" * 501)


def test_an_import_is_undone_whole(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """All transactions of an import are one operation."""
    monkeypatch.setattr("runstore.capture.importers.conversations.GROUP", 1)
    repo.add({"prompt": "kept"})
    bring(repo, *(conversation(f"c{number}", "q", "r") for number in range(5)))
    repo.undo()
    assert [ref.name for ref in repo.refs()] == ["heads/main"]


def test_a_ref_is_set_only_from_where_it_is_expected(repo: Repo) -> None:
    """`expect` is a compare-and-swap."""
    first = repo.add({"prompt": "a"})
    repo.add({"prompt": "b"})
    with pytest.raises(Conflict):
        repo.set_ref("main", str(first.execution), expect=None)
    assert repo.set_ref("main", "main~1").target == first.execution
    repo.delete_ref("main")
    with pytest.raises(NotFound):
        repo.show("main")


def test_a_tag_names_what_it_is_about(repo: Repo) -> None:
    """A tag is an object, is followed by show, and is not moved by a second one."""
    recorded = repo.add({"prompt": "a"})
    repo.tag("v1", "main", message="good")
    assert repo.show("tags/v1").id == recorded.execution.id
    with pytest.raises(Conflict):
        repo.tag("v1", "main")


def test_grep_find_and_check_are_verbs(repo: Repo) -> None:
    """The library finds what the command line finds."""
    recorded = repo.add({"model": {"name": "m"}, "prompt": "Be terse.", "history": [QUESTION]}, output=[ANSWER])
    assert [match.place for match in repo.grep("terse")] == ["prompt"]
    assert {use.execution for use in repo.find(QUESTION)} == {recorded.execution}
    assert not repo.check("main").complete
    assert recorded.run.id in {obj.id for obj in repo.dump("main")}


def test_a_log_is_asked_as_on_the_command_line(repo: Repo) -> None:
    """Conditions and revisions may be texts; a run and what is compared with may be links, too."""
    first = repo.add(Run(prompt="a", parameters={"seed": 7}), output="1", ref="asked")
    other = repo.add(Run(prompt="b", parameters={"seed": 8}), output="2", ref="asked")

    def found(**filters: Any) -> list[Link]:
        return [entry.link for entry in repo.log("asked", **filters)]

    assert found(where="parameters.seed=7") == [first.execution]
    assert found(where=["parameters.seed=8", "status=ok"]) == [other.execution]
    assert found(run="asked~1") == found(run=first.run) == found(run=first.run.id) == found(run=str(first.run)) == [first.execution]
    assert found(run=first.request.hex()) == [first.execution]
    assert found(changed="prompt", against="asked") == found(changed="prompt", against=other.execution) == [first.execution]
    with pytest.raises(InvalidInput, match="no condition"):
        found(where="seed")
    with pytest.raises(NotFound):
        found(run="nowhere")


def test_gc_drops_what_nothing_leads_to(repo: Repo) -> None:
    """What an undone and expired operation brought is collected; the rest stays readable."""
    repo.add({"prompt": "kept"})
    repo.add({"prompt": "dropped"})
    repo.undo()
    repo.expire_reflog(1 << 60)
    before = repo.stat()["objects"]
    later = Repo(repo.store, actor="ann", clock=lambda: 1 << 60)
    assert later.gc(dry_run=True).dead == 3
    assert later.gc().dead == 3
    assert repo.stat()["objects"] == before - 3
    assert repo.show("main").prompt == "kept"
    assert list(repo.fsck()) == []


def test_an_older_index_is_built_anew_on_opening(tmp_path: Path) -> None:
    """A store whose derived tables have another version is reindexed when it is opened."""
    with runstore.open(tmp_path / "runs", create=True) as repo:
        repo.add({"prompt": "a"}, notes={"session": "s"})
        with repo.store.write() as writer:
            for table in TABLES:
                writer.clear(table.name)
            writer.set_value(INDEX_STATE.name, b"version", b"\0\0\0\0")
    with runstore.open(tmp_path / "runs") as repo:
        with repo.read() as reader:
            assert is_current(reader)
        assert len(repo.executions("main")) == 1
        assert list(repo.fsck()) == []


def test_packing_where_it_is_worth_it(repo: Repo) -> None:
    """The store is packed if at least half of its objects are new, and what it holds is counted, not read."""
    repo.add({"prompt": "p"})
    with repo.read() as reader:
        held, before = reader.count(), reader.generation
    for new, generation in ((held // 2 - 1, before), (-(-held // 2), before + 1)):
        repo.pack_if_worthwhile(new)
        with repo.read() as reader:
            assert reader.generation == generation
