"""What a store has to do to be measured: the same few things for each."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.call import Call


class Peer(ABC):
    """One store, kept in a directory of its own. Calls of a conversation arrive in order."""

    name: ClassVar[str]
    """How reports call it."""
    settling: ClassVar[str] = ""
    """What `settle` does, in a few words; empty where there is nothing to do."""
    reads: ClassVar[int] = 200
    """How many reads are measured; fewer where one is slow."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def missing(cls) -> str:
        """Why it cannot be measured here; empty if it can."""
        return ""

    def prepare(self, call: Call) -> Any:
        """What a program that uses this store has in its hands when the call is over. Not measured."""
        return call

    @abstractmethod
    def add(self, prepared: Any) -> None:
        """Keep one call. When this returns, it survives a power cut."""

    @abstractmethod
    def add_all(self, prepared: Sequence[Any]) -> None:
        """Keep many calls as fast as the store can; all survive a power cut when this returns."""

    def settle(self) -> None:  # noqa: B027 - nothing to do is a fair answer
        """Bring the data into its smallest form."""

    def reopen(self) -> None:  # noqa: B027 - the same
        """Get ready to read, as a program that finds the data would. Not measured."""

    @abstractmethod
    def read(self, call: Call) -> Any:
        """One call in full: every slot, every message, parsed."""

    @abstractmethod
    def log(self, count: int) -> int:
        """Walk the newest `count` calls with one line about each; returns how many there were."""

    def close(self) -> None:  # noqa: B027 - the same
        """Let go of files and processes."""

    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.directory.rglob("*") if path.is_file())
