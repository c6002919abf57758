"""Differences of lists: of messages and documents element by element, of tools by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from runstore.errors import LimitExceeded
from runstore.model.ids import Link, link_from_raw
from runstore.query.calls import CallsDiff, diff_calls, without_calls
from runstore.query.content import label_of, one_line, readable, role_of, text_of, tool_names
from runstore.query.lists import Cursor
from runstore.query.paths import Fetch
from runstore.query.textdiff import KeyChange, TextDiff, diff_keys, diff_text, exactly_same
from runstore.runs.view import read_content

MOST = 100_000
PREVIEW = 200


class ElementChange(NamedTuple):
    """One element that was `added`, `removed` or `changed`, with its positions, its links and its label (a role, or a title).

    Of a changed element, `text` is the difference of what it says, line by line, and `calls` that of its tool calls; `keys` is its
    difference by keys where neither shows it. `preview` is the first words of one that was added or removed.
    """

    change: str
    old_index: int | None
    new_index: int | None
    old: Link | None
    new: Link | None
    label: str
    text: TextDiff | None = None
    keys: tuple[KeyChange, ...] = ()
    preview: str = ""
    calls: CallsDiff | None = None


class ElementsDiff(NamedTuple):
    """How two lists differ: `common` elements at the beginning are the same, then come the changes.

    `reordered`: elements that both hold stand in another order.
    """

    common: int
    old_count: int
    new_count: int
    changes: tuple[ElementChange, ...]
    reordered: bool = False


class ToolChange(NamedTuple):
    """A tool whose definition differs, with the keys that do."""

    name: str
    keys: tuple[KeyChange, ...]


class ToolsDiff(NamedTuple):
    """How two lists of tools differ, by name. `reordered`: the tools that both hold stand in another order or grouping."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[ToolChange, ...]
    reordered: bool
    old_count: int
    new_count: int


def diff_messages(old: Link | None, new: Link | None, fetch: Fetch) -> ElementsDiff:
    """Return how two lists differ from the first element on that is not the same. None stands for a list of no elements."""
    common, before, after = _tails(old, new, fetch)
    tail = _common_tail(before, after)
    counts = (common + len(before), common + len(after))
    before, after = before[: len(before) - tail], after[: len(after) - tail]
    changes: list[ElementChange] = []
    for old_at, new_at in _pairs(before, after):
        changes.append(_change(_Place(before, old_at, common), _Place(after, new_at, common), fetch, _role))
    return ElementsDiff(common, *counts, tuple(changes))


def diff_documents(old: Link | None, new: Link | None, fetch: Fetch) -> ElementsDiff:
    """Return how two lists of documents differ by content: where a document stands does not make it another one."""
    common, before, after = _tails(old, new, fetch)
    gone = _surplus(before, after)
    came = _surplus(after, before)
    changes: list[ElementChange] = []
    by_label = {label: at for at in reversed(came) if (label := label_of(_value(after[at], fetch)))}
    for old_at in gone:
        new_at = by_label.pop(label_of(_value(before[old_at], fetch)), None)
        if new_at is not None:
            came.remove(new_at)
        changes.append(_change(_Place(before, old_at, common), _Place(after, new_at, common), fetch, _title))
    changes.extend(_change(_Place(before, None, common), _Place(after, new_at, common), fetch, _title) for new_at in came)
    both = {*before} & {*after}
    reordered = not _same_order([raw for raw in before if raw in both], [raw for raw in after if raw in both])
    return ElementsDiff(common, common + len(before), common + len(after), tuple(changes), reordered)


def diff_tools(old: Link | None, new: Link | None, fetch: Fetch) -> ToolsDiff:
    """Return how two lists of tools differ. Tools are matched by name; of several with one name, the first with the first."""
    before, after = (tools_by_name(root, fetch) for root in (old, new))
    both = [key for key in before if key in after]
    changed = tuple(ToolChange(key[0], diff_keys(before[key], after[key])) for key in both if not exactly_same(before[key], after[key]))
    added = tuple(key[0] for key in after if key not in before)
    removed = tuple(key[0] for key in before if key not in after)
    in_order = both == [key for key in after if key in before]
    reordered = not in_order or not (added or removed or changed)
    return ToolsDiff(added, removed, changed, reordered, len(before), len(after))


def _tails(old: Link | None, new: Link | None, fetch: Fetch) -> tuple[int, list[bytes], list[bytes]]:
    one, other = Cursor(old, fetch), Cursor(new, fetch)
    common = one.pass_common(other)
    return common, _bounded(one.rest()), _bounded(other.rest())


def _bounded(raws: Iterator[bytes]) -> list[bytes]:
    found = list(islice(raws, MOST + 1))
    if len(found) > MOST:
        fact = f"more than {MOST:,} elements follow the first that differs"
        raise LimitExceeded(fact, hint="compare parts of the lists", kind="limit-exceeded")
    return found


def _common_tail(before: list[bytes], after: list[bytes]) -> int:
    length = 0
    while length < min(len(before), len(after)) and before[-1 - length] == after[-1 - length]:
        length += 1
    return length


def _pairs(before: list[bytes], after: list[bytes]) -> Iterator[tuple[int | None, int | None]]:
    """Yield the positions of elements that went, came, or stand for one another."""
    if not before or not after:
        yield from ((at, None) for at in range(len(before)))
        yield from ((None, at) for at in range(len(after)))
        return
    from runstore.query.sequences import opcodes

    for tag, a, b, c, d in opcodes(before, after):
        if tag != "equal":
            both = min(b - a, d - c)
            yield from ((a + at, c + at) for at in range(both))
            yield from ((at, None) for at in range(a + both, b))
            yield from ((None, at) for at in range(c + both, d))


def _surplus(these: list[bytes], others: list[bytes]) -> list[int]:
    """Return the positions of the elements that the other list does not hold, or not so often."""
    left = Counter(others)
    found = []
    for at, raw in enumerate(these):
        if left[raw]:
            left[raw] -= 1
        else:
            found.append(at)
    return found


def _same_order(one: list[bytes], other: list[bytes]) -> bool:
    return list(dict.fromkeys(one)) == list(dict.fromkeys(other))


class _Place:
    """A position in the rest of a list that begins after `common` elements, or nowhere in it."""

    def __init__(self, raws: list[bytes], at: int | None, common: int) -> None:
        self.index = None if at is None else common + at
        self.link = None if at is None else link_from_raw(raws[at])


def _change(old: _Place, new: _Place, fetch: Fetch, label: Callable[[Any], str]) -> ElementChange:
    before = None if old.link is None else read_content(old.link, fetch)
    after = None if new.link is None else read_content(new.link, fetch)
    made = ElementChange("changed", old.index, new.index, old.link, new.link, label(before if new.link is None else after))
    if old.link is not None and new.link is not None:
        calls = diff_calls(before, after)
        text = diff_text(readable(without_calls(before)), readable(without_calls(after)))
        return made._replace(text=text, calls=calls, keys=() if text.hunks or calls else diff_keys(before, after))
    if new.link is None:
        return made._replace(change="removed", preview=one_line(text_of(before), PREVIEW))
    return made._replace(change="added", preview=one_line(text_of(after), PREVIEW))


def _value(raw: bytes, fetch: Fetch) -> Any:
    return read_content(link_from_raw(raw), fetch)


def _role(value: Any) -> str:
    return role_of(value) or ""


def _title(value: Any) -> str:
    return label_of(value) or one_line(text_of(value), 40)


def titled(root: Link | None, fetch: Fetch) -> dict[tuple[str, int], Any]:
    """Return the documents of a list under (label, how many with that label stood before it)."""
    found: dict[tuple[str, int], Any] = {}
    seen: Counter[str] = Counter()
    for raw in _bounded(Cursor(root, fetch).rest()):
        document = _value(raw, fetch)
        label = _title(document)
        found[(label, seen[label])] = document
        seen[label] += 1
    return found


def tools_by_name(root: Link | None, fetch: Fetch) -> dict[tuple[str, int], Any]:
    """Return the definitions of a list of tools under (name, how many of that name stood before it)."""
    found: dict[tuple[str, int], Any] = {}
    seen: Counter[str] = Counter()
    for raw in _bounded(Cursor(root, fetch).rest()):
        for name, definition in _definitions(_value(raw, fetch)):
            found[(name, seen[name])] = definition
            seen[name] += 1
    return found


def name_of(name: str, number: int) -> str:
    """Return what to call a thing of which so many of the same name stood before it: `search`, `search (2)`."""
    return name if number == 0 else f"{name} ({number + 1})"


def _definitions(tool: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(tool, dict):
        for key in ("functionDeclarations", "function_declarations"):
            if isinstance(tool.get(key), list):
                for declared in tool[key]:
                    yield (tool_names(declared) or [one_line(text_of(declared), 40)])[0], declared
                rest = {name: value for name, value in tool.items() if name != key}
                if rest:
                    yield from _definitions(rest)
                return
    yield (tool_names(tool) or [one_line(text_of(tool), 40)])[0], tool
