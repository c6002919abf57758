"""find: from any object up to the runs and executions that used it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from runstore.errors import NotFound
from runstore.model.ids import Kind, Link, make_object
from runstore.query.find import Use, find, links_of_bytes, links_of_value
from runstore.runs.view import ListView
from tests.query.conftest import Archive


def uses(archive: Archive, *objects: Link) -> list[Use]:
    """Return the uses of objects."""
    with archive.read() as reader:
        return list(find(reader, *objects))


def places(archive: Archive, *objects: Link) -> set[tuple[Link | None, str]]:
    """Return the executions and places that use objects."""
    return {(use.execution, use.place) for use in uses(archive, *objects)}


def test_blob_in_a_document(archive: Archive) -> None:
    """A file is found in every run whose documents hold it, as itself and inside a map."""
    one = archive.add(slots={"documents": ["x", b"%PDF"]})
    other = archive.ask("other")
    third = archive.add(slots={"documents": [{"title": "t", "file": b"%PDF"}]})
    assert places(archive, *links_of_bytes(b"%PDF")) == {(one, "documents/1"), (third, "documents/0.file")}
    assert other not in {use.execution for use in uses(archive, *links_of_bytes(b"%PDF"))}


@pytest.mark.parametrize(
    ("slot", "given", "value", "place"),
    [
        ("prompt", "Be brief.", "Be brief.", "prompt"),
        ("history", [{"role": "user", "content": "why?"}], {"role": "user", "content": "why?"}, "history/0"),
        ("tools", [{"name": "a"}, {"name": "b"}], {"name": "b"}, "tools/1"),
        ("documents", [{"text": "d"}], {"text": "d"}, "documents/0"),
        ("parameters", {"top_p": 1.0, "seed": 3}, {"top_p": 1, "seed": 3}, "parameters"),
        ("model", {"name": "tiny"}, {"name": "tiny"}, "model"),
    ],
)
def test_value_in_a_slot(archive: Archive, slot: str, given: Any, value: Any, place: str) -> None:
    """A prompt, message, tool, document and settings are found by their value."""
    archive.ask("something else", ref="other")
    execution = archive.add(slots={slot: given})
    assert places(archive, *links_of_value(value)) == {(execution, place)}


def test_place_in_a_long_history(archive: Archive) -> None:
    """The position of a message is counted over all nodes of its list, in every run that holds it."""
    history = [{"role": "user", "content": f"message {number}"} for number in range(500)]
    first = archive.add(slots={"history": history[:400]})
    second = archive.add(slots={"history": history})
    assert places(archive, *links_of_value(history[321])) == {(first, "history/321"), (second, "history/321")}
    assert places(archive, *links_of_value(history[450])) == {(second, "history/450")}


def test_output_and_the_history_that_quotes_it(archive: Archive) -> None:
    """An answer is found where it was given and where it was quoted, and an execution that holds it twice is told with both places."""
    answer = {"role": "assistant", "content": "4"}
    first = archive.add(output=[answer])
    second = archive.add(slots={"history": [answer]}, output=[answer])
    assert places(archive, *links_of_value(answer)) == {(first, "output/0"), (second, "history/0"), (second, "output/0")}


def test_both_slots_of_one_run(archive: Archive) -> None:
    """Where an object stands in two slots of a run, both are told."""
    execution = archive.add(slots={"documents": ["same"], "prompt": "same"})
    assert places(archive, *links_of_value("same")) == {(execution, "documents/0"), (execution, "prompt")}


def test_every_execution_of_a_run(archive: Archive) -> None:
    """All executions of a run that used an object are told, and the run."""
    one, other = archive.add("a"), archive.add("b")
    found = uses(archive, *links_of_value("You are terse."))
    assert {use.execution for use in found} == {one, other}
    assert {use.run for use in found} == {archive.run_of(one)}


def test_response_and_fields(archive: Archive) -> None:
    """What a provider said, and a link in the notes, are uses too."""
    link = links_of_value({"id": "r1"})[0]
    one = archive.add("a", response={"id": "r1"})
    other = archive.add("b", notes={"about": link})
    assert places(archive, link) == {(one, "response"), (other, "notes.about")}


def test_run_by_its_id(archive: Archive) -> None:
    """A run is used by its executions, at no place inside."""
    one, other = archive.add("a"), archive.add("b")
    assert places(archive, archive.run_of(one)) == {(one, ""), (other, "")}


def test_run_without_executions(archive: Archive) -> None:
    """A run that was stored and not executed here is told without an execution."""
    archive.add(slots={"documents": ["d"]})
    run = archive.run_of(archive.resolve("main").link)
    with archive.repo.store.write() as writer:
        from runstore.model.trees import ABSENT, decode_tree, encode_tree
        from runstore.runs.index import Indexer

        tree = encode_tree({**decode_tree(writer.get(run.id).body), "tools": ABSENT, "extra": ABSENT})
        Indexer().add(writer, writer.put([tree]))
    assert (None, "documents/0") in places(archive, *links_of_value("d"))


def test_place_is_a_revision(archive: Archive) -> None:
    """A place, put behind the execution, names what was searched for."""
    archive.add(slots={"documents": [{"title": "t", "file": b"%PDF"}]})
    (use,) = uses(archive, *links_of_bytes(b"%PDF"))
    assert archive.value(f"{use.execution}:{use.place}") == b"%PDF"


def test_text_file_as_prompt(archive: Archive) -> None:
    """A file whose text was given as a prompt is found, with a newline at its end or without."""
    execution = archive.add(slots={"prompt": "Be brief."})
    assert places(archive, *links_of_bytes(b"Be brief.\n")) == {(execution, "prompt")}


def test_not_in_the_store(archive: Archive) -> None:
    """What is in no run is an error that says what can be found."""
    archive.add()
    with pytest.raises(NotFound) as caught:
        uses(archive, make_object(Kind.BLOB, b"nowhere").link)
    assert "grep" in (caught.value.hint or "")


def test_a_document_used_by_many_turns_is_climbed_once(archive: Archive) -> None:
    """Each object on the way up is read a bounded number of times, though a thousand runs lie above."""
    history: list[dict[str, str]] = []
    for number in range(60):
        history.append({"role": "user", "content": f"question {number}"})
        archive.add(slots={"history": list(history)})
    assert len(uses(archive, *links_of_value(history[0]))) == 60


def places_by_reading_all(archive: Archive, value: Any) -> set[tuple[Link | None, str]]:
    """Return the executions and places of a value by reading every execution: in lists, the first place."""
    found: set[tuple[Link | None, str]] = set()
    for entry in archive.log():
        view: Any = archive.repo.show(str(entry.link))
        for slot in ("prompt", "documents", "tools", "history"):
            held = view.run[slot]
            if isinstance(held, ListView):
                position = next((at for at, each in enumerate(held) if each == value), None)
                if position is not None:
                    found.add((entry.link, f"{slot}/{position}"))
            elif held == value:
                found.add((entry.link, slot))
        if view.output == value:
            found.add((entry.link, "output"))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_find_is_what_reading_all_finds(seed: int) -> None:
    """Going up the index finds exactly what reading every execution finds."""
    source = random.Random(seed)
    archive = Archive()
    for _ in range(12):
        slots = {slot: [source.randrange(40) for _ in range(source.choice([0, 2, 30, 100]))] for slot in ("documents", "tools", "history")}
        archive.add(slots={**slots, "prompt": source.randrange(40)}, output=source.randrange(40))
    for value in range(40):
        expected = places_by_reading_all(archive, value)
        link = links_of_value(value)[0]
        with archive.read() as reader:
            here = reader.address(link.id) is not None
        assert (places(archive, link) if here else set()) == expected
