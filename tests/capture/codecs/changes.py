"""Changes of a request's body: any value, anywhere in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any

from runstore import Run
from runstore.capture.codecs import Codec
from runstore.capture.codecs.places import DELIVERY

Place = tuple[str | int, ...]


def parsed(body: bytes) -> Any:
    """Return what a body says; None for one that is no JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def spots(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of each value within a value, and of itself."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from spots(item, (*place, key))
    yield place


def changed(value: Any, place: Place, random: Random) -> Any:
    """Return a copy that differs at a place."""
    if not place:
        return _other(copy.deepcopy(value), random)
    made = copy.copy(value)
    made[place[0]] = changed(value[place[0]], place[1:], random)
    return made


def without_delivery(body: Any) -> Any:
    """Return a body without the fields that steer delivery alone."""
    return {key: item for key, item in body.items() if key not in DELIVERY} if isinstance(body, dict) else body


def request_id(codec: Codec, exchange: dict[str, Any], body: Any) -> bytes:
    """Return the request id of an exchange that has another body."""
    decoded = codec.decode_request(exchange["url"], exchange["request_headers"], json.dumps(body).encode())
    found: bytes = Run(**decoded.slots).request_id
    return found


def _other(value: Any, random: Random) -> Any:
    if isinstance(value, dict):
        if value and random.random() < 0.5:
            value.pop(random.choice(list(value)))
        else:
            value["zz"] = None
        return value
    if isinstance(value, list):
        if value and random.random() < 0.5:
            value.pop(random.randrange(len(value)))
        else:
            value.insert(random.randint(0, len(value)), random.choice([None, "x", 0]))
        return value
    if isinstance(value, bool) or value is None:
        return random.choice([0, "", [], not value])
    if isinstance(value, str):
        return random.choice([value + " ", value[:-1] if value else "x", None, [value]])
    return random.choice([value + 1, str(value), None])
