"""The journal: frames that survive, files that rotate, bounds, forks and full disks."""

from __future__ import annotations

import gc
import os
import resource
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstore.capture.journal.frames import BEGUN, CALL, MAGIC, Entry, check_magic, entries, frame, is_damaged
from runstore.capture.journal.writer import Full, Journal
from runstore.errors import Refused

ENTRIES = st.builds(
    Entry,
    st.sampled_from([BEGUN, CALL]),
    st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=20), max_size=4),
    st.binary(max_size=60),
    st.binary(max_size=60),
)


def call(number: int, size: int = 10) -> Entry:
    """An entry that can be told from others."""
    return Entry(CALL, {"id": str(number)}, b"x" * size, b"")


def read(directory: Path) -> list[str]:
    """The ids of all entries in a store's journal, file by file."""
    found = []
    for path in sorted((directory / "journal").glob("*.journal")):
        data = path.read_bytes()
        found += [entry.head["id"] for _, entry in entries(data, check_magic(data, path.name)) if entry is not None]
    return found


@given(st.lists(ENTRIES, max_size=5), st.data())
def test_frames_come_back_as_far_as_they_are_whole(told: list[Entry], data: st.DataObject) -> None:
    """Whatever the file is cut at, every whole entry before it is read, and a cut is no damage."""
    frames = [frame(entry) for entry in told]
    whole = MAGIC + b"".join(frames)
    cut = data.draw(st.integers(len(MAGIC), len(whole)))
    got = list(entries(whole[:cut], len(MAGIC)))
    count = sum(len(MAGIC + b"".join(frames[: at + 1])) <= cut for at in range(len(frames)))
    assert [entry for _, entry in got] == told[:count]
    assert not is_damaged(whole[:cut], got[-1][0] if got else len(MAGIC))


def test_a_changed_byte_ends_the_reading() -> None:
    """A frame whose checksum is another is not believed, and is told from one that was cut."""
    data = MAGIC + frame(call(1)) + frame(call(2))
    changed = data[:-1] + bytes([data[-1] ^ 1])
    got = list(entries(changed, len(MAGIC)))
    assert len(got) == 1
    assert is_damaged(changed, got[-1][0])


def test_another_version_is_refused() -> None:
    """A file of a later version is left to a later program."""
    with pytest.raises(Refused, match="no journal of version 1"):
        check_magic(b"runstore journal 2\n", "file")


def test_a_file_that_has_grown_is_left(tmp_path: Path) -> None:
    """Entries go on in another file, and all are there."""
    journal = Journal(str(tmp_path), rotate_bytes=500)
    for number in range(10):
        journal.append(call(number, 200))
    assert len(list((tmp_path / "journal").iterdir())) > 3
    assert read(tmp_path) == [str(number) for number in range(10)]


def test_the_end_of_a_call_goes_where_it_began(tmp_path: Path) -> None:
    """A file stays locked until what was begun in it has ended, in the same file."""
    journal = Journal(str(tmp_path), rotate_bytes=300)
    ticket = journal.begin(Entry(BEGUN, {"id": "a"}, b"", b""))
    first = next((tmp_path / "journal").iterdir())
    journal.append(call(1, 400))
    journal.end(ticket, call(2))
    data = first.read_bytes()
    assert [entry.head["id"] for _, entry in entries(data, len(MAGIC)) if entry] == ["a", "2"]


def test_the_journal_is_bounded(tmp_path: Path) -> None:
    """What would be more than the bound is refused, and there is room again once files are drained."""
    journal = Journal(str(tmp_path), most_bytes=2000, rotate_bytes=500)
    for number in range(6):
        journal.append(call(number, 200))
    with pytest.raises(Full, match="may hold 2000"):
        journal.append(call(6, 700))
    for path in list((tmp_path / "journal").iterdir()):
        path.unlink()
    journal.close()
    journal.append(call(99))
    assert read(tmp_path) == ["99"]


def test_threads_write_whole_frames(tmp_path: Path) -> None:
    """Sixteen threads, and every entry is there once."""
    journal = Journal(str(tmp_path), rotate_bytes=20_000)

    def write(thread: int) -> None:
        for number in range(50):
            journal.append(call(thread * 100 + number, 100))

    threads = [threading.Thread(target=write, args=(at,)) for at in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, read(tmp_path))) == sorted(at * 100 + number for at in range(16) for number in range(50))


def test_a_forked_child_has_a_file_of_its_own(tmp_path: Path) -> None:
    """Parent and child go on writing, each to its own file."""
    journal = Journal(str(tmp_path))
    journal.append(call(1))
    pid = os.fork()
    if not pid:
        journal.append(call(2))
        os._exit(0)
    os.waitpid(pid, 0)
    journal.append(call(3))
    assert len(list((tmp_path / "journal").iterdir())) == 2
    assert sorted(read(tmp_path)) == ["1", "2", "3"]


class Ends:
    """Appends when it is collected, as a stream that nobody closed does."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.me = self  # only the collector finds it

    def __del__(self) -> None:
        self._journal.append(call(7))


def test_garbage_may_be_collected_in_the_midst_of_writing(tmp_path: Path) -> None:
    """An entry that comes while another is written waits for it, and neither is lost."""
    journal = Journal(str(tmp_path))

    journal.append(call(1))
    with journal._lock:
        journal._holder = threading.get_ident()
        Ends(journal)
        gc.collect()
        journal._holder = 0
    journal.append(call(2))
    assert read(tmp_path) == ["1", "2", "7"]


_FILLS = """
import resource, sys
from runstore.capture.journal.frames import CALL, Entry
from runstore.capture.journal.writer import Journal
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
journal = Journal(sys.argv[1])
kept = []
for number in range(20):
    try:
        journal.append(Entry(CALL, {"id": str(number)}, b"x" * (700 if number < 15 else 10), b""))
        kept.append(str(number))
    except OSError:
        pass
print(*kept)
"""


def test_a_full_disk_leaves_whole_frames(tmp_path: Path) -> None:
    """What the disk did not take is told, what it took is whole, and smaller entries still fit."""
    assert resource.RLIMIT_FSIZE >= 0
    done = subprocess.run([sys.executable, "-c", _FILLS, str(tmp_path)], capture_output=True, text=True, check=True)
    kept = done.stdout.split()
    assert 0 < len(kept) < 20
    assert read(tmp_path) == kept


def test_a_journal_that_was_removed_is_begun_again(tmp_path: Path) -> None:
    """Who removes a store while a program records into it loses what was there, and nothing of what comes after."""
    journal = Journal(str(tmp_path))
    journal.append(call(1))
    ticket = journal.begin(Entry(BEGUN, {"id": "a"}, b"", b""))
    shutil.rmtree(tmp_path / "journal")
    journal.append(call(2))
    shutil.rmtree(tmp_path / "journal")
    journal.end(ticket, call(3))
    journal.append(call(4))
    assert read(tmp_path) == ["3", "4"]
    journal.close()
    assert ticket.file.fd < 0
