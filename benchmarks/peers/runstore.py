"""runstore through its library, as a program would use it."""

import re
from collections.abc import Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import runstore
from benchmarks.call import Call
from benchmarks.peers.protocol import Peer
from runstore.query.summary import Summaries

BATCH = 1000
NAME_CHARS = 150


class Runstore(Peer):
    """A ref a conversation, as the importer makes them."""

    name: ClassVar[str] = "runstore"
    settling: ClassVar[str] = "pack"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.store = directory / "runs"
        self.repo = runstore.open(self.store, create=True)
        self.executions: dict[str, str] = {}

    def add(self, prepared: Call) -> None:
        recorded = self.repo.add(prepared.slots, ref=ref_of(prepared), output=prepared.output, started=prepared.started)
        self.executions[prepared.key] = recorded.execution.hex

    def add_all(self, prepared: Sequence[Call]) -> None:
        for start in range(0, len(prepared), BATCH):
            calls = prepared[start : start + BATCH]
            fields = ({"ref": ref_of(call), "output": call.output, "started": call.started} for call in calls)
            for call, recorded in zip(calls, self.repo.add_many(zip((call.slots for call in calls), fields, strict=True)), strict=True):
                self.executions[call.key] = recorded.execution.hex

    def settle(self) -> None:
        self.repo.pack()

    def reopen(self) -> None:
        self.repo.close()
        self.repo = runstore.open(self.store)

    def read(self, call: Call) -> Any:
        found = self.repo.show(self.executions[call.key])
        return {name: _whole(getattr(found, name)) for name in call.slots}, _whole(found.output)

    def log(self, count: int) -> int:
        with self.repo.read() as reader:  # one snapshot for all lines, as `runstore log` has
            summaries = Summaries(reader.get)
            return len([summaries.of(entry.execution) for entry in self.repo.log(limit=count)])

    def walk(self, count: int) -> int:
        """The newest `count` executions without a line about each."""
        return sum(1 for _ in islice(self.repo.log(), count))

    def close(self) -> None:
        self.repo.close()


def ref_of(call: Call) -> str:
    """A ref for the conversation: other characters %-escaped, long names cut and made unique."""
    name = re.sub(r"[^A-Za-z0-9._-]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), call.conversation).lower()
    return f"conversations/{name if len(name) <= NAME_CHARS else name[:NAME_CHARS] + sha256(call.conversation.encode()).hexdigest()[:16]}"


def _whole(value: Any) -> Any:
    """The value with every element read."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else value
