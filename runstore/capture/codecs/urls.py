"""What of a URL and of headers is kept: lists of what is allowed, so that no credential is ever stored.

A header or query key that is on no list is dropped. Those that choose a version of the API belong to the composition and go to the run's
`model`; the others lie in the wire envelope. Source: docs/spec/wire/README.md, "URL and headers".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from runstore.errors import InvalidInput

Headers = Mapping[str, str] | Iterable[tuple[str, str]]

VERSION_HEADERS = frozenset((
    "anthropic-version", "anthropic-beta", "openai-beta",
    "x-amzn-bedrock-guardrailidentifier", "x-amzn-bedrock-guardrailversion", "x-amzn-bedrock-performanceconfig-latency",
))  # fmt: skip
"""Request headers that act on what runs: they go to the run's `model` under their own names."""

REQUEST_HEADERS = frozenset((
    "accept", "content-type", "user-agent", "x-title", "x-goog-api-client",
    "x-stainless-lang", "x-stainless-package-version", "x-stainless-os", "x-stainless-arch", "x-stainless-runtime",
    "x-stainless-runtime-version", "x-stainless-async", "x-stainless-helper-method", "x-stainless-stream-helper",
    "x-fern-language", "x-fern-sdk-name", "x-fern-sdk-version",
    "x-amzn-bedrock-accept", "x-amzn-bedrock-trace", "x-amzn-bedrock-service-tier", "x-client-name",
))  # fmt: skip
"""Request headers kept in the wire envelope: what does not differ from call to call, and names no account."""

RESPONSE_HEADERS = re.compile(
    r"(?:content-type|date|retry-after|server-timing|(?:x-)?request-id|x-amzn-requestid|apim-request-id|inference-id|mistral-correlation-id|cf-ray"
    r"|openai-(?:processing-ms|version|model)|x-envoy-upstream-service-time|x-amzn-bedrock-[a-z-]+|x-ms-(?:region|deployment-name)"
    r"|x-gemini-service-tier|x-groq-region|azureml-model-session|(?:x|anthropic)-ratelimit-[a-z-]+)\Z"
)
"""Response headers kept in the execution's `response`: ids, timing, rate limits."""

VERSION_QUERY = frozenset(("api-version", "beta"))
"""Query keys that act on what runs: they go to the run's `model` under their own names."""

WIRE_QUERY = frozenset(("alt", "$alt", "%24alt", "prettyPrint"))
"""Query keys kept in the wire envelope: the form of the answer."""

_LOOPBACK = re.compile(r"(?:localhost|.*\.localhost|127(?:\.\d+){3}|::1|0\.0\.0\.0)\Z")
_PORTS = {"http": 80, "https": 443}


class Target(NamedTuple):
    """A URL, read: what is kept of it, whom it names, and its path.

    `kept` is the URL without user information, fragment and the query keys on no list; `origin` scheme, host and non-default port;
    `loopback` True for a host that is this machine; `versions` the query keys that go to the model.
    """

    kept: str
    origin: str
    path: str
    loopback: bool
    versions: dict[str, str]


@lru_cache(maxsize=1024)
def read_url(url: str) -> Target:
    """Read a URL. Raises InvalidInput for what is none."""
    try:
        parts: SplitResult = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise InvalidInput(f"{url[:120]!r} is no URL: {error}", kind="bad-url") from error
    if parts.scheme not in _PORTS or not host:
        raise InvalidInput(
            f"{url.partition('?')[0][:120]!r} is no URL of a service",
            hint="for example https://api.openai.com/v1/chat/completions",
            kind="bad-url",
        )
    name = f"[{host}]" if ":" in host else host
    origin = f"{parts.scheme}://{name}" + (f":{port}" if port not in (None, _PORTS[parts.scheme]) else "")
    pairs = [pair for pair in parts.query.split("&") if pair]
    kept = [pair for pair in pairs if pair.partition("=")[0] in WIRE_QUERY | VERSION_QUERY]
    kept_url = origin + parts.path + ("?" + "&".join(kept) if kept else "")
    return Target(kept_url, origin, parts.path, bool(_LOOPBACK.match(host)), _versions(pairs))


def _versions(pairs: Iterable[str]) -> dict[str, str]:
    """Return the keys that go to the model. One that comes again stands in the value of the first: no value of a query has a `&`."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        if key in VERSION_QUERY:
            found[key] = f"{found[key]}&{pair}" if key in found else value
    return found


def read_headers(headers: Headers) -> tuple[dict[str, str], dict[str, str]]:
    """Return (headers for the wire envelope, headers for the model), names in lower case, in the order given. Others are dropped."""
    wire: dict[str, str] = {}
    model: dict[str, str] = {}
    for name, value in _pairs(headers):
        lower = name.lower()
        if lower in VERSION_HEADERS:
            model[lower] = f"{model[lower]},{value}" if lower in model else value
        elif lower in REQUEST_HEADERS:
            wire[lower] = value
    return wire, model


def read_response_headers(headers: Headers) -> dict[str, str]:
    """Return the response headers that are kept, names in lower case."""
    return {lower: value for name, value in _pairs(headers) if RESPONSE_HEADERS.match(lower := name.lower())}


def media_type(headers: Headers) -> str:
    """Return the type that a `content-type` header states, in lower case and without parameters; empty if none does."""
    return next((value.partition(";")[0].strip().lower() for name, value in _pairs(headers) if name.lower() == "content-type"), "")


def _pairs(headers: Headers) -> Iterable[tuple[str, Any]]:
    return headers.items() if isinstance(headers, Mapping) else headers
