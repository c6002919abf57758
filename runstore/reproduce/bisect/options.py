"""How a bisect is made, and what its two forms share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from runstore.errors import InvalidInput
from runstore.reproduce.asking import Surroundings
from runstore.reproduce.bisect.narrowing import SKIP
from runstore.reproduce.bisect.sampling import Plan
from runstore.reproduce.bisect.trials import Step
from runstore.reproduce.recorded import Recorded, slots_of

Progress = Callable[[Step], None]


class Options(NamedTuple):
    """How a bisect is made.

    `plan` says how many answers judge a composition. With `ask` answers are asked for; without, the judge does that himself. `fresh`:
    answers that are in the store are not taken. `most` is how many compositions may be judged. `label` names the judge: bisects of the
    same two runs with the same label are one, and go on where the last was interrupted.
    """

    plan: Plan = Plan()
    ask: bool = True
    fresh: bool = False
    most: int | None = None
    label: str = ""
    progress: Progress = lambda step: None


def asked_for(side: Recorded, options: Options) -> dict[str, Any]:
    """Return the slots that can be mixed: what surrounded a call counts only for who asks by himself."""
    left = ("runtime", "environment") if options.ask else ("runtime",)
    return slots_of(side.run, [name for name in side.run.slots if name not in left])


def expect(wanted: str, found: str, name: str) -> None:
    """Raise InvalidInput unless a side is judged as it was called."""
    if found != wanted:
        told = "cannot be judged" if found == SKIP else f"is judged {found}"
        raise InvalidInput(
            f"{name} {told}, and is to be {wanted}",
            hint="the command exits with 0 for good, 1 for bad, 125 for neither",
            kind=f"not-{wanted}",
        )


def how(around: Surroundings, options: Options) -> str:
    """Return how a bisect is made, as text: two of the same runs and with the same text are one."""
    return json.dumps([options.label, *options.plan, options.ask, options.fresh, around.against])


def digest(*parts: str) -> str:
    """Return a name made of texts."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]
