"""simonw/llm's log: its own schema, written and read by its own code.

Needs the package `llm` (release 0.36 or later, whose log stores each message once). Messages become its parts: text, tool calls and tool
results and files each in their kind, whatever else a message holds as metadata, so that nothing is left out. Instructions are leading
messages.
"""

import importlib
import importlib.util
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.call import Call
from benchmarks.peers.protocol import Peer

FILE_CHARS = 256
BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
OPTIONS = ("parameters", "extra", "documents")


class LlmLog(Peer):
    """One SQLite file, as `llm` opens it: its journal mode and syncing are left as they are."""

    name: ClassVar[str] = "simonw/llm log"
    settling: ClassVar[str] = "vacuum"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.llm, self.logs = importlib.import_module("llm"), importlib.import_module("llm.logs")
        self.db = importlib.import_module("sqlite_utils").Database(directory / "logs.db")
        self.store = self.logs.LogStore(self.db)
        self.models: dict[str, Any] = {}
        self.turns: dict[str, str] = {}

    @classmethod
    def missing(cls) -> str:
        if importlib.util.find_spec("llm") is None:
            return "the package llm is not installed"
        return "" if importlib.util.find_spec("llm.logs") else "the package llm is older than 0.36"

    def prepare(self, call: Call) -> Any:
        """The finished response, as a program that called a model through `llm` holds it."""
        prompt, history = call.slots.get("prompt") or [], call.slots.get("history") or []
        messages = [*(prompt if isinstance(prompt, list) else [_instructions(prompt)]), *history]
        answer = call.output if isinstance(call.output, list) else []
        model = self._model(call.model or "unknown")
        response = self.llm.Response.from_dict(
            {
                "model": model.model_id,
                "prompt": {
                    "messages": [_message(message) for message in messages],
                    "options": {name: call.slots[name] for name in OPTIONS if call.slots.get(name)},
                },
                "messages": [_message(message) for message in answer],
            },
            model=model,
        )
        response.prompt.tools = [self._tool(tool) for tool in call.slots.get("tools") or []]
        response.response_json = None if answer else call.output
        response.conversation = self.llm.Conversation(model=model, id=call.conversation)
        self.turns[call.key] = response.id
        return response

    def add(self, prepared: Any) -> None:
        self.store.log(prepared)

    def add_all(self, prepared: Sequence[Any]) -> None:
        with self.db.atomic():
            for response in prepared:
                self.store.log(response)

    def settle(self) -> None:
        self.db.vacuum()

    def read(self, call: Call) -> Any:
        turn = self.db["turns"].get(self.turns[call.key])
        return turn, self.store.load_chain(turn["tip_message_hash"]), self.store.turn_response_json(turn["id"])

    def log(self, count: int) -> int:
        return len(self.logs.log_rows(self.store, count=count))

    def close(self) -> None:
        self.db.close()

    def _model(self, name: str) -> Any:
        if name not in self.models:
            options = type("Options", (self.llm.Options,), {"model_config": {"extra": "allow"}})
            members = {"model_id": name, "supports_tools": True, "Options": options, "execute": lambda *_: iter(())}
            self.models[name] = type("Recorded", (self.llm.Model,), members)()
        return self.models[name]

    def _tool(self, tool: Any) -> Any:
        inner = tool.get("function", tool) if isinstance(tool, dict) else {"tool": tool}
        name, description = str(inner.get("name", "")), inner.get("description")
        return self.llm.Tool(name=name, description=description if isinstance(description, str) else None, input_schema=_schema(inner))


def _instructions(prompt: Any) -> dict[str, Any]:
    return {"role": "system", **(prompt if isinstance(prompt, dict) else {"content": prompt})}


def _schema(tool: dict[str, Any]) -> Any:
    return tool.get("parameters") or tool.get("input_schema") or tool


def _message(message: Any) -> dict[str, Any]:
    """A message as `llm` takes it from JSON: known content in parts, the rest as metadata."""
    if not isinstance(message, dict):
        message = {"content": message}
    rest = {key: value for key, value in message.items() if key not in ("role", "content", "parts", "tool_calls")}
    content = message.get("content", message.get("parts"))
    parts = [_part(block) for block in (content if isinstance(content, list) else [content]) if block is not None]
    if message.get("role") == "tool" and isinstance(content, str):
        name, identifier = str(rest.pop("name", "")), rest.pop("tool_call_id", None)
        parts = [{"type": "tool_result", "name": name, "output": content, "tool_call_id": identifier}]
    parts += [_tool_call(call) for call in message.get("tool_calls") or []]
    return {"role": message.get("role", "user"), "parts": parts, "provider_metadata": rest}


def _part(block: Any) -> dict[str, Any]:
    if isinstance(block, str):
        return {"type": "text", "text": block}
    if isinstance(block, dict) and isinstance(block.get("text"), str):
        rest = {key: value for key, value in block.items() if key not in ("text", "type")}
        return {"type": "text", "text": block["text"], "provider_metadata": rest}
    file = next(_files(block), None)
    if file is None:
        return {"type": "text", "text": "", "provider_metadata": {"block": block}}
    return {"type": "attachment", "attachment": {"type": "application/octet-stream", "content": file}}


def _files(value: Any) -> Iterator[str]:
    """Files in base64 anywhere in a block, or at the end of a data URL."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _files(inner)
    elif isinstance(value, str) and len(value) >= FILE_CHARS and BASE64.fullmatch(value.rpartition(",")[2]):
        yield value.rpartition(",")[2]


def _tool_call(call: Any) -> dict[str, Any]:
    function = call.get("function", {}) if isinstance(call, dict) else {}
    arguments = function.get("arguments", "")
    try:
        parsed = json.loads(arguments)
    except (TypeError, ValueError):
        parsed = {"text": arguments}
    return {"type": "tool_call", "name": function.get("name", ""), "arguments": parsed, "tool_call_id": call.get("id")}
