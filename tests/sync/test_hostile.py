"""Hostile peers: every attack is refused with its reason, and changes nothing."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Sequence
from struct import pack

import pytest
import zstandard

from runstore.errors import Refused
from runstore.model.digest import checksum
from runstore.model.encoding import encode
from runstore.model.executions import make_merge
from runstore.model.heads import LINK_HEAD
from runstore.model.ids import Kind, Link, Object, make_object
from runstore.model.lists import build
from runstore.model.nodes import inner_body, leaf_body
from runstore.model.trees import ABSENT, tree_body
from runstore.sync.frame import Frame, Header
from runstore.sync.limits import SERVING
from runstore.sync.messages import Message
from runstore.testing.machines import Machine
from tests.sync.forge import UPLOAD, execution, frames, push_objects, remote_to, run_objects, send, value, whole

HIDDEN = Link(Kind.EXECUTION, bytes(range(32)))


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A store with two executions, which every test leaves as it was."""
    made = Machine(1)
    made.talk(2)
    before = made.state()
    yield made
    assert made.state() == before
    made.close()


def refused(kind: str, act: Callable[[], object]) -> Refused:
    """Return the refusal that an act meets; it is of this kind."""
    with pytest.raises(Refused) as found:
        act()
    assert found.value.kind == kind, found.value
    return found.value


def listed(links: Sequence[Link]) -> tuple[list[Object], Link]:
    """Return the nodes of a list, and the link to its root."""
    built = build(links)
    return list(built.nodes), built.root


def with_history(nodes: Sequence[Object], root: Link, more: Sequence[Object] = ()) -> tuple[list[Object], Link]:
    """Return all objects of an execution whose run has this history, and the execution's link."""
    slots = dict.fromkeys(("model", "prompt", "parameters", "documents", "tools", "runtime"), ABSENT)
    tree = make_object(Kind.TREE, tree_body({**slots, "history": root}))
    made = execution(tree.link)
    return [*more, *nodes, tree, made], made.link


class TestObjects:
    def test_wrong_bytes_for_an_id(self, machine: Machine) -> None:
        """Bytes that differ in one place have another id, so what links to the right one finds nothing."""
        objects, made = whole(prompt="a" * 100)
        forged = [value("b" * 100) if item.kind == Kind.VALUE else item for item in objects]
        error = refused("missing-object", lambda: push_objects(machine, forged, made.link))
        assert objects[0].id.hex() in str(error)

    def test_another_kind(self, machine: Machine) -> None:
        """A link that names an object under another kind leads to nothing."""
        prompt = value("hello")
        tree = make_object(Kind.TREE, tree_body({"note": Link(Kind.BLOB, prompt.id)}))
        slots = dict.fromkeys(("model", "prompt", "parameters", "documents", "tools", "history", "runtime"), ABSENT)
        run = make_object(Kind.TREE, tree_body({**slots, "more": tree.link, "text": prompt.link}))
        made = execution(run.link)
        refused("missing-object", lambda: push_objects(machine, [prompt, tree, run, made], made.link))

    def test_another_kind_of_what_is_here(self, machine: Machine) -> None:
        """Nor does it where the object is in the store."""
        with machine.store.read() as reader:
            stored = next(obj for _, obj in reader.objects() if obj.kind == Kind.VALUE)
        slots = dict.fromkeys(("model", "prompt", "parameters", "documents", "tools", "history", "runtime"), ABSENT)
        run = make_object(Kind.TREE, tree_body({**slots, "more": Link(Kind.BLOB, stored.id)}))
        made = execution(run.link)
        refused("missing-object", lambda: push_objects(machine, [run, made], made.link))

    def test_an_unreferenced_object(self, machine: Machine) -> None:
        """An object that nothing in the transfer leads to is refused by its id."""
        objects, made = whole(prompt="x")
        stray = make_object(Kind.BLOB, b"stray")
        error = refused("unreferenced-object", lambda: push_objects(machine, [*objects, stray], made.link))
        assert stray.id.hex() in str(error)

    def test_a_million_tiny_objects(self, machine: Machine) -> None:
        """Strays in any number are refused, and cost little memory."""
        objects, made = whole(prompt="x")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tiny = [make_object(Kind.BLOB, b"%d" % number) for number in range(60_000)]
        refused("unreferenced-object", lambda: push_objects(machine, [*objects, *tiny], made.link))
        few = SERVING._replace(objects=50_000)
        refused("limit-exceeded", lambda: push_objects(machine, [*objects, *tiny], made.link, limits=few))
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 128 << 10

    def test_the_same_object_twice(self, machine: Machine) -> None:
        """An object comes once."""
        objects, made = whole(prompt="x")
        refused("duplicate-object", lambda: push_objects(machine, [*objects, objects[0]], made.link))

    def test_a_link_to_a_missing_object(self, machine: Machine) -> None:
        """Everything that is linked to has to be there."""
        objects, made = whole(prompt="x")
        refused("missing-object", lambda: push_objects(machine, objects[1:], made.link))

    def test_bodies_that_are_not_canonical(self, machine: Machine) -> None:
        """Longer forms, duplicate keys, trailing bytes, bin, NaN and nonsense are no bodies."""
        for body in (b"\xd9\x01a", b"\x82\xa1a\x01\xa1a\x02", b"\x01\x01", b"\xc4\x01a", b"\xcb\x7f\xf8" + bytes(6), b"\xc1", b""):
            bad = make_object(Kind.VALUE, body)
            objects, tip = with_history(*listed([bad.link]), [bad])
            with pytest.raises(Refused) as found:
                push_objects(machine, objects, tip)
            error = found.value
            assert bad.id.hex() in str(error)

    def test_deep_nesting(self, machine: Machine) -> None:
        """A value of 100,000 arrays in one another is refused, not followed."""
        bad = make_object(Kind.VALUE, b"\x91" * 100_000 + b"\x90")
        objects, tip = with_history(*listed([bad.link]), [bad])
        with pytest.raises(Refused, match=bad.id.hex()):
            push_objects(machine, objects, tip)

    def test_a_header_that_claims_four_billion_items(self, machine: Machine) -> None:
        """Five bytes that claim 2**32 items allocate nothing."""
        bad = make_object(Kind.VALUE, b"\xdd\xff\xff\xff\xff")
        objects, tip = with_history(*listed([bad.link]), [bad])
        with pytest.raises(Refused, match=bad.id.hex()):
            push_objects(machine, objects, tip)


class TestLists:
    def test_a_list_of_another_shape(self, machine: Machine) -> None:
        """The same elements cut into other nodes are another list, and no list at all."""
        elements = [value(f"element {number}") for number in range(40)]
        raws = [item.link.raw for item in elements]
        leaves = [make_object(Kind.LIST, leaf_body(raws[at : at + 5])) for at in range(0, 40, 5)]
        root = make_object(Kind.LIST, inner_body(1, [5] * 8, [leaf.link.raw for leaf in leaves]))
        objects, tip = with_history([*leaves, root], root.link, elements)
        refused("bad-list-structure", lambda: push_objects(machine, objects, tip))

    def test_ten_to_the_twenty_elements_in_thirteen_nodes(self, machine: Machine) -> None:
        """Nodes that repeat one child spell more elements than a list may have."""
        element = value("x")
        raw = element.link.raw
        node = make_object(Kind.LIST, leaf_body([raw] * 64))
        nodes, total = [node], 64
        for level in range(1, 13):
            total = min(total * 64, 1 << 32)
            node = make_object(Kind.LIST, inner_body(level, [min(total // 64, 1 << 26)] * 64, [node.link.raw] * 64))
            nodes.append(node)
        objects, tip = with_history(nodes, node.link, [element])
        with pytest.raises(Refused):
            push_objects(machine, objects, tip)

    def test_a_count_that_lies(self, machine: Machine) -> None:
        """A node cannot claim other numbers of elements than its children have."""
        elements = [value(f"element {number}") for number in range(200)]
        nodes, _ = listed([item.link for item in elements])
        top = nodes[-1]
        forged = make_object(Kind.LIST, top.body.replace(b"\x92\x0a", b"\x92\x0b", 1).replace(b"\x92\x09", b"\x92\x0a", 1))
        assert forged.id != top.id
        objects, tip = with_history([*nodes[:-1], forged], forged.link, elements)
        refused("bad-list-structure", lambda: push_objects(machine, objects, tip))

    def test_a_root_of_one_child(self, machine: Machine) -> None:
        """A list is not wrapped in a node of its own."""
        element = value("x")
        leaf = make_object(Kind.LIST, leaf_body([element.link.raw]))
        root = make_object(Kind.LIST, inner_body(1, [1], [leaf.link.raw]))
        objects, tip = with_history([leaf, root], root.link, [element])
        refused("bad-list-structure", lambda: push_objects(machine, objects, tip))

    def test_nodes_before_their_children_are_checked_all_the_same(self, machine: Machine) -> None:
        """The order in which objects come changes nothing: a wrong list sent top down is refused."""
        elements = [value(f"element {number}") for number in range(40)]
        raws = [item.link.raw for item in elements]
        leaves = [make_object(Kind.LIST, leaf_body(raws[at : at + 5])) for at in range(0, 40, 5)]
        root = make_object(Kind.LIST, inner_body(1, [5] * 8, [leaf.link.raw for leaf in leaves]))
        objects, tip = with_history([root, *leaves], root.link, elements)
        single = [frame for item in reversed(objects) for frame in frames([item])]
        refused("bad-list-structure", lambda: send(remote_to(machine), single, [("heads/x", None, tip)]))

    def test_blobs_as_history(self, machine: Machine) -> None:
        """The elements of a history are values."""
        blob = make_object(Kind.BLOB, b"bytes")
        nodes, root = listed([blob.link])
        objects, tip = with_history(nodes, root, [blob])
        refused("bad-run", lambda: push_objects(machine, objects, tip))


class TestRuns:
    def test_settings_that_are_not_in_normal_form(self, machine: Machine) -> None:
        """A model whose keys are not sorted is no settings object."""
        bad = make_object(Kind.VALUE, encode({"name": "m", "api": "a"}).body)
        slots = dict.fromkeys(("prompt", "parameters", "documents", "tools", "history", "runtime"), ABSENT)
        tree = make_object(Kind.TREE, tree_body({**slots, "model": bad.link}))
        made = execution(tree.link)
        refused("bad-run", lambda: push_objects(machine, [bad, tree, made], made.link))

    def test_a_run_without_its_slots(self, machine: Machine) -> None:
        """The run of an execution states all core slots."""
        tree = make_object(Kind.TREE, tree_body({"prompt": ABSENT}))
        made = execution(tree.link)
        refused("bad-execution", lambda: push_objects(machine, [tree, made], made.link))

    def test_a_slot_of_another_kind(self, machine: Machine) -> None:
        """A history is a list."""
        text = value("x")
        slots = dict.fromkeys(("model", "prompt", "parameters", "documents", "tools", "runtime"), ABSENT)
        tree = make_object(Kind.TREE, tree_body({**slots, "history": text.link}))
        made = execution(tree.link)
        refused("bad-run", lambda: push_objects(machine, [text, tree, made], made.link))

    def test_a_merge_of_an_execution_and_its_ancestor(self, machine: Machine) -> None:
        """No parent of a merge is an ancestor of another."""
        objects = run_objects(prompt="x")
        first = execution(objects[-1].link)
        second = execution(objects[-1].link, [first.link], nonce="2")
        merge = make_merge([first.link, second.link])
        refused("bad-merge", lambda: push_objects(machine, [*objects, first, second, merge], merge.link))

    def test_a_merge_with_a_stored_ancestor(self, machine: Machine) -> None:
        """Nor where the ancestor is in the store and the other came with the transfer."""
        tip = machine.repo_ref("main")
        objects = run_objects(prompt="x")
        later = execution(objects[-1].link, [tip])
        merge = make_merge([tip, later.link])
        refused("bad-merge", lambda: push_objects(machine, [*objects, later, merge], merge.link))


class TestFrames:
    def sent(self, machine: Machine, frame: Frame) -> list[Message]:
        """Push one frame as it is."""
        return send(remote_to(machine), [frame], [("heads/x", None, HIDDEN)])

    def test_a_bomb(self, machine: Machine) -> None:
        """A kilobyte that claims ten gigabytes is refused by its header."""
        data = b"\x28\xb5\x2f\xfd\xe0" + pack("<Q", 10 << 30) + bytes(1000)
        frame = Frame(Header(1, 1, 10 << 30, len(data), checksum(data)), data)
        refused("limit-exceeded", lambda: self.sent(machine, frame))

    def test_many_frames_that_claim_much(self, machine: Machine) -> None:
        """Small frames that each claim the most that is allowed are refused by their ratio."""
        data = zstandard.ZstdCompressor().compress(bytes(40 << 20))
        frame = Frame(Header(1, 1, 40 << 20, len(data), checksum(data)), data)
        refused("limit-ratio", lambda: send(remote_to(machine), [frame] * 20, [("heads/x", None, HIDDEN)]))

    def test_sizes_that_lie(self, machine: Machine) -> None:
        """Header, zstd frame and columns have to agree about every size."""
        content = b"\x01" + pack("<I", 5) + b"hello"
        good = zstandard.ZstdCompressor().compress(content)
        for objects, raw in ((1, len(content) + 1), (2, len(content)), (1, 5)):
            frame = Frame(Header(0, objects, raw, len(good), checksum(good)), good)
            with pytest.raises(Refused):
                self.sent(machine, frame)
        for lying in (b"\x01" + pack("<I", 50) + b"hello", b"\x01" + pack("<I", 4) + b"hello", b"\x07" + pack("<I", 5) + b"hello"):
            data = zstandard.ZstdCompressor().compress(lying)
            frame = Frame(Header(0, 1, len(lying), len(data), checksum(data)), data)
            with pytest.raises(Refused):
                self.sent(machine, frame)

    def test_a_frame_that_states_no_size(self, machine: Machine) -> None:
        """A frame says how large its content is."""
        content = b"\x01" + pack("<I", 5) + b"hello"
        data = zstandard.ZstdCompressor(write_content_size=False).compress(content)
        refused("bad-frame", lambda: self.sent(machine, Frame(Header(0, 1, len(content), len(data), checksum(data)), data)))

    def test_a_wrong_checksum(self, machine: Machine) -> None:
        """A frame has the hash that its header gives."""
        objects, _ = whole(prompt="x")
        frame = frames(objects)[0]
        refused("bad-frame", lambda: self.sent(machine, Frame(frame.header._replace(check=bytes(32)), frame.data)))

    def test_bytes_after_the_frame(self, machine: Machine) -> None:
        """Nothing hides behind a frame."""
        objects, _ = whole(prompt="x")
        frame = frames(objects)[0]
        data = frame.data + b"more"
        refused("bad-frame", lambda: self.sent(machine, Frame(frame.header._replace(length=len(data), check=checksum(data)), data)))


class TestRefs:
    @pytest.mark.parametrize(
        "name",
        [
            "heads/..", "heads/a..b", "heads/../../etc/passwd", "heads/a\nb", "heads/a\x1b[31m", "heads/", "main", "remotes/origin/main",
            "heads//a", "heads/a b", "heads/.hidden", "heads/-x", "heads/é", "heads/" + "a" * 200, "heads/deadbeef", "heads/MAIN", "/etc/x",
        ],
    )  # fmt: skip
    def test_names(self, machine: Machine, name: str) -> None:
        """A name that breaks a rule, or differs from one that is here in case alone, is refused."""
        objects, made = whole(prompt="x")
        refused("bad-name", lambda: push_objects(machine, objects, made.link, name))

    def test_case_twins_in_one_push(self, machine: Machine) -> None:
        """Two names that differ in case alone cannot come together either."""
        objects, made = whole(prompt="x")
        updates = [("heads/a", None, made.link), ("heads/A", None, made.link)]
        refused("bad-name", lambda: send(remote_to(machine), frames(objects), updates))

    def test_a_ref_to_a_missing_object(self, machine: Machine) -> None:
        """A ref points at what is there."""
        refused("missing-object", lambda: send(remote_to(machine), [], [("heads/x", None, HIDDEN)]))

    def test_a_ref_to_a_value(self, machine: Machine) -> None:
        """A head points at an execution."""
        text = value("x")
        refused("bad-target", lambda: send(remote_to(machine), frames([text]), [("heads/x", None, text.link)]))

    def test_a_ref_to_a_value_that_calls_itself_an_execution(self, machine: Machine) -> None:
        """The kind in a link is checked, not believed."""
        text = value("x")
        refused("missing-object", lambda: send(remote_to(machine), [], [("heads/x", None, Link(Kind.EXECUTION, text.id))]))


class TestMessages:
    @pytest.mark.parametrize(
        "messages",
        [
            [Message("nonsense")],
            [Message("hello", {"version": 99})],
            [Message("hello", {"version": 1, "names": 7})],
            [Message("has", {}, b"short")],
            [Message("has", {}, bytes(32 * 8193))],
            [Message("want", {}, bytes(32)), Message("nonsense")],
            [Message("want", {}, bytes(32))],
            [Message("want", {}, bytes(32)), Message("list", {"depth": 0})],
            [Message("want", {}, bytes(32)), Message("list", {"without": ["everything"]})],
            [Message("push", {"upload": "../../x", "frame": 0})],
            [Message("push", {"upload": UPLOAD, "frame": 0}), Message("commit", {"updates": 5})],
            [Message("push", {"upload": UPLOAD, "frame": 0}), Message("commit", {"updates": [["heads/x", None, 7]]})],
            [Message("push", {"upload": UPLOAD, "frame": 0}), Message("commit", {"updates": [], "force": "yes"})],
            [Message("push", {"upload": UPLOAD, "frame": 0}), Message("promised", {}, b"x")],
            [Message("push", {"upload": UPLOAD, "frame": 0}), Message("frame", {}, b"x")],
            [Message("resume", {"upload": 5})],
        ],
    )
    def test_calls_out_of_form(self, machine: Machine, messages: list[Message]) -> None:
        """What is not a call of the protocol is refused."""
        with pytest.raises(Refused):
            remote_to(machine).ask(messages)


def test_a_link_inside_a_string_is_no_link(machine: Machine) -> None:
    """Bytes that look like a link, in a blob, lead nowhere and harm nothing."""
    other = Machine(2)
    blob = make_object(Kind.BLOB, LINK_HEAD + bytes((2,)) + bytes(32))
    nodes, root = listed([blob.link])
    run = run_objects(prompt="x")
    made = execution(run[-1].link, output=root)
    push_objects(other, [blob, *nodes, *run, made], made.link)
    assert blob.id in other.ids()
