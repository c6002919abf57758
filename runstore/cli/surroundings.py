"""What commands that ask a model pass down from here: the environment with its keys, the clock, how to read blobs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runstore.repo import Repo

if TYPE_CHECKING:
    from runstore.reproduce.asking import Surroundings


def surroundings(repo: Repo, *, against: str | None, key_from: str | None, timeout: int | None) -> Surroundings:
    """Return what asking a model needs from outside."""
    from runstore.reproduce.asking import Surroundings
    from runstore.reproduce.recorded import blobs
    from runstore.reproduce.send import TIMEOUT

    return Surroundings(os.environ, repo.now, blobs(repo.fetch), against, key_from, timeout or TIMEOUT)
