"""git: a commit a call, one file a message and one for each other component."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import PIPE
from typing import Any, ClassVar

from benchmarks.call import Call, compact
from benchmarks.peers.protocol import Peer

COMMITTER = b"committer a <a@b> %d +0000\n"
DURABLE = ("-c", "core.fsync=all", "-c", "core.fsyncMethod=fsync")
# What only speeds up clones and walks is left out: it would make git larger, and it is not the data.
CACHES = ("gc.writeCommitGraph", "repack.writeBitmaps", "repack.updateServerInfo")
TREE_ENTRY_MODE = b"40000"


class Git(Peer):
    """A branch a conversation. Only files that differ from the call before are sent to `fast-import`: the cheapest way in that git has."""

    name: ClassVar[str] = "git"
    settling: ClassVar[str] = "gc --aggressive"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.branches: dict[str, str] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.commits: dict[str, bytes] = {}
        self.cat: subprocess.Popen[bytes] | None = None
        self._git("init", "--quiet", "--bare", "--template=", ".")
        for cache in CACHES:
            self._git("config", cache, "false")

    @classmethod
    def missing(cls) -> str:
        return "" if shutil.which("git") else "git is not installed"

    def add(self, prepared: Call) -> None:
        self._git(*DURABLE, "fast-import", "--quiet", feed=b"".join(self._commands(prepared, resume=True)))

    def add_all(self, prepared: Sequence[Call]) -> None:
        with subprocess.Popen(self._line(*DURABLE, "fast-import", "--quiet"), stdin=PIPE) as process:
            assert process.stdin is not None
            for call in prepared:
                process.stdin.writelines(self._commands(call, resume=False))
        if process.returncode:
            raise RuntimeError(f"git fast-import exited with {process.returncode}")

    def settle(self) -> None:
        self._git("gc", "--quiet", "--aggressive", "--prune=now")

    def reopen(self) -> None:
        self.close()
        parents = dict(line.split(b" ") for line in self._git("log", "--all", "--format=%H %P").splitlines())
        heads = (line.split(b" ") for line in self._git("for-each-ref", "--format=%(refname) %(objectname)").splitlines())
        tips = {branch: commit for branch, commit in heads}  # noqa: C416 - lists are no pairs to dict()
        for conversation, branch in self.branches.items():
            chain = list(_back(tips[branch.encode()], parents))
            self.commits.update({f"{conversation}#{turn}": commit for turn, commit in enumerate(reversed(chain))})
        self.cat = subprocess.Popen(self._line("cat-file", "--batch"), stdin=PIPE, stdout=PIPE)

    def read(self, call: Call) -> Any:
        commit = self._object(self.commits[call.key])
        return self._tree(commit[len("tree ") :][:40])

    def log(self, count: int) -> int:
        return self._git("log", f"--max-count={count}", "--all", "--date-order", "--format=%H %ct %s").count(b"\n")

    def close(self) -> None:
        if self.cat:
            self.cat.communicate()
            self.cat = None

    def _commands(self, call: Call, *, resume: bool) -> Iterator[bytes]:
        known = call.conversation in self.branches
        branch = self.branches.setdefault(call.conversation, f"refs/heads/c{len(self.branches)}").encode()
        message = call.line().encode("utf-8", "surrogatepass")
        yield b"commit %s\n" % branch + COMMITTER % (call.started // 10**6) + b"data %d\n%s\n" % (len(message), message)
        if known and resume:
            yield b"from %s^0\n" % branch
        before, now = self.files.get(call.conversation, {}), {f"{place}.json": compact(value) for place, value in call.components()}
        yield from (b"D %s\n" % place.encode() for place in before.keys() - now.keys())
        for place, body in now.items():
            if before.get(place) != body:
                yield b"M 100644 inline %s\ndata %d\n%s\n" % (place.encode(), len(body), body)
        self.files[call.conversation] = now

    def _tree(self, tree: bytes) -> dict[str, Any]:
        slots, body = {}, self._object(tree)
        while body:
            entry, _, rest = body.partition(b"\0")
            mode, _, name = entry.partition(b" ")
            identifier, body = rest[:20].hex().encode(), rest[20:]
            slots[name.decode()] = self._tree(identifier) if mode == TREE_ENTRY_MODE else json.loads(self._object(identifier))
        return slots

    def _object(self, name: bytes) -> bytes:
        assert self.cat is not None
        assert self.cat.stdin is not None
        assert self.cat.stdout is not None
        self.cat.stdin.write(name + b"\n")
        self.cat.stdin.flush()
        size = int(self.cat.stdout.readline().split()[2])
        return self.cat.stdout.read(size + 1)[:-1]

    def _line(self, *arguments: str) -> list[str]:
        return ["git", "-C", str(self.directory), *arguments]

    def _git(self, *arguments: str, feed: bytes = b"") -> bytes:
        return subprocess.run(self._line(*arguments), input=feed, stdout=PIPE, check=True).stdout


def _back(tip: bytes, parents: dict[bytes, bytes]) -> Iterator[bytes]:
    commit = tip
    while commit:
        yield commit
        commit = parents[commit]
