"""A log file of JSON lines under zstd: the smallest of all, with no way to read one line without those before it."""

import io
import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from zstandard import ZstdCompressionParameters, ZstdCompressor, ZstdDecompressor

from benchmarks.call import Call, compact
from benchmarks.peers.protocol import Peer

WINDOW_LOG = 27  # what `zstd --long` means


def tight() -> ZstdCompressor:
    """`zstd -19 --long`."""
    return ZstdCompressor(compression_params=ZstdCompressionParameters.from_level(19, enable_ldm=True, window_log=WINDOW_LOG))


class ZstLog(Peer):
    """One frame for each line added alone; one frame in all once settled."""

    name: ClassVar[str] = ".jsonl.zst -19 --long"
    settling: ClassVar[str] = "one frame"
    reads: ClassVar[int] = 5

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.path = directory / "calls.jsonl.zst"
        self.file = self.path.open("ab", buffering=0)
        self.quick = ZstdCompressor(level=3)

    def add(self, prepared: Call) -> None:
        self.file.write(self.quick.compress(compact(prepared.record()) + b"\n"))
        os.fdatasync(self.file.fileno())

    def add_all(self, prepared: Sequence[Call]) -> None:
        self._write_frame(compact(call.record()) + b"\n" for call in prepared)

    def settle(self) -> None:
        lines = list(self._lines())
        self.file.truncate(0)
        self._write_frame(iter(lines))

    def read(self, call: Call) -> Any:
        for line in self._lines():
            record = json.loads(line)
            if record["turn"] == call.turn and record["conversation"] == call.conversation:
                return record
        raise KeyError(call.key)

    def log(self, count: int) -> int:
        newest = [json.loads(line) for line in deque(self._lines(), maxlen=count)]
        return len([(record["started"], record["output"]) for record in newest])

    def close(self) -> None:
        self.file.close()

    def _write_frame(self, lines: Iterator[bytes]) -> None:
        with tight().stream_writer(self.file, closefd=False) as frame:
            for line in lines:
                frame.write(line)
        os.fdatasync(self.file.fileno())

    def _lines(self) -> Iterator[bytes]:
        plain = ZstdDecompressor(max_window_size=1 << WINDOW_LOG).stream_reader(self.path.open("rb"), read_across_frames=True)
        with io.BufferedReader(plain) as lines:
            yield from lines
