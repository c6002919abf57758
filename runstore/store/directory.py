"""The directory that a store is: its settings, which data file is in force, and how one is found and made.

    runstore.toml    format, default ref, actor, remotes; written by people and by us; never credentials
    CURRENT          the name of the data file in force, replaced atomically
    data-000001      the data file, and beside it the engine's lock file
    lock             locked by whoever writes
    quarantine/      what is being received from elsewhere, and interrupted uploads for an hour

The directory is made with mode 0700 before anything is put into it, files with 0600. Nothing here reads the environment.
Source: docs/spec/store.md, "The directory".
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any

from runstore.errors import Damaged, InvalidInput, NoStore, Refused, Unavailable
from runstore.tuples import NamedTuple

FORMAT = 1
DEFAULT_NAME = ".runstore"
SETTINGS, CURRENT, LOCK = "runstore.toml", "CURRENT", "lock"
DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
_BARE_KEY = r"[A-Za-z0-9_-]+\Z"
_CREDENTIALS = r"^[A-Za-z][A-Za-z0-9+.-]*://[^/@]*:[^/@]*@"
_NETWORK = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "beegfs")
)


class NetworkFileSystem(UserWarning):
    """The store lies on a network file system, where memory maps and locks are not what the engine needs."""


class Config(NamedTuple):
    """What `runstore.toml` says. `capture` and `replay` are tables: texts, lists of texts, numbers, true and false, and tables of texts."""

    format: int = FORMAT
    default_ref: str | None = None
    actor: str | None = None
    remotes: dict[str, dict[str, str]] = {}  # noqa: RUF012 - never changed in place; a new Config is made instead
    capture: dict[str, Any] = {}  # noqa: RUF012 - the same
    replay: dict[str, Any] = {}  # noqa: RUF012 - the same


def data_name(generation: int) -> str:
    """Return the name of the data file of a generation, counted from 0."""
    return f"data-{generation + 1:06d}"


def is_data_name(name: str) -> bool:
    """True if a file of this name can be a data file."""
    digits = name.removeprefix("data-")
    return 6 <= len(digits) <= 9 and name == f"data-{digits}" and digits.isascii() and digits.isdigit()


def is_store(directory: str) -> bool:
    """True if a store was made in the directory.

    Raises Damaged for one that lost its CURRENT, so that nothing is made over what it holds, and Unavailable for a directory that may
    not be looked into.
    """
    current = os.path.join(directory, CURRENT)
    if os.path.isfile(current):
        return True
    if os.path.isdir(directory):
        if not os.access(directory, os.X_OK):
            raise Unavailable(f"{directory} may not be read", hint="check the permissions of the store's directory", kind="no-permission")
        lost = _written_files(directory)
        # Looked at again: another process may have made the store, and written to it, since the first look.
        if lost and not os.path.isfile(current):
            found = f"{directory} holds {lost[-1]} and no CURRENT, which names the data file in force"
            raise Damaged(found, hint=f"bring CURRENT back from a copy, or put `{lost[-1]}` into it", kind="no-current")
        return bool(lost)
    return False


def _written_files(directory: str) -> list[str]:
    """Return the names of data files that hold more than their making left. No store has any without CURRENT."""
    try:
        files = sorted(filter(is_data_name, os.listdir(directory)))
    except OSError:
        return []  # it may be entered and not be listed
    if not files:
        return []
    from runstore.store.lmdb.header import was_written  # hardly ever needed, and every command comes by here

    return [name for name in files if was_written(os.path.join(directory, name))]


def discover(start: str) -> str | None:
    """Return the nearest `.runstore` in `start` or a directory above it, or None."""
    place = os.path.abspath(start)
    while True:
        candidate = os.path.join(place, DEFAULT_NAME)
        if is_store(candidate):
            return candidate
        parent = os.path.dirname(place)
        if parent == place:
            return None
        place = parent


def make_directory(directory: str, *, hide: bool = False) -> None:
    """Make the directory of a store, and what stands above it, unless it is there. `hide` puts a `.gitignore` of `*` into it.

    Raises InvalidInput if a file stands there or the directory holds other things, Unavailable if the system says no.
    """
    try:
        os.makedirs(os.path.dirname(os.path.abspath(directory)), exist_ok=True)
        try:
            os.mkdir(directory, DIRECTORY_MODE)
        except FileExistsError:
            _check_room(directory)
        if hide:
            write_file(os.path.join(directory, ".gitignore"), b"*\n")
        if not os.path.exists(os.path.join(directory, SETTINGS)):
            write_file(os.path.join(directory, SETTINGS), render(Config()))
    except OSError as error:
        raise Unavailable(f"cannot make a store in {directory}: {error.strerror}", hint="name another directory") from error


def _check_room(directory: str) -> None:
    if not os.path.isdir(directory):
        raise InvalidInput(f"{directory} is a file", hint="name a directory", kind="not-a-directory")
    ours = {SETTINGS, CURRENT, LOCK, ".gitignore"}
    others = [name for name in os.listdir(directory) if name not in ours and not name.startswith(("data-", ".tmp-", "journal"))]
    if others and not is_store(directory):
        raise InvalidInput(
            f"{directory} is not empty: it holds {sorted(others)[0]}", hint="name an empty or a new directory", kind="not-empty"
        )


def write_file(path: str, data: bytes) -> None:
    """Put a small file in place atomically: whoever opens it sees the old bytes or the new, also after a crash."""
    directory = os.path.dirname(path)
    temporary = os.path.join(directory, f".tmp-{os.path.basename(path)}-{os.getpid()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_directory(directory)


def sync_directory(directory: str) -> None:
    """Make the names in a directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_current(directory: str) -> str:
    """Return the name of the data file in force. Raises NoStore or Damaged."""
    try:
        with open(os.path.join(directory, CURRENT), "rb") as file:
            text = file.read(64).decode("ascii", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        raise NoStore(f"there is no store in {directory}", hint="`runstore init` makes one") from None
    except OSError as error:
        raise Unavailable(f"cannot read {directory}: {error.strerror}", hint="check the permissions of the store's directory") from error
    if not is_data_name(text):
        raise Damaged(
            f"{os.path.join(directory, CURRENT)} names no data file",
            hint="it holds the name of the newest data file there, like data-000001",
        )
    return text


def write_current(directory: str, name: str) -> None:
    """Put a data file in force, atomically and durably."""
    write_file(os.path.join(directory, CURRENT), name.encode("ascii") + b"\n")


def leftovers(directory: str, current: str) -> list[str]:
    """Return the paths of data files, and of their lock files, that are not the current one's, and of temporary files of dead processes."""
    kept = os.path.basename(current)
    found = []
    for name in os.listdir(directory):
        data = name.removesuffix("-lock")
        if (is_data_name(data) and data != kept) or (name.startswith(".tmp-") and not _is_running(name.rpartition("-")[2])):
            found.append(os.path.join(directory, name))
    return found


def _is_running(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def check_format(directory: str) -> None:
    """Raise Refused if the settings say a format that this program does not know. A missing file or line says nothing."""
    try:
        with open(os.path.join(directory, SETTINGS), "rb") as file:
            lines = file.read(1 << 20).splitlines()
    except OSError:
        return
    for line in lines:  # reading TOML costs milliseconds at start-up
        key, equals, value = line.partition(b"#")[0].partition(b"=")
        if equals and key.strip() == b"format" and value.strip().isdigit() and int(value) != FORMAT:
            found = f"{directory} has store format {int(value)}, and this program reads {FORMAT}"
            raise Refused(found, hint="use a newer runstore", kind="newer-format")


def read_config(directory: str) -> Config:
    """Return what `runstore.toml` says; defaults where it says nothing. Raises InvalidInput if it is not valid."""
    import tomllib  # costs milliseconds at start-up, and most commands need no settings

    path = os.path.join(directory, SETTINGS)
    try:
        with open(path, "rb") as file:
            data = tomllib.load(file)
    except FileNotFoundError:
        return Config()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: {error}", hint="mend the file; it is TOML", kind="bad-settings") from error
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error
    return _checked(data, path)


_KEYS = {"format": int, "default_ref": str, "actor": str, "remotes": dict, "capture": dict, "replay": dict}


def _checked(data: dict[str, Any], path: str) -> Config:
    for key, value in data.items():
        if key not in _KEYS:  # taken in silence, a misplaced setting would do nothing, and be lost when the file is written
            hint = f"its keys are {', '.join(_KEYS)}; a key of a table stands below the table's header, as under [capture]"
            raise InvalidInput(f"{path}: {key} is no setting", hint=hint, kind="bad-settings")
        if type(value) is not _KEYS[key]:
            raise InvalidInput(f"{path}: {key} is no {_KEYS[key].__name__}", kind="bad-settings")
    remotes = data.get("remotes", {})
    for name, entry in remotes.items():
        if not isinstance(entry, dict) or "url" not in entry or not all(isinstance(value, str) for value in entry.values()):
            raise InvalidInput(f"{path}: the remote {name} is no table of strings with a url", kind="bad-settings")
        _refuse_credentials(name, entry["url"])
    capture, replay = data.get("capture", {}), data.get("replay", {})
    for table, entries in (("capture", capture), ("replay", replay)):
        for key, value in entries.items():
            if not _is_plain(value):
                fact = f"{path}: {table}.{key} is no text, number, true, false, list of texts or table of texts"
                raise InvalidInput(fact, kind="bad-settings")
    return Config(data.get("format", FORMAT), data.get("default_ref"), data.get("actor"), remotes, capture, replay)


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict | list):
        return all(isinstance(item, str) for item in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, str | int | float | bool)


def _refuse_credentials(name: str, url: str) -> None:
    if re.match(_CREDENTIALS, url):
        raise InvalidInput(
            f"the remote {name} holds a password", hint="settings hold no credentials; remove it from the URL", kind="credentials"
        )


def write_config(directory: str, config: Config) -> None:
    """Replace `runstore.toml`. Raises InvalidInput for a remote that holds a password, Unavailable if the system says no."""
    for name, entry in config.remotes.items():
        _refuse_credentials(name, entry["url"])
    try:
        write_file(os.path.join(directory, SETTINGS), render(config))
    except OSError as error:
        raise Unavailable(f"cannot write {os.path.join(directory, SETTINGS)}: {error.strerror}") from error


def render(config: Config) -> bytes:
    """Return the text of `runstore.toml`."""
    lines = [f"format = {config.format}"]
    lines += [
        f"{key} = {_quoted(value)}" for key, value in (("default_ref", config.default_ref), ("actor", config.actor)) if value is not None
    ]
    for name, entry in sorted(config.remotes.items()):
        lines += ["", f"[remotes.{_key(name)}]", *(f"{_key(key)} = {_quoted(value)}" for key, value in sorted(entry.items()))]
    lines += _table("capture", config.capture) + _table("replay", config.replay)
    return ("\n".join(lines) + "\n").encode("utf-8")


def _table(title: str, entries: dict[str, Any]) -> list[str]:
    tables = {key: value for key, value in entries.items() if isinstance(value, dict)}
    lines = (
        ["", f"[{title}]", *(f"{_key(key)} = {_written(value)}" for key, value in entries.items() if key not in tables)] if entries else []
    )
    for name, entry in tables.items():
        lines += ["", f"[{title}.{_key(name)}]", *(f"{_key(key)} = {_quoted(value)}" for key, value in entry.items())]
    return lines


def _written(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_quoted, value)) + "]"
    return _quoted(value) if isinstance(value, str) else str(value).lower()


def _key(name: str) -> str:
    return name if re.match(_BARE_KEY, name) else _quoted(name)


def _quoted(text: str) -> str:
    escaped = "".join(f"\\u{ord(c):04x}" if c < " " or c == "\x7f" else "\\" + c if c in '"\\' else c for c in text)
    return f'"{escaped}"'


def network_file_system(directory: str, mounts: str = "/proc/self/mountinfo") -> str | None:
    """Return the type of the network file system that holds the directory, or None. Where the system does not tell, None."""
    status = os.stat(directory)
    device = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    try:
        with open(mounts, encoding="utf-8", errors="replace") as file:
            for line in file:
                fields = line.split()
                if len(fields) > 6 and fields[2] == device:
                    kind = fields[fields.index("-", 6) + 1]
                    return kind if kind in _NETWORK else None
    except (OSError, ValueError, IndexError):
        return None
    return None
