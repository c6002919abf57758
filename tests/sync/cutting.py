"""Connections that are cut: in memory, after so many bytes of both directions together."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator

from runstore.errors import Unavailable
from runstore.sync.channel import Answer
from runstore.sync.messages import END, Message, disconnected, read_call, to_bytes


class Line:
    """A line to a peer that carries `budget` bytes and is then dead. `used` counts what went over."""

    def __init__(self, answer: Answer, budget: int | None = None) -> None:
        self._answer = answer
        self.budget = budget
        self.used = 0
        self.edges: list[int] = []

    def call(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Carry a call over and its answer back, as bytes."""
        stream = io.BytesIO(self._carried(self._noted(messages)))
        cut = self.is_dead
        answered: list[Message] = []
        try:
            answered.extend(self._answer(read_call(stream)))
        except Unavailable:
            if not cut:
                raise
        if cut:
            raise disconnected("cut while calling")
        yield from read_call(io.BytesIO(self._carried(self._noted(answered))))

    def _noted(self, messages: Iterable[Message]) -> Iterator[bytes]:
        for message in messages:
            yield to_bytes(message)
            self.edges.append(self.used)
        yield END
        self.edges.append(self.used)

    def _carried(self, parts: Iterable[bytes]) -> bytes:
        carried = io.BytesIO()
        for part in parts:
            fits = part if self.budget is None else part[: max(self.budget - self.used, 0)]
            carried.write(fits)
            self.used += len(fits)
            if len(fits) < len(part):
                break
        return carried.getvalue()

    @property
    def is_dead(self) -> bool:
        """True if no more goes over."""
        return self.budget is not None and self.used >= self.budget

    def close(self) -> None:
        """Nothing to release."""


def cut_once(answer: Answer, budget: int) -> Callable[[], Line]:
    """Return what opens a line that is cut after so many bytes, and lines that are not cut after that."""
    budgets: list[int | None] = [budget]
    return lambda: Line(answer, budgets.pop() if budgets else None)
