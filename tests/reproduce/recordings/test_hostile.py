"""Bundles that somebody made to do harm: whoever reads them says what is wrong, soon, in little memory and in plain characters."""

from __future__ import annotations

import random
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from runstore.capture.codecs import CODECS, Answer, Codec
from runstore.capture.codecs.openai_chat import OpenAIChat
from runstore.capture.codecs.tool_call import TOOL
from runstore.cli import bundletext
from runstore.errors import Damaged, RunstoreError
from runstore.model.ids import Kind, Link, Object, make_object
from runstore.model.nodes import inner_body, leaf_body
from runstore.model.trees import ABSENT, tree_body
from runstore.repo import TABLES, Repo
from runstore.reproduce.recordings.files import Recordings
from runstore.reproduce.replay.library import Library
from runstore.reproduce.replay.serving import Form, served
from runstore.sync.bundle import Header, _render
from runstore.sync.bundlestore import BundleStore
from runstore.sync.packs import PackWriter
from tests.reproduce.calls import HEADERS, URL, body_of, chat, completion, record
from tests.sync.forge import execution, frames, value

CORE = ("model", "prompt", "parameters", "documents", "tools", "history", "runtime")


def bundle(path: Path, objects: Iterable[Object], tip: Link) -> str:
    """Write a bundle of these objects as they are, nothing checked."""
    with path.open("wb") as file:
        file.write(_render(Header({"heads/test_a": tip}, ())))
        writer = PackWriter(file)
        for frame in frames(objects):
            writer.add(frame)
        writer.finish()
    return str(path)


def run(**slots: Link) -> Object:
    """Return a run with these slots, nothing checked."""
    return make_object(Kind.TREE, tree_body({**dict.fromkeys(CORE, ABSENT), **slots}))


def called(url: str = URL) -> Any:
    """Return a call as the tap sees it."""
    from runstore.capture.tap.handler import Call

    return Call("POST", url, tuple(HEADERS.items()), body_of(chat()))


def read_all(path: str) -> None:
    """Do with a bundle what tests, `replay --store FILE`, and `bundle list` do. Raises RunstoreError, and nothing else."""
    with Recordings(path) as recordings:
        for calls in recordings.calls.values():
            for call in calls:
                recordings.kept(call)
    with Repo(BundleStore(path, TABLES), actor="") as repo:
        library = Library(repo)
        asked = library.read(called())
        assert asked is not None
        with suppress(RunstoreError):
            library.find(asked)
        for line in bundletext.lines({ref.name: ref.target for ref in repo.refs("heads/")}, repo.fetch):
            assert "\x1b" not in line


BODIES = {
    "longer form": b"\xd9\x01a",
    "nothing": b"",
    "a header that claims 2**32 items": b"\xdd\xff\xff\xff\xff",
    "deep": b"\x91" * 100_000 + b"\x90",
    "unknown extension": b"\xc7\x05\x09abcde",
    "no UTF-8": b"\xa2\xff\xfe",
    "NaN": b"\xcb\x7f\xf8" + bytes(6),
    "a key twice": b"\x82\xa1a\x01\xa1a\x02",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("kind", [Kind.VALUE, Kind.LIST, Kind.TREE, Kind.EXECUTION])
def test_a_body_that_is_none_is_named(tmp_path: Path, kind: Kind, body: bytes) -> None:
    """An object whose body is not of its kind is refused by its id and the file's name, wherever it stands."""
    bad = make_object(kind, body)
    objects = [bad]
    if kind in (Kind.VALUE, Kind.LIST):
        objects.append(run(**{"model" if kind == Kind.VALUE else "history": bad.link}))
    if kind != Kind.EXECUTION:
        objects.append(execution(objects[-1].link))
    path = bundle(tmp_path / "bad.runs", objects, objects[-1].link)
    with pytest.raises(Damaged, match=f"{path}.*{bad.id.hex()}"):
        read_all(path)


def test_a_list_that_spells_billions_of_elements(tmp_path: Path) -> None:
    """A few nodes that repeat one another are not followed: not by the text, not by an answer that is made of them."""
    element = value("x")
    node, size = make_object(Kind.LIST, leaf_body([element.link.raw] * 64)), 64
    objects = [element, node]
    for level in range(1, 5):
        node = make_object(Kind.LIST, inner_body(level, [size] * 64, [node.link.raw] * 64))
        size *= 64
        objects.append(node)
    tree = run(history=node.link)
    tip = execution(tree.link, output=node.link)
    path = bundle(tmp_path / "bomb.runs", [*objects, tree, tip], tip.link)
    with pytest.raises(Damaged, match="1,073,741,824 elements, in a bundle of 8 objects"):
        read_all(path)


def test_a_node_that_has_more_than_its_parent_says(tmp_path: Path) -> None:
    """A root that claims few elements does not lead to many: what it says is compared with what is there."""
    element = value("x")
    leaf = make_object(Kind.LIST, leaf_body([element.link.raw] * 64))
    root = make_object(Kind.LIST, inner_body(1, [1, 1], [leaf.link.raw] * 2))
    tree = run(history=root.link)
    tip = execution(tree.link)
    path = bundle(tmp_path / "lie.runs", [element, leaf, root, tree, tip], tip.link)
    with pytest.raises(RunstoreError, match="64 elements where 0 and 1 are due"):
        read_all(path)


HEADERS_OF_THEIR_OWN = {
    "x-a": "b\r\nset-cookie: z=1",
    "x b: c": "d",
    "content-length": "5",
    "transfer-encoding": "chunked",
    "content-encoding": "gzip",
    "x-blank": " b",
    "x-far": "\u4e2d",
    "x-request-id": "r1",
}


@pytest.mark.parametrize("stream", [False, True])
def test_recorded_headers_are_no_way_into_a_response(repo: Repo, stream: bool) -> None:
    """Of the headers that a recording claims only those are served that are one, and not the response's own."""
    body = completion()
    answer = Answer("ok", [body["choices"][0]["message"]], None, None, {"status": 200, "headers": HEADERS_OF_THEIR_OWN, "body": body})
    made = served(OpenAIChat(), answer, Form(stream), lambda link: b"")
    assert made is not None
    assert made.headers == (("x-request-id", "r1"),)


def _anything(draw: random.Random, depth: int = 0) -> Any:
    """Return a value of a shape that an answer may have, or not."""
    if depth > 4 or draw.random() < 0.4:
        return draw.choice((None, True, 0, -1, 1.5, "", "x", "assistant", "text", 10**30))
    if draw.random() < 0.4:
        return [_anything(draw, depth + 1) for _ in range(draw.randint(0, 3))]
    keys = (
        "role",
        "content",
        "tool_calls",
        "function",
        "name",
        "type",
        "text",
        "choices",
        "message",
        "output",
        "candidates",
        "parts",
        "body",
    )
    return {draw.choice(keys): _anything(draw, depth + 1) for _ in range(draw.randint(0, 5))}


@pytest.mark.parametrize("codec", [*CODECS, TOOL], ids=lambda codec: codec.name)
def test_an_answer_of_another_shape_is_a_miss(codec: Codec) -> None:
    """An answer that no codec took apart is written or is None, whatever it is, in every form."""
    draw = random.Random(codec.name)
    for _ in range(300):
        response = draw.choice(
            (_anything(draw), {"status": draw.choice((200, 99, "x", None)), "headers": _anything(draw), "body": _anything(draw)})
        )
        output = draw.choice((_anything(draw), [{"role": "assistant", "content": _anything(draw, 2), "tool_calls": _anything(draw, 2)}]))
        answer = Answer("ok", output, draw.choice((None, {}, {"model": 1})), draw.choice((None, {"x": 1})), response)
        for form in (Form(False), Form(True), Form(True, array=True)):
            made = served(codec, answer, form, lambda link: b"x")
            assert made is None or 200 <= made.status < 600


def _bytes_changed(data: bytes, draw: random.Random) -> bytes:
    """Flip, cut, repeat or drop some bytes."""
    found = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(found) + 1)
        size = min(draw.choice((1, 1, 4, 33, 500)), len(found) - at)
        how = draw.randrange(5)
        if how == 0:
            found[at : at + size] = draw.randbytes(size)
        elif how == 1:
            del found[at : at + size]
        elif how == 2:
            found[at:at] = found[at : at + size]
        elif how == 3:
            found[at : at + size] = draw.choice((b"\xff", b"\0")) * size
        else:
            found = found[: max(at, 1)]
    return bytes(found)


def _fuzz(repo: Repo, directory: Path, rounds: int, seed: int) -> None:
    """Read bundles in which bytes of the file or of an object's body are changed, links and checksums put right or not."""
    for body in (chat(), chat("And three?", tools=[{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}])):
        record(repo, body)
    with repo.read() as reader:
        objects = [obj for _, obj in reader.objects()]
    tip = next(ref.target for ref in repo.refs("heads/"))
    good = Path(bundle(directory / "good.runs", objects, tip)).read_bytes()
    read_all(str(directory / "good.runs"))
    path = directory / "fuzzed.runs"
    draw = random.Random(seed)
    for _ in range(rounds):
        if draw.random() < 0.4:
            path.write_bytes(_bytes_changed(good, draw))
        else:
            changed, top = _body_changed(objects, tip, draw)
            bundle(path, changed, top)
        with suppress(RunstoreError):
            read_all(str(path))


def _body_changed(objects: list[Object], tip: Link, draw: random.Random) -> tuple[list[Object], Link]:
    """Change the body of an object, and the links of all that lead to it."""
    victim = draw.choice(objects)
    body = draw.choice(objects).body if draw.random() < 0.3 else _bytes_changed(victim.body, draw)
    bodies = {obj.id: obj.body for obj in objects} | {victim.id: body}
    names: dict[bytes, bytes] = {}
    found: dict[bytes, Object] = {}
    for _ in range(10):  # as deep as links lead here
        for obj in objects:
            body = bodies[obj.id]
            for old, new in names.items():
                body = body.replace(old, new)
            found[obj.id] = made = make_object(obj.kind, body)
            if made.id != obj.id:
                names[obj.id] = made.id
    return list(found.values()), found[tip.id].link


def test_fuzzed_bundles(repo: Repo, tmp_path: Path) -> None:
    """Whatever is changed in a bundle, reading it ends well or in an error of this project."""
    _fuzz(repo, tmp_path, 120, 1)


@pytest.mark.soak
def test_many_fuzzed_bundles(repo: Repo, tmp_path: Path) -> None:
    """As above, some thousand times."""
    _fuzz(repo, tmp_path, 5000, 2)
