"""Recordings without pytest: names, files, and when two say the same."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstore import refs
from runstore.capture.assemble import assemble
from runstore.capture.exchange import Exchange
from runstore.errors import InvalidInput, RunstoreError
from runstore.reproduce.recordings.files import Recordings, change
from runstore.reproduce.recordings.kept import Kept, keep, numbered
from runstore.reproduce.recordings.names import file_of, module_of, ref_of, shown
from runstore.reproduce.recordings.same import same
from tests.reproduce.calls import URL, body_of, chat, completion

NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,30}", fullmatch=True)
TESTS = st.tuples(st.lists(NAMES, max_size=2), NAMES, st.none() | st.text(max_size=40)).map(
    lambda made: "::".join((*made[0], made[1])) + ("" if made[2] is None else f"[{made[2]}]")
)


def kept(request: dict[str, Any] | None = None, answer: dict[str, Any] | None = None, **more: Any) -> Kept:
    """Return what is kept of a call."""
    sent = (("content-type", "application/json"), ("user-agent", "me"), ("authorization", "Bearer secret"))
    got = (("content-type", "application/json"), ("x-request-id", "req-1"))
    made = assemble(Exchange("POST", URL, sent, body_of(request or chat()), 200, got, body_of(answer or completion()), **more))
    assert made is not None
    return keep(made)


def called(id: str, arguments: str = "{}") -> dict[str, Any]:
    """Return an answer that calls a tool, and the request that follows."""
    call = {"id": f"call_{id}", "type": "function", "function": {"name": "book", "arguments": arguments}}
    return completion("", id=f"chatcmpl-{id}", tool_calls=[call])


def followed(id: str) -> dict[str, Any]:
    """Return the request that follows `called`."""
    request = chat()
    said = called(id)["choices"][0]["message"]
    return {**request, "messages": [*request["messages"], said, {"role": "tool", "tool_call_id": f"call_{id}", "content": "done"}]}


def write(path: Path, **calls: Iterable[Kept]) -> None:
    """Write recordings by the names of their tests."""
    change(str(path), lambda _: {ref_of(test): numbered(found, test) for test, found in calls.items()})


@given(TESTS)
def test_every_test_has_a_ref(test: str) -> None:
    """Any name of a test, whatever its parameters, gives a good ref name, and short ones can be read."""
    ref = ref_of(test)
    assert refs.full_name(ref) == ref
    if "+" not in ref:
        assert shown(ref) == test.partition("[")[0].replace("::", "/") + "".join(test.partition("[")[1:])


@given(TESTS, TESTS)
def test_different_tests_have_different_refs(one: str, other: str) -> None:
    """Two names never share a ref; names that differ in their parameters do not differ in case alone."""
    if one != other:
        assert ref_of(one) != ref_of(other)
    if one.partition("[")[0] == other.partition("[")[0] and one != other:
        assert ref_of(one).lower() != ref_of(other).lower()


def test_a_module_and_its_file() -> None:
    """A Python module is named without its ending, another file with it."""
    assert file_of("/p/tests/test_a.py") == "/p/tests/recordings/test_a.runs"
    assert "/p/tests/test_a.py" in module_of("/p/tests/recordings/test_a.runs")
    assert "/p/README.md" in module_of(file_of("/p/README.md"))


def test_what_says_when_where_and_by_whom_is_left_out() -> None:
    """Times, nonce, labels and headers that name a machine or a request are not kept; what was said is."""
    found = kept(started=1, ended=2)
    assert (found.fields.started, found.fields.ended, found.fields.nonce, found.fields.actor, found.fields.notes) == (None,) * 5
    bodies = b"".join(obj.body for obj in found.objects)
    assert b"Four." in bodies
    assert not any(word in bodies for word in (b"user-agent", b"secret", b"req-1"))


def test_the_same_but_for_ids_and_times() -> None:
    """Ids that answers make, sent back or not, and times are no difference."""
    old = [kept(chat(), called("1")), kept(followed("1"), {**completion(id="chatcmpl-a"), "created": 1})]
    new = [kept(chat(), called("2")), kept(followed("2"), {**completion(id="chatcmpl-b"), "created": 2})]
    assert same(old, new)
    assert not same(old, new[:1])
    assert not same(old, new[::-1])


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (chat(top_p=1), completion()),
        (chat(temperature=0.5), completion()),
        ({"temperature": 0, **chat()}, completion()),
        (chat(user="ann"), completion()),
        (chat(), completion("Five.")),
        (chat(), completion(model="gpt-4o-2024-11-20")),
        (chat(), {**completion(), "usage": {"prompt_tokens": 13}}),
        (chat(), {**completion(), "id": "chatcmpl-1", "service_tier": "flex"}),
    ],
)
def test_anything_else_is_a_difference(request_: dict[str, Any], answer: dict[str, Any]) -> None:
    """What was asked, how it lay on the wire, what answered and what it said: each differs."""
    assert same([kept()], [kept()])
    assert not same([kept()], [kept(request_, answer)])


def test_an_id_that_a_model_wrote_is_content() -> None:
    """An id in the arguments of a tool call, or in what a program says of its own, is no id of the provider."""
    assert not same([kept(chat(), called("1", '{"id": "a"}'))], [kept(chat(), called("1", '{"id": "b"}'))])
    tools = [{"type": "function", "id": one, "function": {"name": "book"}} for one in ("a", "b")]
    assert not same([kept(chat(tools=tools[:1]))], [kept(chat(tools=tools[1:]))])
    ids = [kept(chat(), called("1")), kept(followed("1"))]
    assert not same(ids, [ids[0], kept(followed("9"))])


def test_a_file_is_changed_ref_by_ref(tmp_path: Path) -> None:
    """What is not changed stays with its ids; a ref without calls goes; a file without refs goes; the bytes do not depend on the order."""
    one, other = tmp_path / "r" / "one.runs", tmp_path / "r" / "other.runs"
    write(one, test_a=[kept(), kept()], test_b=[kept(chat("x"))])
    write(other, test_b=[kept(chat("x"))])
    write(other, test_c=[kept(chat("y"))])
    write(other, test_a=[kept(), kept()], test_c=[])
    assert one.read_bytes() == other.read_bytes()
    with Recordings(str(one)) as found:
        assert {shown(ref): len(calls) for ref, calls in found.calls.items()} == {"test_a": 2, "test_b": 1}
        first, second = found.calls["heads/test_a"]
        assert first.execution.nonce != second.execution.nonce
        assert second.execution.parents == (first.object.link,)
    write(one, test_a=[], test_b=[])
    assert os.listdir(tmp_path / "r") == ["other.runs"]


def test_two_names_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    """A file that no store could take in is not written, and what stood stays."""
    path = tmp_path / "r.runs"
    write(path, test_a=[kept()])
    before = path.read_bytes()
    with pytest.raises(InvalidInput, match="differ in case alone"):
        write(path, test_A=[kept()])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["r.runs"]


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    """A file with a byte changed is refused, or gives what it gave: never another answer."""
    path = tmp_path / "r.runs"
    write(path, test_a=[kept()])
    whole = path.read_bytes()

    def read() -> str:
        with Recordings(str(path)) as found:
            return json.dumps([[obj.id.hex() for obj in found.kept(call).objects] for call in found.calls["heads/test_a"]])

    expected = read()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :])
        with suppress(RunstoreError):
            assert read() == expected
