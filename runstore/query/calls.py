"""Tool calls inside messages, in the shapes of the common APIs, and how those of two messages differ. Pure.

Nothing here is part of identity: a shape that is not known has no calls, and is compared as the content that it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from runstore.errors import InvalidInput
from runstore.query.content import as_json
from runstore.query.textdiff import KeyChange, diff_keys, exactly_same

_ITEMS = frozenset(("tool_use", "function_call", "server_tool_use", "custom_tool_call"))
_INSIDE = ("functionCall", "function_call", "toolUse", "tool_use")


class Call(NamedTuple):
    """A tool call: the tool's name, and its arguments, as data where they are JSON."""

    name: str
    arguments: Any

    @property
    def text(self) -> str:
        """The call as people write it: `name(arguments)`."""
        return f"{self.name}({self.arguments if isinstance(self.arguments, str) else as_json(self.arguments)})"


class CallChange(NamedTuple):
    """A call of one tool whose arguments differ, with the keys that do."""

    name: str
    keys: tuple[KeyChange, ...]


class CallsDiff(NamedTuple):
    """How the tool calls of two messages differ, by name: of several with one name, the first with the first.

    `added` and `removed` are calls as text. `reordered`: the calls that both hold stand in another order.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[CallChange, ...]
    reordered: bool


def calls_of(message: Any) -> list[Call]:
    """Return the tool calls of a message, in order; none of what is no message."""
    return [call for _, call in _split(message)[1]]


def calls_in(output: Any) -> list[Call]:
    """Return the tool calls of an output: one message, or a list of them."""
    messages = output if isinstance(output, list) else [output]
    return [call for message in messages for call in calls_of(message)]


def without_calls(message: Any) -> Any:
    """Return a message without its tool calls; what has none as it is."""
    return _split(message)[0]


def diff_calls(old: Any, new: Any) -> CallsDiff | None:
    """Return how the tool calls of two messages differ; None where they are the same."""
    before, after = _named(calls_of(old)), _named(calls_of(new))
    if list(before) == list(after) and all(exactly_same(before[key].arguments, after[key].arguments) for key in before):
        return None
    both = [key for key in before if key in after]
    return CallsDiff(
        tuple(after[key].text for key in after if key not in before),
        tuple(before[key].text for key in before if key not in after),
        tuple(
            CallChange(key[0], diff_keys(before[key].arguments, after[key].arguments))
            for key in both
            if not exactly_same(before[key].arguments, after[key].arguments)
        ),
        both != [key for key in after if key in before],
    )


def _named(calls: list[Call]) -> dict[tuple[str, int], Call]:
    seen: Counter[str] = Counter()
    found: dict[tuple[str, int], Call] = {}
    for call in calls:
        found[(call.name, seen[call.name])] = call
        seen[call.name] += 1
    return found


def _split(message: Any) -> tuple[Any, list[tuple[str, Call]]]:
    """Return a message without its calls, and the calls."""
    if not isinstance(message, dict):
        return message, []
    own = _item(message)
    if own is not None:  # an item of the responses API is a call by itself
        return {"type": message.get("type")}, [("", own)]
    calls: list[tuple[str, Call]] = []
    rest = dict(message)
    for key in ("tool_calls", "content", "parts"):
        if isinstance(message.get(key), list):
            kept, found = _parts(message[key])
            if found:
                calls.extend((key, call) for call in found)
                rest[key] = kept
    if isinstance(message.get("function_call"), dict):
        calls.extend(("function_call", call) for call in _called(rest.pop("function_call")))
    return (rest, calls) if calls else (message, [])


def _parts(parts: list[Any]) -> tuple[list[Any], list[Call]]:
    kept: list[Any] = []
    calls: list[Call] = []
    for part in parts:
        found = _item(part) or next(_inner(part), None)
        if found is None:
            kept.append(part)
        else:
            calls.append(found)
    return kept, calls


def _item(part: Any) -> Call | None:
    if isinstance(part, dict) and part.get("type") in _ITEMS and isinstance(part.get("name"), str):
        return next(_called(part), None)
    return None


def _inner(part: Any) -> Iterator[Call]:
    if not isinstance(part, dict):
        return
    for key in _INSIDE:
        yield from _called(part.get(key))
    if part.get("type", "function") == "function":
        yield from _called(part.get("function"))


def _called(call: Any) -> Iterator[Call]:
    if isinstance(call, dict) and isinstance(call.get("name"), str):
        given = next((call[key] for key in ("arguments", "args", "input", "parameters") if key in call), None)
        yield Call(call["name"], _data(given) if isinstance(given, str) else given)


def _data(text: str) -> Any:
    from runstore.model.jsontext import parse_json

    try:
        return parse_json(text)
    except InvalidInput:
        return text
