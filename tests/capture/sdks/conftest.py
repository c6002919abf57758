"""What SDKs leave open (connections in caches of their own, event loops) ends with the test that used them, and warns nobody else."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def leftovers() -> Iterator[None]:
    """Collect what a test left, while its own filter of warnings is in force: garbage warns where it is collected."""
    yield
    asyncio.set_event_loop(None)
    gc.collect()
