"""The transport for HTTP, against a real server: the public suite, and what is HTTP's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runstore.repo import TABLES
from runstore.store.lmdb import LmdbStore
from runstore.sync.connect import Connect
from runstore.testing.machines import Machine
from runstore.testing.transports import TransportConformance
from tests.serve.serving import Running, granted, serving

STORES = 30


class Pool:
    """A server with stores that nobody has used yet: starting one for each test would take most of the time."""

    def __init__(self, running: Running, stores: dict[str, Path], token: str) -> None:
        self.running = running
        self.token = token
        self._free = dict(stores)
        self._names = {path: name for name, path in stores.items()}

    def take(self) -> Path:
        """Return the directory of an empty store."""
        return self._free.popitem()[1]

    def connect(self, directory: Path) -> Connect:
        """Return what opens a channel, with all rights, to the store in a directory."""
        return self.running.connect(self._names[directory], self.token)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A server with empty stores."""
    place = tmp_path_factory.mktemp("served")
    stores = {f"store-{number}": place / f"store-{number}" for number in range(STORES)}
    for path in stores.values():
        LmdbStore.open(path, TABLES, create=True).close()
    tokens = granted(place / "tokens.toml", {"peer": ["force *"]})
    with serving(stores, place / "tokens.toml", "--limit", "rate=100000") as running:
        yield Pool(running, stores, tokens["peer"])


class TestHttp(TransportConformance):
    @pytest.fixture(autouse=True)
    def reached_over(self, pool: Pool) -> None:
        """Note the server."""
        self.pool = pool

    @pytest.fixture
    def theirs(self, pool: Pool) -> Iterator[Machine]:
        """The machine that is called: one of those that the server serves."""
        machine = Machine(2, pool.take())
        yield machine
        machine.close()

    def connect(self, directory: Path) -> Connect:
        return self.pool.connect(directory)
