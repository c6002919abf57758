"""Bytes that nobody wrote: what reads a root, a page or an index takes it or refuses it, and does nothing else."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runstore.errors import InvalidInput, Refused
from runstore.model.ids import Kind, Link, make_object
from runstore.sync.bucket.index import make_index, open_index
from runstore.sync.bucket.root import MAGIC, Pack, Page, Root, page_bytes, read_page, read_root, seal, sealed_check
from runstore.sync.frame import make_frame
from runstore.sync.packs import write_pack

NAME = "0123456789abcdef0123456789abcdef"
LINK = Link(Kind.EXECUTION, bytes(range(32)))
ROOT = Root((NAME,), (Pack(NAME, bytes(32), 1, 500, 400),), {"heads/a": LINK}, (), ((f"packs/{NAME}.pack", 5),), "heads/a", NAME)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=40) | st.just(LINK),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=12,
)
KEYS = st.sampled_from(["packs", "refs", "pages", "writes", "retired", "id", "default_ref", "more"])


def _edit(data: bytes, edits: list[tuple[int, int]], length: int | None) -> bytes:
    found = bytearray(data)
    for place, value in edits:
        found[place % len(found)] = value
    return bytes(found[:length])


EDITS = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=4)


@given(EDITS, st.none() | st.integers(0, 400))
def test_a_root_with_other_bytes_is_read_or_refused(edits: list[tuple[int, int]], length: int | None) -> None:
    """Bytes changed at random, or cut off."""
    with suppress(Refused):
        read_root(_edit(ROOT.to_bytes(), edits, length))


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # the first draw of a text makes tables of all characters
@given(st.dictionaries(KEYS, VALUES, max_size=8))
def test_a_root_of_any_values_is_read_or_refused(value: dict[str, object]) -> None:
    """A root that is sealed as it should be, of anything that can be sealed."""
    with suppress(Refused, InvalidInput):
        assert isinstance(read_root(seal(MAGIC, value)), Root)


@given(EDITS, st.none() | st.integers(0, 400))
def test_a_page_with_other_bytes_is_read_or_refused(edits: list[tuple[int, int]], length: int | None) -> None:
    """The same for a page of refs."""
    data = page_bytes({"heads/a": LINK})
    with suppress(Refused):
        read_page(_edit(data, edits, length), Page(NAME, sealed_check(data), "heads/a", 1))


@given(EDITS, st.none() | st.integers(0, 600))
def test_an_index_with_other_bytes_is_read_or_refused(edits: list[tuple[int, int]], length: int | None) -> None:
    """The same for an index: what is taken is what was written, as the hash in the root binds it."""
    stream = BytesIO()
    obj = make_object(Kind.VALUE, b"\x01")
    write_pack(stream, [make_frame(0, [obj])])
    made = make_index(NAME, stream.getvalue(), [])
    pack = Pack(NAME, made.check, 1, len(stream.getvalue()), len(made.data))
    with suppress(Refused):
        assert open_index(pack, _edit(made.data, edits, length)).find(obj.id) == 0
