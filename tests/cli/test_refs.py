"""Refs from the command line: refs, ref set, ref delete, tag, reflog, undo."""

from tests.cli.conftest import Cli


def test_refs_are_listed_by_name(filled: Cli) -> None:
    """Heads are shown by their short names, others in full; a prefix limits the list."""
    filled("ref", "set", "work/one", "main~1")
    filled("tag", "v1", "main~2")
    assert [line.split("  ")[0].strip() for line in filled("refs").lines] == ["main", "work/one", "tags/v1"]
    assert [ref["name"] for ref in filled("refs", "work/", "--json").objects] == ["heads/work/one"]
    assert [ref["name"] for ref in filled("refs", "tags", "--json").objects] == ["tags/v1"]


def test_a_long_name_leaves_room_for_what_it_points_at(filled: Cli) -> None:
    """Of a name that takes the screen its end is shown, with the id behind it; --json gives it whole."""
    name = "work/" + "x" * 180
    filled("ref", "set", name, "main")
    shown = filled("refs", "work/").lines[0]
    assert shown.startswith("…x")
    assert shown.split()[1] in filled("rev-parse", "main").out
    assert filled("refs", "work/", "--json").objects[0]["name"] == "heads/" + name


def test_a_ref_is_moved_only_from_where_it_was_expected(filled: Cli) -> None:
    """--expect guards against somebody else: exit code 11 and no change if the ref stands elsewhere."""
    filled("ref", "set", "work", "main~2", "--expect", "none")
    filled("ref", "set", "work", "main~1", "--expect", "main~2")
    filled("ref", "set", "work", "main", "--expect", "main~2", code=11)
    assert filled("rev-parse", "work").out == filled("rev-parse", "main~1").out


def test_undo_takes_back_and_the_reflog_tells(filled: Cli) -> None:
    """Each undo takes back one operation more; the reflog keeps them all, newest first, with actor and time."""
    filled("ref", "set", "work", "main~1", "-m", "try")
    filled("ref", "delete", "work")
    assert filled("undo").out.startswith("heads/work: made at ")
    assert filled("undo").out.startswith("heads/work: removed, was ")
    assert filled("undo", "--json").objects[0]["ref"] == "heads/main"
    assert filled("log", "--json").objects[0]["nonce"] == "b"
    told = filled("reflog", "--json").objects
    assert [(change["action"], change["ref"]) for change in told[:5]] == [
        ("undo", "heads/main"),
        ("undo", "heads/work"),
        ("undo", "heads/work"),
        ("delete", "heads/work"),
        ("set", "heads/work"),
    ]
    assert told[4]["message"] == "try"
    assert {change["actor"] for change in told} == {"tester"}


def test_undoing_much_is_told_in_short(cli: Cli) -> None:
    """Of an operation on many refs the first are listed and the others counted; --json names them all."""
    lines = [f'{{"conversation_id": "c{n}", "messages": [{{"role": "assistant", "content": "{n}"}}]}}' for n in range(25)]
    cli("init")
    cli("import", "conversations", "-", stdin="\n".join(lines))
    told = cli("undo").lines
    assert len(told) == 21
    assert told[-1] == "… 5 more refs"
    cli("import", "conversations", "-", stdin="\n".join(lines))
    assert len(cli("undo", "--json").objects) == 25


def test_names_in_the_reflog_are_revisions(filled: Cli) -> None:
    """main@{1} is where main stood before its newest change."""
    lines = filled("reflog", "main").lines
    assert len(lines) == 3
    assert [name for line in lines for name in line.replace(",", "").split() if name.startswith("main@")] == [
        "main@{0}",
        "main@{1}",
        "main@{2}",
    ]
    assert filled("rev-parse", "main@{1}").out == filled("rev-parse", "main~1").out


def test_the_reflog_of_a_tag_and_of_a_ref_that_is_gone(filled: Cli) -> None:
    """The changes of a tag are found by its short name too, and those of a removed ref are still told."""
    filled("tag", "v1", "main")
    assert len(filled("reflog", "v1").lines) == 1
    filled("ref", "delete", "main")
    assert filled("reflog", "main").lines[0].startswith("(removed)")
    filled("reflog", "expire", "--before", "tomorrow")
    filled("ref", "set", "other", "v1")
    assert filled("reflog", "tags/v1").out == ""


def test_the_reflog_is_kept_until_it_is_expired(filled: Cli) -> None:
    """Only `reflog expire` forgets changes."""
    assert filled("reflog", "expire", "--before", "1 day ago").out == "forgot 0 changes\n"
    assert filled("reflog", "expire", "--before", "tomorrow").out == "forgot 3 changes\n"
    assert filled("reflog").out == ""


def test_a_tag_that_is_taken_is_refused(filled: Cli) -> None:
    """Tags do not move: exit code 11."""
    filled("tag", "v1", "main")
    assert "tags/v1" in filled("tag", "v1", "main~1", code=11).err


def test_nothing_to_undo(cli: Cli) -> None:
    """In a store without changes undo finds nothing: exit code 12."""
    cli("init")
    assert "nothing to undo" in cli("undo", code=12).err


def test_what_was_removed_is_told_by_its_full_name(filled: Cli) -> None:
    """A short name stands for a head before a tag: what of them went is said."""
    filled("tag", "twice", "main")
    filled("ref", "set", "twice", "main")
    assert filled("ref", "delete", "twice").out == "removed heads/twice\n"
    assert filled("ref", "delete", "twice").out == "removed tags/twice\n"


def test_the_newest_execution_may_have_been_dropped(filled: Cli) -> None:
    """Where what was recorded last was undone and collected, `@` says so, and how to name another."""
    filled("undo")
    filled("reflog", "expire", "--before", "now")
    filled("gc", "--grace", "0")
    told = filled("show", "@", code=12).err
    assert "@ names the execution recorded last, execution:" in told
    assert "that was dropped\nhint: `runstore refs`" in told
