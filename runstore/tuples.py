"""Named tuples whose classes are made quickly.

To the type checker `NamedTuple` is that of `typing`, and its values are the same: tuples with fields by name, defaults, properties and
methods. But `typing` compiles code for each class, which takes the better part of a tenth of a millisecond: for the thirty classes that
`runstore show` needs, a quarter of the time that Python takes to start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    from _collections import _tuplegetter  # what collections.namedtuple reads its fields with

    _missing = object()  # stands where nothing was given
    _MISSING = id(_missing)

    class _Meta(type):
        """Makes a class of tuples from its annotations."""

        def __new__(cls, name, bases, body):
            fields = tuple(body.get("__annotations__", ()))
            defaults = {field: body[field] for field in fields if field in body}
            body.update((field, _tuplegetter(place, "")) for place, field in enumerate(fields))
            body |= {"__slots__": (), "__match_args__": fields, "_fields": fields, "_field_defaults": defaults, "_size": len(fields)}
            body["_blank"] = dict.fromkeys(fields, _missing) | defaults
            return super().__new__(cls, name, bases, body)

    class NamedTuple(tuple, metaclass=_Meta):
        """The base of named tuples, as in `typing`."""

        def __new__(cls, *values, **named):
            """Take the fields by place or by name."""
            if named or len(values) != cls._size:
                values = _filled(cls, values, named)
            return _new(cls, values)

        @classmethod
        def _make(cls, values):
            return cls(*values)

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, /, **named):
            return type(self)(**self._asdict() | named)

        def __getnewargs__(self):
            return tuple(self)

        def __repr__(self):
            return f"{type(self).__name__}({', '.join(f'{field}={value!r}' for field, value in self._asdict().items())})"

    _new = tuple.__new__

    def _filled(cls, values, named):
        """Return the values of all fields. Raises TypeError for one that is given twice, not at all, or unknown."""
        placed = dict(zip(cls._fields, values, strict=False))
        given = cls._blank | placed | named  # in the order of the fields
        twice = len(values) > cls._size or (placed and not placed.keys().isdisjoint(named))
        if twice or len(given) != cls._size or _MISSING in {*map(id, given.values())}:
            raise TypeError(f"{cls.__name__} takes {', '.join(cls._fields)}")
        return given.values()
