"""Differences of texts, line by line, and of settings, key by key. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

CONTEXT = 3


class Hunk(NamedTuple):
    """A stretch of lines around a change. Starts count from 1; each line is (sign, text) with sign ` `, `-` or `+`."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    lines: tuple[tuple[str, str], ...]


class TextDiff(NamedTuple):
    """What lines differ between two texts, and how many went and came."""

    hunks: tuple[Hunk, ...]
    removed: int
    added: int


class KeyChange(NamedTuple):
    """One key that differs. `change` is `added`, `removed` or `changed`; the side that has no such key is None.

    `reordered` says that nothing but the order of keys differs; it has no path and no sides.
    """

    path: str
    change: str
    old: Any
    new: Any


def diff_text(old: str, new: str) -> TextDiff:
    """Return the lines in which two texts differ. A newline at the end begins one more line, which is empty."""
    from runstore.query.sequences import opcodes  # difflib is not there before it is needed

    before, after = _lines(old), _lines(new)
    codes = opcodes(before, after)
    hunks = tuple(_hunk(group, before, after) for group in _groups(codes))
    signs = [sign for hunk in hunks for sign, _ in hunk.lines]
    return TextDiff(hunks, signs.count("-"), signs.count("+"))


def unified(difference: TextDiff) -> Iterator[str]:
    """Yield a text difference as lines in the unified form, without a header of files."""
    for hunk in difference.hunks:
        yield f"@@ -{_range(hunk.old_start, hunk.old_count)} +{_range(hunk.new_start, hunk.new_count)} @@"
        for sign, line in hunk.lines:
            yield sign + line


def diff_keys(old: Any, new: Any) -> tuple[KeyChange, ...]:
    """Return the keys in which two maps differ, at every depth, in the order of the old map, then of the new.

    Lists and scalars are compared whole; what is no map at the top is one change with an empty path.
    """
    found: list[KeyChange] = []
    stack: list[tuple[tuple[str, ...], Any, Any]] = [((), old, new)]
    while stack:
        path, before, after = stack.pop()
        if isinstance(before, dict) and isinstance(after, dict):
            keys = [*before, *(key for key in after if key not in before)]
            stack.extend(((*path, key), before.get(key, _MISSING), after.get(key, _MISSING)) for key in reversed(keys))
        elif not exactly_same(before, after):
            found.append(_key_change(path, before, after))
    if not found and not exactly_same(old, new):
        found.append(KeyChange("", "reordered", None, None))
    return tuple(found)


def exactly_same(left: Any, right: Any) -> bool:
    """True if two decoded values are one value: 1 and 1.0 are not, nor maps whose keys stand in another order."""
    pairs = [(left, right)]
    while pairs:
        left, right = pairs.pop()
        if type(left) is not type(right):
            return False
        if isinstance(left, dict):
            if list(left) != list(right):
                return False
            pairs.extend(zip(left.values(), right.values(), strict=True))
        elif isinstance(left, list):
            if len(left) != len(right):
                return False
            pairs.extend(zip(left, right, strict=True))
        elif left != right or (left == 0 and str(left) != str(right)):  # -0.0 is not 0.0
            return False
    return True


class _Missing:
    """Where a map has no such key."""


_MISSING = _Missing()


def _key_change(path: tuple[str, ...], before: Any, after: Any) -> KeyChange:
    from runstore.query.paths import render_path

    change = "added" if before is _MISSING else "removed" if after is _MISSING else "changed"
    return KeyChange(render_path(path), change, None if before is _MISSING else before, None if after is _MISSING else after)


def _lines(text: str) -> list[str]:
    return text.split("\n") if text else []


def _groups(codes: list[tuple[str, int, int, int, int]]) -> Iterator[list[tuple[str, int, int, int, int]]]:
    """Cut the operations into groups that are at most CONTEXT equal lines around changes."""
    group: list[tuple[str, int, int, int, int]] = []
    for number, (tag, a, b, c, d) in enumerate(codes):
        if tag != "equal":
            group.append((tag, a, b, c, d))
            continue
        last = number == len(codes) - 1
        if group and (last or b - a > 2 * CONTEXT):
            group.append((tag, a, min(b, a + CONTEXT), c, min(d, c + CONTEXT)))
            yield group
            group = []
        if not last:
            group.append((tag, max(a, b - CONTEXT), b, max(c, d - CONTEXT), d) if not group else (tag, a, b, c, d))
    if any(tag != "equal" for tag, *_ in group):
        yield group


def _hunk(group: list[tuple[str, int, int, int, int]], before: list[str], after: list[str]) -> Hunk:
    lines: list[tuple[str, str]] = []
    for tag, a, b, c, d in group:
        if tag == "equal":
            lines.extend((" ", line) for line in before[a:b])
        else:
            lines.extend(("-", line) for line in before[a:b])
            lines.extend(("+", line) for line in after[c:d])
    old_start, old_end, new_start, new_end = group[0][1], group[-1][2], group[0][3], group[-1][4]
    return Hunk(old_start + 1, old_end - old_start, new_start + 1, new_end - new_start, tuple(lines))


def _range(start: int, count: int) -> str:
    if count == 1:
        return str(start)
    return f"{start if count else start - 1},{count}"
