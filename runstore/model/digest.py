"""Checksums of bytes that are no objects: frames, indexes, headers. Plain BLAKE3, as `b3sum` computes it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from blake3 import blake3

CHECKSUM_BYTES = 32


def checksum(*parts: bytes) -> bytes:
    """Return the 32-byte BLAKE3 of the parts, one after another."""
    return checksum_of(parts)


def checksum_of(parts: Iterable[bytes]) -> bytes:
    """Return the 32-byte BLAKE3 of any number of parts, one after another."""
    hasher = blake3()
    for part in parts:
        hasher.update(part)
    return hasher.digest()
