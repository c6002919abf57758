"""Redaction as a command line asks for it: the choice of options, and the settings of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runstore.cli.declare import flag
from runstore.errors import InvalidInput

if TYPE_CHECKING:
    from runstore.capture.redaction import Redactor
    from runstore.repo import Repo

OPTIONS = (
    flag("--redact", help="Mask secrets before anything is written, and say where."),
    flag("--no-redact", help="Keep everything, whatever runstore.toml says."),
    flag("--refuse-secrets", help="Leave out calls that hold a secret."),
)


def choice(*, mask: bool, off: bool, refuse: bool) -> str | None:
    """Return `mask`, `off` or `refuse`, None where the settings of the store decide. Raises InvalidInput for two of them."""
    chosen = [name for name, given in (("mask", mask), ("off", off), ("refuse", refuse)) if given]
    if len(chosen) > 1:
        raise InvalidInput("--redact, --no-redact and --refuse-secrets exclude one another", hint="give one of them")
    return chosen[0] if chosen else None


def redactor_of(repo: Repo, choice: str | None) -> Redactor | None:
    """Return the redactor for what is recorded into a store, None for none."""
    from runstore.capture.redaction.configured import configured
    from runstore.store.directory import read_config

    directory = getattr(repo.store, "directory", None)
    return configured(read_config(directory).capture if directory else {}, choice)
