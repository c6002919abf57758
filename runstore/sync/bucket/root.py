"""The root of a bucket: which packs hold, where the refs stand, and who wrote last. Pure.

Source: docs/spec/bucket.md, "The root".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from struct import Struct
from typing import Any, NamedTuple

from runstore.errors import Refused
from runstore.model.digest import CHECKSUM_BYTES, checksum
from runstore.model.encoding import ANY_KIND, decode
from runstore.model.ids import Kind, Link
from runstore.model.settings import check_normal, encode_settings
from runstore.sync.updates import check_pushed_name

VERSION = 1
MAGIC = b"RSROOT" + bytes((VERSION, 0))
PAGE_MAGIC = b"RSREFS" + bytes((VERSION, 0))
ROOT = "root"
MOST_BYTES = 16 << 20
PAGE = 1000
REMEMBERED = 64
_START = Struct("<8sII32s")
START_BYTES = _START.size
_NAME = re.compile(r"[0-9a-f]{32}\Z")
_RETIRED = re.compile(r"(?:packs/[0-9a-f]{32}\.(?:pack|index)|refs/[0-9a-f]{32})\Z")
_MOST_PACK = 1 << 34


class Pack(NamedTuple):
    """A pack as the root lists it: its name, the hash in its trailer, its objects, its bytes and those of its index."""

    name: str
    check: bytes
    objects: int
    size: int
    index_size: int

    @property
    def path(self) -> str:
        """The name of the pack's object."""
        return f"packs/{self.name}.pack"

    @property
    def index_path(self) -> str:
        """The name of its index's object."""
        return f"packs/{self.name}.index"


class Page(NamedTuple):
    """A page of refs as the root lists it: its name, the hash of its body, its first ref and how many refs it has."""

    name: str
    check: bytes
    first: str
    refs: int

    @property
    def path(self) -> str:
        """The name of the page's object."""
        return f"refs/{self.name}"


class Root(NamedTuple):
    """What the root says. Either `refs` or `pages` is in use. `writes` are the newest write ids, the root's own first.

    `retired` are objects that are not needed any more, with the time since when (microseconds since 1970 UTC). `id` tells this store from
    others, whatever its URL: the first write id.
    """

    writes: tuple[str, ...] = ()
    packs: tuple[Pack, ...] = ()
    refs: Mapping[str, Link] = {}
    pages: tuple[Page, ...] = ()
    retired: tuple[tuple[str, int], ...] = ()
    default_ref: str | None = None
    id: str = ""

    def stamped(self, write: str) -> Root:
        """Return the root with one more write id."""
        return self._replace(writes=(write, *self.writes)[:REMEMBERED], id=self.id or write)

    def to_bytes(self) -> bytes:
        """Return the root as it stands in the bucket."""
        value: dict[str, Any] = {
            "id": self.id,
            "packs": [[pack.name, pack.check.hex(), pack.objects, pack.size, pack.index_size] for pack in self.packs],
            "retired": [list(item) for item in self.retired],
            "writes": list(self.writes),
        }
        if self.pages:
            value["pages"] = [[page.name, page.check.hex(), page.first, page.refs] for page in self.pages]
        else:
            value["refs"] = _pairs(self.refs)
        if self.default_ref is not None:
            value["default_ref"] = self.default_ref
        return seal(MAGIC, value)


def read_root(data: bytes) -> Root:
    """Read a root. Raises Refused for one of another version, or one that breaks a rule."""
    value = unseal(MAGIC, data, "the root of a bucket")
    if not isinstance(value, dict) or not value.keys() <= {"id", "packs", "retired", "writes", "pages", "refs", "default_ref"}:
        raise _bad("is not of this version")
    if ("pages" in value) == ("refs" in value):
        raise _bad("has neither refs nor pages of them, or both")
    packs = tuple(_pack(item) for item in _array(value, "packs"))
    if len({pack.name for pack in packs}) != len(packs):
        raise _bad("lists a pack twice")
    writes = _array(value, "writes")
    if not all(is_name(item) for item in writes) or not 1 <= len(writes) <= REMEMBERED:
        raise _bad("has no write ids, or bad ones")
    if not is_name(value.get("id")):
        raise _bad("has no id, or a bad one")
    default = value.get("default_ref")
    if default is not None:
        check_pushed_name(default if isinstance(default, str) else "")
    return Root(
        tuple(writes),
        packs,
        read_refs(value.get("refs", [])),
        tuple(_page(item) for item in _array(value, "pages")) if "pages" in value else (),
        tuple(_retired(item) for item in _array(value, "retired")),
        default,
        value["id"],
    )


def page_bytes(refs: Mapping[str, Link]) -> bytes:
    """Return a page of refs as it stands in the bucket."""
    return seal(PAGE_MAGIC, {"refs": _pairs(refs)})


def read_page(data: bytes, page: Page) -> dict[str, Link]:
    """Read a page of refs. Raises Refused unless it is the one that the root lists."""
    value = unseal(PAGE_MAGIC, data, f"the page {page.name} of refs")
    if sealed_check(data) != page.check or not isinstance(value, dict) or value.keys() != {"refs"}:
        raise Refused(f"the page {page.name} of refs is not the one that the root lists", kind="bad-bucket")
    refs = read_refs(value["refs"])
    if len(refs) != page.refs or not refs or min(refs) != page.first:
        raise Refused(f"the page {page.name} of refs does not hold what the root says", kind="bad-bucket")
    return refs


def read_refs(value: Any) -> dict[str, Link]:
    """Read refs sorted by name. Raises Refused for a name or target that no ref has, and for names that differ in case alone."""
    if not isinstance(value, list) or len(value) > PAGE:
        raise _bad(f"has a page that is no array of at most {PAGE:,} refs")
    found: dict[str, Link] = {}
    for item in value:
        if not isinstance(item, list) or len(item) != 2 or not isinstance(item[0], str) or not isinstance(item[1], Link):
            raise _bad("has refs that are no pairs of a name and a link")
        name, link = check_pushed_name(item[0]), item[1]
        if link.kind != Kind.EXECUTION and not (link.kind == Kind.TAG and name.startswith("tags/")):
            raise Refused(f"{name} points at {link}, which no ref can", kind="bad-target")
        found[name] = link
    if list(found) != sorted(found) or len(found) != len(value):
        raise _bad("has refs that are not sorted by name, each once")
    check_twins(found)
    return found


def check_twins(names: Iterable[str]) -> None:
    """Raise Refused if two names differ in case alone."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise Refused(f"the refs {other} and {name} differ in case alone", kind="bad-name")


def seal(magic: bytes, value: dict[str, Any]) -> bytes:
    """Return a value with its magic, its length and its hash before it."""
    body = encode_settings(value, links=ANY_KIND).body
    return _START.pack(magic, len(body), 0, checksum(body)) + body


def sealed_size(data: bytes) -> int:
    """Return how many bytes a sealed value takes, its beginning included."""
    return START_BYTES + int(_START.unpack_from(data)[1])


def sealed_check(data: bytes) -> bytes:
    """Return the hash that stands before a sealed value."""
    return bytes(_START.unpack_from(data)[3])


def unseal(magic: bytes, data: bytes, what: str, *, more: bool = False) -> Any:
    """Return the value behind its magic, length and hash; with `more`, something may follow. Raises Refused."""
    if len(data) < START_BYTES or data[:6] != magic[:6]:
        raise Refused(f"{what} is none", kind="bad-bucket")
    found, size, zero, check = _START.unpack_from(data)
    if found != magic:
        raise Refused(
            f"{what} is of version {found[6]}, and this program reads version {VERSION}", hint="use a newer runstore", kind="version"
        )
    body = data[START_BYTES : START_BYTES + size]
    if zero or len(body) != size or (len(data) != START_BYTES + size and not more) or checksum(body) != check:
        raise Refused(f"{what} is damaged, or was cut short", kind="bad-bucket")
    value = decode(body)
    check_normal(value)
    return value


def is_name(value: Any) -> bool:
    """True for 32 lower-case hex digits: what packs, pages and writes are named by."""
    return isinstance(value, str) and _NAME.match(value) is not None


def _pack(item: Any) -> Pack:
    if not isinstance(item, list) or len(item) != 5 or not is_name(item[0]):
        raise _bad("lists a pack in another form")
    name, check, *numbers = item
    if not all(type(number) is int and 0 < number < _MOST_PACK for number in numbers):
        raise _bad(f"gives the pack {name} sizes that no pack has")
    return Pack(name, _check(check), *numbers)


def _page(item: Any) -> Page:
    if not isinstance(item, list) or len(item) != 4 or not is_name(item[0]) or type(item[3]) is not int or not 0 < item[3] <= PAGE:
        raise _bad("lists a page of refs in another form")
    return Page(item[0], _check(item[1]), check_pushed_name(item[2] if isinstance(item[2], str) else ""), item[3])


def _retired(item: Any) -> tuple[str, int]:
    if not isinstance(item, list) or len(item) != 2 or not isinstance(item[0], str) or type(item[1]) is not int:
        raise _bad("lists what is retired in another form")
    if not _RETIRED.match(item[0]):
        raise _bad("retires what is no pack, index or page")
    return item[0], item[1]


def _check(value: Any) -> bytes:
    try:
        found = bytes.fromhex(value)
    except (TypeError, ValueError) as error:
        raise _bad("has a hash that is none") from error
    if len(found) != CHECKSUM_BYTES:
        raise _bad("has a hash that is none")
    return found


def _array(value: dict[str, Any], name: str) -> list[Any]:
    found = value.get(name)
    if not isinstance(found, list):
        raise _bad(f"has no array of {name}")
    return found


def _pairs(refs: Mapping[str, Link]) -> list[list[Any]]:
    return [[name, refs[name]] for name in sorted(refs)]


def _bad(fact: str) -> Refused:
    return Refused(f"the root of the bucket {fact}", kind="bad-bucket")
