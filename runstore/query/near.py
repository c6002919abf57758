"""What errors say: the things they name, in short, and what a person may have meant. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from runstore.model.ids import Link


def brief(link: Link) -> str:
    """Return a link with the beginning of its id, long enough to be a prefix that names it."""
    return f"{link.kind.label}:{link.hex[:12]}"


def near(name: str, names: Iterable[str]) -> list[str]:
    """Return the names, at most three, that are spelt most like `name`, best first."""
    import difflib  # lazily: only a mistake needs it

    return difflib.get_close_matches(name, sorted(set(names)), 3, 0.6)


def near_hint(name: str, names: Iterable[str], otherwise: str) -> str:
    """Return a hint that suggests near names, or else says what there is."""
    found = near(name, names)
    return f"did you mean {' or '.join(found)}?" if found else otherwise
