"""Import of batches: the input file of a batch of OpenAI's API, and of those that took its form, and its output and error files.

Requests and answers are joined by `custom_id`, whichever file comes first. The host is not in the files: OpenAI's unless one is named.
Source: docs/spec/import/openai-batch.md; OpenAI, "Batch API".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import urljoin

from runstore.capture.exchange import Exchange
from runstore.capture.importers import naming
from runstore.capture.importers.bodies import as_json
from runstore.capture.importers.entries import Bad, Call, Entry
from runstore.capture.importers.files import stem
from runstore.errors import InvalidInput
from runstore.store.lines import lines

ENDPOINT = "https://api.openai.com"
_JSON = (("content-type", "application/json"),)


class Reader:
    """The lines of all files of one import: requests by `custom_id`, and answers."""

    def __init__(self, endpoint: str | None = None) -> None:
        self._endpoint = endpoint or ENDPOINT
        self._requests: dict[str, tuple[str, str, dict[str, Any]]] = {}
        self._answers: dict[str, tuple[str, dict[str, Any]]] = {}

    def read(self, name: str, stream: BinaryIO) -> Iterator[Entry]:
        """Take a file in; yield its bad lines. The calls come with `rest`."""
        for number, line in enumerate(lines(stream), 1):
            if line.strip():
                try:
                    self._take(f"{name}, line {number}", stem(name), json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                    yield Bad(f"line {number}", "neither a request (`custom_id`, `url`, `body`) nor an answer (`custom_id`, `response`)")

    def rest(self) -> Iterator[Entry]:
        """Yield the calls in the order of their requests, and name the answers that have none."""
        for identity in self._requests:
            yield self._call(identity)
        for place, found in self._answers.values():
            yield Bad(place, f"no file has the request {str(found['custom_id'])[:80]!r}")

    def _take(self, place: str, file: str, found: dict[str, Any]) -> None:
        identity = found["custom_id"]
        if isinstance(found.get("body"), dict):
            self._requests[identity] = (place, file, found)
        elif "response" in found or "error" in found:
            self._answers[identity] = (place, found)
        else:
            raise KeyError("body")

    def _call(self, identity: str) -> Entry:
        place, file, asked = self._requests[identity]
        _, answer = self._answers.pop(identity, ("", {}))
        try:
            return _call(place, file, asked, answer, self._endpoint)
        except (InvalidInput, KeyError, TypeError, AttributeError) as error:
            return Bad(place, str(error) if isinstance(error, InvalidInput) else "no request with `url` and `body`")


def _call(place: str, file: str, asked: dict[str, Any], answer: dict[str, Any], endpoint: str) -> Call:
    response, failure = answer.get("response") or {}, answer.get("error")
    body = response.get("body")
    status = response.get("status_code")
    url = asked["url"]
    exchange = Exchange(
        str(asked.get("method") or "POST"),
        url if "://" in url else urljoin(endpoint.rstrip("/") + "/", url.lstrip("/")),
        _JSON,
        as_json(asked["body"]),
        status if type(status) is int else None,
        (*_JSON, *((("x-request-id", response["request_id"]),) if isinstance(response.get("request_id"), str) else ())),
        b"" if body is None else as_json(body),
        complete=body is not None,
        error=None if failure is None else str(failure.get("message") or failure.get("code")),
        wire_exact=False,
    )
    # Not by the answer's id: the request is the same before it has one.
    name = naming.nonce_of(asked["custom_id"], exchange.url, exchange.request_body.hex())
    return Call(place, (file,), name, exchange, {"custom_id": asked["custom_id"]})


reader = Reader
"""Makes a reader for one import. `endpoint` is where relative URLs lead."""
