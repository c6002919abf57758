"""A second implementation of identity, written from the specification alone, and this one agree: on all vectors and on any input."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runstore.errors import RunstoreError
from runstore.model.executions import Execution, encode_execution
from runstore.model.ids import Kind
from runstore.model.ids import Link as OurLink
from runstore.model.objects import verify_body
from runstore.model.run import ABSENT, UNKNOWN, Run
from runstore.model.settings import encode_settings
from tests.independent import identity
from tests.independent.identity import Bad, Link
from tests.model import strategies, vectors
from tests.model.test_strictness import SEEDS, mutated

LARGE = re.compile(r"\d\d,\d{3}|16 MiB|10 to the")
READERS: dict[str, Any] = {
    "value": identity.decode,
    "settings": lambda body: identity.decode(body, settings=True),
    "list": identity.check_node,
    "tree": identity.check_tree,
    "run": lambda body: identity.want(identity.check_tree(body).keys() >= set(identity.CORE), "no run"),
    "execution": identity.check_execution,
    "tag": identity.check_tag,
}


def theirs(value: Any) -> Any:
    """A value of our model as one of the other implementation."""
    if isinstance(value, OurLink):
        return Link(value.kind, value.id)
    if isinstance(value, dict):
        pairs = [(key, theirs(item)) for key, item in value.items()]
        identity.want(len({identity.join(key) for key, _ in pairs}) == len(pairs), "a key twice")
        return dict(pairs)
    return [theirs(item) for item in value] if isinstance(value, list | tuple) else value


def hexed(found: Link) -> str:
    """A link as the vectors write it."""
    return f"{identity.NAMES[found.kind]}:{found.id.hex()}"


def values(name: str, *, large: bool) -> None:
    """Check the cases and errors of a file whose names tell of tens of thousands of something, or all others."""
    cases, errors = ([case for case in vectors.load(name)[key] if bool(LARGE.search(case["name"])) is large] for key in ("cases", "errors"))
    for case in cases:
        made = identity.from_json(vectors.text_of(case)) if name == "json" else theirs(vectors.value(case["value"]))
        body = identity.encode(made, settings=name == "settings")
        assert vectors.agrees(case, body), case["name"]
        assert identity.link(identity.VALUE, body).id.hex() == case["id"].removeprefix("value:"), case["name"]
        identity.decode(body, settings=name == "settings")
    for case in errors:
        with pytest.raises(Bad):
            identity.encode(
                identity.from_json(vectors.text_of(case)) if name == "json" else theirs(vectors.value(case["value"])),
                settings=name == "settings",
            )


@pytest.mark.parametrize("name", ["values", "settings", "json"])
def test_values(name: str) -> None:
    """Every value of the vectors has the body and id that they state, and every error is one."""
    values(name, large=False)


@pytest.mark.soak
@pytest.mark.parametrize("name", ["values", "json"])
def test_large_values(name: str) -> None:
    """The same for those at the limits, which this implementation takes a minute for."""
    values(name, large=True)


def test_rejects() -> None:
    """Every body that has to be refused is."""
    for case in vectors.load("rejects")["cases"]:
        with pytest.raises(Bad):
            READERS[case["as"]](vectors.body_of(case))


def test_lists() -> None:
    """Every list has its root and its nodes a level; structures are accepted and refused as stated."""
    for case in vectors.load("lists")["cases"]:
        root, bodies = identity.build([Link(raw[0], raw[1:]) for raw in vectors.element_raws(case["elements"])])
        assert root.id.hex() == case["root"], case["name"]
        assert identity.check_list(root, bodies.__getitem__) == case["count"]
    for case in vectors.load("lists")["structure_accepts"]:
        assert identity.check_list(*_structure(case)) == case["count"]
    for case in vectors.load("lists")["structure_rejects"]:
        with pytest.raises((Bad, KeyError)):
            identity.check_list(*_structure(case))


def _structure(case: Any) -> tuple[Link, Any]:
    bodies = {identity.link(identity.LIST, node.body): node.body for node in vectors.nodes(case["nodes"])}
    return list(bodies)[-1], bodies.__getitem__


def test_trees_and_executions() -> None:
    """Every tree, execution, merge and tag has its body and id, and every error is one."""
    for case in vectors.load("trees")["cases"]:
        body = identity.tree(_slots(case))
        assert vectors.agrees(case, body)
        assert identity.link(identity.TREE, body).id.hex() == case["id"]
    for case in vectors.load("trees")["errors"]:
        if case["name"] != "name twice":  # among the bodies that are refused
            with pytest.raises(Bad):
                identity.tree(_slots(case))
    for case in vectors.load("executions")["cases"]:
        body = identity.encode(theirs(vectors.value(case["value"])), links=identity.ANY, settings=True)
        assert vectors.agrees(case, body)
        identity.check(identity.KINDS[case["kind"]], body)
        assert identity.link(identity.KINDS[case["kind"]], body).id.hex() == case["id"]
    for case in vectors.load("executions")["errors"]:
        with pytest.raises(Bad):
            identity.check(
                identity.KINDS[case["kind"]], identity.encode(theirs(vectors.value(case["value"])), links=identity.ANY, settings=True)
            )


def _slots(case: Any) -> dict[str, Any]:
    if "slots_range" in case:
        return {f"a{number:04}": None for number in range(case["slots_range"])}
    return {name: theirs(vectors.value(slot)) for name, slot in case["slots"]}


def test_runs() -> None:
    """Every run has its run id and request id; what a run or an execution links to is accepted and refused as stated."""
    cases = {case["name"]: case for case in vectors.load("runs")["cases"]}

    def slots(case: Any) -> dict[str, Any]:
        return {**(slots(cases[case["like"]]) if "like" in case else {}), **case.get("slots", {}), **case.get("changes", {})}

    def links(case: Any) -> dict[str, Any]:
        made: dict[str, Any] = dict.fromkeys(identity.CORE)
        for name, slot in slots(case).items():
            made[name] = _slot(slot)
        return made

    for case in cases.values():
        made = links(case)
        found = (made, {**made, "runtime": None})
        assert [hexed(identity.link(identity.TREE, identity.tree(each))) for each in found] == [
            f"tree:{case[key]}" for key in ("run", "request")
        ]
    for key, fails in (("store_accepts", False), ("store_rejects", True)):
        for case in vectors.load("runs")[key]:
            objects = [(identity.KINDS[kind], bytes.fromhex(body)) for kind, body in case["objects"]]
            bodies = {identity.link(kind, body): body for kind, body in objects}
            if fails:
                with pytest.raises((Bad, KeyError)):
                    _check(case["as"], objects[-1][1], bodies.__getitem__)
            else:
                _check(case["as"], objects[-1][1], bodies.__getitem__)


def _slot(slot: Any) -> Any:
    if isinstance(slot, str):
        return {"absent": False, "unknown": None}[slot]
    ((kind, spec),) = slot.items()
    if kind in ("value", "settings"):
        return identity.link(identity.VALUE, identity.encode(theirs(vectors.value(spec)), settings=kind == "settings"))
    values = [{"i": number} for number in range(spec)] if kind == "list_range" else [theirs(vectors.value(item)) for item in spec]
    return identity.build([identity.link(identity.VALUE, identity.encode(item)) for item in values])[0]


def _check(kind: str, body: bytes, fetch: identity.Fetch) -> None:
    if kind == "run":
        identity.check_run(body, fetch)
    else:
        identity.check_run(fetch(identity.check_execution(body)["run"]), fetch)


# A link in place of a value names what is stored: that is how our Run is called, and nothing of the format.
WHOLE = strategies.VALUES.filter(lambda value: not isinstance(value, OurLink))
ITEMS = st.lists(WHOLE, max_size=8) | st.lists(strategies.INTS, max_size=150)
SETTINGS = st.dictionaries(strategies.TEXTS, strategies.VALUES, max_size=4)
STATES = st.sampled_from([None, False])
SLOTS = st.fixed_dictionaries(
    {},
    optional={
        "model": STATES | SETTINGS,
        "prompt": STATES | WHOLE.filter(lambda value: value is not None and value is not False),
        "parameters": STATES | SETTINGS,
        "documents": STATES | ITEMS,
        "tools": STATES | ITEMS,
        "history": STATES | ITEMS,
        "runtime": STATES | SETTINGS,
        "environment": STATES | SETTINGS,
        "extra": STATES | SETTINGS,
    },
)


def accepted(check: Any, kind: int, body: bytes) -> bool:
    """True unless the check raises."""
    check(kind, body)
    return True


def agree(ours: Any, their: Any) -> Any:
    """Return what both gave, which must be the same; None if both refused."""
    found: list[Any] = []
    for make in (ours, their):
        try:
            found.append(make())
        except (RunstoreError, Bad):
            found.append(None)
    assert found[0] == found[1]
    return found[0]


@settings(max_examples=150, deadline=None)
@given(SLOTS)
def test_any_run_has_the_same_ids(slots: dict[str, Any]) -> None:
    """Both give any composition the same run id and the same request id, or both refuse it."""

    def ours() -> Any:
        made = Run(slots={name: UNKNOWN if slot is None else ABSENT if slot is False else slot for name, slot in slots.items()})
        return made.id, made.request_id

    agree(ours, lambda: tuple(each.id for each in identity.run({name: theirs(slot) for name, slot in slots.items()})))


@settings(max_examples=300, deadline=None)
@given(strategies.nested(strategies.SCALARS | strategies.ANY_LINKS), st.booleans())
def test_any_value_has_the_same_body(value: Any, as_settings: bool) -> None:
    """Both encode any value, as content or as settings, to the same bytes, or both refuse it."""
    ours = (lambda: encode_settings(value).body) if as_settings else (lambda: strategies.general(value))
    agree(ours, lambda: identity.encode(theirs(value), settings=as_settings))


@settings(max_examples=100, deadline=None)
@given(st.lists(strategies.IDS, max_size=2), SETTINGS, st.integers(-(1 << 63), (1 << 64) - 1), st.sampled_from(["ok", "error", "merge"]))
def test_any_execution_has_the_same_id(parents: list[bytes], notes: dict[str, Any], started: int, status: str) -> None:
    """Both give any execution the same id, or both refuse it."""
    run = OurLink(Kind.TREE, bytes(32))
    stood = tuple(OurLink(Kind.EXECUTION, each) for each in parents)
    fields: dict[str, Any] = {"parents": stood, "status": status} | (
        {} if status == "merge" else {"run": run, "notes": notes, "started": started}
    )

    def their() -> bytes:
        body = identity.encode(theirs(fields), links=identity.ANY, settings=True)
        identity.check_execution(body)
        return identity.link(identity.EXECUTION, body).id

    agree(lambda: encode_execution(Execution(**fields)).id, their)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SEEDS), st.randoms(use_true_random=False))
def test_both_accept_the_same_bodies(seed: tuple[Kind, bytes], chance: Any) -> None:
    """A body of any kind that was changed somewhere is accepted by both or by none."""
    kind, body = seed
    changed = mutated(body, chance)
    agree(lambda: accepted(verify_body, kind, changed), lambda: accepted(identity.check, kind, changed))
