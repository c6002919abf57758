"""One model call of a workload, before any store has seen it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SUMMARY_CHARS = 60


@dataclass(frozen=True, slots=True)
class Call:
    """What went into a model once and what came out.

    `slots` follows the JSON input of `runstore add`: a slot that is `False` is absent, a slot that is missing is unknown.
    `started` is in microseconds since 1970 UTC. Calls of one conversation follow one another; `turn` counts them from 0.
    """

    conversation: str
    turn: int
    started: int
    slots: Mapping[str, Any]
    output: Any

    @property
    def key(self) -> str:
        """Name of the call, unique in its workload."""
        return f"{self.conversation}#{self.turn}"

    @property
    def model(self) -> str:
        """Name of the model asked for, empty where nobody said."""
        model = self.slots.get("model")
        return str(model.get("name", "")) if isinstance(model, dict) else ""

    def record(self) -> dict[str, Any]:
        """The call as one JSON object, the way a log file would hold it."""
        return {"conversation": self.conversation, "turn": self.turn, "started": self.started, **self.slots, "output": self.output}

    def line(self) -> str:
        """End of the question and start of the answer, as one short line."""
        history = self.slots.get("history") or [""]
        return f"{_words(history[-1])[-SUMMARY_CHARS:]} → {_words(self.output)[:SUMMARY_CHARS]}"

    def components(self) -> Iterator[tuple[str, Any]]:
        """Everything the call is made of as (place, value): one a message, a tool, a document, and one for each other slot."""
        for name, value in {**self.slots, "output": self.output}.items():
            if isinstance(value, list):
                for index, element in enumerate(value):
                    yield f"{name}/{index:05}", element
            else:
                yield name, value


def compact(value: Any) -> bytes:
    """JSON text of a value without insignificant white space, keys in the order given."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _words(value: Any) -> str:
    while isinstance(value, list) and value:
        value = value[-1]
    if isinstance(value, dict):
        value = value.get("content") or value.get("text") or value.get("parts") or ""
        return _words(value) if not isinstance(value, str) else " ".join(value.split())
    return " ".join(str(value).split())
