"""The directory of a store: how it is found and made, and what its settings say."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstore.errors import Damaged, InvalidInput, NoStore, Refused
from runstore.store import directory as place
from runstore.store.directory import Config


def test_the_nearest_store_upward(tmp_path: Path) -> None:
    """The store of the nearest directory above is found; a directory of that name without a store is passed over."""
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    (tmp_path / "a" / ".runstore").mkdir()
    assert place.discover(str(inner)) is None
    (tmp_path / ".runstore").mkdir()
    place.write_current(str(tmp_path / ".runstore"), "data-000001")
    assert place.discover(str(inner)) == str(tmp_path / ".runstore")
    place.write_current(str(tmp_path / "a" / ".runstore"), "data-000001")
    assert place.discover(str(inner)) == str(tmp_path / "a" / ".runstore")


def test_making_a_directory(tmp_path: Path) -> None:
    """A store's directory is private, says its format, and is hidden from git only where that is asked for."""
    shown, hidden = tmp_path / "new" / "shown", tmp_path / "hidden"
    place.make_directory(str(shown))
    place.make_directory(str(hidden), hide=True)
    assert stat.S_IMODE(shown.stat().st_mode) == 0o700
    assert sorted(path.name for path in shown.iterdir()) == ["runstore.toml"]
    assert (hidden / ".gitignore").read_text() == "*\n"
    assert tomllib.loads((shown / "runstore.toml").read_text()) == {"format": 1}


def test_where_no_store_can_be(tmp_path: Path) -> None:
    """A file, or a directory that holds other things, is refused and left alone."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    for name in ("file", "full"):
        with pytest.raises(InvalidInput):
            place.make_directory(str(tmp_path / name))
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]
    (tmp_path / "empty").mkdir()
    place.make_directory(str(tmp_path / "empty"))


def test_current(tmp_path: Path) -> None:
    """CURRENT names a data file; one that is missing means no store, one that says anything else is damage."""
    with pytest.raises(NoStore):
        place.read_current(str(tmp_path))
    place.write_current(str(tmp_path), "data-000042")
    assert place.read_current(str(tmp_path)) == "data-000042"
    for text in ("", "data-1", "../data-000001", "data-000001/x", "x" * 100, "data-000001\ndata-000002"):
        (tmp_path / "CURRENT").write_text(text)
        with pytest.raises(Damaged):
            place.read_current(str(tmp_path))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


urls = texts.map(lambda text: "https://host/" + text.replace("@", ""))
entries = st.builds(lambda url, more: {**more, "url": url}, urls, st.dictionaries(texts, texts, max_size=2))


@given(st.none() | texts, st.none() | texts, st.dictionaries(texts, entries, max_size=3))
def test_settings_are_read_as_written(
    tmp_path_factory: pytest.TempPathFactory, ref: str | None, actor: str | None, remotes: dict[str, dict[str, str]]
) -> None:
    """Whatever is written into the settings is read from them, and any TOML reader reads the same."""
    directory = str(tmp_path_factory.mktemp("store"))
    config = Config(1, ref, actor, remotes)
    place.write_config(directory, config)
    assert place.read_config(directory) == config
    data = tomllib.loads(place.render(config).decode())
    assert (data.get("default_ref"), data.get("actor"), data.get("remotes", {})) == (ref, actor, remotes)


def test_settings_that_are_missing_or_wrong(tmp_path: Path) -> None:
    """No settings are defaults; settings of another type, or no TOML, are refused with the file's name."""
    assert place.read_config(str(tmp_path)) == Config()
    for text in ("format = ", 'format = "1"', "actor = 3", "remotes = 4", "[remotes]\norigin = 4", "[remotes.origin]\nkey = 'x'", "\xff"):
        (tmp_path / "runstore.toml").write_bytes(text.encode("latin-1"))
        with pytest.raises(InvalidInput, match=r"runstore\.toml"):
            place.read_config(str(tmp_path))


def test_a_setting_that_stands_in_no_table_is_refused(tmp_path: Path) -> None:
    """A key of a table that stands above the table's header would do nothing, and be lost when the file is written again."""
    (tmp_path / "runstore.toml").write_text('redact = "mask"\n[capture]\n')
    with pytest.raises(InvalidInput, match="redact is no setting") as caught:
        place.read_config(str(tmp_path))
    assert "[capture]" in (caught.value.hint or "")


def test_the_table_of_replay_is_written_as_it_is_read(tmp_path: Path) -> None:
    """Lists and tables of texts come back; anything deeper is refused."""
    config = Config(replay={"normalise": ["date", 'a"b'], "patterns": {"ticket": r"T-\d+"}})
    place.write_config(str(tmp_path), config)
    assert place.read_config(str(tmp_path)) == config
    (tmp_path / "runstore.toml").write_text("[replay]\nnormalise = [[1]]\n")
    with pytest.raises(InvalidInput, match=r"replay\.normalise"):
        place.read_config(str(tmp_path))


def test_settings_hold_no_credentials(tmp_path: Path) -> None:
    """A remote with a password is refused when written and when read."""
    url = "https://me:secret@host/path"
    with pytest.raises(InvalidInput) as caught:
        place.write_config(str(tmp_path), Config(remotes={"origin": {"url": url}}))
    assert "secret" not in str(caught.value)
    (tmp_path / "runstore.toml").write_text(f'[remotes.origin]\nurl = "{url}"\n')
    with pytest.raises(InvalidInput):
        place.read_config(str(tmp_path))
    place.write_config(str(tmp_path), Config(remotes={"origin": {"url": "ssh://git@host/path"}, "other": {"url": "https://host/a:b@c"}}))


@pytest.mark.parametrize(
    ("text", "known"),
    [("format = 1", True), ("  format=1 # one", True), ("", True), ("format = 2", False), ("actor='x'\nformat = 10\n", False)],
)
def test_the_format_is_checked_without_reading_the_settings(tmp_path: Path, text: str, known: bool) -> None:
    """A store that says a later format is refused; one that says none is asked elsewhere."""
    (tmp_path / "runstore.toml").write_text(text)
    if known:
        place.check_format(str(tmp_path))
    else:
        with pytest.raises(Refused):
            place.check_format(str(tmp_path))


def test_a_small_file_is_replaced_whole(tmp_path: Path) -> None:
    """A file that cannot be put in place leaves the old one and nothing else."""
    target = tmp_path / "CURRENT"
    place.write_file(str(target), b"old")
    place.write_file(str(target), b"new")
    assert target.read_bytes() == b"new"
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        place.write_file(str(tmp_path / "taken"), b"x")
    assert sorted(os.listdir(tmp_path)) == ["CURRENT", "taken"]


def test_network_file_systems(tmp_path: Path) -> None:
    """The mount table tells by the device whether a directory is on a network; no table, or another device, tells nothing."""
    device = tmp_path.stat().st_dev
    here = f"{os.major(device)}:{os.minor(device)}"
    table = tmp_path / "mountinfo"
    for kind, expected in (("ext4", None), ("nfs4", "nfs4"), ("fuse.sshfs", "fuse.sshfs")):
        table.write_text(f"20 1 0:999 / /x rw - nfs4 a:/b rw\n21 1 {here} / /y rw,noatime shared:1 master:2 - {kind} source rw\n")
        assert place.network_file_system(str(tmp_path), str(table)) == expected
    table.write_text("nonsense\n")
    assert place.network_file_system(str(tmp_path), str(table)) is None
    assert place.network_file_system(str(tmp_path), str(tmp_path / "missing")) is None
