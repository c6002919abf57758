"""Import of the logs of LLM (the command line tool): `logs.db`, both the tables of versions before 0.36 and those since.

Source: docs/spec/import/llm.md; llm's migrations and `log_to_db`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO

from runstore.capture.codecs.media import lift
from runstore.capture.importers.entries import Bad, Entry, Told
from runstore.capture.importers.files import whole
from runstore.capture.importers.told import conversation, stated, unpacked
from runstore.errors import InvalidInput
from runstore.runs.compose import microseconds

Row = dict[str, Any]
_BROKEN = (KeyError, TypeError, AttributeError, ValueError)


def read(name: str, stream: BinaryIO) -> Iterator[Entry]:
    """Yield the responses of a database, conversation by conversation. Raises InvalidInput if it is none."""
    data = whole(stream)
    if not data.startswith(b"SQLite format 3\x00"):
        raise InvalidInput("no logs of llm: no SQLite database", kind="bad-log")
    # A copy, so that nothing is locked, and a log in WAL mode is read as far as it stands in the file.
    with NamedTemporaryFile(prefix="runstore-llm-") as copy:
        copy.write(data)
        copy.flush()
        try:
            with closing(sqlite3.connect(f"file:{copy.name}?immutable=1", uri=True)) as connection:
                yield from _Logs(connection).entries()
        except sqlite3.Error as error:
            raise InvalidInput(f"the database cannot be read: {error}", kind="bad-log") from error


class _Logs:
    """The tables of one database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.row_factory = sqlite3.Row
        self._tables = {row["name"] for row in self._rows("select name from sqlite_master where type in ('table', 'view')")}
        if not self._tables & {"responses", "turns"}:
            raise InvalidInput("no logs of llm: it has neither `responses` nor `turns`", kind="bad-log")

    def entries(self) -> Iterator[Entry]:
        """Yield the old responses, then the turns."""
        if "responses" in self._tables:
            yield from self._responses()
        if "turns" in self._tables:
            yield from self._turns()

    # --- responses: before 0.36 -------------------------------------------------------------------------------------------------

    def _responses(self) -> Iterator[Entry]:
        told: list[Any] = []
        last, before = None, False
        for row in self._rows("select * from responses order by coalesce(conversation_id, id), datetime_utc, id"):
            session = row.get("conversation_id") or row["id"]
            if session != last:
                told, last, before = [], session, False
            try:
                sent = [*told, *self._sent(row)]
                answer = self._answered(row)
                yield self._response(row, session, sent, answer, instructed=before)
                before = before or bool(row.get("system"))
                told = [*[message for message in sent if message["role"] != "system"], answer]
            except (InvalidInput, *_BROKEN) as error:
                yield Bad(f"responses {row.get('id')}", str(error))

    def _response(self, row: Row, session: str, sent: list[Any], answer: dict[str, Any], *, instructed: bool) -> Told:
        """Tell a response. `instructed`: a prompt before it had instructions, and whether they were sent again is not in the tables."""
        kept = unpacked(row.get("prompt_json"))
        messages = kept["messages"] if isinstance(kept, dict) and isinstance(kept.get("messages"), list) else None
        system = self._text(row, "system", "system_fragments")
        if messages is None:
            messages = [*([{"role": "system", "content": system}] if system else []), *[one for one in sent if one["role"] != "system"]]
        tools = self._tools("tool_responses", "response_id", row["id"])
        slots = {**self._settings(row), **conversation(messages), "tools": tools or (False if "tools" in self._tables else None)}
        if instructed and not system and not isinstance(kept, dict):
            slots["prompt"] = None
        return Told(f"responses {row['id']}", (session,), row["id"], slots, self._fields(row, [answer]))

    def _sent(self, row: Row) -> list[dict[str, Any]]:
        """Return the messages that a prompt of the command line adds."""
        found: list[dict[str, Any]] = []
        for result in self._rows_of("tool_results", "response_id", row["id"]):
            found.append({"role": "tool", "tool_call_id": result.get("tool_call_id"), "content": result.get("output")})
        text = self._text(row, "prompt", "prompt_fragments")
        files = [self._attachment(each) for each in self._attachments("prompt_attachments", "response_id", row["id"])]
        if text or files or not found:
            content: Any = text or ""
            found.append({"role": "user", "content": [{"type": "text", "text": content}, *files] if files else content})
        return [{key: item for key, item in message.items() if item is not None} for message in found]

    def _answered(self, row: Row) -> dict[str, Any]:
        calls = [
            {"id": call.get("tool_call_id"), "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
            for call in self._rows_of("tool_calls", "response_id", row["id"])
        ]
        answer: dict[str, Any] = {"role": "assistant", "content": row.get("response") or (None if calls else "")}
        return answer | ({"tool_calls": [stated(call) for call in calls]} if calls else {})

    def _text(self, row: Row, column: str, table: str) -> str | None:
        """Return a prompt as it was sent: its fragments before it, a line each."""
        fragments = []
        if table in self._tables:
            query = f'select f.content from {table} p join fragments f on f.id = p.fragment_id where p.response_id = ? order by p."order"'  # noqa: S608 - the names are ours
            fragments = [each["content"] for each in self._rows(query, row["id"])]
        parts = [*fragments, *([row[column]] if row.get(column) else [])]
        return "\n".join(parts) if parts else None

    # --- turns: since 0.36 ------------------------------------------------------------------------------------------------------

    def _turns(self) -> Iterator[Entry]:
        for row in self._rows("select * from turns order by thread_id, datetime_utc, id"):
            try:
                yield self._turn(row)
            except (InvalidInput, *_BROKEN) as error:
                yield Bad(f"turns {row.get('id')}", str(error))

    def _turn(self, row: Row) -> Told:
        before = self._messages(row.get("parent_message_hash"), None)
        answer = self._messages(row.get("tip_message_hash"), row.get("parent_message_hash"))
        tools = self._tools("turn_tools", "turn_id", row["id"])
        slots = {**self._settings(row), **conversation(before), "tools": tools or False}
        return Told(f"turns {row['id']}", (row.get("thread_id") or row["id"],), row["id"], slots, self._fields(row, answer))

    def _messages(self, tip: str | None, until: str | None) -> list[dict[str, Any]]:
        """Return the messages from the first (or after `until`) to `tip`."""
        found: list[dict[str, Any]] = []
        seen = set()
        at = tip
        while at is not None and at != until and at not in seen:
            seen.add(at)
            (message,) = self._rows("select * from messages where hash = ?", at)
            found.append(self._message(message))
            at = message["parent_hash"]
        return found[::-1]

    def _message(self, row: Row) -> dict[str, Any]:
        parts = list(self._rows("select * from parts where message_hash = ? order by position", row["hash"]))
        calls, content = [], []
        message: dict[str, Any] = {"role": row["role"]}
        for part in parts:
            payload = unpacked(part.get("payload")) or {}
            if part["type"] == "tool_call":
                arguments = json.dumps(payload.get("arguments"), ensure_ascii=False)
                function = {"name": payload.get("name"), "arguments": arguments}
                calls.append(stated({"id": payload.get("tool_call_id"), "type": "function", "function": function}))
            elif part["type"] == "tool_result":
                message |= stated({"tool_call_id": payload.get("tool_call_id"), "content": payload.get("output")})
            elif part["type"] == "attachment":
                content.append(self._attachment(self._file((payload.get("attachment") or {}).get("id"))))
            else:
                content.append({"type": part["type"], part["type"]: self._part_text(part, payload)})
        if calls:
            message["tool_calls"] = calls
        if content:
            alone = len(content) == 1 and content[0]["type"] == "text"
            message["content"] = content[0]["text"] if alone else content
        return message if "content" in message or calls else message | {"content": ""}

    def _part_text(self, part: Row, payload: Any) -> str:
        """Return the text of a part, its fragments put back."""
        if part.get("text") is not None or not isinstance(payload, dict):
            return part.get("text") or ""
        pieces = []
        for piece in payload.get("text_ref") or []:
            if "fragment" in piece:
                pieces += [each["content"] for each in self._rows("select content from fragments where id = ?", piece["fragment"])]
            else:
                pieces.append(piece.get("literal", ""))
        return "".join(pieces)

    # --- both -------------------------------------------------------------------------------------------------------------------

    def _settings(self, row: Row) -> dict[str, Any]:
        options = stated(unpacked(row.get("options_json")) or {})
        served = row.get("resolved_model")
        found: dict[str, Any] = {
            "model": {"name": row["model"]},
            "parameters": options or False,
            "documents": False,
            "runtime": {"model": served} if served else None,
        }
        if row.get("schema_id"):
            for schema in self._rows("select content from schemas where id = ?", row["schema_id"]):
                found["output_format"] = unpacked(schema["content"])
        return found

    def _fields(self, row: Row, answer: list[dict[str, Any]]) -> dict[str, Any]:
        started = microseconds("datetime_utc", row["datetime_utc"]) if row.get("datetime_utc") else None
        took = row.get("duration_ms")
        usage = stated(
            {"input": row.get("input_tokens"), "output": row.get("output_tokens"), "details": unpacked(row.get("token_details"))}
        )
        body = unpacked(row.get("response_json"))
        response = {"body": body} if body is not None else None
        if response is not None and isinstance(body, dict) and isinstance(body.get("id"), str):
            response["id"] = body["id"]
        return {
            "output": lift(answer) or None,
            "started": started,
            "ended": None if started is None or not isinstance(took, int | float) else started + round(took * 1000),
            "usage": usage or None,
            "response": response,
            "notes": {},
        }

    def _tools(self, table: str, column: str, id: str) -> list[dict[str, Any]]:
        if table not in self._tables or "tools" not in self._tables:
            return []
        query = f"select t.* from {table} r join tools t on t.id = r.tool_id where r.{column} = ? order by t.id"  # noqa: S608 - the names are ours
        return [
            {
                "type": "function",
                "function": stated(
                    {"name": tool["name"], "description": tool.get("description"), "parameters": unpacked(tool.get("input_schema"))}
                ),
            }
            for tool in self._rows(query, id)
        ]

    def _attachments(self, table: str, column: str, id: str) -> list[Row]:
        if table not in self._tables:
            return []
        query = f'select a.* from {table} p join attachments a on a.id = p.attachment_id where p.{column} = ? order by p."order"'  # noqa: S608 - the names are ours
        return list(self._rows(query, id))

    def _file(self, id: str | None) -> Row:
        found = list(self._rows("select * from attachments where id = ?", id))
        return found[0] if found else {"id": id}

    def _attachment(self, row: Row) -> dict[str, Any]:
        """Return a file as a part of a message: its bytes, or where it is."""
        return {
            "type": "attachment",
            **stated({key: row.get(key) for key in ("path", "url")}),
            **stated({"media_type": row.get("type"), "data": row.get("content")}),
        }

    def _rows_of(self, table: str, column: str, id: str) -> list[Row]:
        return list(self._rows(f"select * from {table} where {column} = ? order by id", id)) if table in self._tables else []  # noqa: S608 - the names are ours

    def _rows(self, query: str, *values: Any) -> Iterator[Row]:
        for row in self._connection.execute(query, values):
            yield dict(row)
