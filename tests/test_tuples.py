"""Named tuples made by ourselves: they behave as those of `typing`."""

from __future__ import annotations

import copy
import pickle
import typing
from typing import Any

import pytest

from runstore import tuples


class Ours(tuples.NamedTuple):
    """With a default and a property."""

    place: int
    name: str = "unnamed"

    @property
    def shown(self) -> str:
        """Both."""
        return f"{self.place} {self.name}"


class Theirs(typing.NamedTuple):
    """The same by `typing`."""

    place: int
    name: str = "unnamed"


@pytest.mark.parametrize(
    ("values", "named"), [((1,), {}), ((1, "x"), {}), ((), {"place": 1}), ((1,), {"name": "x"}), ((), {"name": "x", "place": 1})]
)
def test_made_by_place_and_by_name(values: Any, named: Any) -> None:
    """The same arguments give the same fields, and the value is a tuple of them."""
    assert tuple(Ours(*values, **named)) == Theirs(*values, **named)
    assert Ours(*values, **named)._asdict() == Theirs(*values, **named)._asdict()


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), ((1, "x", 2), {}), ((1,), {"place": 2}), ((1,), {"other": 2}), ((), {"name": "x"})]
)
def test_wrong_arguments(values: Any, named: Any) -> None:
    """A field that is missing, given twice or unknown is a TypeError."""
    for made in (Ours, Theirs):
        with pytest.raises(TypeError):
            made(*values, **named)


def test_what_a_named_tuple_can_do() -> None:
    """Fields by name, properties, a copy with changes, a class pattern, pickle and copy, no other attributes."""
    one = Ours(1)
    assert (one.place, one.name, one.shown) == (1, "unnamed", "1 unnamed")
    assert one._replace(name="x") == Ours(1, "x") == Ours._make([1, "x"])
    assert type(pickle.loads(pickle.dumps(one))) is type(copy.copy(one)) is Ours
    assert repr(one) == "Ours(place=1, name='unnamed')"
    assert Ours._fields == Theirs._fields
    assert hash(one) == hash(Theirs(1))
    match one:
        case Ours(place, _):
            assert place == 1
    with pytest.raises(AttributeError):
        one.other = 1  # type: ignore[attr-defined]
