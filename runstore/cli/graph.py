r"""The graph of a log: a column of `|` for each line of executions, `*` where one stands, `\` and `/` where lines part and meet.

Pure: fed with executions, each before its parents, it gives the characters to the left of the text.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple


class Rows(NamedTuple):
    """What stands left of one execution: beside its first line, beside the next lines in turn, and beside all that follow."""

    node: str
    edges: tuple[str, ...]
    after: str


class Graph:
    """Keeps the columns. Each column waits for one execution: the parent of what was drawn in it last."""

    def __init__(self) -> None:
        self._columns: list[Hashable] = []

    def add(self, name: Hashable, parents: Sequence[Hashable]) -> Rows:
        """Draw the next execution."""
        columns = self._columns
        if name not in columns:
            columns.append(name)
        at = columns.index(name)
        node = " ".join("*" if column == at else "|" for column in range(len(columns)))
        edges: list[str] = []
        if not parents:
            edges.extend(self._end(at))
        else:
            columns[at] = parents[0]
            for other in reversed(parents[1:]):
                edges.append(self._part(at))
                columns.insert(at + 1, other)
            edges.extend(self._meet())
        return Rows(node, tuple(edges), " ".join("|" * len(columns)))

    def _part(self, at: int) -> str:
        """Draw a new column coming out of the one at `at`: those to the right move over."""
        return " ".join("|" * (at + 1)) + "\\" + " \\" * (len(self._columns) - at - 1)

    def _end(self, at: int) -> list[str]:
        """Drop a column whose line begins here; those to the right move back."""
        del self._columns[at]
        right = len(self._columns) - at
        return [("| " * at + " " + " ".join("/" * right)).rstrip()] if right else []

    def _meet(self) -> list[str]:
        """Join columns that wait for the same execution into the leftmost of them."""
        edges = []
        while (pair := self._twins()) is not None:
            left, right = pair
            crossed = "|" + "_|" * (right - left - 1) + "/"
            moved = " /" * (len(self._columns) - right - 1)
            edges.append("| " * left + crossed + moved)
            del self._columns[right]
        return edges

    def _twins(self) -> tuple[int, int] | None:
        seen: dict[Hashable, int] = {}
        for at, column in enumerate(self._columns):
            if column in seen:
                return seen[column], at
            seen[column] = at
        return None
