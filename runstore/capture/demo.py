"""The demo's data: a small retrieval conversation, answered by a built-in model that is a function of its input.

No download, no network, no clock and no chance: the same ids every time, on every machine.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from runstore.model.run import Run
from runstore.model.trees import ABSENT
from runstore.runs.record import Recorded

if TYPE_CHECKING:
    from runstore.repo import Repo

ACTOR = "demo"
START = 1_767_603_600_000_000  # 2026-01-05 09:00:00 UTC, in microseconds
_SECOND = 1_000_000

REF = "demo/library"
RUNTIME = {"engine": "runstore-demo", "engine_version": "1"}
PROMPT = "You answer questions about the town library from the documents given.\nAnswer with one sentence."
CHANGED_PROMPT = (
    "You answer questions about the town library from the documents given.\nAnswer with one sentence.\nName the document that you used."
)
DOCUMENTS = [
    {"title": "Opening hours", "text": "The library opens at nine on weekdays. On Saturdays it opens at ten. On Sundays it stays closed."},
    {"title": "Borrowing", "text": "A book may be kept for four weeks. A loan can be renewed twice. Films may be kept for one week."},
    {"title": "Reading room", "text": "The reading room has forty seats. A seat in the reading room can be booked for one day."},
]
QUESTIONS = ["When does the library open on Saturdays?", "How often can a loan be renewed?"]

_COMMON = frozenset(
    ["a", "an", "and", "at", "be", "can", "does", "for", "has", "how", "in", "is", "it", "may", "of", "often", "on", "the", "to", "when"]
)


def record(repo: Repo) -> list[Recorded]:
    """Record the demo: two questions with one prompt, then the second again with the prompt changed. Returns what was recorded."""
    done: list[Recorded] = []
    history: list[dict[str, Any]] = []
    for question in QUESTIONS:
        history = [*history, {"role": "user", "content": question}]
        answer = reply(PROMPT, DOCUMENTS, history)
        done.append(_record(repo, PROMPT, history, answer, len(done)))
        history = [*history, answer]
    asked = history[:-1]
    done.append(_record(repo, CHANGED_PROMPT, asked, reply(CHANGED_PROMPT, DOCUMENTS, asked), len(done)))
    return done


def reply(prompt: str, documents: list[dict[str, str]], history: list[dict[str, Any]]) -> dict[str, Any]:
    """Answer the last message: the sentence of the documents that is most like it, and its title if the prompt asks for that."""
    asked = _words(history[-1]["content"])
    sentences = [(document["title"], sentence) for document in documents for sentence in re.split(r"(?<=\.) ", document["text"])]
    title, best = max(sentences, key=lambda item: _likeness(asked, _words(item[1])))
    named = "Name the document" in prompt
    return {"role": "assistant", "content": f"{best} ({title})" if named else best}


def _record(repo: Repo, prompt: str, history: list[dict[str, Any]], answer: dict[str, Any], number: int) -> Recorded:
    run = Run(
        model={"api": "builtin", "name": "demo-retriever", "version": "1"},
        prompt=prompt,
        parameters={"temperature": 0, "seed": 7},
        documents=DOCUMENTS,
        tools=ABSENT,
        history=history,
        runtime=RUNTIME,
    )
    started = START + number * 60 * _SECOND
    words = sum(len(str(message["content"]).split()) for message in history) + len(prompt.split())
    return repo.add(
        run,
        ref=REF,
        output=[answer],
        started=started,
        ended=started + _SECOND // 4,
        actor=ACTOR,
        nonce=f"{number:032x}",
        usage={"input_tokens": words, "output_tokens": len(answer["content"].split())},
    )


def _likeness(asked: set[str], said: set[str]) -> float:
    # The share of the words that both have: a sentence that says other things besides is less to the point.
    return len(asked & said) / len(asked | said)


def _words(text: str) -> set[str]:
    # A crude stem makes "opens" meet "open" and "renewed" meet "renew": enough for nine sentences.
    found = re.findall(r"[a-z]+", text.lower())
    return {re.sub(r"(ed|s)$", "", word) for word in found if word not in _COMMON}
