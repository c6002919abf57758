"""Which mode a test runs in. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from runstore.errors import InvalidInput
from runstore.reproduce.replay.replaying import MODES, OFF, REPLAY

_NO = frozenset(("", "0", "false", "no"))


def mode_of(option: str | None, marker: str | None, environ: Mapping[str, str], *, typed: bool) -> str:
    """Return the mode from the option, the test's marker and the environment. Raises InvalidInput for a marker's mode that is none.

    A marker that says `off` or `replay` holds: such a test does not take part, or has a recording made by hand. Else the option counts,
    else the marker. Where `CI` is set nothing is sent, unless the option was `typed`: written on the command line itself.
    """
    if marker is not None and marker not in MODES:
        raise InvalidInput(f"{marker!r} is no mode", hint=f"a mode is one of {', '.join(MODES)}", kind="bad-mode")
    if marker in (OFF, REPLAY):
        return marker
    if option is not None and (typed or not in_ci(environ)):
        return option
    mode = option or marker or REPLAY
    return REPLAY if in_ci(environ) and mode != OFF else mode


def in_ci(environ: Mapping[str, str]) -> bool:
    """True where a service for continuous integration says so."""
    return environ.get("CI", "").lower() not in _NO
