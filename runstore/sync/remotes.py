"""Remotes: names for URLs, kept in `runstore.toml`. No credentials: a token comes from the environment or from a command."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterable
from typing import NamedTuple

from runstore.errors import InvalidInput, NotFound, Unavailable
from runstore.store.directory import Config, read_config, write_config
from runstore.sync.urls import parse_url

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}\Z")
_PATIENCE = 60


class RemoteEntry(NamedTuple):
    """A remote as it stands in the settings: its name, its URL, the command that prints a token, and what fetches from it leave out."""

    name: str
    url: str
    token_command: str | None = None
    without: tuple[str, ...] = ()


def list_remotes(directory: str) -> list[RemoteEntry]:
    """Return the remotes of a store, by name."""
    remotes = read_config(directory).remotes
    return [
        RemoteEntry(name, entry["url"], entry.get("token_command"), tuple(entry.get("without", "").split()))
        for name, entry in sorted(remotes.items())
    ]


def find_remote(directory: str, name: str) -> RemoteEntry | None:
    """Return a remote by name, or None."""
    return next((entry for entry in list_remotes(directory) if entry.name == name), None)


def add_remote(directory: str, name: str, url: str, *, token_command: str | None = None, without: Iterable[str] = ()) -> RemoteEntry:
    """Add a remote. Raises InvalidInput for a bad name, one that is taken, or a bad URL."""
    if not _NAME.match(name) or ".." in name:
        raise InvalidInput(
            f"{name[:80]!r} cannot name a remote",
            hint="a name is letters, digits, _ . - and begins with one of the first three",
            kind="bad-name",
        )
    config = read_config(directory)
    if name in config.remotes:
        raise InvalidInput(f"there is a remote {name} already", hint="`runstore remote set-url` changes where it leads", kind="name-taken")
    url = _lasting(url)
    left_out = tuple(sorted(without))
    entry = {"url": url, "token_command": token_command, "without": " ".join(left_out)}
    _write(directory, config, name, {key: value for key, value in entry.items() if value})
    return RemoteEntry(name, url, token_command, left_out)


def set_url(directory: str, name: str, url: str) -> None:
    """Change where a remote leads. Raises NotFound, InvalidInput."""
    config = read_config(directory)
    _write(directory, config, name, {**_existing(config, name), "url": _lasting(url)})


def remove_remote(directory: str, name: str) -> None:
    """Forget a remote; the refs that followed it stay. Raises NotFound."""
    config = read_config(directory)
    _existing(config, name)
    write_config(directory, config._replace(remotes={key: entry for key, entry in config.remotes.items() if key != name}))


def token_from(command: str) -> str:
    """Return what a token command prints, without the line's end. Raises Unavailable if it fails."""
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, timeout=_PATIENCE, check=True)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise Unavailable(f"the token command failed: {error}", hint="run it by hand", kind="no-token") from error
    token = done.stdout.decode("utf-8", "replace").strip()
    if not token:
        raise Unavailable("the token command printed nothing", hint="run it by hand", kind="no-token")
    return token


def _write(directory: str, config: Config, name: str, entry: dict[str, str]) -> None:
    write_config(directory, config._replace(remotes={**config.remotes, name: entry}))


def _lasting(url: str) -> str:
    """Return a URL that means the same wherever it is read: a path from the root. Raises InvalidInput."""
    parsed = parse_url(url)
    return os.path.abspath(os.path.expanduser(parsed.path)) if parsed.transport == "path" else url


def _existing(config: Config, name: str) -> dict[str, str]:
    found = config.remotes.get(name)
    if found is None:
        raise NotFound(f"there is no remote {name}", hint="`runstore remote list` lists them, `runstore remote add` makes one")
    return found
