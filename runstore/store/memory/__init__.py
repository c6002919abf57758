"""The store in memory: the reference. What it does is right by being obvious, and every other engine must do the same.

A transaction works on a full copy of the state and publishes it when it commits; a snapshot is the state that was published then.
Nothing is kept when the process ends.
"""

from runstore.store.memory.store import MemoryStore

__all__ = ["MemoryStore"]
