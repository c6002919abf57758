"""Tokens: who may call a server. Kept in a file of TOML that holds hashes and grants, never a token.

    [ana]
    hash = "sha256:…"                            printf %s "$TOKEN" | sha256sum
    may = ["append team", "read archive"]
    expires = 2027-01-01                         optional; not valid from that day (UTC) on

`[anyone]` has no hash: what stands there may be done without a token. A token is 32 random bytes, so its hash can be neither
guessed nor turned round, and needs no salt.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
import tomllib
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from runstore.errors import InvalidInput, NoStore, NotFound, Unavailable
from runstore.serve.grants import Grant, Granted, parse_grant
from runstore.store.directory import write_file

ANYONE = "anyone"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_HASH = re.compile(r"sha256:[0-9a-f]{64}\Z")
_HEAD = "# Who may call `runstore serve`: hashes of tokens, and what each may do. `runstore token` writes here; so may you.\n"
_SECRET_BYTES = 32


class Token(NamedTuple):
    """A token as the server knows it. `expires` is the first day (UTC) on which it is not valid any more."""

    name: str
    digest: bytes | None
    grants: tuple[Grant, ...]
    expires: date | None = None

    def rights(self, store: str) -> Granted:
        """Return what may be done in a store."""
        return Granted(self.grants, store)


class Tokens:
    """The tokens of one file, as they stood when it was read."""

    def __init__(self, tokens: Iterable[Token] = ()) -> None:
        self.all = list(tokens)
        self.anyone = next((token for token in self.all if token.name == ANYONE), None)

    def find(self, secret: str | None, *, now: int) -> Token | None:
        """Return the token with this secret, or what anyone may do if there is no secret; None if the caller may do nothing.

        `now` is microseconds since 1970 UTC. Every hash is compared, each in constant time.
        """
        if secret is None:
            return self.anyone
        digest = digest_of(secret)
        found: Token | None = None
        for token in self.all:
            if token.digest is not None and hmac.compare_digest(token.digest, digest):
                found = token
        if found is not None and found.expires is not None and datetime.fromtimestamp(now / 1_000_000, UTC).date() >= found.expires:
            return None
        return found


def new_secret(random: bytes) -> str:
    """Return a token made of 32 random bytes."""
    assert len(random) == _SECRET_BYTES
    return "rst_" + urlsafe_b64encode(random).decode("ascii").rstrip("=")


def digest_of(secret: str) -> bytes:
    """Return the hash under which a token is kept."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def read_tokens(path: str) -> Tokens:
    """Read a file of tokens. Raises NoStore if there is none, InvalidInput for one that cannot be trusted or read."""
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = tomllib.load(file)
    except FileNotFoundError:
        hint = f'`runstore token add NAME --file {path} --may "append STORE"` makes one'
        raise NoStore(f"there is no file of tokens at {path}", hint=hint, kind="no-tokens") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: {error}", hint="mend the file; it is TOML", kind="bad-tokens") from error
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise InvalidInput(f"{path} can be written by others, who could let themselves in", hint=f"chmod go-w {path}", kind="bad-tokens")
    return Tokens(_token(path, name, entry) for name, entry in data.items())


def _token(path: str, name: str, entry: Any) -> Token:
    def wrong(fact: str) -> InvalidInput:
        return InvalidInput(f"{path}: [{name}] {fact}", hint="docs/how-to/team-server.md shows the form", kind="bad-tokens")

    if not _NAME.match(name) or not isinstance(entry, dict):
        raise wrong("is no table with the name of a token")
    stated, may, expires = entry.get("hash"), entry.get("may"), entry.get("expires")
    unknown = entry.keys() - {"hash", "may", "expires"}
    if unknown:
        raise wrong(f"has {sorted(unknown)[0]}, which means nothing")
    if (name == ANYONE) != (stated is None):
        raise wrong("needs a hash" if stated is None else "has a hash, and stands for everybody")
    if stated is not None and not (isinstance(stated, str) and _HASH.match(stated)):
        raise wrong("has a hash that is not sha256: and 64 lower-case hex digits")
    if not isinstance(may, list) or not all(isinstance(text, str) for text in may):
        raise wrong("needs may, a list of grants")
    if expires is not None and type(expires) is not date:
        raise wrong("expires on what is no date")
    try:
        grants = tuple(parse_grant(text) for text in may)
    except InvalidInput as error:
        raise wrong(str(error)) from error
    return Token(name, None if stated is None else bytes.fromhex(stated.partition(":")[2]), grants, expires)


class TokenFile:
    """A file of tokens that is read again when it changes, so that a token can be given or taken without a restart."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stamp = self._look()
        self._tokens = read_tokens(path)

    def current(self) -> Tokens:
        """Return the tokens as the file has them now. Raises what `read_tokens` raises: then nobody has a right."""
        stamp = self._look()
        if stamp != self._stamp:
            self._tokens = read_tokens(self._path)
            self._stamp = stamp
        return self._tokens

    def _look(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._path)
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode


def add_token(path: str, name: str, secret: str, grants: Iterable[Grant], *, expires: date | None = None) -> Token:
    """Add a token to a file, which is made where there is none. Raises InvalidInput for a name that is bad or taken."""
    if not _NAME.match(name) or name == ANYONE:
        raise InvalidInput(f"{name[:80]!r} cannot name a token", hint="a name is letters, digits, _ and -", kind="bad-name")
    text = _read_text(path)
    if text and any(token.name == name for token in read_tokens(path).all):
        hint = f"name another, or `runstore token remove {name}` first"
        raise InvalidInput(f"there is a token {name} in {path} already", hint=hint, kind="name-taken")
    token = Token(name, digest_of(secret), tuple(grants), expires)
    lines = [
        "",
        f"[{name}]",
        f'hash = "sha256:{digest_of(secret).hex()}"',
        f"may = [{', '.join(f'{chr(34)}{one}{chr(34)}' for one in token.grants)}]",
    ]
    if expires is not None:
        lines.append(f"expires = {expires.isoformat()}")
    _write_text(path, (text or _HEAD).rstrip("\n") + "\n" + "\n".join(lines) + "\n")
    return token


def remove_token(path: str, name: str) -> None:
    """Take a token out of a file; it is refused from the next call on. Raises NotFound."""
    if all(token.name != name for token in read_tokens(path).all):
        raise NotFound(f"there is no token {name} in {path}", hint="`runstore token list` lists them")
    kept: list[str] = []
    inside = False
    for line in _read_text(path).splitlines():
        if line.lstrip().startswith("["):
            inside = line.partition("#")[0].strip() in (f"[{name}]", f'["{name}"]')
        if not inside:
            kept.append(line)
    _write_text(path, "\n".join(kept).rstrip("\n") + "\n")
    if any(token.name == name for token in read_tokens(path).all):
        raise InvalidInput(
            f"{path}: [{name}] is written in a way that this command cannot take out", hint="edit the file", kind="bad-tokens"
        )


def _read_text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error


def _write_text(path: str, text: str) -> None:
    try:
        write_file(os.path.abspath(path), text.encode())
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from error
