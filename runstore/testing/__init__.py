"""For authors of engines: the tests that every `Store` passes. Needs pytest.

Subclass `StoreConformance`, say how a store is made, and pytest collects the rest::

    class TestMyStore(StoreConformance):
        def open_store(self, directory, tables):
            return MyStore(directory, tables)
"""

from runstore.testing.conformance import StoreConformance
from runstore.testing.samples import TABLES, sample_objects

__all__ = ["TABLES", "StoreConformance", "sample_objects"]
