"""grep: what is searched, where a match is said to stand, and that shared objects are searched once."""

from __future__ import annotations

from typing import Any

import pytest

from runstore.errors import InvalidInput
from runstore.query.grep import PLACES, Match, grep, search
from tests.query.conftest import Archive


def found(archive: Archive, pattern: str, *places: str, ref: str = "main", **options: Any) -> list[Match]:
    """Return the matches in the log of a ref."""
    return list(search(archive.repo.store, archive.log(ref), pattern, places or PLACES, **options))


def test_every_place(archive: Archive) -> None:
    """Prompt, tools, documents, history and output are searched, and each match says where it stands."""
    execution = archive.add(
        slots={
            "prompt": "needle in the prompt",
            "tools": [{"name": "find", "description": "a needle"}],
            "documents": ["hay", {"title": "d", "text": "hay\nthe needle\nhay"}],
            "history": [{"role": "user", "content": [{"type": "text", "text": "needle?"}]}],
            "extra": {"user": "needle"},
        },
        output=[{"role": "assistant", "content": "needle!"}],
    )
    matches = found(archive, "needle")
    assert [match.place for match in matches] == [
        "prompt",
        "tools/0.description",
        "documents/1.text",
        "history/0.content[0].text",
        "output/0.content",
    ]
    assert {match.entry.link for match in matches} == {execution}
    document = matches[2]
    assert (document.slot, document.position, document.path, document.number, document.line) == ("documents", 1, "text", 2, "the needle")
    assert document.line[document.start : document.end] == "needle"


def test_places_are_revisions(archive: Archive) -> None:
    """A place, put behind a revision, names the text in which the match stands."""
    archive.add(slots={"documents": [{"text": "needle"}], "extra": False}, output={"answer": ["x", "needle"]})
    for match in found(archive, "needle"):
        assert archive.value(f"{match.entry.link}:{match.place}") == "needle"


def test_places_can_be_chosen(archive: Archive) -> None:
    """Only the places asked for are searched."""
    archive.add(slots={"prompt": "needle"}, output="needle")
    assert [match.place for match in found(archive, "needle", "output")] == ["output"]
    assert [match.place for match in found(archive, "needle", "history", "tools")] == []


def test_newest_first_and_every_execution(archive: Archive) -> None:
    """A message is reported in every execution in whose history it stands, newest first."""
    history: list[dict[str, str]] = []
    links = []
    for number in range(30):
        history.append({"role": "user", "content": f"question {number}"})
        links.append(archive.add(slots={"history": list(history)}))
    matches = found(archive, r"question 3$")
    assert [match.entry.link for match in matches] == links[:2:-1]
    assert {match.place for match in matches} == {"history/3.content"}


def test_shared_objects_are_read_once(archive: Archive) -> None:
    """Each message is read once, however many executions share it, and list nodes that are shared are not walked again."""
    history: list[dict[str, str]] = []
    for number in range(100):
        history.append({"role": "user", "content": f"question {number}"})
        archive.add(slots={"history": list(history)})
    with archive.read() as reader:
        reads: list[bytes] = []

        def fetch(id: bytes) -> Any:
            reads.append(id)
            return reader.get(id)

        assert len(list(grep(archive.log("main"), fetch, "question 50"))) == 50
    assert len(reads) == len(set(reads))


def test_case(archive: Archive) -> None:
    """Case counts unless told otherwise."""
    archive.add(output="Needle")
    assert found(archive, "needle") == []
    assert len(found(archive, "needle", ignore_case=True)) == 1


@pytest.mark.parametrize(
    ("pattern", "lines"),
    [
        ("^b", ["bb"]),
        ("c$", ["cc"]),
        (r"\Ab", ["bb"]),
        (r"c\Z", ["cc"]),
        (r"\bbb\b", ["bb"]),
        ("(?<!.)cc(?!.)", ["cc"]),
        ("a.b", []),
        ("^$", [""]),
    ],
)
def test_lines_are_searched_one_by_one(archive: Archive, pattern: str, lines: list[str]) -> None:
    """`^` and `$` hold at every line, and no match goes beyond its line."""
    archive.add(output="aa\nbb\n\ncc")
    assert [match.line for match in found(archive, pattern, "output")] == lines


def test_keys_roles_and_types_are_not_searched(archive: Archive) -> None:
    """The words of the format are no text, but the names of a tool's properties are."""
    archive.add(
        slots={
            "history": [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
            "tools": [{"name": "t", "input_schema": {"type": "object", "properties": {"reservation_id": {"type": "string"}}}}],
        }
    )
    assert found(archive, "^(user|content|text|object|string)$") == []
    assert [match.line for match in found(archive, "reservation")] == ["reservation_id"]


def test_text_given_as_bytes(archive: Archive) -> None:
    """A document that was given as bytes is searched if it is text."""
    archive.add(slots={"documents": ["text", b"the needle", b"\x00needle", b"\xffneedle"]})
    assert [match.place for match in found(archive, "needle")] == ["documents/1"]


def test_merges_are_passed_over(archive: Archive) -> None:
    """A merge has no text; what it joins is searched."""
    archive.merge(archive.ask("needle", ref="a"), archive.ask("needle", ref="b"))
    assert len(found(archive, "needle", "history")) == 2


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "(?P<n>a)(?P<n>b)", "a{99999999999999999999}"])
def test_bad_expression(archive: Archive, pattern: str) -> None:
    """An expression that cannot be read is refused at once, with the reason."""
    with pytest.raises(InvalidInput, match="cannot be read"):
        search(archive.repo.store, [], pattern)


def test_unknown_place(archive: Archive) -> None:
    """A place that there is not is refused, and the nearest suggested."""
    with pytest.raises(InvalidInput) as caught:
        search(archive.repo.store, [], "x", ["histroy"])
    assert "history" in (caught.value.hint or "")


def test_places_in_a_long_list(archive: Archive) -> None:
    """In a list of several levels the place of a match is its position in the whole list, and leads to it."""
    history = [{"role": "user", "content": f"question {number}"} for number in range(400)]
    archive.add(slots={"history": history})
    for number in (0, 7, 63, 64, 199, 399):
        (match,) = found(archive, f"question {number}$")
        assert match.place == f"history/{number}.content"
        assert archive.value(f"main:{match.place}") == f"question {number}"
