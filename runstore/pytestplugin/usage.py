"""Recorded calls in a few words, for the report of which test used which run."""

from __future__ import annotations

from collections.abc import Mapping

from runstore.model.trees import decode_tree
from runstore.query.summary import Summaries
from runstore.reproduce.recordings.files import Recordings
from runstore.reproduce.recordings.names import shown

_DIGITS = 12


def described(recordings: Recordings, used: Mapping[bytes, str]) -> list[list[str]]:
    """Return of each execution, by the ref of its recording, the run, the model, where in which recording it stands, and the answer."""
    found = []
    with recordings.repo.read() as reader:
        summaries = Summaries(reader.get)
        for execution, ref in used.items():
            calls = recordings.calls.get(ref, [])
            number = next((at for at, call in enumerate(calls) if call.object.id == execution), None)
            if number is None or (run := calls[number].execution.run) is None:
                continue
            model, _ = summaries.model(decode_tree(reader.get(run.id).body))
            found.append([run.hex[:_DIGITS], model, f"{shown(ref)} call {number + 1}", summaries.answer(calls[number].execution.output)])
    return found
