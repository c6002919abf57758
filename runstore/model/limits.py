"""The limits of format 1: what is larger or deeper is refused with an error, never cut short.

Source: docs/spec/identity.md, "Limits". A reader checks them before it allocates: a header of five bytes can claim 2**32 items.
"""

from __future__ import annotations

MAX_BODY = 16 << 20
"""Bytes in the body of a value, list node, tree, execution or tag."""

MAX_DEPTH = 64
"""Arrays and maps around the innermost item of a body; an empty array counts as one."""

MAX_NODES = 1_000_000
"""Values in one body: arrays, maps, scalars, links and the keys of maps."""

MAX_BLOB = 4 << 30
"""Bytes in a blob."""

MAX_DIGITS = 65_536
"""Decimal digits of an integer, the sign not counted."""

MAX_SLOTS = 4096
"""Entries of a tree."""

MAX_ELEMENTS = 1 << 32
"""Elements of a list."""
