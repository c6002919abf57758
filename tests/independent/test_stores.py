"""A reader written from the specification of stores finds in them what this program put there."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import runstore
from runstore.repo import Repo
from tests.fixtures import make_store
from tests.independent import identity, stores

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures" / "stores").glob("format-*"))


def agree(repo: Repo, directory: Path) -> stores.Held:
    """Both readers see the same objects, and executions in the same order; the ids that a run's parts give lead to its parts."""
    copy = directory.with_name("copy")  # the engine opens a file once in a process
    shutil.copytree(directory, copy)
    held = stores.read(copy)
    shutil.rmtree(copy)
    assert stores.dump(held) == sorted(make_store.dumped(repo), key=lambda each: str(each["id"]))
    with repo.read() as reader:
        assert {one.id: address for one, address in held.addresses.items()} == {item.id: address for address, item in reader.objects()}
    for one, body in held.objects.items():
        if one.kind == identity.TREE and identity.check_tree(body).keys() >= set(identity.CORE):
            identity.check_run(body, held.objects.__getitem__)
    return held


@pytest.mark.parametrize("made", FIXTURES, ids=lambda made: made.name)
def test_kept_stores(made: Path, tmp_path: Path) -> None:
    """The stores of earlier versions read the same, before and after they are written to, joined, packed and collected."""
    shutil.copytree(made / "store", tmp_path / "store")
    with runstore.open(tmp_path / "store", actor="reader", clock=make_store.Clock(make_store.START + 400 * make_store.HOUR)) as repo:
        agree(repo, tmp_path / "store")
        for number in range(80):
            repo.add(make_store.every_slot(), output=str(number), ref="more")
        agree(repo, tmp_path / "store")
        repo.pack()
        repo.delete_ref("more")
        repo.expire_reflog(make_store.START + 500 * make_store.HOUR)
        before = len(agree(repo, tmp_path / "store").objects)
        repo.gc(grace_days=0)
        assert len(agree(repo, tmp_path / "store").objects) < before


def test_a_store_with_everything_in_it(tmp_path: Path) -> None:
    """Large bodies, long lists, blobs and many small transactions lie where the specification says."""
    chance = random.Random(7)
    with runstore.open(tmp_path / "s", create=True, actor="a") as repo:
        history = [{"role": "user", "content": f"{number} {chance.random()}"} for number in range(300)]
        for turn in range(1, 300, 7):
            repo.add({"model": {"name": "m"}, "history": history[:turn]}, output=[history[turn]])
        repo.add({"documents": [chance.randbytes(40_000), "x" * 70_000]}, output=chance.randbytes(20_000))
        held = agree(repo, tmp_path / "s")
        assert {address >> 36 for address in held.addresses.values()} == {0, 1, 2}
        repo.tag("v1", "main")
        repo.pack()
        agree(repo, tmp_path / "s")


def test_it_is_independent(tmp_path: Path) -> None:
    """The reader runs as a program of its own that loads nothing of runstore."""
    with runstore.open(tmp_path / "s", create=True) as repo:
        repo.add({"prompt": "x" * 500})
    program = "import sys, runpy; sys.argv = ['', sys.argv[1]]; runpy.run_module('tests.independent.stores', run_name='__main__'); "
    program += "sys.exit(any(name.partition('.')[0] == 'runstore' for name in sys.modules))"
    printed = subprocess.run([sys.executable, "-c", program, str(tmp_path / "s")], capture_output=True, text=True, check=True).stdout
    assert len(printed.splitlines()) == 3
