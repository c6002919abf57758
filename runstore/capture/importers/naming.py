"""Names and nonces of what is imported: a function of the source's own ids, never of the time, the place or the person.

A ref name is made of the parts of an id; what a ref cannot have is escaped, and what is too long is cut and ends in a hash.
"""

from __future__ import annotations

import re
from typing import Any

from runstore import refs
from runstore.model.encoding import encode
from runstore.model.ids import Kind, object_id
from runstore.store.protocol import Reader

_KEPT_BYTES = 150
_HASH_DIGITS = 16
_TWIN_KEPT = 170
_NONCE_DIGITS = 32
# A part of a ref name keeps these; a leading sign, a second dot and `%` itself are escaped too, so that two ids never share a name.
_ESCAPED = re.compile(rb"[^A-Za-z0-9._+=@-]|^[.+=@-]|(?<=\.)\.")


def ref_of(family: str, *parts: str) -> str:
    """Return the full ref name heads/FAMILY/PART/PART: the parts %-escaped, cut at 150 bytes and 16 hex digits of their hash."""
    escaped = "/".join(escape(part) for part in parts)
    if not all(parts) or len(escaped) > _KEPT_BYTES:
        escaped = hashed(escaped[:_KEPT_BYTES].rstrip("/"), parts[0] if len(parts) == 1 else list(parts))
    return refs.full_name(f"heads/{family}/{escaped}")


def escape(part: str) -> str:
    """Return a text as one part of a ref name: other bytes as %XX."""
    return _ESCAPED.sub(lambda found: b"%%%02X" % found[0][0], part.encode("utf-8", "surrogatepass")).decode()


def hashed(name: str, identity: Any) -> str:
    """Return a name that ends in 16 hex digits of the hash of an identity."""
    return name + object_id(Kind.VALUE, encode(identity).body).hex()[:_HASH_DIGITS]


def nonce_of(*identity: Any) -> str:
    """Return the nonce of an execution: 32 hex digits of the hash of what the source calls it."""
    return object_id(Kind.VALUE, encode(list(identity)).body).hex()[:_NONCE_DIGITS]


def free_name(reader: Reader, ref: str, taken: dict[str, str]) -> str:
    """Return `ref`, or, if another ref differs from it in case alone, one that ends in a hash. `taken`: those of this transaction."""
    found = taken.setdefault(ref.lower(), refs.twin(reader, ref) or ref)
    return ref if found == ref else hashed(ref[:_TWIN_KEPT], ref)
