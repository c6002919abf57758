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
        """Raises Incomplete if nobody recorded how any of them is sent."""
        self._around = around
        self._writers: list[tuple[tuple[Any, ...], HttpAsker]] = []
        self._sides: list[tuple[tuple[Any, ...], Recorded]] = []
        self._askers: dict[int, Asker] = {}
        for side in sides:
            service = _service(side.run["model"])
            if side.wire is not None:
                self._writers.append((service, HttpAsker(side.wire, around)))
                self._sides.append((service, side))
        if asks and not self._sides:
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
        """Ask. Raises InvalidInput for a composition that cannot be sent, and, of kind `no-credential`, where a key is missing."""
        side = _of(self._sides, slots)
        if id(side) not in self._askers:  # only now is a key wanted: a bisect whose trials are all recorded needs none
            self._askers[id(side)] = asker_for(side, self._around)
        return self._askers[id(side)].ask(slots)


def _service(model: Any) -> tuple[Any, ...]:
    return tuple(model.get(key) for key in _SERVICE) if isinstance(model, dict) else ()


def _of(choices: Sequence[tuple[tuple[Any, ...], T]], slots: Mapping[str, Any]) -> T:
    wanted = _service(slots.get("model"))
    found = next((choice for service, choice in choices if service == wanted), None)
    if found is None:
        raise InvalidInput("this composition mixes two services, and can be sent to neither", kind="bad-run")
    return found
