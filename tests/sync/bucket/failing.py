"""Files of a bucket that fail: at one operation, before or after it is carried out, or from one on for good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from runstore.errors import Unavailable
from runstore.sync.bucket.files import Files, Found, Listed

Answer = TypeVar("Answer")


class Failing:
    """Counts operations, and fails the one with the number `at`, with `after` once it was carried out; with `for_good` all after it too."""

    def __init__(self, files: Files, at: int = -1, *, after: bool = False, for_good: bool = False) -> None:
        self._files = files
        self.url, self.place = files.url, files.place
        self._at, self._after, self._for_good = at, after, for_good
        self.count = 0

    def _do(self, action: Callable[[], Answer]) -> Answer:
        number, self.count = self.count, self.count + 1
        failing = number == self._at or (self._for_good and number > self._at)
        if failing and not (self._after and number == self._at):
            raise Unavailable("the network is away")
        answer = action()
        if failing:
            raise Unavailable("the answer was lost")
        return answer

    def read(self, name: str, most: int) -> Found | None:
        return self._do(lambda: self._files.read(name, most))

    def part(self, name: str, start: int, length: int) -> bytes | None:
        return self._do(lambda: self._files.part(name, start, length))

    def put(self, name: str, data: bytes) -> None:
        return self._do(lambda: self._files.put(name, data))

    def create(self, name: str, data: bytes) -> str | None:
        return self._do(lambda: self._files.create(name, data))

    def replace(self, name: str, data: bytes, version: str) -> str | None:
        return self._do(lambda: self._files.replace(name, data, version))

    def delete(self, name: str) -> None:
        return self._do(lambda: self._files.delete(name))

    def list(self, prefix: str) -> Iterator[Listed]:
        return self._do(lambda: iter(list(self._files.list(prefix))))
