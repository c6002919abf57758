"""The stores that are measured, each behind the same few verbs."""

from benchmarks.peers.git import Git
from benchmarks.peers.llm import LlmLog
from benchmarks.peers.protocol import Peer
from benchmarks.peers.runstore import Runstore
from benchmarks.peers.sqlite import SqliteJson, SqliteZstd
from benchmarks.peers.zstlog import ZstLog

PEERS: tuple[type[Peer], ...] = (Runstore, Git, SqliteJson, SqliteZstd, ZstLog, LlmLog)
