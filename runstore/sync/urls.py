"""URLs of remotes: what each form means. Pure.

A path or `file://`, `ssh://[user@]host[:port]/path` and `[user@]host:path`, `http(s)://host/name`, `s3://bucket/prefix`, and
`dir:///path` for the layout of a bucket in a plain directory. A URL never holds
a password or token: they would end up in settings, logs and process lists.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from runstore.errors import InvalidInput

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)\Z", re.DOTALL)
_SSH = re.compile(r"(?P<host>[^/:]+|[^/@]*@?\[[^/\]]+\])(?::(?P<port>[0-9]{1,5}))?(?P<path>/.*)\Z", re.DOTALL)
_SHORT = re.compile(r"(?P<host>[^/:]+):(?P<path>.+)\Z", re.DOTALL)
_HTTP_PATH = re.compile(r"[A-Za-z0-9._~/-]+\Z")
_PASSWORD = re.compile(r"[^/@]*:[^/@]*@")


class Url(NamedTuple):
    """Where a store is: a transport (`path`, `ssh`, `http`, `s3`, `dir`), and what it needs. `text` is the URL as given."""

    transport: str
    text: str
    path: str = ""
    host: str = ""
    port: int | None = None


def parse_url(text: str) -> Url:
    """Read a URL. Raises InvalidInput for one of no known form, or one that holds a password."""
    if not text or "\0" in text or "\n" in text:
        raise InvalidInput(f"{text!r} is no URL", hint=_FORMS, kind="bad-url")
    found = _SCHEME.match(text)
    if found is None:
        short = _SHORT.match(text)
        if short is not None:
            return Url("ssh", text, short["path"], _host(short["host"], text))
        return Url("path", text, text)
    scheme, rest = found[1].lower(), found[2]
    if _PASSWORD.match(rest):
        raise InvalidInput(
            f"the URL {scheme}://… holds a password", hint="set $RUNSTORE_TOKEN, or token_command in the remote's entry", kind="credentials"
        )
    if scheme == "file" and rest.startswith("/"):
        return Url("path", text, rest)
    if scheme == "dir" and rest.startswith("/"):
        return Url("dir", text, rest)
    if scheme == "ssh":
        parts = _SSH.match(rest)
        if parts is None or parts["path"] == "/":
            raise InvalidInput(f"{text} names no path", hint="ssh://host/path", kind="bad-url")
        port = None if parts["port"] is None else int(parts["port"])
        return Url("ssh", text, parts["path"], _host(parts["host"], text), port)
    if scheme in ("http", "https") and rest:
        return _http(text, rest)
    if scheme == "s3" and rest:
        return Url("s3", text)
    raise InvalidInput(f"{text} is no URL of a store", hint=_FORMS, kind="bad-url")


def is_bucket_url(text: str) -> bool:
    """True for a URL of a bucket that can be opened as a store."""
    return text.startswith(("s3://", "dir://"))


def _http(text: str, rest: str) -> Url:
    host, _, path = rest.partition("/")
    if "@" in host:
        raise InvalidInput(
            f"the URL {text.partition(':')[0]}://… names a user",
            hint="a token comes from $RUNSTORE_TOKEN, or from token_command in the remote's entry",
            kind="credentials",
        )
    if not host or not path.strip("/") or not _HTTP_PATH.match(path):
        raise InvalidInput(f"{text} names no store", hint="https://host/name", kind="bad-url")
    return Url("http", text, "/" + path.strip("/"), host)


def _host(host: str, text: str) -> str:
    # A host that begins with a dash would be taken for an option of ssh.
    if host.startswith("-") or not host.strip():
        raise InvalidInput(f"{text} names no host", hint=_FORMS, kind="bad-url")
    return host


_FORMS = "a URL is a path, ssh://host/path, host:path, https://host/name or s3://bucket/prefix"
