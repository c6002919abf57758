"""runstore: a content-addressed store of AI runs, modelled on git."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runstore.model.run import Run
    from runstore.model.trees import ABSENT, UNKNOWN
    from runstore.repo import Repo, clone
    from runstore.repo import open_repo as open

__version__ = "0.1.0"
__all__ = ["ABSENT", "UNKNOWN", "Repo", "Run", "__version__", "clone", "open"]

# Imported when first used: a program that asks for a version, or a command that reads, need not wait for the rest.
_PLACES = {
    "ABSENT": ("runstore.model.trees", "ABSENT"),
    "UNKNOWN": ("runstore.model.trees", "UNKNOWN"),
    "Repo": ("runstore.repo", "Repo"),
    "Run": ("runstore.model.run", "Run"),
    "clone": ("runstore.repo", "clone"),
    "open": ("runstore.repo", "open_repo"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'runstore' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _PLACES[name]
    found = globals()[name] = getattr(import_module(module), attribute)
    return found
