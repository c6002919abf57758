"""What waits in a store's journal is put into the store by every command that opens it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from runstore.cli.errors import say
from runstore.errors import RunstoreError

if TYPE_CHECKING:
    from runstore.repo import Repo


def waits(repo: Repo) -> bool:
    """True if the store has a journal with something in it. Costs one look at a directory."""
    directory = getattr(repo.store, "directory", None)
    try:
        return directory is not None and any(name.endswith(".journal") for name in os.listdir(os.path.join(directory, "journal")))
    except OSError:
        return False


def drain(opened: Callable[[], AbstractContextManager[Repo]]) -> None:
    """Drain the journal of the store that `opened` opens for writing.

    What cannot be drained now waits, and that is said: the command goes on with what the store has.
    """
    from runstore.capture.drain import drain as put

    try:
        with opened() as repo:
            done = put(repo)
    except (RunstoreError, OSError) as error:
        say(f"warning: recorded calls wait in the journal: {error}")
        return
    if done.failed or done.lost:
        say(f"warning: {done.failed + done.lost} calls are not recorded, {done.failed} of them kept in the store's journal/failed")
