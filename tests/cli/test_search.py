"""`runstore grep`, `find` and `check`."""

import json
from pathlib import Path

from tests.cli.conftest import Cli, run_at


def test_grep_prints_places_that_are_revisions(filled: Cli) -> None:
    """Each match is one line: REV:PLACE and the text; what stands before the text can be given to `show`."""
    matches = filled("grep", "digit").lines
    assert len(matches) == 1
    place, text = matches[0].split("  ", 1)
    assert text == "Answer in one digit."
    assert text in filled("show", place).out


def test_grep_looks_where_it_is_told(filled: Cli) -> None:
    """--in limits the places, --ignore-case widens the match, --limit ends it; no match is exit code 1."""
    assert len(filled("grep", "--ignore-case", "FOUR", "--in", "output").lines) == 2
    assert len(filled("grep", "-i", "FOUR").lines) == 5
    assert len(filled("grep", "-i", "FOUR", "-n", "1").lines) == 1
    assert filled("grep", "FOUR", code=1).out == ""
    assert len(filled("grep", "four", "main~2").lines) == 1


def test_a_match_in_a_long_line_is_kept_in_sight(cli: Cli) -> None:
    """A line that is wider than the screen is cut around the match."""
    cli.add(prompt="x" * 500 + " needle " + "y" * 500)
    (line,) = cli("grep", "needle").lines
    assert len(line) <= 80
    assert "needle" in line
    assert line.count("…") == 2


def test_find_lists_every_use(filled: Cli) -> None:
    """A document, a message, a tool and a file are found by value, by file and by id, with the places where they stand."""
    Path("document.json").write_text(json.dumps({"title": "Sums", "text": "Two and two are four."}))
    by_value = filled("find", "--value", '{"role": "user", "content": "What is two and two?"}', "--json").objects
    assert [use["place"] for use in by_value] == ["history/0"] * 3
    by_file = filled("find", "--blob", "document.json", "--json").objects
    assert {use["place"] for use in by_file} == {"documents/0"}
    by_id = filled("find", "main:tools/1").lines
    assert len(by_id) == 3
    assert all(":tools/1  " in line for line in by_id)
    assert len(filled("find", "main:tools/1", "--limit", "2").lines) == 2


def test_find_of_what_nothing_uses_says_so(filled: Cli) -> None:
    """An object that is stored and not used is told apart from one that is not stored."""
    tag = filled("tag", "v1").out.strip()
    assert filled("find", tag) == (0, "", "it is in the store, and no run uses it\n")


def test_check_gives_reasons(filled: Cli) -> None:
    """Both verdicts with signs, and exit code 14 only where a run is not complete."""
    assert filled("check", "main").lines == [
        f"run         {filled('rev-parse', 'main^{run}').out[:8]}  main",
        "complete    yes",
        "  + the model that answered is recorded: gpt-4o-2024-08-06",
        "repeatable  no",
        "  + a seed was sent; whether the engine obeys it cannot be known",
        "  - the temperature is not 0",
        "  - the engine that answered is not recorded",
        "  - no digest of the weights is recorded: which ones answered cannot be proven",
    ]
    filled.add(**run_at(3, runtime=None, documents=None))
    told = filled("check", "main~1", "main", code=14)
    assert told.lines[10:13] == [
        "complete    no",
        "  - documents, runtime unknown: nobody recorded them; record what was not given",
        "    as absent",
    ]
    assert [one["complete"] for one in filled("check", "main~1", "main", "--json", code=14).objects] == [True, False]
