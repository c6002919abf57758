"""A store does, step by step, what the store in memory does."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule, run_state_machine_as_test

from runstore.model.ids import Object
from runstore.store.lmdb import LmdbStore, Settings
from runstore.store.memory import MemoryStore
from runstore.store.protocol import Batch, Reader, Store, Writer
from runstore.testing.samples import COUNTS, INDEX, NAMES, PAIRS, TABLES, sample_object

HOUR = 3_600_000_000
# Sizes around the borders of lanes, frames and joins.
sizes = st.sampled_from([8, 40, 300, 2_000, 9_000, 16_383, 16_384, 40_000, 70_000])
objects = st.lists(st.builds(sample_object, st.integers(0, 150), sizes), max_size=14)
keys = st.sampled_from([b"a", b"ab", b"b", b"\xff", b"\xff\xff"])
rows = st.lists(st.integers(0, 400).map(lambda n: b"%06d" % (n * 37 % 401)), max_size=40)
words = st.lists(st.integers(0, 60).map(lambda n: b"%04d" % n), max_size=20)


class _RolledBack(Exception):
    """Raised to roll a transaction back."""


class Machine(RuleBasedStateMachine):
    """Both stores take the same steps; after each, both say the same."""

    batches = Bundle("batches")

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="state-machine-"))
        self.ours: Store = self.open()
        self.model: Store = MemoryStore(TABLES)
        self.ever: dict[bytes, Object] = {}
        self.now = 100 * HOUR
        self.snapshots: list[tuple[Any, Any, Any, Any]] = []

    def open(self) -> Store:
        return LmdbStore.open(self.place / "store", TABLES, create=True, settings=Settings(durable=False, cache_bytes=300_000))

    def both(self, step: Any, *, roll_back: bool = False, now: int | None = None) -> tuple[Any, Any]:
        results = []
        for store in (self.ours, self.model):
            try:
                with store.write(now=now) as writer:
                    results.append(step(writer))
                    if roll_back:
                        raise _RolledBack
            except _RolledBack:
                pass
        assert results[0] == results[1]
        return results[0], results[1]

    def remember(self, items: list[Object]) -> None:
        self.ever.update((item.id, item) for item in items)

    @rule(items=objects, roll_back=st.booleans(), hours=st.integers(0, 3))
    def put(self, items: list[Object], roll_back: bool, hours: int) -> None:
        self.now += hours * HOUR // 2
        self.remember(items)
        self.both(lambda writer: list(writer.put(items)), roll_back=roll_back, now=self.now)

    @rule(first=objects, second=objects, roll_back=st.booleans())
    def put_twice(self, first: list[Object], second: list[Object], roll_back: bool) -> None:
        self.remember(first + second)
        batches = {id(store): store.prepare(second) for store in (self.ours, self.model)}

        def step(writer: Writer) -> Any:
            stored = [
                *writer.put(first),
                *writer.put(batches[id(self.ours if writer is not None and hasattr(writer, "raw") else self.model)]),
            ]
            return stored, [writer.at(address) for address, _ in stored], [writer.address(item.id) for item in second]

        self.both(step, roll_back=roll_back)

    @rule(target=batches, items=objects)
    def prepare(self, items: list[Object]) -> tuple[Batch, Batch]:
        self.remember(items)
        return self.ours.prepare(items), self.model.prepare(items)

    @rule(pair=consumes(batches))
    def put_prepared(self, pair: tuple[Batch, Batch]) -> None:
        with self.ours.write() as ours, self.model.write() as model:
            assert list(ours.put(pair[0])) == list(model.put(pair[1]))

    @rule(key=keys, value=st.binary(max_size=40), roll_back=st.booleans())
    def set_value(self, key: bytes, value: bytes, roll_back: bool) -> None:
        self.both(lambda writer: writer.set_value(NAMES.name, key, value), roll_back=roll_back)

    @rule(key=keys)
    def delete_value(self, key: bytes) -> None:
        self.both(lambda writer: writer.delete_value(NAMES.name, key))

    @rule(added=rows, removed=rows, found=words, roll_back=st.booleans())
    def change_rows(self, added: list[bytes], removed: list[bytes], found: list[bytes], roll_back: bool) -> None:
        def step(writer: Writer) -> Any:
            writer.add_rows(PAIRS.name, added)
            writer.remove_rows(PAIRS.name, removed)
            writer.add_rows(INDEX.name, found)
            return list(writer.rows(PAIRS.name))

        self.both(step, roll_back=roll_back)

    @rule(table=st.sampled_from(TABLES), roll_back=st.booleans())
    def clear(self, table: Any, roll_back: bool) -> None:
        self.both(lambda writer: writer.clear(table.name), roll_back=roll_back)

    @rule()
    def open_snapshot(self) -> None:
        contexts = self.ours.read(), self.model.read()
        self.snapshots.append((*contexts, contexts[0].__enter__(), contexts[1].__enter__()))

    @precondition(lambda self: self.snapshots)
    @rule()
    def close_snapshot(self) -> None:
        ours, model, *readers = self.snapshots.pop(0)
        self.compare(*readers)
        ours.__exit__(None, None, None)
        model.__exit__(None, None, None)

    @rule(keep=st.integers(0, 9), backwards=st.booleans())
    def rewrite(self, keep: int, backwards: bool) -> None:
        def order(reader: Reader) -> list[int]:
            found = [address for address, item in reader.objects() if item.id[0] % 10 <= keep]
            return found[::-1] if backwards else found

        def rebuild(writer: Writer) -> None:
            writer.set_value(COUNTS.name, b"n", b"%d" % len(list(writer.objects())))
            writer.add_rows(INDEX.name, sorted({b"%04d" % (address % 97) for address, _ in writer.objects()}))

        for store in (self.ours, self.model):
            store.rewrite(order, level=1, rebuild=rebuild)

    @precondition(lambda self: not self.snapshots)
    @rule()
    def reopen(self) -> None:
        self.ours.close()
        self.ours = self.open()

    @invariant()
    def they_agree(self) -> None:
        with self.ours.read() as ours, self.model.read() as model:
            self.compare(ours, model)

    def compare(self, ours: Reader, model: Reader) -> None:
        assert ours.generation == model.generation
        assert list(ours.objects()) == list(model.objects())
        assert [ours.address(name) for name in self.ever] == [model.address(name) for name in self.ever]
        for table in TABLES:
            if table.row_bytes is None:
                assert list(ours.items(table.name)) == list(model.items(table.name))
            else:
                assert list(ours.rows(table.name)) == list(model.rows(table.name))
        assert ours.starting("a", 5) == model.starting("a", 5)
        for time in (0, self.now - 2 * HOUR, self.now):
            assert ours.addresses_at(time) == model.addresses_at(time)

    def teardown(self) -> None:
        while self.snapshots:
            self.close_snapshot()
        assert list(self.ours.verify()) == []
        self.ours.close()
        shutil.rmtree(self.place)


_CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def test_the_store_on_disk_does_what_the_reference_does() -> None:
    """Any sequence of steps leaves both stores with the same objects, addresses, tables, rows and marks."""
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=_CHECKS)
    )


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_store_on_disk_does_what_the_reference_does_for_long() -> None:
    """The same over many long sequences."""
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=1500, stateful_step_count=60, deadline=None, suppress_health_check=_CHECKS)
    )
