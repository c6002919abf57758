"""The verbs of exchange for one store: push, fetch, pull, ls-remote and bundles, by the names of remotes or by URLs.

Their twins are the commands. Time, actor and randomness come in through `Access` and `upload`.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple

from runstore import refs
from runstore.errors import Conflict, InvalidInput, NotFound, RunstoreError, Unavailable
from runstore.model.ids import Link
from runstore.store.protocol import Reader, Store
from runstore.sync import join as joining
from runstore.sync import remotes
from runstore.sync.bundle import Written, write_bundle
from runstore.sync.connect import Access, open_remote
from runstore.sync.fetch import Fetch, Fetched, tracking_name
from runstore.sync.join import Joined
from runstore.sync.local import QUARANTINE
from runstore.sync.missing import fetch_missing
from runstore.sync.partial import Omission
from runstore.sync.partial import omission as make_omission
from runstore.sync.progress import Progress, nothing
from runstore.sync.push import Pushed, push
from runstore.sync.remote import Remote

ORIGIN = "origin"
_JOINS = 5

Resolve = Callable[[Reader, str], Link]


class Pulled(NamedTuple):
    """What a pull did: what came, and what became of our heads."""

    fetched: Fetched
    heads: list[Joined]


class Exchange:
    """Exchange between a store and its remotes.

    `directory` holds the settings (None: no remotes have names); `default_ref` is a full name; `resolve` finds the execution that a
    revision names; `upload` gives 32 random hex digits.
    """

    def __init__(
        self,
        store: Store,
        directory: str | None,
        access: Access,
        *,
        default_ref: str,
        upload: Callable[[], str],
        resolve: Resolve | None = None,
        progress: Progress = nothing,
    ) -> None:
        self._store = store
        self._directory = directory
        self._access = access
        self._default_ref = default_ref
        self._upload = upload
        self._resolve = resolve
        self._progress = progress

    # --- remotes -------------------------------------------------------------------------------------------------------------

    def remote(self, name: str | None) -> tuple[Remote, str]:
        """Return a peer, by the name of a remote, a URL or a path, and the name under which it is followed here. None: origin."""
        entry = None if self._directory is None else remotes.find_remote(self._directory, name or ORIGIN)
        if entry is not None:
            return open_remote(entry.url, self._with_token(entry)), entry.name
        if name is None:
            raise NotFound(f"there is no remote {ORIGIN}", hint="name a remote or a URL, or add one: `runstore remote add origin URL`")
        if "/" not in name and ":" not in name and not os.path.exists(name):
            raise NotFound(f"there is no remote {name}", hint="`runstore remote list` lists them; a URL or a path does as well")
        return open_remote(name, self._access), _name_for(name)

    def _with_token(self, entry: remotes.RemoteEntry) -> Access:
        command = entry.token_command
        if command is None:
            return self._access
        first = self._access.token
        return self._access._replace(token=lambda: first() or remotes.token_from(command))

    def ls_remote(self, name: str | None = None) -> dict[str, Link]:
        """Return the refs of a remote, by full name."""
        with self.remote(name)[0] as remote:
            return remote.hello(prefixes=("heads/", "tags/")).refs

    # --- push ------------------------------------------------------------------------------------------------------------------

    def push(
        self,
        name: str | None = None,
        specs: Sequence[str] = (),
        *,
        all_heads: bool = False,
        tags: bool = False,
        force: bool = False,
        join: bool = False,
        dry_run: bool = False,
        message: str = "",
    ) -> Pushed:
        """Push refs: each spec is a ref, or `REVISION:REF` for another name there. None given: the default ref, or what the options name.

        With `join`, a push that is not a fast-forward fetches, joins and pushes again. Raises Conflict (`not-forward`), NotFound, Refused.
        """
        remote, own = self.remote(name)
        with remote:
            for _ in range(_JOINS):
                names = self._names(specs, all_heads=all_heads, tags=tags)
                try:
                    pushed = self._push(remote, own, names, force=force, dry_run=dry_run, message=message)
                except Conflict as error:
                    if not join or dry_run or error.kind not in ("not-forward", "conflict"):
                        if name is not None and error.hint:  # whoever says so does not know by which name it was called
                            error.hint = error.hint.replace("`runstore pull`", f"`runstore pull {shlex.quote(name)}`")
                        raise
                    heads = [there for _, there in names if there.startswith("heads/")]
                    self._pull(remote, own, heads, self._standing(own), dry_run=False)
                    continue
                if not dry_run:
                    self._track(own, pushed)
                return pushed
        raise Conflict(f"{remote.name} moved on {_JOINS} times meanwhile", hint="try again")

    def _push(self, remote: Remote, own: str, names: Sequence[tuple[Link, str]], *, force: bool, dry_run: bool, message: str) -> Pushed:
        with self._store.read() as reader:
            had = [ref.target.id for ref in refs.each(reader, f"remotes/{own}/")]
        return push(
            self._store,
            remote,
            names,
            upload=self._upload,
            force=force,
            dry_run=dry_run,
            message=message,
            had=had,
            progress=self._progress,
        )

    def _names(self, specs: Sequence[str], *, all_heads: bool, tags: bool) -> list[tuple[Link, str]]:
        with self._store.read() as reader:
            found: dict[str, Link] = {}
            for spec in specs:
                there, link = self._spec(reader, spec)
                found[there] = link
            if all_heads:
                found.update((ref.name, ref.target) for ref in refs.each(reader, "heads/"))
            if tags:
                found.update((ref.name, ref.target) for ref in refs.each(reader, "tags/"))
            if not specs and not all_heads and not tags:
                ref = refs.read(reader, self._default_ref)
                if ref is None:
                    hint = "name a ref, or --all; `runstore refs` lists them"
                    raise NotFound(f"there is no ref {refs.short_name(self._default_ref)} to push", hint=hint)
                found[ref.name] = ref.target
            if not found:
                raise NotFound("there is nothing to push", hint="`runstore refs` lists the refs")
            return [(link, there) for there, link in found.items()]

    def _spec(self, reader: Reader, spec: str) -> tuple[str, Link]:
        here, colon, there = spec.partition(":")
        if colon and not there:
            raise InvalidInput(f"{spec!r} names no ref there", hint="write REVISION:REF", kind="bad-name")
        try:
            ref = refs.existing(reader, here)
        except NotFound:
            if not colon or self._resolve is None:
                raise
            return refs.full_name(there), self._resolve(reader, here)
        return (refs.full_name(there) if there else ref.name), ref.target

    def _track(self, own: str, pushed: Pushed) -> None:
        """Note where the peer's heads stand now, as a fetch would."""
        if self._directory is None or remotes.find_remote(self._directory, own) is None:
            return
        now = self._access.now()
        with self._store.write(now=now) as writer:
            due = [
                (tracking_name(own, name), new) for name, _, new, state in pushed.refs if name.startswith("heads/") and state != "already"
            ]
            moves = [(name, old, new) for name, new in due if (old := refs.get(writer, name)) != new]
            if moves:
                operation = refs.Operation(writer, now=now, actor=self._access.actor, action="push", message=own)
                for name, old, new in moves:
                    operation.move(name, old, new)

    # --- bundles ---------------------------------------------------------------------------------------------------------------

    def bundle(self, path: str, specs: Sequence[str] = (), *, everything: bool = False, after: Sequence[str] = ()) -> Written:
        """Write a bundle of the refs named (else the default ref), less what the revisions in `after` lead to. A file there is replaced."""
        with self._store.read() as reader:
            found = dict(self._bundled(reader, specs, everything))
            if after and self._resolve is None:
                raise InvalidInput("this program cannot resolve revisions", kind="bad-name")
            prerequisites = [self._resolve(reader, text) for text in after] if self._resolve is not None else []
            try:
                return _write_file(path, lambda file: write_bundle(reader, file, found, prerequisites, progress=self._progress))
            except OSError as error:
                if isinstance(error, RunstoreError):
                    raise
                raise Unavailable(f"cannot write {path}: {error.strerror}") from error

    def _bundled(self, reader: Reader, specs: Sequence[str], everything: bool) -> Iterator[tuple[str, Link]]:
        for spec in specs or (() if everything else (self._default_ref,)):
            ref = refs.existing(reader, spec)
            yield ref.name, ref.target
        for prefix in ("heads/", "tags/") if everything else ():
            yield from ((ref.name, ref.target) for ref in refs.each(reader, prefix))

    # --- fetch and pull ------------------------------------------------------------------------------------------------------

    def fetch(
        self, name: str | None = None, specs: Sequence[str] = (), *, omission: Omission | None = None, dry_run: bool = False
    ) -> Fetched:
        """Bring what a remote's refs lead to, all of them or those named; `remotes/NAME/...` follow its heads."""
        remote, own = self.remote(name)
        with remote:
            return self._fetch(remote, own, [refs.full_name(spec) for spec in specs], omission or self._standing(own), dry_run=dry_run)

    def fetch_missing(self, name: str | None = None, *, dry_run: bool = False) -> Fetched:
        """Bring what earlier fetches left out and the remote has."""
        remote, _ = self.remote(name)
        with remote:
            return fetch_missing(
                self._store, remote, now=self._access.now, quarantine=self._quarantine(), dry_run=dry_run, progress=self._progress
            )

    def _quarantine(self) -> str | None:
        return None if self._directory is None else os.path.join(self._directory, QUARANTINE)

    def pull(
        self, name: str | None = None, specs: Sequence[str] = (), *, omission: Omission | None = None, dry_run: bool = False
    ) -> Pulled:
        """Fetch, and let our heads of the same names lead to what came: made, moved forward, or joined by a merge. Never a conflict."""
        remote, own = self.remote(name)
        with remote:
            return self._pull(remote, own, [refs.full_name(spec) for spec in specs], omission or self._standing(own), dry_run=dry_run)

    def _standing(self, own: str) -> Omission:
        """Return what fetches from a remote leave out unless they are told otherwise: what the clone left out."""
        entry = None if self._directory is None else remotes.find_remote(self._directory, own)
        return Omission() if entry is None else make_omission(without=entry.without)

    def _fetch(
        self, remote: Remote, own: str, names: Sequence[str], omission: Omission, *, dry_run: bool, action: str = "fetch"
    ) -> Fetched:
        return Fetch(
            self._store,
            remote,
            own,
            now=self._access.now,
            actor=self._access.actor,
            names=names,
            omission=omission,
            quarantine=self._quarantine(),
            progress=self._progress,
            action=action,
        ).run(dry_run=dry_run)

    def _pull(self, remote: Remote, own: str, names: Sequence[str], omission: Omission, *, dry_run: bool) -> Pulled:
        fetched = self._fetch(remote, own, names, omission, dry_run=dry_run, action="pull")
        return Pulled(fetched, self._join(fetched.heads, own, dry_run=dry_run))

    def _join(self, heads: Mapping[str, Link], own: str, *, dry_run: bool) -> list[Joined]:
        return joining.join(self._store, heads, now=self._access.now, actor=self._access.actor, action="pull", message=own, dry_run=dry_run)


def _write_file(path: str, write: Callable[[BinaryIO], Written]) -> Written:
    """Write a file under another name, and put it in place when it is whole."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            written = write(file)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    return written


def _name_for(url: str) -> str:
    """Return the name under which a peer without one is followed: the last part of its URL."""
    last = url.rstrip("/").rpartition("/")[2].rpartition(":")[2].removesuffix(".runs")
    kept = "".join(character if character.isalnum() and character.isascii() else "-" for character in last).strip("-")
    return kept[:64] or "elsewhere"
