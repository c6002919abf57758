"""Every form of the revision grammar, and what is said where a revision names nothing."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from runstore.errors import Ambiguous, InvalidInput, NotFound
from runstore.model.ids import Kind, Link
from runstore.model.tags import Tag, encode_tag
from runstore.query.revisions import as_range, split, to_execution, to_request, to_run
from tests.query.conftest import BEGIN, FULL, SECOND, Archive


def test_full_id(archive: Archive) -> None:
    """A full id names its object, of whatever kind it is in the store."""
    execution = archive.add()
    run = archive.run_of(execution)
    assert archive.resolve(execution.hex).link == execution
    assert archive.resolve(run.hex).link == run


def test_kind_and_id(archive: Archive) -> None:
    """`kind:id` names the object of that kind."""
    execution = archive.add()
    assert archive.resolve(str(execution)).link == execution


def test_kind_that_contradicts_the_store(archive: Archive) -> None:
    """A kind that is not the object's is an error that says which it is."""
    execution = archive.add()
    with pytest.raises(InvalidInput, match="blob"):
        archive.resolve(f"blob:{execution.hex}")


def test_prefix(archive: Archive) -> None:
    """Four digits are enough where one object alone starts with them, with the kind or without."""
    execution = archive.add()
    assert archive.resolve(execution.hex[:4]).link == execution
    assert archive.resolve(f"execution:{execution.hex[:5]}").link == execution


@pytest.mark.parametrize("text", ["abc", "execution:abc"])
def test_prefix_too_short(archive: Archive, text: str) -> None:
    """Three digits are no prefix, and the error says how many are wanted."""
    archive.add()
    with pytest.raises((NotFound, InvalidInput)) as caught:
        archive.resolve(text)
    assert "4" in f"{caught.value} {caught.value.hint}"


def test_prefix_of_nothing(archive: Archive) -> None:
    """A prefix that nothing starts with is named in the error."""
    archive.add()
    with pytest.raises(NotFound, match="no object starts with 0bad0bad"):
        archive.resolve("0bad0bad")


def colliding(archive: Archive) -> tuple[Link, Link]:
    """Record values until two share their first four digits; return an execution and a value that do."""
    with archive.repo.store.write(now=archive.now) as writer:
        from runstore.model.encoding import encode
        from runstore.model.ids import make_object

        seen: dict[str, Link] = {}
        for number in range(20_000):
            made = make_object(Kind.VALUE, encode(f"value {number}").body)
            other = seen.setdefault(made.link.hex[:4], made.link)
            if other != made.link:
                blob = make_object(Kind.BLOB, b"")
                writer.put([make_object(Kind.VALUE, encode(f"value {at}").body) for at in range(number + 1)] + [blob])
                return other, made.link
    raise AssertionError("no two values share four digits")


def test_ambiguous_prefix_lists_candidates(archive: Archive) -> None:
    """A prefix of several objects lists each with its kind and first line."""
    one, other = colliding(archive)
    with pytest.raises(Ambiguous) as caught:
        archive.resolve(one.hex[:4])
    candidates = dict(caught.value.candidates)
    assert {str(one), str(other)} <= set(candidates)
    assert candidates[str(one)].startswith("value ")


def test_ref_short_and_full(archive: Archive) -> None:
    """A ref is named short or in full, and Found tells its full name."""
    execution = archive.add("support/reply")
    for text in ("support/reply", "heads/support/reply"):
        found = archive.resolve(text)
        assert (found.link, found.ref) == (execution, "heads/support/reply")


def test_heads_before_tags_before_remotes(archive: Archive) -> None:
    """A short name is looked up under heads/, then tags/, then remotes/."""
    first, second, third = (archive.ask(f"question {number}", ref="other") for number in range(3))
    archive.set_ref("remotes/v1", third)
    assert archive.resolve("v1").link == third
    archive.set_ref("tags/v1", second)
    assert archive.resolve("v1").link == second
    archive.set_ref("heads/v1", first)
    assert archive.resolve("v1").link == first
    assert archive.resolve("tags/v1").link == second
    assert archive.resolve("v1", default_prefix="tags/").link == second


def test_ref_to_a_tag_is_peeled(archive: Archive) -> None:
    """A ref that points at a tag names the tag's target; the tag's own id names the tag."""
    execution = archive.add()
    tag = archive.repo.tag("release", "main")
    assert archive.resolve("release").link == execution
    assert archive.resolve(tag.hex).link == tag
    assert archive.resolve(f"{tag.hex}^{{run}}").link == archive.run_of(execution)


def test_tag_of_a_tag_is_peeled(archive: Archive) -> None:
    """Tags of tags are followed to the end."""
    execution = archive.add()
    inner = encode_tag(Tag(execution, "inner"))
    outer = encode_tag(Tag(inner.link, "outer"))
    with archive.repo.store.write(now=archive.now) as writer:
        writer.put([inner, outer])
    archive.set_ref("tags/outer", outer.link)
    assert archive.resolve("outer").link == execution


def test_response_id(archive: Archive) -> None:
    """The provider's id of a response names the execution it answered."""
    execution = archive.add(response={"id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "model": "gpt-4o"})
    assert archive.resolve("chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG").link == execution


def test_response_id_with_signs_of_the_grammar(archive: Archive) -> None:
    """A response id that holds signs of the grammar is found whole."""
    execution = archive.add(response={"id": "resp:12~4^x"})
    assert archive.resolve("resp:12~4^x").link == execution


def test_response_id_used_twice(archive: Archive) -> None:
    """A response id that two executions have is ambiguous."""
    two = {str(archive.add(response={"id": "msg_1"})), str(archive.ask("other?", response={"id": "msg_1"}))}
    with pytest.raises(Ambiguous) as caught:
        archive.resolve("msg_1")
    assert {name for name, _ in caught.value.candidates} == two


def test_at_is_the_execution_recorded_last(archive: Archive) -> None:
    """`@` is the execution recorded last, on whatever ref."""
    archive.add("one")
    last = archive.ask("again?", ref="two")
    assert archive.resolve("@").link == last


def test_at_in_an_empty_store(archive: Archive) -> None:
    """`@` in a store without executions says that there is none."""
    with pytest.raises(NotFound, match="none was recorded"):
        archive.resolve("@")


def test_ref_at_number(archive: Archive) -> None:
    """`ref@{n}` is where the ref stood n changes ago."""
    links = [archive.ask(f"question {number}") for number in range(4)]
    assert [archive.resolve(f"main@{{{number}}}").link for number in range(4)] == links[::-1]


def test_ref_at_number_counts_moves_not_parents(archive: Archive) -> None:
    """A ref set back is a change: `@{1}` is where it stood before."""
    first, second = archive.ask("one"), archive.ask("two")
    archive.set_ref("heads/main", first)
    assert archive.resolve("main@{0}").link == first
    assert archive.resolve("main@{1}").link == second


def test_ref_at_number_beyond_the_reflog(archive: Archive) -> None:
    """Going further back than the reflog says how long it is."""
    archive.add()
    with pytest.raises(NotFound, match="holds 1 change"):
        archive.resolve("main@{5}")


def test_ref_at_number_before_what_the_reflog_remembers(archive: Archive) -> None:
    """What stood before the oldest change that was kept is known from that change; what stood before that is not."""
    links = [archive.ask(f"question {number}") for number in range(4)]
    changes = archive.repo.reflog("main")
    archive.repo.expire_reflog(changes[1].time)
    assert [archive.resolve(f"main@{{{number}}}").link for number in range(3)] == links[:0:-1]
    with pytest.raises(NotFound, match="holds 2 changes"):
        archive.resolve("main@{3}")


def test_deleted_ref_is_found_in_the_reflog(archive: Archive) -> None:
    """A ref that was deleted is still found by what it was."""
    execution = archive.add("topic")
    archive.repo.delete_ref("topic")
    with pytest.raises(NotFound, match="deleted"):
        archive.resolve("topic@{0}")
    assert archive.resolve("topic@{1}").link == execution


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-01-31T12:00:00Z", 0),
        ("2026-01-31 12:00:02+00:00", 2),
        ("2026-01-31T13:00:01+01:00", 1),
        ("now", 3),
        ("2 seconds ago", 1),
        ("1.second.ago", 2),
        ("tomorrow", 3),
    ],
)
def test_ref_at_date(archive: Archive, when: str, expected: int) -> None:
    """`ref@{date}` is where the ref stood at that time."""
    links = [archive.ask(f"question {number}") for number in range(4)]
    assert archive.resolve(f"main@{{{when}}}").link == links[expected]


def test_ref_at_date_before_it_was(archive: Archive) -> None:
    """A time before the ref's first change says when its reflog begins."""
    archive.add()
    with pytest.raises(NotFound, match="2026-01-31 12:00:00"):
        archive.resolve("main@{yesterday}")


def test_ref_at_date_in_a_time_zone(archive: Archive) -> None:
    """A time without an offset is meant in the zone that the caller gives."""
    archive.add()
    zone = timezone(timedelta(hours=2))
    assert archive.resolve("main@{2026-01-31T14:00}", zone=zone).ref == "heads/main"
    with pytest.raises(NotFound):
        archive.resolve("main@{2026-01-31T13:59}", zone=zone)


@pytest.mark.parametrize("when", ["soon", "", "-1", "32 fortnights", "2026-13-01"])
def test_ref_at_no_date(archive: Archive, when: str) -> None:
    """What is no number and no date is refused."""
    archive.add()
    with pytest.raises(InvalidInput):
        archive.resolve(f"main@{{{when}}}")


def test_ancestors(archive: Archive) -> None:
    """`~n` goes back n first parents; `~` alone is one, `~0` none."""
    links = [archive.ask(f"question {number}") for number in range(4)]
    assert archive.resolve("main~").link == links[2]
    assert archive.resolve("main~0").link == links[3]
    assert archive.resolve("main~3").link == links[0]
    assert archive.resolve("main~1~2").link == links[0]


def test_ancestor_before_the_beginning(archive: Archive) -> None:
    """Going back further than the log says how far it goes."""
    archive.ask("one")
    archive.ask("two")
    with pytest.raises(NotFound, match="only 1 execution before"):
        archive.resolve("main~5")


def test_parents_of_a_merge(archive: Archive) -> None:
    """`^n` is the n-th parent, in the order of the merge; `~n` follows the first."""
    one, other = archive.ask("one", ref="a"), archive.ask("two", ref="b")
    archive.merge(one, other)
    first, second = sorted((one, other), key=lambda link: link.id)
    assert archive.resolve("main^").link == first
    assert archive.resolve("main^2").link == second
    assert archive.resolve("main~1").link == first
    assert archive.resolve("main^0").link.kind == Kind.EXECUTION


def test_parent_that_is_not_there(archive: Archive) -> None:
    """A parent that an execution does not have says how many it has."""
    archive.ask("one")
    archive.ask("two")
    with pytest.raises(NotFound, match="1 parent"):
        archive.resolve("main^2")
    with pytest.raises(NotFound, match="begins here"):
        archive.resolve("main~1^1")


def test_run_of_an_execution(archive: Archive) -> None:
    """`^{run}` is the run of an execution, and of a run itself."""
    run = archive.run_of(archive.add())
    assert archive.resolve("main^{run}").link == run
    assert archive.resolve(f"{run.hex}^{{run}}").link == run


def test_request_of_an_execution(archive: Archive) -> None:
    """`^{request}` is the request id, which names no stored object; two runtimes of one request give the same."""
    archive.add()
    archive.add("other", slots={"runtime": {"model": "another"}})
    found = archive.resolve("main^{request}").link
    assert archive.resolve("other^{request}").link == found
    assert found.kind == Kind.TREE
    with archive.read() as reader:
        assert reader.address(found.id) is None


def test_request_id_resolves(archive: Archive) -> None:
    """A request id can be named in full, and leads to its run where there is only one."""
    run = archive.run_of(archive.add())
    request = archive.resolve("main^{request}").link
    assert archive.resolve(request.hex).link == request
    with archive.read() as reader:
        assert to_run(reader, request) == run
        assert to_request(reader, request) == request.id


def test_request_id_of_two_runs(archive: Archive) -> None:
    """A request that two runtimes answered is no single run: the error lists the runs with what tells them apart."""
    runs = [archive.run_of(archive.add()), archive.run_of(archive.add("other", slots={"runtime": {"model": "another"}}))]
    with archive.read() as reader, pytest.raises(Ambiguous, match="2 runs") as told:
        to_run(reader, archive.resolve("main^{request}").link)
    listed = dict(told.value.candidates)
    assert set(listed) == {str(run) for run in runs}
    assert listed[str(runs[1])] == 'runtime {"model":"another"}'
    assert listed[str(runs[0])].startswith("runtime ")


def test_run_has_no_parents(archive: Archive) -> None:
    """`~` after a run is refused, with the way to write it."""
    archive.add()
    with pytest.raises(NotFound, match="only an execution has parents"):
        archive.resolve("main^{run}~1")


def test_merge_has_no_run(archive: Archive) -> None:
    """`^{run}` of a merge points at its parents."""
    archive.merge(archive.ask("one", ref="a"), archive.ask("two", ref="b"))
    with pytest.raises(NotFound, match="merge"):
        archive.resolve("main^{run}")


def test_execution_of_a_run(archive: Archive) -> None:
    """A run stands for its execution where there is one, and is ambiguous where there are more."""
    execution = archive.add()
    run = archive.run_of(execution)
    with archive.read() as reader:
        assert to_execution(reader, run) == execution
    archive.add()
    with archive.read() as reader, pytest.raises(Ambiguous, match="2 times"):
        to_execution(reader, run)


def test_slot(archive: Archive) -> None:
    """`REV:slot` is the object in a slot of the run."""
    archive.add()
    assert archive.value("main:prompt") == "You are terse."
    assert archive.resolve("main:prompt").path is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("parameters.temperature", 0),
        ("history/0.content", "2 + 2?"),
        ("history[0].content", "2 + 2?"),
        ("history/-1.role", "user"),
        ('history/0["content"]', "2 + 2?"),
        ("output", "4"),
        ("status", "ok"),
        ("usage.prompt_tokens", 12),
        ("notes.labels[1]", "b"),
        ("response.choices[0].message.tool_calls[-1].name", "last"),
        ("run:".rstrip(":"), "tree"),
    ],
)
def test_path(archive: Archive, path: str, value: object) -> None:
    """`REV:slot/n.path` reaches every part of a run and of an execution."""
    calls = {"choices": [{"message": {"tool_calls": [{"name": "first"}, {"name": "last"}]}}]}
    archive.add(usage={"prompt_tokens": 12}, notes={"labels": ["a", "b"]}, response=calls)
    found = archive.value(f"main:{path}")
    assert found == value or (value == "tree" and set(FULL) <= set(found))


def test_path_names_the_deepest_object(archive: Archive) -> None:
    """The link is that of the message, and the path what remains inside it."""
    archive.add()
    message = archive.resolve("main:history/0")
    inside = archive.resolve("main:history/0.content")
    assert message.path is None
    assert inside.link == message.link
    assert inside.path == "content"


def test_path_into_parents(archive: Archive) -> None:
    """A path follows the links of an execution."""
    first = archive.ask("one")
    archive.ask("two")
    assert archive.resolve("main:parents/0").link == first
    assert archive.value("main:parents/0.history/0.content") == "one"


def test_suffixes_combine(archive: Archive) -> None:
    """Suffixes and a path stand one after another."""
    for number in range(4):
        archive.ask(f"question {number}")
    assert archive.value("main~2^{run}:history/0.content") == "question 1"
    assert archive.value("main@{1}~1:history/0.content") == "question 1"
    assert archive.value("@~1^1:history/0.content") == "question 1"


@pytest.mark.parametrize(
    ("path", "fact", "hint"),
    [
        ("histroy/0", "no slot 'histroy'", "history"),
        ("documents/0", "documents .* is absent", ""),
        ("history/7", "position 7", "1 element"),
        ("history/x", "no part 'x'", "position"),
        ("history/0.contents", "no key 'contents'", "content"),
        ("prompt.text", "has no part 'text'", "one step earlier"),
        ("output.x", "has no part 'x'", ""),
    ],
)
def test_path_that_leads_nowhere(archive: Archive, path: str, fact: str, hint: str) -> None:
    """A step that leads nowhere is named, with what there is instead."""
    archive.add()
    with pytest.raises(NotFound, match=fact) as caught:
        archive.resolve(f"main:{path}")
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("path", ["history/", "history//0", "history[", "history[x]", ".", "history/0.", 'a["b'])
def test_path_that_cannot_be_read(archive: Archive, path: str) -> None:
    """A path that breaks the grammar is refused, not guessed."""
    archive.add()
    with pytest.raises(InvalidInput):
        archive.resolve(f"main:{path}")


def test_blob_ends_a_path(archive: Archive) -> None:
    """The bytes of a file are reached, and have no parts."""
    archive.add(slots={"documents": [{"title": "t", "file": b"\x00\x01"}]})
    assert archive.value("main:documents/0.file") == b"\x00\x01"
    assert archive.resolve("main:documents/0.file").link.kind == Kind.BLOB
    with pytest.raises(NotFound, match="is bytes"):
        archive.resolve("main:documents/0.file.x")


@pytest.mark.parametrize(
    "text", ["", " main", "main ", "main~x", "main^{rnu}", "main:", "main^{", "main~99999999999", "foo:bar:baz", "a..b"]
)
def test_no_revision(archive: Archive, text: str) -> None:
    """What breaks the grammar is an error that names it, whatever the store holds."""
    archive.add()
    with pytest.raises((InvalidInput, NotFound)) as caught:
        archive.resolve(text)
    assert caught.value.hint


def test_near_names_are_suggested(archive: Archive) -> None:
    """A ref that is misspelt is suggested."""
    archive.add("calculator")
    with pytest.raises(NotFound) as caught:
        archive.resolve("calcluator")
    assert caught.value.hint == "did you mean calculator?"


def test_at_number_without_a_ref(archive: Archive) -> None:
    """`@{1}` names no ref, and says how to."""
    archive.add()
    with pytest.raises(NotFound, match="names no ref"):
        archive.resolve("@{1}")


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("main..topic", ("main", "topic")),
        ("main~2..main", ("main~2", "main")),
        ("..main", ("@", "main")),
        ("main..", ("main", "@")),
        ("main@{2026-01-01}..main", ("main@{2026-01-01}", "main")),
        ("main", None),
        ("v1.2", None),
        ('main:history/0["a..b"]', None),
    ],
)
def test_range(text: str, ends: tuple[str, str] | None) -> None:
    """`a..b` is split at its dots, and only there."""
    assert as_range(text) == ends


@pytest.mark.parametrize(
    ("text", "base", "suffixes", "path"),
    [
        ("main", "main", [], None),
        ("a@b/c=d", "a@b/c=d", [], None),
        ("main@{2 hours ago}~2^{run}:history/0", "main@{2 hours ago}", [("~", "2"), ("^{}", "run")], "history/0"),
        ("tree:abcd:prompt", "tree:abcd", [], "prompt"),
        ("@~1^2", "@", [("~", "1"), ("^", "2")], None),
    ],
)
def test_split(text: str, base: str, suffixes: list[tuple[str, str]], path: str | None) -> None:
    """A revision is a base, suffixes and a path."""
    assert split(text) == (base, suffixes, path)


def test_snapshot_is_what_counts(archive: Archive) -> None:
    """A revision is resolved in the snapshot given, whatever is recorded meanwhile."""
    from runstore.query.revisions import resolve

    first = archive.ask("one")
    with archive.read() as reader:
        archive.ask("two")
        assert resolve(reader, "main", now=BEGIN + 60 * SECOND).link == first
