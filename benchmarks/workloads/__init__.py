"""Where the measured calls come from: made from a seed, or read from a directory of recordings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.call import Call, compact
from benchmarks.workloads import cassettes, generated, trajectories

RECORDED = ("traj", "cass")
NAMES = ("generated", *RECORDED)


@dataclass(frozen=True, slots=True)
class Workload:
    """Calls in the order in which they happened, and the same as files for `runstore import conversations` where there are such."""

    name: str
    calls: Sequence[Call]
    files: Sequence[Path] = ()


def load(name: str, data: Path | None, scratch: Path) -> Workload:
    """The workload `name`. Recorded ones are read from `data`; files that are made go to `scratch`."""
    if name == "generated":
        return made(generated.lines(), scratch)
    if data is None:
        raise SystemExit(f"workload {name} is read from recordings: give their directory with --data")
    if name == "traj":
        return Workload(name, trajectories.read(data), trajectories.files(data))
    return Workload(name, cassettes.read(data))


def made(lines: Sequence[dict[str, Any]], scratch: Path) -> Workload:
    """Generated conversations as a workload."""
    path = scratch / "generated.jsonl"
    path.write_bytes(b"".join(compact(line) + b"\n" for line in lines))
    return Workload("generated", generated.calls(lines), [path])
