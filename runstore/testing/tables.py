"""Tables of keys and values, and sorted sets of rows."""

from __future__ import annotations

import pytest

from runstore.errors import InvalidInput
from runstore.store.protocol import Store
from runstore.testing.base import Suite
from runstore.testing.samples import COUNTS, NAMES, PAIRS, TABLES

KEYS = [b"a", b"a/b", b"b", b"c\x00", b"c\xff", b"\xff", b"\xff\xff", b"k" * 500]


class TableTests(Suite):
    """Values under keys, and rows in order."""

    def _fill(self, store: Store) -> None:
        with store.write() as writer:
            for key in KEYS:
                writer.set_value(NAMES.name, key, b"value of " + key)

    def test_values(self, store: Store) -> None:
        """A key has the value last put under it, or None."""
        self._fill(store)
        with store.write() as writer:
            writer.set_value(NAMES.name, b"a", b"")
        with store.read() as reader:
            assert reader.value(NAMES.name, b"a") == b""
            assert reader.value(NAMES.name, b"b") == b"value of b"
            assert reader.value(NAMES.name, b"nothing") is None
            assert reader.value(COUNTS.name, b"b") is None

    def test_items_in_order(self, store: Store) -> None:
        """`items` yields start <= key < stop in key order, or from the end."""
        self._fill(store)
        bounds = [
            (b"", None),
            (b"a", b"c"),
            (b"b", b"c\xff"),
            (b"bb", b"\xff"),
            (b"\xff", None),
            (b"x", b"a"),
            (b"", b"a"),
            (b"zz", b"zzz"),
        ]
        with store.read() as reader:
            for start, stop in bounds:
                expected = [key for key in sorted(KEYS) if start <= key and (stop is None or key < stop)]
                assert [key for key, _ in reader.items(NAMES.name, start=start, stop=stop)] == expected
                assert [key for key, _ in reader.items(NAMES.name, start=start, stop=stop, reverse=True)] == expected[::-1]
            assert dict(reader.items(NAMES.name))[b"c\x00"] == b"value of c\x00"
            assert list(reader.items(COUNTS.name)) == []

    def test_delete_value(self, store: Store) -> None:
        """Removing a key says whether it was there."""
        self._fill(store)
        with store.write() as writer:
            assert writer.delete_value(NAMES.name, b"b") is True
            assert writer.delete_value(NAMES.name, b"b") is False
            assert writer.value(NAMES.name, b"b") is None
        with store.read() as reader:
            assert [key for key, _ in reader.items(NAMES.name)] == [key for key in sorted(KEYS) if key != b"b"]

    def test_keys_have_a_length(self, store: Store) -> None:
        """A key has 1 to 500 bytes; others are refused, and nothing is there under them."""
        with store.write() as writer:
            for wrong in (b"", b"k" * 501):
                with pytest.raises(InvalidInput):
                    writer.set_value(NAMES.name, wrong, b"x")
                assert writer.value(NAMES.name, wrong) is None
                assert writer.delete_value(NAMES.name, wrong) is False

    def test_large_values(self, store: Store) -> None:
        """A value may be megabytes."""
        with store.write() as writer:
            writer.set_value(NAMES.name, b"big", b"x" * (3 << 20))
        with store.read() as reader:
            assert len(reader.value(NAMES.name, b"big") or b"") == 3 << 20

    def test_rows_are_a_sorted_set(self, store: Store) -> None:
        """Rows come back sorted and once, in order or from the end."""
        rows = [b"%06d" % (n * 7919 % 5000) for n in range(3000)]
        with store.write() as writer:
            writer.add_rows(PAIRS.name, rows)
            writer.add_rows(PAIRS.name, rows[:10])
        with store.read() as reader:
            assert list(reader.rows(PAIRS.name)) == sorted(set(rows))
            assert list(reader.rows(PAIRS.name, reverse=True)) == sorted(set(rows), reverse=True)

    @pytest.mark.parametrize("count", [0, 1, 2, 400])
    def test_rows_by_prefix(self, store: Store, count: int) -> None:
        """`rows` yields those with a prefix, whatever stands before and after, however many there are."""
        rows = {bytes((n % 5 * 63 + 3 * (n % 5 == 4), n // 5 % 256, 255, n % 256, 0, n // 256)) for n in range(count)}
        with store.write() as writer:
            writer.add_rows(PAIRS.name, rows)
        prefixes = [b"", b"\x00", b"\x3f", b"\xff", b"\xff\x00", b"\xff\xff", b"\x3f\x01\xff", b"\x01", *sorted(rows)[:3]]
        with store.read() as reader:
            for prefix in prefixes:
                expected = sorted(row for row in rows if row.startswith(prefix))
                assert list(reader.rows(PAIRS.name, prefix)) == expected
                assert list(reader.rows(PAIRS.name, prefix, reverse=True)) == expected[::-1]

    def test_remove_rows(self, store: Store) -> None:
        """Rows that are removed are gone; those that were not there change nothing."""
        with store.write() as writer:
            writer.add_rows(PAIRS.name, [b"aaaaaa", b"bbbbbb", b"cccccc"])
            writer.remove_rows(PAIRS.name, [b"bbbbbb", b"dddddd"])
            assert list(writer.rows(PAIRS.name)) == [b"aaaaaa", b"cccccc"]
            writer.remove_rows(PAIRS.name, [b"aaaaaa", b"cccccc"])
            assert list(writer.rows(PAIRS.name)) == []

    def test_rows_have_one_size(self, store: Store) -> None:
        """A row of another size is refused, and none of that call is added."""
        with store.write() as writer:
            with pytest.raises(InvalidInput):
                writer.add_rows(PAIRS.name, [b"aaaaaa", b"short"])
            assert list(writer.rows(PAIRS.name)) == []

    def test_clear(self, store: Store) -> None:
        """Clearing a table empties it and no other."""
        self._fill(store)
        with store.write() as writer:
            writer.add_rows(PAIRS.name, [b"%06d" % n for n in range(2000)])
            writer.add_rows("words", [b"word"])
            writer.set_value(COUNTS.name, b"n", b"1")
        with store.write() as writer:
            for table in (NAMES.name, PAIRS.name):
                writer.clear(table)
                writer.clear(table)
        with store.read() as reader:
            assert list(reader.items(NAMES.name)) == []
            assert list(reader.rows(PAIRS.name)) == []
            assert list(reader.rows("words")) == [b"word"]
            assert reader.value(COUNTS.name, b"n") == b"1"

    def test_a_table_that_is_not_there(self, store: Store) -> None:
        """A table the store was not opened with, or one of the other sort, is refused."""
        with store.write() as writer:
            for use in (
                lambda: writer.value("other", b"k"),
                lambda: list(writer.items(PAIRS.name)),
                lambda: list(writer.rows(NAMES.name)),
                lambda: writer.set_value(PAIRS.name, b"k", b"v"),
                lambda: writer.add_rows(NAMES.name, [b"aaaaaa"]),
                lambda: writer.clear("other"),
            ):
                with pytest.raises(InvalidInput):
                    use()

    def test_reading_while_writing_sees_what_was_written(self, store: Store) -> None:
        """A writer reads its own changes in tables and rows."""
        with store.write() as writer:
            writer.set_value(NAMES.name, b"k", b"1")
            writer.add_rows(PAIRS.name, [b"aaaaaa"])
            assert writer.value(NAMES.name, b"k") == b"1"
            assert list(writer.rows(PAIRS.name, b"aa")) == [b"aaaaaa"]

    def test_tables_begin_empty(self, store: Store) -> None:
        """All tables are there from the start, and empty."""
        with store.read() as reader:
            for table in TABLES:
                assert list(reader.items(table.name) if table.row_bytes is None else reader.rows(table.name)) == []
