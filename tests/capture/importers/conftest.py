"""A store to import into, and a call of a real API to import."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import runstore
from runstore.capture.importers.intake import Outcome, Read, import_entries
from runstore.capture.redaction import Redactor
from runstore.repo import Repo
from runstore.runs.view import ExecutionView

URL = "https://api.openai.com/v1/chat/completions"
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Two and two?"}], "temperature": 0.5}
ANSWERED = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Four."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2},
}


class Imports(NamedTuple):
    """A store, and what imports into it."""

    repo: Repo

    def __call__(
        self, format: str, read: Read, *files: tuple[str, bytes], ref: str | None = None, redactor: Redactor | None = None
    ) -> Outcome:
        """Import files, given by name and bytes."""
        sources = [(name, BytesIO(data)) for name, data in files]
        return import_entries(self.repo, format, read, sources, ref=ref, redactor=redactor)

    def executions(self) -> list[ExecutionView]:
        """Return all executions, newest first."""
        views = [self.repo.show(entry.link.hex) for entry in self.repo.log()]
        return [view for view in views if isinstance(view, ExecutionView)]

    def only(self) -> ExecutionView:
        """Return the one execution."""
        (found,) = self.executions()
        return found


def new_store(path: Path) -> Repo:
    """Make a store."""
    return runstore.open(path, create=True, actor="tester")


@pytest.fixture
def imports(tmp_path: Path) -> Iterator[Imports]:
    """An importer into an empty store."""
    with new_store(tmp_path / "store") as repo:
        yield Imports(repo)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Imports]:
    """An importer into another empty store."""
    with new_store(tmp_path / "elsewhere") as repo:
        yield Imports(repo)


Line = Callable[..., bytes]


def line(**more: Any) -> bytes:
    """Return one exchange as a line of JSON."""
    exchange = {
        "source": "https://example.org/tests/sums.yaml#interaction=0",
        "method": "POST",
        "url": URL,
        "request_headers": {"content-type": "application/json"},
        "request_body": json.dumps(ASKED),
        "status": 200,
        "response_headers": {"content-type": "application/json"},
        "response_body": json.dumps(ANSWERED),
        **more,
    }
    return json.dumps({key: item for key, item in exchange.items() if item is not None}).encode() + b"\n"
