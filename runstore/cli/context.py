"""What every command is given: the store it works on, opened when first asked for, and the output it writes to."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Self

from runstore.cli.errors import say
from runstore.cli.journal import drain, waits
from runstore.cli.output import Output
from runstore.errors import Busy, Unavailable

if TYPE_CHECKING:
    from runstore.repo import Repo


class Context:
    """One command's surroundings. `store` and `actor` are the global options as given, None where they were not.

    A context manager: the store is closed, and what the output holds back is written, when the command ends.
    """

    def __init__(self, store: str | None = None, actor: str | None = None, *, paged: bool = True) -> None:
        self.store = store
        self.actor = actor
        self.out = Output(paged=paged)
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.callback(self.out.close)
        self._closing.close()

    def repo_to_read(self, *, check_index: bool = True) -> Repo:
        """Open the store for reading only: no writer is waited for, and the store may lie where nothing can be written. Raises NoStore."""
        from runstore.cli.settings import open_store

        repo = self._read_only(check_index)
        if waits(repo):
            repo.close()
            drain(lambda: open_store(self.store, self.actor))
            repo = self._read_only(check_index)
        return self._closing.enter_context(repo)

    def _read_only(self, check_index: bool) -> Repo:
        """Open the store for reading only; one whose indexes are those of another version gets its own first, where it may be written."""
        from runstore.cli.settings import open_store

        try:
            return open_store(self.store, self.actor, read_only=True, check_index=check_index)
        except Unavailable as error:
            if error.kind != "old-index":
                raise
            try:
                open_store(self.store, self.actor).close()
            except (Unavailable, Busy):
                raise error from None
        say("the indexes had the form of another version, and were built anew")
        return open_store(self.store, self.actor, read_only=True, check_index=check_index)

    def repo(self) -> Repo:
        """Open the store to change it. Raises NoStore where there is none."""
        from runstore.cli.settings import open_store

        return self._up_to_date(open_store(self.store, self.actor))

    def repo_to_write(self) -> Repo:
        """Open the store to record in it, or make the default one and say where. Raises NoStore for one that was named and is not there."""
        from runstore.cli.settings import open_store

        return self._up_to_date(open_store(self.store, self.actor, create=True))

    def _up_to_date(self, repo: Repo) -> Repo:
        """Close the store in the end, and drain its journal now, if there is one."""
        self._closing.enter_context(repo)
        if waits(repo):
            drain(lambda: nullcontext(repo))
        return repo
