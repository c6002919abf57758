"""`runstore import`: recorded calls from files of other tools."""

from pathlib import Path

from tests.capture.importers.conftest import line
from tests.cli.conftest import Cli


def test_an_import_says_what_was_new_and_what_was_not_recorded(cli: Cli) -> None:
    """The executions, the refs and the unknown slots are counted; the store is made."""
    Path("calls.jsonl").write_bytes(line() + line(source="b", status=None, response_body=None))
    found = cli("import", "exchanges", "calls.jsonl")
    assert found.out.startswith("2 executions on 2 refs, ")
    assert "not recorded: runtime of 1 of 2 executions" in found.err


def test_a_bad_entry_ends_with_exit_code_3(cli: Cli) -> None:
    """It is named with its file and line, and the others are imported."""
    Path("calls.jsonl").write_bytes(b"{\n" + line())
    found = cli("import", "exchanges", "calls.jsonl", code=3)
    assert "error: calls.jsonl, line 1: no JSON" in found.err
    assert found.out.startswith("1 execution on 1 ref, ")


def test_the_report_is_one_object_an_api(cli: Cli) -> None:
    """With --json, each line is one API with its counts."""
    Path("calls.jsonl").write_bytes(line() + line(source="b", url="https://api.anthropic.com/v1/messages"))
    rows = cli("import", "exchanges", "calls.jsonl", "--report", "--json").objects
    assert [(row["api"], row["exchanges"], row["decoded"], row["byte_exact"]) for row in rows] == [
        ("anthropic.messages", 1, 1, 1),
        ("openai.chat", 1, 1, 1),
    ]


def test_the_report_is_a_table_for_people(cli: Cli) -> None:
    """Without --json, the report follows the summary as a table."""
    found = cli("import", "exchanges", "-", "--report", stdin=line())
    assert found.lines[1].split()[:4] == ["api", "exchanges", "decoded", "byte_exact"]
    assert found.lines[2].split()[:4] == ["openai.chat", "1", "1", "1"]


def test_a_file_that_is_not_there_makes_no_store(cli: Cli) -> None:
    """What cannot be read is said before anything is made."""
    cli("import", "har", "nowhere.har", code=2)
    assert not Path(".runstore").exists()


def test_undo_takes_a_whole_import_back(cli: Cli) -> None:
    """All refs of one import go with one undo."""
    Path("calls.jsonl").write_bytes(b"".join(line(source=f"s{number}") for number in range(3)))
    cli("import", "exchanges", "calls.jsonl")
    cli("undo")
    assert cli("refs").out == ""
