"""The conformance suite: one class of tests, put together from one file a subject."""

from __future__ import annotations

from runstore.testing.frames import FrameTests
from runstore.testing.moving import MovingTests
from runstore.testing.objects import ObjectTests
from runstore.testing.tables import TableTests
from runstore.testing.transactions import TransactionTests


class StoreConformance(ObjectTests, FrameTests, TableTests, TransactionTests, MovingTests):
    """What every engine must do. Define `open_store`; set `persistent` to False if nothing outlives the store object."""
