"""Revisions: what people write for a thing in the store, and what it names. The grammar with examples is docs/revisions.md.

    REV   = BASE SUFFIX* [":" PATH]
    BASE  = id | kind:id | prefix of an id (4 digits or more) | ref | ref@{n} | ref@{date} | provider response id | @
    SUFFIX = ~n | ^n | ^{run} | ^{request}

No ref reads as an id, and a response id is tried last. A short ref name is looked up under heads/, then tags/, then remotes/. A ref
that leads to a tag is peeled: it names the tag's target.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from runstore.errors import Ambiguous, InvalidInput, NotFound
from runstore.model.ids import KINDS, Kind, Link, parse_link
from runstore.query import peel
from runstore.query.names import named_by_ref, named_by_response, near_names, recorded_last
from runstore.query.peel import to_execution, to_request, to_run, to_target
from runstore.runs.lookup import runs_of_request
from runstore.tuples import NamedTuple

if TYPE_CHECKING:
    from datetime import tzinfo

    from runstore.store.protocol import Reader

__all__ = ["MIN_PREFIX", "Found", "as_range", "part", "resolve", "split", "to_execution", "to_request", "to_run", "to_target"]

MIN_PREFIX = 4
_LISTED = 20
# Compiled where they are needed: most revisions are a ref or an id alone.
_SUFFIX = r"~(\d*)|\^\{([a-z]*)\}|\^(\d*)"
_BASE = rf"(?:(?:{'|'.join(KINDS)}):[0-9A-Za-z]*|[^~^:@]|@(?!\{{))*(?:@\{{[^}}]*\}})?"


class Found(NamedTuple):
    """What a revision names: the deepest object it reaches, the text as given, and the path that remains inside that object.

    `ref` is the full name of the ref at the base of the revision, if one was. A request id may name no stored object: then `link` is
    a tree that the store does not hold, and `runs_of_request` gives the runs.
    """

    link: Link
    text: str
    path: str | None = None
    ref: str | None = None


def resolve(reader: Reader, text: str, *, now: int, default_prefix: str = "heads/", zone: tzinfo | None = None) -> Found:
    """Return what a revision names.

    `now` (microseconds since 1970 UTC) and `zone` give `ref@{date}` its meaning; `default_prefix` is where short ref names are looked
    up first. Raises NotFound; Ambiguous with the candidates; InvalidInput for what is no revision, a range included.
    """
    if not text or text != text.strip():
        raise _not_a_revision(text, "it is empty" if not text.strip() else "it begins or ends with a space")
    if as_range(text) is not None:
        raise _not_a_revision(text, "it is a range of executions, and one thing is wanted here")
    base, suffixes, path = split(text)
    try:
        link, ref = _base(reader, base, now, default_prefix, zone)
    except NotFound:
        whole = named_by_response(reader, text) if base != text else None
        if whole is None:
            if not base:
                raise _not_a_revision(text, f"nothing stands before {text[0]!r}") from None
            raise
        return Found(whole, text)
    link = _apply(reader, link, suffixes, text)
    if path is None:
        return Found(link, text, None, ref)
    from runstore.query.paths import follow, parse_path  # most revisions name no part

    place = follow(to_target(reader, link), parse_path(path), reader.get)
    return Found(place.link, text, _text_of(place.rest), ref)


def as_range(text: str) -> tuple[str, str] | None:
    """Return both ends of `a..b`, or None for what is no range. An end left out is `@`."""
    depth = 0
    for position, character in enumerate(text):
        if character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
        elif depth <= 0 and text.startswith("..", position):
            return text[:position] or "@", text[position + 2 :] or "@"
    return None


def part(reader: Reader, found: Found) -> Any:
    """Return what a revision names as a value: of a blob its bytes, of a list a ListView, of a tree its slots, else the decoded value."""
    from runstore.query.paths import follow, parse_path

    steps = parse_path(found.path) if found.path else ()
    return follow(found.link, steps, reader.get).value


def split(text: str) -> tuple[str, list[tuple[str, str]], str | None]:
    """Split a revision into its base, its suffixes as (sign, argument) and its path. Raises InvalidInput."""
    if not any(sign in text for sign in ("~", "^", ":", "@{")):
        return text, [], None
    match = re.match(_BASE, text)
    position = match.end() if match else 0
    base, suffixes = text[:position], []
    suffix = re.compile(_SUFFIX)
    while (found := suffix.match(text, position)) is not None:
        sign = "~" if found[1] is not None else "^" if found[3] is not None else "^{}"
        suffixes.append((sign, found[1] or found[2] or found[3] or ""))
        position = found.end()
    if position == len(text):
        return base, suffixes, None
    if text[position] == ":" and position + 1 < len(text):
        return base, suffixes, text[position + 1 :]
    raise _not_a_revision(text, f"{text[position:][:20]!r} cannot be read")


def _base(reader: Reader, text: str, now: int, default_prefix: str, zone: tzinfo | None) -> tuple[Link, str | None]:
    if text == "@":
        return recorded_last(reader), None
    kind, colon, digits = text.rpartition(":") if "@{" not in text else ("", "", text)  # a time holds colons
    if colon and kind not in KINDS:
        raise _not_a_revision(text, f"{kind!r} is no kind: the kinds are {', '.join(KINDS)}")
    if len(digits) == 64 and _is_hex(digits):
        return _by_id(reader, digits, KINDS.get(kind)), None
    if colon:
        return _by_prefix(reader, digits, KINDS[kind], text), None
    ref = named_by_ref(reader, text, now=now, default_prefix=default_prefix, zone=zone)
    if ref is not None:
        return to_target(reader, ref.target), ref.name
    if MIN_PREFIX <= len(text) <= 64 and _is_hex(text):
        found = _starting(reader, text, None)
        if found is not None:
            return found, None
    response = named_by_response(reader, text)
    if response is not None:
        return response, None
    raise _unknown(reader, text)


def _by_id(reader: Reader, digits: str, kind: Kind | None) -> Link:
    wanted = bytes.fromhex(digits)
    if reader.address(wanted) is not None:
        stored = reader.get(wanted).link
        return parse_link(f"{stored.kind.label}:{digits}", kind)  # refuses a kind that contradicts the store
    if kind in (None, Kind.TREE) and next(runs_of_request(reader, wanted), None) is not None:
        return Link(Kind.TREE, wanted)  # the id of a request, whose tree need not be stored
    raise NotFound(f"no object has the id {digits}", hint="`runstore log` lists what is here")


def _by_prefix(reader: Reader, digits: str, kind: Kind, text: str) -> Link:
    if not MIN_PREFIX <= len(digits) <= 64 or not _is_hex(digits):
        raise _not_a_revision(text, f"after the kind stand {MIN_PREFIX} to 64 lower-case hex digits")
    found = _starting(reader, digits, kind)
    if found is None:
        raise NotFound(f"no {kind.label} starts with {digits}", hint="`runstore log` lists what is here")
    return found


def _starting(reader: Reader, digits: str, kind: Kind | None) -> Link | None:
    links = [link for link in reader.starting(digits, _LISTED if kind is None else 1 << 16) if kind in (None, link.kind)]
    if len(links) > 1:
        from runstore.query.summary import first_line

        raise Ambiguous(
            f"{len(links)}{' or more' if len(links) == _LISTED else ''} objects start with {digits}",
            candidates=[(str(link), first_line(reader.get(link.id), reader.get)) for link in links[:_LISTED]],
            hint="write more digits, or the kind: for example " + f"{links[0].kind.label}:{digits}",
        )
    return links[0] if links else None


def _apply(reader: Reader, link: Link, suffixes: list[tuple[str, str]], text: str) -> Link:
    for sign, argument in suffixes:
        if len(argument) > 9 and sign != "^{}":
            raise _not_a_revision(text, f"{argument[:12]}… is too large a number")
        if sign == "~":
            link = peel.ancestor(reader, link, int(argument or 1))
        elif sign == "^":
            link = peel.parent(reader, link, int(argument or 1))
        elif argument == "run":
            link = to_run(reader, link)
        elif argument == "request":
            link = Link(Kind.TREE, to_request(reader, link))
        else:
            raise _not_a_revision(text, f"^{{{argument}}} is none of ^{{run}} and ^{{request}}")
    return link


def _is_hex(text: str) -> bool:
    return bool(text) and not text.strip("0123456789abcdef")


def _text_of(steps: tuple[str, ...]) -> str | None:
    from runstore.query.paths import render_path

    return render_path(steps) or None


def _unknown(reader: Reader, text: str) -> NotFound:
    shown = repr(text[:80])
    if _is_hex(text) and len(text) <= 64:
        if len(text) < MIN_PREFIX:
            return NotFound(f"nothing is called {shown}", hint=f"a prefix of an id has at least {MIN_PREFIX} digits")
        return NotFound(f"no object starts with {text}", hint="`runstore log` lists what is here")
    if text.startswith("@{"):
        return NotFound(f"{shown} names no ref", hint="write the ref before it, for example main@{1}")
    found = near_names(reader, text)
    hint = f"did you mean {' or '.join(found)}?" if found else "`runstore refs` lists the refs, `runstore log` the executions"
    return NotFound(f"no ref, id or response id is {shown}", hint=hint)


def _not_a_revision(text: str, reason: str) -> InvalidInput:
    return InvalidInput(
        f"{text[:80]!r} is no revision: {reason}", hint="for example main, main~1, 3f9a12cd, main:history/0", kind="bad-revision"
    )
