"""Make the vectors of docs/spec/wire from recordings: `python -m tests.capture.codecs.make_vectors DIR`.

For each API the shortest exchanges that differ in what they show: the host, the fields of the request, the form and end of the answer.
Run it for a new version of a codec only: the vectors that stand are what a version promises.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from runstore.model.ids import Link
from runstore.model.run import Run
from runstore.model.trees import SlotState
from runstore.runs.compose import output_part
from tests.capture.codecs.exchanges import UNANSWERED, Call, body_of, call, read

TARGET = Path(__file__).parents[3] / "docs" / "spec" / "wire" / "vectors"
LEAST, MOST = 20, 24
LARGEST = 6000
_GROUPS = {
    "cohere.chat.v1": "cohere",
    "cohere.chat.v2": "cohere",
    "cohere.generate": "cohere",
    "ollama.chat": "ollama",
    "ollama.generate": "ollama",
    "ollama.embed": "ollama",
}


def expected(found: Call) -> dict[str, Any]:
    """Return what a vector states of an exchange: the links of the slots, both ids, and of the answer its status and output."""
    runtime = {"runtime": found.answer.runtime} if found.answer.runtime is not None else {}
    run = Run(**found.decoded.slots, **runtime)
    answer: dict[str, Any] = {"status": found.answer.status}
    if found.answer.output is not None:
        answer["output"] = str(output_part(found.answer.output).link)
    return {
        "codec": found.decoded.wire["codec"],
        "exact": found.decoded.exact,
        "slots": {name: _slot(slot) for name, slot in run.slots.items()},
        "run": str(run.id),
        "request": str(run.request_id),
        "unresolved": [[each.pointer, each.code] for each in found.codec.unresolved(found.decoded.slots, found.decoded.wire)],
        "answer": answer,
    }


def vector(found: Call) -> dict[str, Any]:
    """Return the vector of one exchange."""
    kept = (
        "source",
        "licence",
        "method",
        "url",
        "request_headers",
        "request_body",
        "request_body_was_parsed",
        "status",
        "response_headers",
    )
    exchange = {key: found.exchange[key] for key in (*kept, "response_body", "response_body_encoding") if key in found.exchange}
    return {**exchange, "expected": expected(found)}


def _slot(slot: Link | SlotState) -> str:
    return slot.value if isinstance(slot, SlotState) else str(slot)


def _shows(found: Call) -> tuple[Any, ...]:
    """Return what an exchange shows that another may not."""
    slots, wire = found.decoded.slots, found.decoded.wire
    history = slots.get("history")
    told = {str(each.get("role") or each.get("type")) for each in history if isinstance(each, dict)} if isinstance(history, list) else set()
    fields = tuple(sorted(key if isinstance(key, str) else key[0] for key in wire.get("keys", ())))
    return (
        found.codec.name,
        slots["model"].get("endpoint"),
        fields,
        tuple(sorted(told)),
        "streamed" in found.answer.response,
        found.answer.status,
        str(wire.get("style")),
    )


def chosen(calls: list[Call]) -> list[Call]:
    """Return the shortest exchange for each thing shown, wire bodies first, then others until there are LEAST.

    An exchange longer than LARGEST is taken without its answer.
    """
    best: dict[Any, Call] = {}
    ordered = sorted(calls, key=_size)
    for found in ordered:
        if _size(found)[1] <= LARGEST and len(best) < MOST:
            best.setdefault(_shows(found), found)
    requests = {found.exchange["request_body"] for found in best.values()}
    sources = {found.exchange["source"] for found in best.values()}
    for repeated in (False, True):
        for found in sorted(ordered, key=lambda each: len(each.exchange["request_body"])):
            source, sent = found.exchange["source"], found.exchange["request_body"]
            if len(best) < LEAST and source not in sources and (repeated or sent not in requests):
                sources.add(source)
                requests.add(sent)
                best[len(best)] = found if _size(found)[1] <= LARGEST else _unanswered(found)
    return sorted(best.values(), key=lambda found: str(found.exchange["source"]))


def _size(found: Call) -> tuple[bool, int]:
    return bool(found.exchange.get("request_body_was_parsed")), len(body_of(found.exchange, "request")) + len(
        body_of(found.exchange, "response")
    )


def _unanswered(found: Call) -> Call:
    exchange = {key: value for key, value in found.exchange.items() if not key.startswith("response_")}
    return found._replace(exchange=exchange, answer=UNANSWERED)


def main(data: Path) -> None:
    """Write the vectors of every API."""
    groups: dict[str, list[Call]] = defaultdict(list)
    for exchange in read(data / "cassettes_full.jsonl.zst"):
        found = call(exchange)
        if found is not None:
            groups[_GROUPS.get(found.codec.name, found.codec.name)].append(found)
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, calls in groups.items():
        vectors = [vector(found) for found in chosen(calls)]
        text = json.dumps(vectors, indent=1, ensure_ascii=False)
        (TARGET / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        print(f"{name}: {len(vectors)} of {len(calls)}, {len(text):,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
