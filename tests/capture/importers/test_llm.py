"""Databases of LLM: the tables that its versions before 0.36 write, and those since."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from runstore.capture.importers import llm
from runstore.model.trees import ABSENT, UNKNOWN
from tests.capture.importers.conftest import Imports

OLD = """
create table conversations (id text primary key, name text, model text);
create table attachments (id text primary key, type text, path text, url text, content blob);
create table prompt_attachments (response_id text, attachment_id text, "order" integer);
create table fragments (id integer primary key, hash text, content text, datetime_utc text, source text);
create table prompt_fragments (response_id text, fragment_id integer, "order" integer);
create table system_fragments (response_id text, fragment_id integer, "order" integer);
create table schemas (id text primary key, content text);
create table tools (id integer primary key, hash text, name text, description text, input_schema text, plugin text);
create table tool_responses (tool_id integer, response_id text);
create table tool_calls (id integer primary key, response_id text, tool_id integer, name text, arguments text, tool_call_id text);
create table tool_results (id integer primary key, response_id text, tool_id integer, name text, output text, tool_call_id text);
create table responses (id text primary key, model text, prompt text, system text, prompt_json text, options_json text, response text,
  response_json text, conversation_id text, duration_ms integer, datetime_utc text, input_tokens integer, output_tokens integer,
  token_details text, schema_id text, resolved_model text);
insert into conversations values ('c1', 'Sums', 'gpt-4o');
insert into responses values ('r1', 'gpt-4o', 'Two and two?', 'Be brief.', null, '{"temperature": 0.5}', '',
  '{"id": "chatcmpl-1"}', 'c1', 1500, '2026-02-02T09:14:00+00:00', 5, 2, null, null, 'gpt-4o-2024-08-06');
insert into responses values ('r2', 'gpt-4o', '', null, null, '{}', 'Four.', null, 'c1', 10,
  '2026-02-02T09:15:00+00:00', null, null, null, null, null);
insert into responses values ('r3', 'gpt-4o', 'See', null, null, '{}', 'Seen.', null, 'c2', 10,
  '2026-02-02T09:16:00+00:00', null, null, null, 's1', null);
insert into schemas values ('s1', '{"type": "object"}');
insert into tools values (1, 'h', 'add', 'Add.', '{"type": "object"}', null);
insert into tool_responses values (1, 'r1');
insert into tool_calls values (1, 'r1', 1, 'add', '{"a": 2, "b": 2}', 'call_1');
insert into tool_results values (1, 'r2', 1, 'add', '4', 'call_1');
insert into fragments values (1, 'h', 'A long text.', null, null);
insert into prompt_fragments values ('r3', 1, 0);
insert into attachments values ('a1', 'image/png', null, null, x'89504E47');
insert into prompt_attachments values ('r3', 'a1', 0);
"""

NEW = """
create table messages (hash text primary key, parent_hash text, role text, provider_metadata text);
create table parts (id integer primary key, message_hash text, position integer, type text, tool_name text, text text, payload text);
create table fragments (id integer primary key, hash text, content text, datetime_utc text, source text);
create table attachments (id text primary key, type text, path text, url text, content blob);
create table tools (id integer primary key, hash text, name text, description text, input_schema text, plugin text);
create table turn_tools (turn_id text, tool_id integer, instance_id integer);
create table turns (id text primary key, thread_id text, parent_message_hash text, tip_message_hash text, model text,
  resolved_model text,
  options_json text, schema_id text, input_tokens integer, output_tokens integer, token_details text, duration_ms integer,
  datetime_utc text, response_json text);
insert into messages values ('b2:1', null, 'system', null), ('b2:2', 'b2:1', 'user', null), ('b2:3', 'b2:2', 'assistant', null);
insert into messages values ('b2:4', 'b2:3', 'tool', null), ('b2:5', 'b2:4', 'assistant', null);
insert into parts values (1, 'b2:1', 0, 'text', null, 'Be brief.', null);
insert into parts values (2, 'b2:2', 0, 'text', null, null, '{"text_ref": [{"fragment": 1}, {"literal": "\\nSum up."}]}');
insert into parts values (3, 'b2:3', 0, 'tool_call', 'add', null, '{"name": "add", "arguments": {"a": 2}, "tool_call_id": "call_1"}');
insert into parts values (4, 'b2:4', 0, 'tool_result', 'add', null, '{"name": "add", "output": "4", "tool_call_id": "call_1"}');
insert into parts values (5, 'b2:5', 0, 'text', null, 'Four.', null);
insert into fragments values (1, 'h', 'A long text.', null, null);
insert into tools values (1, 'h', 'add', 'Add.', '{"type": "object"}', null);
insert into turn_tools values ('t1', 1, null);
insert into turns values ('t1', 'th1', 'b2:2', 'b2:3', 'gpt-4o', null, null, null, 5, 2, null, 20, '2026-02-02T09:14:00+00:00', null);
insert into turns values ('t2', 'th1', 'b2:4', 'b2:5', 'gpt-4o', 'gpt-4o-2024-08-06', null, null, 5, 2, null, 20,
  '2026-02-02T09:15:00+00:00', null);
"""


def database(tmp_path: Path, tables: str) -> bytes:
    """Return a database file."""
    path = tmp_path / "logs.db"
    connection = sqlite3.connect(path)
    connection.executescript(tables)
    connection.close()
    return path.read_bytes()


def test_responses_carry_the_conversation_before_them(imports: Imports, tmp_path: Path) -> None:
    """A call, its result and the answer are told in the messages of the next prompt."""
    imports("llm", llm.read, ("logs.db", database(tmp_path, OLD)))
    _, second, first = imports.executions()
    assert first.run is not None
    assert second.run is not None
    assert list(first.run.prompt) == [{"role": "system", "content": "Be brief."}]
    assert first.run.parameters == {"temperature": 0.5}
    assert first.run.runtime == {"model": "gpt-4o-2024-08-06"}
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2, "b": 2}'}}
    assert list(second.run.history) == [
        {"role": "user", "content": "Two and two?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "4"},
    ]
    assert (first.started, first.ended) == (1_770_023_640_000_000, 1_770_023_641_500_000)


def test_an_answer_and_the_history_that_quotes_it_are_one_object(imports: Imports, tmp_path: Path) -> None:
    """The output of a response is the message in the next history."""
    imports("llm", llm.read, ("logs.db", database(tmp_path, OLD)))
    _, second, first = imports.executions()
    assert first.output == [json.loads(json.dumps(second.run.history[1]))] if second.run else False


def test_instructions_that_may_have_been_sent_again_are_unknown(imports: Imports, tmp_path: Path) -> None:
    """Plugins differ in whether they repeat the instructions of a conversation: nobody wrote down which."""
    imports("llm", llm.read, ("logs.db", database(tmp_path, OLD)))
    third, second, _ = imports.executions()
    assert second.run is not None
    assert third.run is not None
    assert second.run.slots["prompt"] is UNKNOWN
    assert third.run.slots["prompt"] is ABSENT


def test_fragments_files_and_schemas_have_their_places(imports: Imports, tmp_path: Path) -> None:
    """Fragments stand before the prompt, an attachment is its bytes, a schema is the output's format."""
    imports("llm", llm.read, ("logs.db", database(tmp_path, OLD)))
    third = imports.executions()[0]
    assert third.run is not None
    text, file = third.run.history[0]["content"]
    assert text == {"type": "text", "text": "A long text.\nSee"}
    assert (file["media_type"], imports.repo.fetch(file["data"].id).body) == ("image/png", b"\x89PNG")
    assert third.run.output_format == {"type": "object"}


def test_turns_are_chains_of_messages(imports: Imports, tmp_path: Path) -> None:
    """The newer tables keep messages by their hash: a turn stands on all before it."""
    outcome = imports("llm", llm.read, ("logs.db", database(tmp_path, NEW)))
    second, first = imports.executions()
    assert outcome.skipped == ()
    assert first.run is not None
    assert second.run is not None
    assert list(first.run.prompt) == [{"role": "system", "content": "Be brief."}]
    assert list(first.run.history) == [{"role": "user", "content": "A long text.\nSum up."}]
    assert list(second.run.history)[1:] == [*first.output, {"role": "tool", "tool_call_id": "call_1", "content": "4"}]
    assert second.run.runtime == {"model": "gpt-4o-2024-08-06"}
    assert [ref.name for ref in imports.repo.refs()] == ["heads/llm/th1"]


def test_importing_again_adds_nothing(imports: Imports, tmp_path: Path) -> None:
    """The ids of responses are the names of the executions."""
    data = database(tmp_path, OLD)
    imports("llm", llm.read, ("logs.db", data))
    assert imports("llm", llm.read, ("copy.db", data)).new_objects == 0


@pytest.mark.parametrize("tables", ["create table x (y);", None])
def test_what_is_no_log_is_named(imports: Imports, tmp_path: Path, tables: str | None) -> None:
    """Another database, or a file that is none."""
    data = b"nothing" if tables is None else database(tmp_path, tables)
    assert len(imports("llm", llm.read, ("x.db", data)).skipped) == 1
