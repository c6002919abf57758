"""Rights: what a peer may do with which refs. Full names, under `heads/` and `tags/`."""

from __future__ import annotations

from typing import Protocol


class Rights(Protocol):
    """Asked for each ref."""

    def read(self, ref: str) -> bool:
        """True if the peer may see the ref and what it leads to."""

    def append(self, ref: str) -> bool:
        """True if the peer may make the ref, and move it forward."""

    def force(self, ref: str) -> bool:
        """True if the peer may move the ref anywhere."""

    def writes(self) -> bool:
        """True if there can be a ref that the peer may write: asked before anything that it sends is kept."""


class All:
    """A peer that could write the store's files anyway."""

    def read(self, ref: str) -> bool:
        """Every ref but what another remote had."""
        return not ref.startswith("remotes/")

    def append(self, ref: str) -> bool:
        """Every ref."""
        return True

    def force(self, ref: str) -> bool:
        """Every ref."""
        return True

    def writes(self) -> bool:
        """Yes."""
        return True


class ReadOnly:
    """A peer that may look: how bundles are served."""

    def read(self, ref: str) -> bool:
        """Every ref but what another remote had."""
        return not ref.startswith("remotes/")

    def append(self, ref: str) -> bool:
        """None."""
        return False

    def force(self, ref: str) -> bool:
        """None."""
        return False

    def writes(self) -> bool:
        """No."""
        return False
