"""The memory of what was built: same ids and objects as without it, whatever is changed in place; bounded; safe to share."""

from __future__ import annotations

import copy
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import OrderedDict
from enum import StrEnum
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runstore.errors import InvalidInput
from runstore.model import memo
from runstore.model.encoding import encode
from runstore.model.ids import Kind, Link, make_object, object_id
from runstore.model.memo import Memory
from runstore.model.run import Run
from runstore.model.settings import encode_settings
from tests.model.strategies import CONTENT_LINKS, SCALARS, nested, unambiguous

CONTENTS = ["", "a", "b", "é", 0, 1, 1.0, True, -0.0, 0.0, b"\x00", b"1", None]
ITEMS = nested(SCALARS | CONTENT_LINKS | st.binary(max_size=4), 6).filter(unambiguous)
MESSAGES = ITEMS | st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": st.sampled_from(CONTENTS)})


def poked(message: Any, chance: random.Random) -> None:
    """Change a message in place, as a program might between two calls."""
    if type(message) is dict and message:
        key = chance.choice(list(message))
        way = chance.randrange(4)
        if way == 0:
            message[key] = message.pop(key)  # only the order changes
        elif way == 1 and type(message[key]) in (int, float, bool):
            message[key] = chance.choice([0, 1, 0.0, -0.0, 1.0, True, False])
        elif way == 2:
            message[key] = [message[key]]
        else:
            poked(message[key], chance)
    elif type(message) is list and message:
        message[chance.randrange(len(message))] = chance.choice([0, 1.0, True, "x", (1, 2)])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(MESSAGES, max_size=14), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_memory_changes_no_id(conversations: list[list[Any]], chance: random.Random) -> None:
    """Lists given again longer, shorter, branched or changed in place have the ids and objects that a fresh memory gives them."""
    memory = Memory()
    for _ in range(12):
        messages = chance.choice(conversations)
        if chance.random() < 0.5 and messages:
            poked(chance.choice(messages), chance)
        if chance.random() < 0.4:
            place = chance.choice((len(messages), chance.randrange(len(messages) + 1)))
            messages.insert(place, {"role": "user", "content": chance.randrange(3)})
        shown = messages[: chance.randrange(len(messages) + 1)] if chance.random() < 0.3 else messages
        kept, fresh = memory.list_part(shown, "history"), Memory().list_part(copy.deepcopy(shown), "history")
        assert kept.link == fresh.link
        kept_objects, fresh_objects = set(kept.closure()), set(fresh.closure())
        assert kept_objects >= fresh_objects
        assert all(item.kind == Kind.LIST for item in kept_objects - fresh_objects)  # the open nodes of shorter states
        assert all(item == make_object(item.kind, item.body) for item in kept.closure())
        assert kept.objects == () or kept.objects[-1].link == kept.link


@settings(max_examples=100, deadline=None)
@given(st.lists(ITEMS, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_remembered_values_change_no_id(values: list[Any], chance: random.Random) -> None:
    """A value or settings given again, changed in place or not, has the id that encoding it anew gives."""
    memory = Memory()
    for _ in range(12):
        value = chance.choice(values)
        poked(value, chance)
        if unambiguous(value):
            for as_settings, body in ((False, encode(value).body), (True, encode_settings(value).body)):
                part = memory.value_part(value, "prompt", settings=as_settings)
                assert part.link.id == object_id(Kind.VALUE, body)
                assert part.objects[-1].body == body


def conversation(size: int) -> list[Any]:
    """Messages of a conversation."""
    return [{"role": ("user", "assistant")[number % 2], "content": f"message {number}"} for number in range(size)]


def test_a_turn_brings_only_what_is_new() -> None:
    """The part of a conversation one turn longer holds the new messages and at most a node a level, on the base of the turn before."""
    memory, messages = Memory(), conversation(1000)
    before = memory.list_part(messages, "history")
    messages += conversation(1002)[1000:]
    part = memory.list_part(messages, "history")
    assert part.base is not None
    assert part.base.link == before.link
    assert [item.kind for item in part.objects[:2]] == [Kind.VALUE, Kind.VALUE]
    assert len(part.objects) <= 2 + 2 * 4
    assert {item.id for item in part.base.objects} == {item.id for item in before.closure()}


def test_another_sample_of_the_same_state_brings_nothing_to_encode() -> None:
    """A list given twice has one link, and its objects are still to be had for another store."""
    memory, messages = Memory(), conversation(30)
    first, second = memory.list_part(messages, "history"), memory.list_part(copy.deepcopy(messages), "history")
    assert first.link == second.link
    assert set(first.closure()) == set(second.closure())


def test_a_conversation_that_is_replayed_brings_only_what_is_new_a_turn() -> None:
    """Turns that were recorded before, into another store perhaps, stand each on the turn before it, and still have all their objects."""
    memory, messages = Memory(), conversation(200)
    for size in range(1, 201):
        memory.list_part(messages[:size], "history")
    for size in (1, 2, 9, 150, 200):
        part = memory.list_part(messages[:size], "history")
        assert len(part.objects) <= 1 + 2 * 4
        assert (part.base is not None) is (size > 1)
        assert set(part.closure()) >= set(Memory().list_part(messages[:size], "history").closure())


def test_agents_that_take_turns_are_both_remembered() -> None:
    """Two conversations in turn, and a branch of one of them, are each continued from their own last state."""
    memory = Memory()
    one, other = conversation(50), [{"role": "user", "content": "another"}, *conversation(40)]
    branch = [*one[:20], {"role": "user", "content": "instead"}]
    for messages in (one, other, branch):
        memory.list_part(messages, "history")
    for messages in (one, other, branch):
        before = memory.list_part(messages, "history").link
        messages.append({"role": "user", "content": "next"})
        part = memory.list_part(messages, "history")
        assert part.base is not None
        assert part.base.link == before


class Role(StrEnum):
    USER = "user"


@pytest.mark.parametrize(
    ("given", "later", "same"),
    [
        ({"a": 1}, {"a": 1.0}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 0.0}, {"a": -0.0}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
        ({"a": "user"}, {"a": Role.USER}, True),
        ({"a": [1]}, {"a": (1,)}, True),
        ({"a": {"b": 1, "c": 2}}, {"a": OrderedDict(b=1, c=2)}, True),
        ({"a": b"x"}, {"a": "x"}, False),
        ({"a": "\ud83d\ude00"}, {"a": "\U0001f600"}, True),
        ({"a": 10**30}, {"a": 10**30 + 1}, False),
    ],
)
def test_values_that_python_takes_for_equal(given: Any, later: Any, same: bool) -> None:
    """What comes in place of a remembered value has the id of its own encoding, whether Python calls the two equal or not."""
    memory = Memory()
    assert (_both(memory, given) == _both(memory, later)) is same
    assert _both(memory, later) == _both(Memory(), later)


@pytest.mark.parametrize(
    ("given", "impostor"),
    [
        (b"x", bytearray(b"x")),
        (b"x", memoryview(b"x")),
        (Link(Kind.VALUE, bytes(32)), msgpack.ExtType(101, b"\x02" + bytes(32))),
        (Link(Kind.VALUE, bytes(32)), msgpack.ExtType(1, b"\x02" + bytes(32))),
        (Link(Kind.VALUE, bytes(32)), [1, b"\x02" + bytes(32)]),
        (10**30, msgpack.ExtType(102, b"1" + b"0" * 30)),
    ],
)
def test_types_that_the_packer_takes_for_others(given: Any, impostor: Any) -> None:
    """A type that packs to the key of another is what it is without a memory, whichever of the two came first."""
    for values in ((given, impostor, given), (impostor, given, impostor)):
        memory = Memory()
        for value in values:
            assert _both(memory, value) == _both(Memory(), value)


def test_what_cannot_be_remembered_leaves_no_trace() -> None:
    """An element that has no key by which to know it again, behind a beginning that is remembered, is taken for no other one later."""
    memory, beginning = Memory(), conversation(3)
    unknown = {"x": msgpack.ExtType(101, b"1")}  # a tuple, and what the packer would take for something else
    for end in ([], [unknown], ["other"], [unknown, "more"], ["other", "more"], [unknown], []):
        assert memory.list_part([*beginning, *end], "history").link == Memory().list_part([*beginning, *end], "history").link


def _both(memory: Memory, value: Any) -> Any:
    """The links of a value as an element and as a slot, or None if it is refused."""
    try:
        return memory.list_part([{"a": value}], "history").link, memory.value_part({"a": value}, "prompt", settings=False).link
    except InvalidInput:
        return None


def test_errors_name_the_place_when_the_beginning_is_remembered() -> None:
    """An error in the new end of a remembered list names its place, and leaves the memory as it was."""
    memory, messages = Memory(), conversation(5)
    link = memory.list_part(messages, "history").link
    with pytest.raises(InvalidInput, match=r"^history\[5\]\.x\[0\]: set cannot"):
        memory.list_part([*messages, {"x": [{1}]}], "history")
    assert memory.list_part(messages, "history").link == link


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory forgets the least recent beyond its bounds, and still gives the same ids."""
    monkeypatch.setattr(memo, "MAX_LIST_BYTES", 20_000)
    monkeypatch.setattr(memo, "MAX_VALUE_BYTES", 20_000)
    memory = Memory()
    lists = [[{"content": f"{number}" * 50}] for number in range(200)]
    links = [memory.list_part(messages, "history").link for messages in lists]
    values = [memory.value_part({"n": number}, "x", settings=False).link for number in range(200)]
    kept = memory._lists["history"]
    assert 0 < len(kept._lists) <= 60
    assert kept._weight == sum(one.weight for one in kept._lists) <= 20_000
    assert memory._weight == sum(one.weight for one in memory._values.values()) <= 20_000
    assert [memory.list_part(messages, "history").link for messages in lists] == links
    assert [memory.value_part({"n": number}, "x", settings=False).link for number in range(200)] == values


def test_a_value_given_again_is_known_by_the_key_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """An equal prompt has the key of the one before it, which keeps its own hash; a prompt beyond the bounds is not kept for that."""
    memory = Memory()
    for prompt in ("You are terse.", [{"role": "system", "content": "You are terse."}]):
        memory.value_part(prompt, "prompt", settings=False)
        key = memory._latest["prompt"]
        memory.value_part(json.loads(json.dumps(prompt)), "prompt", settings=False)
        assert memory._latest["prompt"] is key
    monkeypatch.setattr(memo, "MAX_VALUE_BYTES", 20_000)
    memory.value_part("x" * 30_000, "prompt", settings=False)
    assert memory._latest["prompt"] is key


def test_a_list_beyond_the_bounds_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is larger than the whole memory leaves it empty and sound."""
    monkeypatch.setattr(memo, "MAX_LIST_BYTES", 1000)
    memory, messages = Memory(), conversation(50)
    assert memory.list_part(messages, "history").link == memory.list_part(messages, "history").link
    assert (memory._lists["history"]._lists, memory._lists["history"]._weight) == ([], 0)


def test_threads_share_the_memory() -> None:
    """Threads that extend and branch one conversation at once get the ids that each would get alone."""
    memory, found = Memory(), {}

    def work(number: int) -> None:
        messages = conversation(10)
        for turn in range(30):
            messages = [*messages, {"role": "user", "content": f"{turn if turn < 15 else (number, turn)}"}]
            found[number, turn] = (memory.list_part(messages, "history").link, messages)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(link == Memory().list_part(messages, "history").link for link, messages in found.values())


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_of_a_fork_starts_with_an_empty_memory() -> None:
    """A fork while another thread holds the memory leaves the child able to build runs."""
    expected = str(Run(prompt="p", history=conversation(3)).id)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with memo.MEMORY._lock:
            held.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(30)
        os.write(write, str(Run(prompt="p", history=conversation(3)).id).encode())
        os._exit(0)
    done.set()
    holder.join()
    os.close(write)
    with os.fdopen(read) as stream:
        assert stream.read() == expected
    assert os.waitpid(child, 0)[1] == 0


def test_a_value_that_builds_runs_while_it_is_read() -> None:
    """A subclass whose items build another run leaves both runs with their own ids."""

    class Nosy(dict[str, Any]):
        def items(self) -> Any:
            Run(model={"name": "inner"}, history=[{"content": "inner"}], prompt=["inner"])
            return super().items()

    plain = {"role": "user", "content": "x"}
    assert Run(history=[Nosy(plain)], prompt=Nosy(plain)) == Run(history=[plain], prompt=plain)


def test_a_dict_that_shows_a_key_twice_is_refused_whatever_is_remembered() -> None:
    """A subclass whose items repeat a key is not taken for the dict that would be left of it."""

    class Twice(dict[str, Any]):
        def items(self) -> Any:
            return [("a", 1), ("a", 2)]

    Run(prompt={"a": 2}, model={"a": 2}, history=[{"a": 2}])
    for twice in ({"prompt": Twice(a=2)}, {"model": Twice(a=2)}, {"history": [Twice(a=2)]}):
        with pytest.raises(InvalidInput, match="the key stands twice"):
            Run(**twice)


def test_texts_and_other_values_take_turns_where_comparing_bytes_is_an_error() -> None:
    """A text after a value of another type is no comparison of bytes with a text, which `python -bb` refuses."""
    program = "from runstore import Run; [Run(prompt=given) for given in (['a'], 'a', ['a'], 'b')]"
    subprocess.run([sys.executable, "-bb", "-c", program], check=True)
