"""Changing one thing in a composition: `parameters.temperature=0`, `prompt=…`, `history/0.content=…`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from runstore.errors import InvalidInput, NotFound
from runstore.model.slots import LIST_SLOTS, SETTINGS_SLOTS
from runstore.model.trees import SlotState
from runstore.query.paths import parse_path, render_path, step_into

_FIXED = frozenset(("runtime", "environment"))


class Setting(NamedTuple):
    """One change: where, and the value that is to stand there; `remove` says that nothing is to."""

    path: tuple[str, ...]
    value: Any = None
    remove: bool = False

    @property
    def text(self) -> str:
        """The change as people read it."""
        from runstore.query.content import as_json

        where = render_path(self.path)
        return f"without {where}" if self.remove else f"{where}={as_json(self.value)}"

    def checked(self) -> Setting:
        """Return this change. Raises InvalidInput for one of what is not asked for."""
        if self.path[0] in _FIXED:
            raise InvalidInput(f"{self.path[0]} is not asked for: it says what answered, or where", kind="bad-setting")
        return self


def parse_setting(text: str) -> Setting:
    """Read `PATH=VALUE`; the value is JSON if it parses, else a text. Raises InvalidInput."""
    from runstore.model.jsontext import parse_json

    path, equals, value = text.partition("=")
    if not equals:
        raise InvalidInput(
            f"{text[:80]!r} changes nothing", hint="write PATH=VALUE, for example parameters.temperature=0", kind="bad-setting"
        )
    try:
        return Setting(parse_path(path), parse_json(value)).checked()
    except InvalidInput as error:
        if error.kind in ("bad-path", "bad-setting"):
            raise
        return Setting(parse_path(path), value).checked()


def parse_removal(text: str) -> Setting:
    """Read a path to what is to be left out. Raises InvalidInput."""
    return Setting(parse_path(text), remove=True).checked()


def changed(slots: Mapping[str, Any], settings: Sequence[Setting]) -> dict[str, Any]:
    """Return slots with these changes made; nothing is changed in place. Raises InvalidInput or NotFound where a path leads nowhere."""
    made = dict(slots)
    for setting in settings:
        name, *rest = setting.path
        if name not in made and not rest and setting.remove:
            raise NotFound(f"the run has no slot {name!r}", hint=f"it has {', '.join(made)}")
        made[name] = _slot(name, made.get(name, SlotState.ABSENT), rest, setting)
        if name not in SETTINGS_SLOTS and name not in LIST_SLOTS and name != "prompt" and made[name] is SlotState.ABSENT:
            del made[name]  # a further slot that holds nothing is not stated
    return made


def _slot(name: str, old: Any, rest: list[str], setting: Setting) -> Any:
    if not rest:
        return SlotState.ABSENT if setting.remove or setting.value is None else _whole(old, setting.value)
    if isinstance(old, SlotState):
        if setting.remove:
            raise NotFound(f"the slot {name} is {old.value}, and {render_path(setting.path)} is nowhere in it")
        if name not in SETTINGS_SLOTS and name != "extra":
            raise InvalidInput(f"the slot {name} is {old.value}", hint=f"set it whole: {name}=…", kind="bad-setting")
        old = {}
    return _inside(old, rest, setting)


def _whole(old: Any, value: Any) -> Any:
    """Return the value for a slot; a text for instructions that are one message becomes that message's text."""
    if isinstance(value, str) and isinstance(old, list) and len(old) == 1 and isinstance(old[0], dict):
        for key in ("content", "text"):
            if isinstance(old[0].get(key), str):
                return [{**old[0], key: value}]
    return value


def _inside(old: Any, steps: list[str], setting: Setting) -> Any:
    step, *rest = steps
    if isinstance(old, dict):
        if not rest:
            kept = {key: item for key, item in old.items() if key != step or not setting.remove}
            if setting.remove and step not in old:
                step_into(old, step)  # raises, and says what there is
            return kept if setting.remove else {**kept, step: setting.value}
        return {**old, step: _inside(old.get(step, {}) if not setting.remove else step_into(old, step), rest, setting)}
    step_into(old, step)  # raises for what has no parts, or not that one
    at = int(step) % len(old)
    if not rest:
        return [*old[:at], *([] if setting.remove else [setting.value]), *old[at + 1 :]]
    return [*old[:at], _inside(old[at], rest, setting), *old[at + 1 :]]
