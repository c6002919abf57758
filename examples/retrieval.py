"""Retrieval, recorded: which documents led to an answer, and what an answer owes to a document that was mended.

Run it: python examples/retrieval.py [DIRECTORY]. Without a directory the store is temporary. No network: the model is a function below.
"""

from __future__ import annotations

import re
import sys
from tempfile import TemporaryDirectory
from typing import Any

import runstore
from runstore import ABSENT, Run

PROMPT = "Answer with one sentence from the documents."
SHELF = [
    {"title": "Tickets", "text": "A day ticket costs six euros. Children under six travel free."},
    {"title": "Bicycles", "text": "Bicycles travel free after nine in the morning."},
    {"title": "Dogs", "text": "Dogs need a ticket of their own. Small dogs in a bag travel free."},
]
MENDED = {"title": "Tickets", "text": "A day ticket costs seven euros. Children under six travel free."}


def words(text: str) -> set[str]:
    """Return the words of a text, small."""
    return set(re.findall(r"[a-z]+", text.lower()))


def retrieve(question: str, shelf: list[dict[str, str]], count: int) -> list[dict[str, str]]:
    """Return the documents that share most words with the question, best first."""
    return sorted(shelf, key=lambda document: -len(words(question) & words(document["text"])))[:count]


def model(documents: list[dict[str, str]], question: str) -> str:
    """Stand in for a model: the sentence that shares most words with the question."""
    sentences = [sentence for document in documents for sentence in re.split(r"(?<=\.) ", document["text"])]
    return max(sentences, key=lambda sentence: len(words(question) & words(sentence)))


def answer(repo: runstore.Repo, question: str, shelf: list[dict[str, str]]) -> str:
    """Answer a question and record everything that the model was given. Returns the answer."""
    documents = retrieve(question, shelf, count=2)
    run = Run(
        model={"api": "example", "name": "most-shared-words", "version": "1"},
        prompt=PROMPT,
        parameters={"temperature": 0},
        documents=documents,  # what was retrieved, not the whole shelf: only this acted on the model
        tools=ABSENT,
        history=[{"role": "user", "content": question}],
        runtime={"engine": "examples/retrieval.py", "engine_version": "1"},
    )
    text = model(documents, question)
    output: list[dict[str, Any]] = [{"role": "assistant", "content": text}]
    repo.add(run, ref="tickets", output=output, notes={"retriever": "shared words, best 2 of 3"})
    return text


def main(store: str) -> None:
    """Ask, mend a document, ask again, and let the store say what changed and who used the old document."""
    question = "How much is a day ticket?"
    with runstore.open(store, create=True) as repo:
        print("before:", answer(repo, question, SHELF))
        print("after: ", answer(repo, question, [MENDED, *SHELF[1:]]))
        for component in repo.diff("tickets~1", "tickets").components:
            print("differs:", component.slot)
        for use in repo.find(SHELF[0]):
            print("the old document was used at", use.place)
        verdict = repo.check("tickets")
        print("complete:", verdict.complete)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with TemporaryDirectory() as place:
            main(place)
