"""Import of cassettes of vcrpy, and of VCR for Ruby: YAML or JSON. A body that a serializer had parsed is written anew, and counts as such.

YAML needs PyYAML (`pip install 'runstore[capture]'`); JSON needs nothing.
Source: docs/spec/import/vcr.md; vcrpy's serializers (vcr/serializers, vcr/migration.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO

from runstore.capture.exchange import Exchange
from runstore.capture.importers.bodies import as_json, calls, decoded, from_base64, from_text, pairs
from runstore.capture.importers.entries import Entry
from runstore.capture.importers.files import json_of, whole
from runstore.errors import InvalidInput, NotFound
from runstore.runs.compose import microseconds

_PARSED = "parsed_body"


def read(name: str, stream: BinaryIO) -> Iterator[Entry]:
    """Yield the interactions of a cassette, in its order. Raises InvalidInput if it is none, NotFound if PyYAML is needed and not there."""
    data = whole(stream)
    held = json_of(data) if data.lstrip()[:1] == b"{" else _yaml(data)
    interactions = None
    if isinstance(held, dict):
        interactions = held.get("interactions", held.get("http_interactions"))
    if not isinstance(interactions, list):
        raise InvalidInput("no cassette: it has no `interactions`", kind="bad-cassette")
    yield from calls(name, "interactions", "interaction", interactions, _exchange)


def _yaml(data: bytes) -> Any:
    try:
        import yaml
    except ImportError:
        raise NotFound("cassettes in YAML need PyYAML", hint="pip install 'runstore[capture]'", kind="missing-extra") from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(data, Loader=loader)  # noqa: S506 - one of the two safe loaders
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"no YAML: {str(error).splitlines()[0]}", kind="bad-yaml") from error


def _exchange(interaction: dict[str, Any]) -> Exchange:
    request, response = interaction["request"], interaction["response"]
    headers = pairs(response.get("headers"))
    status = response["status"]
    code = status["code"] if isinstance(status, dict) else status
    if type(code) is not int:
        raise InvalidInput("the status is no integer", kind="bad-cassette")
    body, parsed = _body(request)
    answer, _ = _body(response)
    return Exchange(
        str(request["method"]).upper(),
        str(request.get("uri") or request["url"]),
        pairs(request.get("headers")),
        body,
        code,
        headers,
        decoded(answer, headers),
        ended=_recorded(interaction.get("recorded_at")),
        wire_exact=not parsed,
    )


def _body(side: dict[str, Any]) -> tuple[bytes, bool]:
    """Return a body, and whether the serializer had parsed it."""
    if side.get(_PARSED) is not None:
        return as_json(side[_PARSED]), True
    held = side.get("body", side.get("content"))
    if isinstance(held, dict):
        if "base64_string" in held:
            return from_base64(str(held["base64_string"])), False
        if "string" not in held:
            return as_json(held), True
        held = held["string"]
    if held is None:
        return b"", False
    if isinstance(held, bytes):
        return held, False
    return (from_text(held), False) if isinstance(held, str) else (as_json(held), True)


def _recorded(said: Any) -> int | None:
    """Return when Ruby's VCR wrote an interaction, after its response had come: an HTTP date."""
    if not isinstance(said, str):
        return None
    try:
        moment: datetime = parsedate_to_datetime(said)
    except ValueError:
        return None
    return microseconds("recorded_at", moment.isoformat())
