"""Local models by the digest of their weights."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

import runstore
from runstore import ABSENT, Run
from runstore.capture.local import local_model, weights
from runstore.errors import NotFound

CONTENT = b"weights" * 1000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of weights."""
    made = tmp_path / "small.gguf"
    made.write_bytes(CONTENT)
    return made


def test_a_file_has_the_digest_that_sha256sum_gives(file: Path) -> None:
    """Anybody can check the digest with stock tools."""
    assert weights(file) == "sha256:" + hashlib.sha256(CONTENT).hexdigest()


def test_a_file_that_changed_is_read_again(file: Path, tmp_path: Path) -> None:
    """Size and time of change say whether a remembered digest still holds; a cache serves other processes."""
    cache = tmp_path / "digests.json"
    first = weights(file, cache=cache)
    assert first in cache.read_text()
    file.write_bytes(CONTENT[::-1])
    os.utime(file, ns=(1, 1))
    assert weights(file, cache=cache) != first


def test_a_cache_is_believed(file: Path, tmp_path: Path) -> None:
    """A digest that is kept for this path, size and time is not computed."""
    cache = tmp_path / "digests.json"
    status = file.stat()
    cache.write_text(f'{{"{file.resolve()}\\n{status.st_size}\\n{status.st_mtime_ns}": "sha256:kept"}}')
    assert weights(file, cache=cache) == "sha256:kept"


def test_a_directory_has_the_digest_of_its_list(file: Path) -> None:
    """The lines of `sha256sum`, sorted by name, hashed."""
    (file.parent / "a.json").write_bytes(b"{}")
    lines = f"{hashlib.sha256(b'{}').hexdigest()}  a.json\n{hashlib.sha256(CONTENT).hexdigest()}  small.gguf\n"
    assert weights(file.parent) == "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    """A path that leads nowhere is named."""
    with pytest.raises(NotFound, match="no weights"):
        weights(tmp_path / "none")


def test_a_run_of_a_local_model_is_pinned(file: Path, tmp_path: Path) -> None:
    """What the slots say makes a run complete."""
    slots = local_model(file, engine="click", chat_template="{{ messages }}")
    run = Run(**slots, prompt="Be kind.", parameters={"seed": 1, "temperature": 0}, documents=ABSENT, tools=ABSENT, history=[])
    with runstore.open(tmp_path / "runs", create=True) as repo:
        repo.add(run, output="yes")
        verdict = repo.check("@")
    assert verdict.complete
    assert slots["runtime"]["engine_version"]
    assert slots["extra"] == {"chat_template": "{{ messages }}"}
