"""Which recorded envelope a mixed composition is sent with, and what answers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from runstore.errors import InvalidInput
from runstore.model.jsontext import render_json
from runstore.model.trees import SlotState
from runstore.reproduce.asking import Asked, Asker, HttpAsker, Surroundings, asker_for
from runstore.reproduce.recorded import Recorded, no_envelope, sent_slots

T = TypeVar("T")
_SERVICE = ("api", "endpoint")


class Senders:
    """What answers compositions between some recorded ones: each goes out with the envelope of one that was sent to the same service.

    Where nothing is asked, envelopes are wanted only to write requests.
    """

    def __init__(self, sides: Sequence[Recorded], around: Surroundings, *, asks: bool) -> None:
        """Raises Incomplete if nobody recorded how any of them is sent, InvalidInput where a key is missing."""
        self._writers: list[tuple[tuple[Any, ...], HttpAsker]] = []
        self._askers: list[tuple[tuple[Any, ...], Asker]] = []
        for side in sides:
            service = _service(side.run["model"])
            if side.wire is not None:
                self._writers.append((service, HttpAsker(side.wire, around)))
                if asks:
                    self._askers.append((service, asker_for(side, around)))
        if asks and not self._askers:
            raise no_envelope(sides[0])

    def request(self, slots: Mapping[str, Any]) -> bytes:
        """Return the body of the request for a composition; its slots as JSON where no envelope is recorded.

        Raises InvalidInput for a composition that cannot be sent.
        """
        if not self._writers:
            plain = {name: None if isinstance(slot, SlotState) else slot for name, slot in sent_slots(slots).items()}
            return render_json(plain).encode("utf-8", "surrogatepass")
        return _of(self._writers, slots).call(slots).body

    def ask(self, slots: Mapping[str, Any]) -> Asked:
        """Ask for an answer. Raises InvalidInput for a composition that cannot be sent."""
        return _of(self._askers, slots).ask(slots)


def _service(model: Any) -> tuple[Any, ...]:
    return tuple(model.get(key) for key in _SERVICE) if isinstance(model, dict) else ()


def _of(choices: Sequence[tuple[tuple[Any, ...], T]], slots: Mapping[str, Any]) -> T:
    wanted = _service(slots.get("model"))
    found = next((choice for service, choice in choices if service == wanted), None)
    if found is None:
        raise InvalidInput("this composition mixes two services, and can be sent to neither", kind="bad-run")
    return found
