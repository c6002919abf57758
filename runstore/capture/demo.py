"""The demo: a small retrieval conversation, asked over HTTP of a built-in provider and recorded by the tap.

No download, no clock and no chance, and no network but loopback: the same ids every time, on every machine.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runstore.capture.fake.server import Provider
from runstore.capture.recorder import Options, Recorder
from runstore.capture.tap.active import in_force
from runstore.capture.tap.plain import Client
from runstore.runs.record import Recorded

if TYPE_CHECKING:
    from runstore.repo import Repo

ACTOR = "demo"
START = 1_767_603_600_000_000  # 2026-01-05 09:00:00 UTC, in microseconds
_MINUTE = 60_000_000
_TAKES = 250_000
_SPREAD = 0.3  # of likeness: at temperature 1, a sentence that is less like by so much comes a third as often

REF = "demo/library"
HOST = "demo.localhost"
"""Stands in the URL of the built-in provider, which listens on a free port: so the URL that is recorded is always the same."""
PATH = "/v1/chat/completions"
MODEL = "demo-retriever"
PROMPT = "You answer questions about the town library from the documents given.\nAnswer with one sentence."
CHANGED_PROMPT = PROMPT + "\nName the document that you used."
DOCUMENTS = [
    {"title": "Opening hours", "text": "The library opens at nine on weekdays. On Saturdays it opens at ten. On Sundays it stays closed."},
    {"title": "Borrowing", "text": "A book may be kept for four weeks. A loan can be renewed twice. Films may be kept for one week."},
    {"title": "Reading room", "text": "The reading room has forty seats. A seat in the reading room can be booked for one day."},
]
QUESTIONS = ["When does the library open on Saturdays?", "How often can a loan be renewed?"]

_COMMON = frozenset(
    ["a", "an", "and", "at", "be", "can", "does", "for", "has", "how", "in", "is", "it", "may", "of", "often", "on", "the", "to", "when"]
)


def provider() -> Provider:
    """Return the built-in provider: enter it, and it listens."""
    return Provider(reply)


def record(repo: Repo) -> list[Recorded]:
    """Record the demo: two questions with one prompt, the second streamed, and that again with the prompt changed."""
    done: list[Recorded] = []
    with provider() as serving, in_force(recorder(repo, done, clock=clock(), nonce=nonces())):
        client = Client(HOST, serving.address, agent="runstore-demo/1")
        history = [_said("user", QUESTIONS[0])]
        history += [_said("assistant", ask(client, PROMPT, history)), _said("user", QUESTIONS[1])]
        ask(client, PROMPT, history, stream=True)
        ask(client, CHANGED_PROMPT, history)
    return done


def recorder(repo: Repo, done: list[Recorded], *, ref: str = REF, **given: Any) -> Recorder:
    """Return what records calls into a repo at once, on a ref, and appends to `done`. What goes wrong is raised."""
    from runstore.capture.drain import record_seen

    def commit(seen: Any) -> Recorded | None:
        recorded = record_seen(repo, seen)
        if recorded is not None:
            done.append(recorded)
        return recorded

    return Recorder(Options("", mode="commit", on_error="raise", label={"ref": ref, "actor": ACTOR}), commit=commit, **given)


def ask(client: Client, prompt: str, history: list[dict[str, str]], *, stream: bool = False, **more: Any) -> str:
    """Ask for a chat completion, and return what was answered. `more` are further fields, or others in place of the usual ones."""
    body: dict[str, Any] = {
        "model": MODEL,
        "messages": [_said("system", prompt), *history],
        "documents": DOCUMENTS,
        "temperature": 0,
        "seed": 7,
        **more,
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return answer_in(b"".join(client.post(PATH, body)))


def answer_in(data: bytes) -> str:
    """Return the text of a chat completion, in one piece or as server-sent events."""
    if not data.startswith(b"data:"):
        return str(json.loads(data)["choices"][0]["message"]["content"])
    chunks = [json.loads(line[5:]) for line in data.splitlines() if line.startswith(b"data: {")]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def reply(body: Mapping[str, Any]) -> str:
    """Answer the last message: the sentence of the documents that is most like it, and its title if the prompt asks for that.

    With a temperature, others come too, the more often the more like it they are: by chance, or by lot where a seed is sent.
    """
    messages = body["messages"]
    asked = _words(messages[-1]["content"])
    sentences = [(document["title"], sentence) for document in body["documents"] for sentence in re.split(r"(?<=\.) ", document["text"])]
    likeness = [_likeness(asked, _words(sentence)) for _, sentence in sentences]
    title, said = sentences[_drawn(likeness, body.get("temperature") or 0, body.get("seed"))]
    named = "Name the document" in messages[0]["content"]
    return f"{said} ({title})" if named else said


def _said(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def clock(start: int = START, step: int = _MINUTE) -> Callable[[], int]:
    """Return a clock that is asked when a call begins and when it ends: a call a minute, and each takes a quarter of a second."""
    return (start + number // 2 * step + number % 2 * _TAKES for number in itertools.count()).__next__


def nonces(first: int = 0) -> Callable[[], str]:
    """Return what gives each call the next number for its nonce."""
    return (f"{number:032x}" for number in itertools.count(first)).__next__


def _drawn(likeness: Sequence[float], temperature: float, seed: int | None) -> int:
    """Return which is said: the most like, the first of equals; at a temperature one drawn by softmax."""
    if not temperature:
        return max(range(len(likeness)), key=likeness.__getitem__)
    weights = [math.exp((one - max(likeness)) / (temperature * _SPREAD)) for one in likeness]
    return random.Random(seed).choices(range(len(likeness)), weights)[0]  # noqa: S311 - no secret


def _likeness(asked: set[str], said: set[str]) -> float:
    # The share of the words that both have: a sentence that says other things besides is less to the point.
    return len(asked & said) / len(asked | said)


def _words(text: str) -> set[str]:
    # A crude stem makes "opens" meet "open" and "renewed" meet "renew": enough for nine sentences.
    found = re.findall(r"[a-z]+", text.lower())
    return {re.sub(r"(ed|s)$", "", word) for word in found if word not in _COMMON}
