"""Import of conversations: JSON lines of {"conversation_id", "model"?, "tools"?, "messages": [...]}, plain or zstd.

Every assistant message is one execution. Its run holds the leading system and developer messages as the prompt and the other messages
before it as the history, base64 media as the codecs keep them; what the line does not say is unknown. A conversation is a chain of its own
on heads/conversations/ID. Nothing that is written depends on the time, the place or the person, so that importing twice gives the same
ids and adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from runstore.capture.codecs.media import lift
from runstore.capture.importers import naming
from runstore.errors import InvalidInput
from runstore.model.jsontext import parse_json_line
from runstore.model.run import Run, list_part
from runstore.model.trees import ABSENT, UNKNOWN
from runstore.runs.compose import microseconds
from runstore.runs.record import Chain, Draft, checked
from runstore.store.lines import lines

if TYPE_CHECKING:
    from runstore.repo import Repo

GROUP = 1024
_PLACED = ("conversation_id", "model", "tools", "messages", "started")
_INSTRUCTIONS = ("system", "developer")


class Skipped(NamedTuple):
    """A line that could not be imported: its file, its number from 1, and why."""

    file: str
    line: int
    reason: str


class Imported(NamedTuple):
    """What an import did. `executions` counts those in the source, `new_objects` what the store did not have.

    `dropped` counts, by key, values that are no scalars and have no place in a conversation.
    """

    conversations: int
    executions: int
    new_objects: int
    new_bytes: int
    skipped: tuple[Skipped, ...]
    dropped: Mapping[str, int]


def import_conversations(
    repo: Repo, sources: Iterable[Path | tuple[str, BinaryIO]], *, progress: Callable[[int], None] | None = None
) -> Imported:
    """Import files (or named streams) into a repo. A bad line is skipped and reported, as is the rest of a file that cannot be read on.

    `progress` is called with the number of bytes of lines read since the last call. The store is packed at the end if the import
    brought much of what it holds.
    """
    session = _Import(repo)
    for name, stream in _opened(sources):
        number = 0
        try:
            for number, line in enumerate(lines(stream), 1):
                session.line(name, number, line)
                if progress is not None:
                    progress(len(line) + 1)
        except InvalidInput as error:
            session.skipped.append(Skipped(name, number + 1, str(error)))
    session.flush()
    if session.new_objects:
        repo.pack_if_worthwhile(session.new_objects)
    return Imported(
        session.conversations, session.executions, session.new_objects, session.new_bytes, tuple(session.skipped), dict(session.dropped)
    )


class _Import:
    """The state of one import: what waits for the next transaction, and the counts."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._importing = repo.importing()
        self._waiting: list[Chain] = []
        self._size = 0
        self.conversations = self.executions = self.new_objects = self.new_bytes = 0
        self.skipped: list[Skipped] = []
        self.dropped: dict[str, int] = {}

    def line(self, name: str, number: int, line: bytes) -> None:
        if not line.strip():
            return
        try:
            chain = conversation_chain(parse_json_line(line), self.dropped)
        except InvalidInput as error:
            self.skipped.append(Skipped(name, number, str(error)))
            return
        self.conversations += 1
        self.executions += len(chain.drafts)
        if chain.drafts:
            self._waiting.append(chain)
            self._size += len(chain.drafts)
        if self._size >= GROUP:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            self._waiting = self._without_twins(self._waiting)
            objects, size = self._importing.record(self._waiting)
            self.new_objects += objects
            self.new_bytes += size
        self._waiting, self._size = [], 0

    def _without_twins(self, chains: list[Chain]) -> list[Chain]:
        # Two conversations whose ids differ in case alone cannot have refs that do: the later one gets a hash of its id.
        names: dict[str, str] = {}
        found = []
        with self._repo.read() as reader:
            for chain in chains:
                found.append(chain._replace(ref=naming.free_name(reader, chain.ref, names)))
        return found


def conversation_chain(line: Any, dropped: dict[str, int]) -> Chain:
    """Make the drafts of one conversation. Raises InvalidInput if the line is no conversation; counts in `dropped` what has no place."""
    if not isinstance(line, dict):
        raise InvalidInput("a conversation is an object", hint='for example {"conversation_id": "c1", "messages": []}')
    identity, messages = line.get("conversation_id"), line.get("messages")
    if not isinstance(identity, str) or not isinstance(messages, list):
        raise InvalidInput("a conversation needs `conversation_id` (text) and `messages` (an array)")
    for position, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise InvalidInput(f"messages[{position}] is no message: an object with a `role`")
    left_out: dict[str, int] = {}
    drafts = tuple(_drafts(line, identity, lift(messages), left_out))
    for draft in drafts[:1]:
        checked(draft)  # what could be too large, the notes, all of them share
    for key, number in left_out.items():
        dropped[key] = dropped.get(key, 0) + number
    return Chain(ref_of(identity), drafts)


def ref_of(identity: str) -> str:
    """Return the full ref name of a conversation: its id, other bytes %-escaped, cut at 150 bytes and 16 hex digits of its hash."""
    return naming.ref_of("conversations", identity)


def nonce_of(identity: str, index: int) -> str:
    """Return the nonce of the execution whose answer is `messages[index]` of a conversation."""
    return naming.nonce_of("conversations", identity, index)


def _drafts(line: dict[str, Any], identity: str, messages: list[dict[str, Any]], dropped: dict[str, int]) -> Iterator[Draft]:
    start = next((at for at, message in enumerate(messages) if message["role"] not in _INSTRUCTIONS), len(messages))
    slots = {"model": _model(line), "tools": _tools(line), "prompt": messages[:start] if start else ABSENT}
    common = {"status": "ok", **_notes(line, dropped)}
    if line.get("started") is not None:
        common["started"] = microseconds("started", line["started"])
    ref = ref_of(identity)
    for index, message in enumerate(messages):
        if message["role"] == "assistant":
            output = list_part([message])
            fields = {**common, "output": output.link, "nonce": nonce_of(identity, index)}
            yield Draft(Run(**slots, history=messages[start:index]), ref, fields, (output,))


def _model(line: dict[str, Any]) -> Any:
    name = line.get("model")
    if name is None:
        return UNKNOWN
    if not isinstance(name, str):
        raise InvalidInput("`model` is no text")
    return {"name": name}


def _tools(line: dict[str, Any]) -> Any:
    tools = line.get("tools")
    if tools is None or tools is False:
        return UNKNOWN if tools is None else ABSENT
    if not isinstance(tools, list):
        raise InvalidInput("`tools` is no array")
    return tools


def _notes(line: dict[str, Any], dropped: dict[str, int]) -> dict[str, Any]:
    notes: dict[str, Any] = {}
    for key, value in line.items():
        if key in _PLACED:
            continue
        if isinstance(value, (dict, list)):
            dropped[key] = dropped.get(key, 0) + 1
        else:
            notes[key] = value
    return {"notes": notes} if notes else {}


def _opened(sources: Iterable[Path | tuple[str, BinaryIO]]) -> Iterator[tuple[str, BinaryIO]]:
    for source in sources:
        if isinstance(source, tuple):
            yield source
        else:
            with source.open("rb") as stream:
                yield str(source), stream
