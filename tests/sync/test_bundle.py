"""Bundles: the same runs give the same bytes, a bundle is read where it lies, and what is damaged is refused."""

from __future__ import annotations

import io
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runstore import refs
from runstore.errors import Damaged, InvalidInput, NotFound, Refused, Unavailable
from runstore.maintenance.pack import pack
from runstore.model.executions import decode_execution
from runstore.model.ids import Link
from runstore.query.log import Filter, log
from runstore.repo import TABLES, Repo
from runstore.runs import lookup
from runstore.sync import local
from runstore.sync.bundle import _render, is_bundle, open_header, read_header, write_bundle
from runstore.sync.bundlestore import BundleStore
from runstore.sync.channel import LocalChannel
from runstore.sync.connect import Connect
from runstore.sync.endpoint import Endpoint
from runstore.sync.messages import Message
from runstore.sync.unbundle import verify_bundle
from runstore.sync.urls import Url
from runstore.testing.machines import Machine


@pytest.fixture
def machine() -> Machine:
    """A machine with two conversations, a long text, an image and a tag."""
    made = Machine(1)
    made.talk(12)
    made.talk(5, "other")
    made.say("other", text="long " * 10_000)
    made.repo.add({"model": {"name": "m"}}, output=bytes(range(256)) * 100)
    made.repo.tag("v1", "main", message="first")
    return made


def written(machine: Machine, path: Path, names: dict[str, Link] | None = None, after: tuple[Link, ...] = ()) -> Path:
    """Write a bundle of all refs, or of those given."""
    with machine.store.read() as reader, path.open("wb") as file:
        write_bundle(reader, file, names or machine.refs(), after)
    return path


def over(path: Path) -> Connect:
    """Return what opens a channel to a bundle."""
    return local.connector(Url("path", str(path), str(path)), Machine(9).access())


def test_the_same_runs_give_the_same_bytes(machine: Machine, tmp_path: Path) -> None:
    """However a store came to hold the runs, packed or pushed in another order, the bundle is the same."""
    first = written(machine, tmp_path / "first.runs").read_bytes()
    other = Machine(2, tmp_path / "other")
    other.fetch(over(tmp_path / "first.runs"))
    names = machine.refs()
    assert written(other, tmp_path / "second.runs", names).read_bytes() == first
    pack(other.store)
    assert written(other, tmp_path / "third.runs", names).read_bytes() == first


def test_a_bundle_is_read_without_a_store(machine: Machine, tmp_path: Path) -> None:
    """Log, runs and values come out of the file as they come out of the store."""
    path = written(machine, tmp_path / "all.runs")
    with BundleStore(str(path), TABLES) as bundle:
        repo = Repo(bundle, actor="reader")
        for name in ("main", "other"):
            entries = [entry.link for entry in log(bundle, [name], Filter(), now=machine.now())]
            assert entries == [entry.link for entry in log(machine.store, [name], Filter(), now=machine.now())]
        shown, expected = repo.show("main~1"), machine.repo.show("main~1")
        assert (shown.id, shown.prompt, list(shown.history)) == (expected.id, expected.prompt, list(expected.history))
        with bundle.read() as reader, machine.store.read() as whole:
            assert {ref.name: ref.target for ref in refs.each(reader)} == machine.refs()
            assert {obj.id for _, obj in reader.objects()} == machine.ids()
            some = next(obj for _, obj in whole.objects() if obj.kind == 2)
            assert {obj.id for obj in lookup.referrers(reader, some.id)} == {obj.id for obj in lookup.referrers(whole, some.id)}
            assert reader.starting(some.id.hex()[:6])[0].id == some.id
            assert [reader.at(address) for address, _ in reader.objects()] == [obj for _, obj in reader.objects()]
        with pytest.raises(Unavailable):
            repo.add({"model": {"name": "m"}})


def test_clone_and_pull_from_a_bundle(machine: Machine, tmp_path: Path) -> None:
    """A bundle is a remote that is only read."""
    path = written(machine, tmp_path / "all.runs")
    other = Machine(2)
    other.fetch(over(path))
    assert other.ids() == machine.ids()
    assert other.ref("tags/v1") == machine.ref("tags/v1")
    other.repo.set_ref("main", "remotes/origin/main")
    other.say()
    with pytest.raises(Refused) as refused:
        other.push(over(path))
    assert refused.value.kind == "forbidden"


def test_a_bundle_after_something_holds_what_is_new(machine: Machine, tmp_path: Path) -> None:
    """What prerequisites lead to is left out, and nothing else is; who has them can take it in, others are told what lacks."""
    base = machine.repo_ref("main")
    other = Machine(2)
    other.fetch(over(written(machine, tmp_path / "all.runs")))
    before = machine.ids()
    machine.talk(3)
    path = written(machine, tmp_path / "new.runs", {"heads/main": machine.repo_ref("main")}, (base,))
    with BundleStore(str(path), TABLES) as bundle, bundle.read() as reader:
        assert {obj.id for _, obj in reader.objects()} == machine.ids() - before
    assert open_header(str(path)).prerequisites == (base,)
    with BundleStore(str(path), TABLES) as bundle, bundle.read() as reader, pytest.raises(NotFound) as missing:
        reader.get(base.id)
    assert missing.value.hint == "it builds on others: take it into a store that has them"
    verify_bundle(str(path), other.store, tables=TABLES)
    other.fetch(over(path))
    assert other.ids() == machine.ids()
    with pytest.raises(Refused, match=base.hex):
        verify_bundle(str(path), None, tables=TABLES)
    for stranger in (Machine(3), Machine(4)):
        with pytest.raises(Refused, match=f"builds on execution:{base.hex}, which is not here"):
            stranger.fetch(over(path))
        assert stranger.ids() == set()
        stranger.say()


def test_what_a_sender_has_lost_is_not_promised(machine: Machine, tmp_path: Path) -> None:
    """A file that lacks something, and does not say that it builds on it, is refused, and promises nothing."""
    with machine.store.read() as reader:
        below = decode_execution(reader.get(machine.repo_ref("main").id).body).parents[0]
    path = written(machine, tmp_path / "new.runs", {"heads/main": machine.repo_ref("main")}, (below,))
    header, start = read_header(io.BytesIO(path.read_bytes()))
    lying = tmp_path / "lying.runs"
    lying.write_bytes(_render(header._replace(prerequisites=())) + path.read_bytes()[start:])
    stranger = Machine(3)
    with pytest.raises(Refused, match="is neither in the transfer nor here"):
        stranger.fetch(over(lying))
    assert stranger.ids() == set()


@pytest.mark.parametrize("needs", ["x", ["x"], [3], [None]])
def test_what_a_peer_says_it_needs_is_read_with_care(machine: Machine, needs: Any) -> None:
    """A hello whose needs are no ids is refused."""
    endpoint = Endpoint(machine.store, now=machine.now, actor="peer")

    def forged(messages: Iterable[Message]) -> Iterator[Message]:
        for message in endpoint.answer(messages):
            yield message._replace(fields={**message.fields, "needs": needs}) if message.name == "hello" else message

    with pytest.raises(Refused, match="what is needed"):
        Machine(2).fetch(lambda: LocalChannel(forged))


def test_verify_finds_nothing_wrong_with_a_good_bundle(machine: Machine, tmp_path: Path) -> None:
    """A whole bundle is checked without a store, and its objects are counted."""
    path = written(machine, tmp_path / "all.runs")
    assert verify_bundle(str(path), None, tables=TABLES).objects == len(machine.ids())
    assert is_bundle(str(path))


def test_a_flipped_bit_anywhere_is_found(machine: Machine, tmp_path: Path) -> None:
    """Whatever bit is flipped, checking refuses the bundle, and reading gives the right objects or an error."""
    path = written(machine, tmp_path / "all.runs")
    good = path.read_bytes()
    chosen = random.Random(3)
    whole = machine.ids()
    for place in sorted(chosen.randrange(len(good)) for _ in range(60)):
        bad = bytearray(good)
        bad[place] ^= 1 << chosen.randrange(8)
        path.write_bytes(bad)
        with pytest.raises(Refused):
            verify_bundle(str(path), None, tables=TABLES)
        try:
            with BundleStore(str(path), TABLES) as bundle, bundle.read() as reader:
                for key in whole:
                    try:
                        assert reader.get(key).id == key
                    except (Damaged, NotFound, Refused):
                        continue
        except (Refused, Damaged):
            continue


def test_a_bundle_that_is_cut_short_is_refused(machine: Machine, tmp_path: Path) -> None:
    """A file that ends anywhere before its end is no bundle."""
    path = written(machine, tmp_path / "all.runs")
    good = path.read_bytes()
    chosen = random.Random(4)
    for size in [0, 1, 5, 8, 47, 48, 100, len(good) - 1, *(chosen.randrange(len(good)) for _ in range(40))]:
        path.write_bytes(good[:size])
        with pytest.raises(Refused):
            BundleStore(str(path), TABLES)


def test_another_version_is_refused(machine: Machine, tmp_path: Path) -> None:
    """A bundle or a pack of a later version says so."""
    path = written(machine, tmp_path / "all.runs")
    good = path.read_bytes()
    at = good.index(b"RSPACK")
    for place in (6, at + 6):
        path.write_bytes(good[:place] + b"\x02" + good[place + 1 :])
        with pytest.raises(Refused) as refused:
            verify_bundle(str(path), None, tables=TABLES)
        assert refused.value.kind == "version"


def test_what_no_bundle_can_be_made_of(machine: Machine) -> None:
    """A bundle needs refs, targets that are here, and prerequisites that are executions."""
    main = machine.repo_ref("main")
    with machine.store.read() as reader:
        with pytest.raises(InvalidInput):
            write_bundle(reader, io.BytesIO(), {})
        with pytest.raises(NotFound):
            write_bundle(reader, io.BytesIO(), {"heads/x": main._replace(id=bytes(32))})
        value = next(obj for _, obj in reader.objects() if obj.kind == 2)
        with pytest.raises(InvalidInput):
            write_bundle(reader, io.BytesIO(), {"heads/x": main}, (value.link,))
