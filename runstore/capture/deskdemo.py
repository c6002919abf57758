"""The demo's second log: an assistant that is asked the same each morning, until a release after which its answer is wrong.

The release changed six things at once. One of them did it. docs/tutorial-bad-answer.md finds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runstore.capture.demo import DOCUMENTS, HOST, PROMPT, START, ask, clock, nonces, provider, recorder
from runstore.capture.tap.active import in_force
from runstore.capture.tap.plain import Client
from runstore.runs.record import Recorded

if TYPE_CHECKING:
    from runstore.repo import Repo

REF = "demo/desk"
QUESTION = "When does the library open on Saturdays?"
MORNINGS = 6
RELEASED = 3
"""On how many mornings the old release answered."""
_DAY = 86_400_000_000
_FIRST = 100

NEW_PROMPT = "You are the voice of the town library.\nYou answer questions from the documents given.\nAnswer with one sentence."
NEW_DOCUMENTS = [
    {"title": "Summer", "text": "In summer the library opens at eight on Saturdays. The reading garden opens in May."},
    DOCUMENTS[0],
    {**DOCUMENTS[1], "text": DOCUMENTS[1]["text"].replace("one week", "two weeks")},
    {**DOCUMENTS[2], "text": DOCUMENTS[2]["text"].replace("forty", "fifty")},
]


def record(repo: Repo) -> list[Recorded]:
    """Record the mornings: three with the old release, three with the new one."""
    done: list[Recorded] = []
    old: dict[str, Any] = {"max_tokens": 40}
    new: dict[str, Any] = {"documents": NEW_DOCUMENTS, "seed": 8, "max_tokens": 80}
    given = {"clock": clock(START + 7 * _DAY, _DAY), "nonce": nonces(_FIRST)}
    with provider() as serving, in_force(recorder(repo, done, ref=REF, **given)):
        client = Client(HOST, serving.address, agent="runstore-demo/1")
        for morning in range(MORNINGS):
            changed = morning >= RELEASED
            ask(client, NEW_PROMPT if changed else PROMPT, [{"role": "user", "content": QUESTION}], **(new if changed else old))
    return done
