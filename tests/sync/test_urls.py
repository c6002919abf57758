"""URLs of remotes, and where remotes are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from runstore.errors import InvalidInput, NotFound, Unavailable
from runstore.store.directory import read_config
from runstore.sync.clone import directory_for
from runstore.sync.remotes import add_remote, find_remote, list_remotes, remove_remote, set_url, token_from
from runstore.sync.urls import Url, parse_url
from runstore.testing.machines import Machine


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/srv/runs", Url("path", "/srv/runs", "/srv/runs")),
        ("../runs", Url("path", "../runs", "../runs")),
        ("./a:b", Url("path", "./a:b", "./a:b")),
        ("file:///srv/runs", Url("path", "file:///srv/runs", "/srv/runs")),
        ("host:runs", Url("ssh", "host:runs", "runs", "host")),
        ("me@host:/srv/runs", Url("ssh", "me@host:/srv/runs", "/srv/runs", "me@host")),
        ("ssh://host/srv/runs", Url("ssh", "ssh://host/srv/runs", "/srv/runs", "host")),
        ("ssh://me@host:2222/srv", Url("ssh", "ssh://me@host:2222/srv", "/srv", "me@host", 2222)),
        ("https://host:8321/team", Url("http", "https://host:8321/team", "/team", "host:8321")),
        ("S3://bucket/prefix", Url("s3", "S3://bucket/prefix")),
    ],
)
def test_forms(text: str, expected: Url) -> None:
    """Each form of a URL is told from the others."""
    assert parse_url(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://host/x",
        "ssh://host",
        "ssh://host/",
        "ssh://-oProxyCommand=x/y",
        "-oProxyCommand=x:y",
        "https://",
        "https://me:secret@host/x",
        "a\nb",
        "file://host/x",
    ],
)
def test_what_is_no_url(text: str) -> None:
    """What has no known form, would be taken for an option of ssh, or holds a password is refused; the password is not repeated."""
    with pytest.raises(InvalidInput) as refused:
        parse_url(text)
    assert "secret" not in str(refused.value)


def test_remotes_are_kept_in_the_settings(tmp_path: Path) -> None:
    """Remotes are added, changed, listed and removed, and the rest of the settings stays."""
    directory = str(tmp_path / "store")
    Machine(1, tmp_path / "store").close()
    add_remote(directory, "origin", "ssh://host/srv", token_command="pass show runs")
    add_remote(directory, "zweite.kopie", "https://host/team")
    set_url(directory, "origin", "host:runs")
    assert [(entry.name, entry.url) for entry in list_remotes(directory)] == [
        ("origin", "host:runs"),
        ("zweite.kopie", "https://host/team"),
    ]
    found = find_remote(directory, "origin")
    assert found is not None
    assert found.token_command == "pass show runs"
    remove_remote(directory, "origin")
    assert list(read_config(directory).remotes) == ["zweite.kopie"]
    assert read_config(directory).format == 1


def test_mistakes_about_remotes(tmp_path: Path) -> None:
    """A name that is taken, bad or unknown, and a URL with a password, are errors and change nothing."""
    directory = str(tmp_path / "store")
    Machine(1, tmp_path / "store").close()
    add_remote(directory, "origin", "/srv/runs")
    for name, url in (("origin", "/x"), ("..", "/x"), ("a/b", "/x"), ("", "/x"), ("new", "https://me:secret@host/x")):
        with pytest.raises(InvalidInput):
            add_remote(directory, name, url)
    with pytest.raises(NotFound):
        set_url(directory, "none", "/x")
    with pytest.raises(NotFound):
        remove_remote(directory, "none")
    assert [entry.name for entry in list_remotes(directory)] == ["origin"]


def test_a_token_comes_from_a_command() -> None:
    """What a token command prints is the token; one that fails or prints nothing is an error."""
    assert token_from("echo secret") == "secret"
    for command in ("false", "true", "no-such-command-here", "'"):
        with pytest.raises(Unavailable):
            token_from(command)


def test_the_directory_of_a_clone() -> None:
    """A clone is named by the last part of the URL."""
    assert directory_for("ssh://host/srv/runs/") == "runs"
    assert directory_for("host:week.runs") == "week"
    assert directory_for("/home/me/project/.runstore") == "project"
    with pytest.raises(InvalidInput):
        directory_for("/")
