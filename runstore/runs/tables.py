"""The derived tables: what can be asked about runs without walking the store, and rebuilt from the objects at any time.

Rows are made of addresses (5 bytes, protocol.py) and of the first 8 bytes of ids. Neither is an identity: whoever reads a row confirms it
on the object that it leads to. docs/design/0004-derived-indexes.md gives the reasons and the sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runstore.store.addresses import ADDRESS_BYTES
from runstore.store.table import Table

if TYPE_CHECKING:
    from runstore.store.protocol import Reader

# Bumped when a derived table changes its form: a store whose tables are older is reindexed before it is written to.
INDEX_VERSION = 3

PREFIX_BYTES = 8
TIME_BYTES = 8

# Referrers are kept by window: 64 neighbouring addresses of one lane. Successive turns of a conversation refer to the same messages
# from neighbouring addresses, so that one row stands for many links; a reader looks through the window.
WINDOW_SHIFT = 6
WINDOW = 1 << WINDOW_SHIFT

REFERRERS = Table("referrers", 2 * ADDRESS_BYTES, derived=True)  # object | window of referrers
RUN_EXECUTIONS = Table("run_executions", 2 * ADDRESS_BYTES, derived=True)  # run | execution
REQUEST_RUNS = Table("request_runs", PREFIX_BYTES + ADDRESS_BYTES, derived=True)  # request id | run whose runtime is not unknown
TIMES = Table("times", TIME_BYTES + ADDRESS_BYTES, derived=True)  # started | execution
SESSIONS = Table("sessions", PREFIX_BYTES + ADDRESS_BYTES, derived=True)  # notes.session, or notes.scope | execution
RESPONSES = Table("responses", PREFIX_BYTES + ADDRESS_BYTES, derived=True)  # provider response id | execution
GENERATION_BYTES = 4
GENERATIONS = Table("generations", ADDRESS_BYTES + GENERATION_BYTES, derived=True)  # execution | its generation
INDEX_STATE = Table("index_state", None, derived=True)

# Not derived: what is not here cannot be found out from what is. docs/design/0005-sync.md.
ABSENT_LANE = 15
ABSENT = Table("absent")  # id | kind, state, address, reason

TABLES = (REFERRERS, RUN_EXECUTIONS, REQUEST_RUNS, TIMES, SESSIONS, RESPONSES, GENERATIONS, INDEX_STATE, ABSENT)


def is_current(reader: Reader) -> bool:
    """True if the derived tables have the form that this version reads and writes."""
    return reader.value(INDEX_STATE.name, b"version") == INDEX_VERSION.to_bytes(4, "big")
