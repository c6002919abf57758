"""Parts: what a slot of a run is made of, the link and the objects behind it.

A part names the objects that are new since its base, a part of a shorter list that was made before. A store that is known to
hold the base's link holds all behind it, and needs only the new ones; otherwise it takes the base's objects too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runstore.model.ids import Link, Object

Objects = tuple[Object, ...]


class Part:
    """A link with the objects behind it. Immutable.

    `objects` are the new ones, children before parents, the object that `link` names last. Together with those of `base`, and
    of its base in turn, they are everything that the link leads to and that this process made. A part of something that is
    stored already has no objects.
    """

    __slots__ = ("_objects", "base", "link")

    link: Link
    base: Part | None
    _objects: Objects | Callable[[], Objects]

    def __init__(self, link: Link, objects: Objects | Callable[[], Objects] = (), base: Part | None = None) -> None:
        put = object.__setattr__
        put(self, "link", link)
        put(self, "base", base)
        put(self, "_objects", objects)

    @property
    def objects(self) -> Objects:
        """The new objects. Those of a remembered list are made when they are asked for, and not kept."""
        return self._objects() if callable(self._objects) else self._objects

    def closure(self) -> Iterator[Object]:
        """Yield every object of the part and of its bases once, children before parents."""
        chain: list[Part] = []
        part: Part | None = self
        while part is not None:
            chain.append(part)
            part = part.base
        seen: set[bytes] = set()
        for part in reversed(chain):
            for item in part.objects:
                if item.id not in seen:
                    seen.add(item.id)
                    yield item

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a part cannot be changed")

    def __repr__(self) -> str:
        return f"Part({self.link.kind.label}:{self.link.hex[:8]}…)"
