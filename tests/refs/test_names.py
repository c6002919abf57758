"""Ref names: what is a good name, and what a short one stands for."""

import pytest

from runstore.errors import InvalidInput
from runstore.refs import check_name, full_name, short_name


@pytest.mark.parametrize("name", ["main", "support/reply", "a.b", "%2e", "conversations/deadbeef", "x+y=z@w-1", "9", "abc", "g" * 64])
def test_a_good_short_name_is_a_head(name: str) -> None:
    """A name that breaks no rule stands for heads/NAME."""
    assert full_name(name) == f"heads/{name}"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a/",
        "/a",
        "a//b",
        "a..b",
        ".a",
        "a/.b",
        "-a",
        "a b",
        "a\n",
        "ä",
        "a:b",
        "@",
        "a~1",
        "a^",
        "beef",
        "0123456789abcdef",
        "2026",
        "f" * 64,
        "x" * 195,
    ],
)
def test_a_bad_name_is_refused(name: str) -> None:
    """Whatever reads as an id, a revision or a path trick, or is too long, is no ref name."""
    with pytest.raises(InvalidInput) as caught:
        full_name(name)
    assert caught.value.kind == "bad-name"
    assert caught.value.hint


@pytest.mark.parametrize("name", ["a..b", "tags/a b"])
def test_the_error_says_the_name_as_it_was_written(name: str) -> None:
    """What was typed is in the message, without a prefix that nobody typed."""
    with pytest.raises(InvalidInput, match=f"^'{name}' is no ref name"):
        full_name(name)


@pytest.mark.parametrize("name", ["main", "heads/", "other/x", "heads"])
def test_a_full_name_says_what_it_is(name: str) -> None:
    """A full name begins with heads/, tags/ or remotes/."""
    with pytest.raises(InvalidInput):
        check_name(name)


def test_two_hundred_bytes_are_the_most() -> None:
    """A name of 200 bytes is good, one of 201 is not."""
    assert check_name("heads/" + "x" * 194)
    with pytest.raises(InvalidInput):
        check_name("heads/" + "x" * 195)


def test_short_and_full_names_meet() -> None:
    """The short name of a full name is what a person writes."""
    assert short_name(full_name("support/reply")) == "support/reply"
    assert short_name("tags/v1") == "v1"
    assert full_name("tags/v1") == "tags/v1"
