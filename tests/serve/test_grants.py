"""Grants: how they are written, and what they let through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstore.errors import InvalidInput
from runstore.serve.grants import RIGHTS, Granted, parse_grant


def rights(*texts: str, store: str = "team") -> Granted:
    """Return the rights that grants give in a store."""
    return Granted([parse_grant(text) for text in texts], store)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("read team", "read team"),
        (" append  team  main ", "append team heads/main"),
        ("admin *", "admin *"),
        ("force a tags/*", "force a tags/*"),
    ],
)
def test_grants_are_shown_as_they_are_meant(text: str, shown: str) -> None:
    """A pattern without heads/ or tags/ is one of heads."""
    assert str(parse_grant(text)) == shown
    assert parse_grant(shown) == parse_grant(text)


@pytest.mark.parametrize(
    "text", ["", "read", "own team", "read team a b", "read te/am", "read .team", "read team heads/[a]", "read team a?"]
)
def test_what_is_no_grant(text: str) -> None:
    """A grant that cannot be meant is refused when it is written, not when it is needed."""
    with pytest.raises(InvalidInput) as refused:
        parse_grant(text)
    assert refused.value.kind == "bad-grant"


@pytest.mark.parametrize("right", RIGHTS)
def test_each_right_holds_those_before_it(right: str) -> None:
    """Who may append may read, who may force may append."""
    found = rights(f"{right} team")
    may = [found.read("heads/main"), found.append("heads/main"), found.force("heads/main"), found.is_admin]
    assert may == [place <= RIGHTS.index(right) for place in range(4)]
    assert found.writes() == (right != "read")


def test_what_is_not_granted_is_denied() -> None:
    """Another store, another ref, and what is no head or tag stay closed."""
    found = rights("append team heads/ci/*", "read other")
    assert found.append("heads/ci/unit")
    assert found.append("heads/ci/a/b")
    assert not any((found.read("heads/main"), found.read("heads/ci"), found.force("heads/ci/unit"), found.read("tags/v1")))
    assert not rights("read other")
    assert not rights("admin *").read("remotes/origin/main")


def test_cases_are_not_told_apart() -> None:
    """Who may write a name may see the ref that keeps him from doing so, since the two differ in case alone."""
    assert rights("append team heads/ci/*").read("heads/CI/Unit")


@given(st.lists(st.sampled_from("ab*/"), min_size=1, max_size=6).map("".join), st.lists(st.sampled_from("ab/"), max_size=6).map("".join))
def test_patterns_against_their_definition(pattern: str, name: str) -> None:
    """A star stands for any text, and nothing else stands for anything but itself."""

    def fits(pattern: str, name: str) -> bool:
        if not pattern:
            return not name
        if pattern[0] == "*":
            return any(fits(pattern[1:], name[at:]) for at in range(len(name) + 1))
        return bool(name) and name[0] == pattern[0] and fits(pattern[1:], name[1:])

    assert rights(f"read team heads/{pattern}").read(f"heads/{name}") == fits(pattern, name)
