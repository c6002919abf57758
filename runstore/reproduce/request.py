"""The request of a recorded call, as it was sent: method, URL, headers and body, byte for byte, without its credentials.

Pure but for reading the store.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from runstore.capture.codecs import codec_named
from runstore.capture.codecs.urls import read_url
from runstore.repo import Repo
from runstore.reproduce.credentials import Credential, credential_for
from runstore.reproduce.recorded import Recorded, blobs, no_envelope, sent_slots, slots_of


class Call(NamedTuple):
    """A request that can be sent. Headers have lower-case names and hold no credential; `api` is the codec's name."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    api: str


def request_of(repo: Repo, found: Recorded) -> Call:
    """Return the request of a recorded call. Raises Incomplete where no envelope was recorded."""
    if found.wire is None:
        raise no_envelope(found)
    return call_of(sent_slots(slots_of(found.run)), found.wire, blobs(repo.fetch))


def call_of(slots: Mapping[str, Any], wire: Mapping[str, Any], blob: Any = None) -> Call:
    """Return the request that slots and an envelope make. Raises InvalidInput where the two do not belong together."""
    codec = codec_named(wire)
    request = codec.rebuild_request(slots, wire, blob)
    origin = read_url(str(wire["url"])).origin
    return Call(request.method, origin + request.target, request.headers, request.body, codec.name)


def elsewhere(call: Call, base: str) -> Call:
    """Return a call with another service: `base` takes the place of the scheme, host and base path that stand before the API's own path.

    Raises InvalidInput for what is no URL.
    """
    from runstore.capture.codecs import codec_for

    codec = codec_for(call.url, call.method)
    old = read_url(call.url)
    read_url(base)
    located = getattr(codec, "locate", None)
    prefix = old.origin + (located(old.path).base if located is not None else "")
    return call._replace(url=base.rstrip("/") + call.url[len(prefix) :])


def as_http(call: Call) -> Iterator[str]:
    """Yield a call as lines of HTTP, the credential as a placeholder."""
    yield f"{call.method} {call.url}"
    for name, value in _headers(call).items():
        yield f"{name}: {value}"
    yield ""
    yield call.body.decode("utf-8", "backslashreplace")


def as_curl(call: Call) -> str:
    """Return a call as a command for curl; the shell puts the credential in."""
    parts = [f"curl --request {call.method} {shlex.quote(call.url)}"]
    for name, value in _headers(call).items():
        quoted = f'"{name}: {value}"' if value == _credential(call).placeholder else shlex.quote(f"{name}: {value}")
        parts.append(f"--header {quoted}")
    parts.append(f"--data-binary {_shell(call.body)}")
    return " \\\n  ".join(parts)


def as_python(call: Call) -> str:
    """Return a call as a program that needs nothing but Python's library."""
    credential = _credential(call)
    headers = [f"    {name!r}: {value!r}," for name, value in call.headers.items()]
    prefix = f"{credential.before!r} + " if credential.before else ""
    headers.append(f"    {credential.header!r}: {prefix}os.environ.get({credential.variable!r}, ''),")
    return "\n".join(
        [
            "import os",
            "import urllib.request",
            "",
            f"body = {call.body!r}",
            "headers = {",
            *headers,
            "}",
            f"request = urllib.request.Request({call.url!r}, data=body, headers=headers, method={call.method!r})",
            "with urllib.request.urlopen(request) as response:",
            "    print(response.read().decode())",
        ]
    )


def as_json(call: Call) -> dict[str, Any]:
    """Return a call as one JSON object. `body` is the text as sent, `json` the same read, null where it is none."""
    credential = _credential(call)
    text = call.body.decode("utf-8", "surrogateescape")
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    return {
        "method": call.method,
        "url": call.url,
        "headers": call.headers,
        "credential": {"header": credential.header, "value": credential.placeholder, "variable": credential.variable},
        "body": text.encode("utf-8", "replace").decode(),
        "json": parsed,
    }


def _credential(call: Call) -> Credential:
    return credential_for(call.url, call.api)


def _headers(call: Call) -> dict[str, str]:
    credential = _credential(call)
    return {**call.headers, credential.header: credential.placeholder}


def _shell(body: bytes) -> str:
    """Quote bytes for a shell; those that are no text by the escapes of `$'...'`."""
    try:
        return shlex.quote(body.decode("utf-8"))
    except UnicodeDecodeError:
        return "$'" + "".join(chr(byte) if 32 <= byte < 127 and byte not in (39, 92) else f"\\x{byte:02x}" for byte in body) + "'"
