"""`runstore import`: recorded calls from files of other tools."""

import json
from pathlib import Path

from tests.capture.importers.conftest import line
from tests.capture.redaction.secrets import TOKENS
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


def test_redaction_masks_and_is_told(cli: Cli) -> None:
    """With --redact the secret is nowhere in the output of show, which names its place; check ends with 14."""
    secret = TOKENS["github-token"]
    Path("calls.jsonl").write_bytes(line(request_body=json.dumps({"model": "m", "messages": [{"role": "user", "content": secret}]})))
    cli("import", "exchanges", "calls.jsonl", "--redact")
    shown = cli("show", "@").out
    assert "github-token at /request/body/messages/0/content" in shown
    assert secret not in cli("dump").out
    assert "was masked at" in cli("check", "@", code=14).out


def test_settings_turn_redaction_on_and_an_option_off(cli: Cli) -> None:
    """`redact = "mask"` holds for imports; --no-redact goes before it."""
    cli("init")
    with Path(".runstore/runstore.toml").open("a") as settings:
        settings.write('[capture]\nredact = "refuse"\n')
    Path("calls.jsonl").write_bytes(line(request_body=json.dumps({"model": "m", "prompt": TOKENS["github-token"]})))
    assert "holds a secret (github-token) at /request/body/prompt" in cli("import", "exchanges", "calls.jsonl", code=3).err
    assert cli("import", "exchanges", "calls.jsonl", "--no-redact").out.startswith("1 execution ")


def test_options_of_redaction_exclude_one_another(cli: Cli) -> None:
    """Two of them are a mistake."""
    Path("calls.jsonl").write_bytes(line())
    cli("import", "exchanges", "calls.jsonl", "--redact", "--no-redact", code=2)
