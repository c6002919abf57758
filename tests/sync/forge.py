"""A hostile peer in memory: builds transfers by hand, object by object and byte by byte, and sends them to an endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from runstore.model.encoding import encode
from runstore.model.executions import Execution, encode_execution
from runstore.model.ids import Kind, Link, Object, make_object
from runstore.model.run import Run
from runstore.store.lanes import lane_for
from runstore.sync.channel import LocalChannel
from runstore.sync.endpoint import Endpoint
from runstore.sync.frame import Frame, make_frame
from runstore.sync.limits import SERVING, Limits
from runstore.sync.messages import Message
from runstore.sync.remote import Remote
from runstore.testing.machines import Machine

UPLOAD = "0" * 32


def remote_to(machine: Machine, limits: Limits = SERVING, **options: Any) -> Remote:
    """Return a peer that serves a machine's store."""
    endpoint = Endpoint(machine.store, now=machine.now, actor="peer", limits=limits, **options)
    return Remote(lambda: LocalChannel(endpoint.answer))


def value(content: Any) -> Object:
    """Return a value."""
    return make_object(Kind.VALUE, encode(content).body)


def run_objects(**slots: Any) -> list[Object]:
    """Return the objects of a run with these slots, the tree last."""
    return list(Run(**slots).objects())


def execution(run: Link | None, parents: Sequence[Link] = (), **fields: Any) -> Object:
    """Return an execution."""
    return encode_execution(Execution(run=run, parents=tuple(parents), status=fields.pop("status", "ok"), **fields))


def whole(**slots: Any) -> tuple[list[Object], Object]:
    """Return the objects of one good execution, and the execution (among them)."""
    objects = run_objects(**slots)
    made = execution(objects[-1].link)
    return [*objects, made], made


def frames(objects: Iterable[Object]) -> list[Frame]:
    """Return one frame a lane that has objects, in the order given."""
    lanes: list[list[Object]] = [[], [], []]
    for item in objects:
        lanes[lane_for(item.kind, len(item.body))].append(item)
    return [make_frame(lane, items) for lane, items in enumerate(lanes) if items]


def send(remote: Remote, sent: Iterable[Frame], updates: Sequence[tuple[str, Link | None, Link]], **fields: Any) -> list[Message]:
    """Push frames as they are and have refs moved."""
    commit = {"updates": [list(update) for update in updates], **fields}
    return remote.ask(
        [
            Message("push", {"upload": UPLOAD, "frame": 0}),
            *(Message("frame", {}, frame.to_bytes()) for frame in sent),
            Message("commit", commit),
        ]
    )


def push_objects(machine: Machine, objects: Iterable[Object], tip: Link, name: str = "heads/x", limits: Limits = SERVING) -> None:
    """Push objects to a machine, and have a new ref point at one of them."""
    send(remote_to(machine, limits), frames(objects), [(name, None, tip)])
