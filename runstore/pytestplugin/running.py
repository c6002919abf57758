"""One test that runs: its calls go to a player, and what it recorded goes to its module's file when it has passed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import pytest

from runstore.capture.tap import patches
from runstore.capture.tap.active import in_force
from runstore.capture.tap.handler import Call
from runstore.errors import Damaged, InvalidInput, NotRecorded, Refused, RunstoreError
from runstore.pytestplugin.modes import in_ci, mode_of
from runstore.pytestplugin.opened import Opened
from runstore.pytestplugin.plugin import COUNTS, OPENED, RUNNING, partial
from runstore.pytestplugin.usage import described
from runstore.query.content import one_line, text_of
from runstore.refs import full_name
from runstore.reproduce.recordings.files import Recordings, change
from runstore.reproduce.recordings.kept import Kept, numbered
from runstore.reproduce.recordings.names import file_of, ref_of
from runstore.reproduce.recordings.playing import Player, TestLibrary
from runstore.reproduce.recordings.same import same
from runstore.reproduce.replay.replaying import AUTO, COMPARE, OFF, RECORD

_BRING_BACK = "bring it back (`git checkout FILE`, `git lfs pull`), or remove it and record all tests of the module"
_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class Test:
    """A test with its recording. `hits` counts the calls that were answered from it, `missed` those that were not."""

    __test__ = False

    def __init__(self, item: pytest.Item, mode: str, shared: str | None, opened: Opened) -> None:
        """`shared` is the ref that the marker names."""
        self.mode = mode
        self.name = item.nodeid.partition("::")[2]
        self.file = file_of(str(item.path))
        self.ref = full_name(shared) if shared else ref_of(self.name)
        self.passed = True
        self.failed = False
        self.outcome: dict[str, Any] = {}
        self._id = item.nodeid
        self._root = str(item.config.rootpath)
        self._opened = opened
        self._shared = shared is not None
        self._failed = False
        # Tests that share a recording share the answers that the first of them got in this session, too.
        self._goes_on = mode == AUTO or (mode == RECORD and self._shared and (self.file, self.ref) in opened.begun)
        self._player: Player | None = None
        if mode != OFF:
            library = TestLibrary(opened.recordings(self.file), self.ref)
            self._player = Player(library, AUTO if self._goes_on else mode, self._failure)

    @property
    def hits(self) -> int:
        """How many calls were answered from the recording."""
        return 0 if self._player is None else self._player.hits

    @property
    def missed(self) -> int:
        """How many calls were not: they failed the test, or were sent."""
        return 0 if self._player is None else self._player.missed

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Answer the calls of the process within."""
        if self._player is None:
            yield
            return
        patches.install()
        with in_force(self._player):
            yield

    def check(self) -> None:
        """Raise the miss that there was, once: the program may have passed over it, or a library put an error of its own in its place."""
        if self._player is not None and self._player.failure is not None and not self._failed:
            self._failed = True
            raise self._player.failure from None

    def end(self, *, keep_failed: bool, report: bool) -> None:
        """Put what was recorded into the file, if the test passed. `report`: describe the runs that were used. Raises RunstoreError."""
        player = self._player
        if player is None:
            return
        taken = player.taken
        self.outcome = {"unserved": dict(player.unserved), "taken": len(taken)}
        used = dict(player.used)
        if self.mode == COMPARE:
            agreed, differences, unknown = player.compared()
            self.outcome["compared"] = [agreed, [[one.number, _line(one.old), _line(one.new)] for one in differences], unknown]
        elif self.mode in (AUTO, RECORD):
            # A test that calls no more has no recording; one whose calls all failed keeps what it has.
            wanted = taken or (self.mode == RECORD and not player.unserved and not self._goes_on)
            if wanted and (self.passed or keep_failed):
                used |= dict.fromkeys(self._write(taken), self.ref)
                self.outcome["secrets"] = list(player.secrets)
        self.outcome["used"] = [execution.hex() for execution in used]
        if report:
            self.outcome["runs"] = described(self._opened.recordings(self.file), used)

    def _write(self, taken: Sequence[Kept]) -> list[bytes]:
        def make(old: Recordings) -> Mapping[str, Sequence[Kept]]:
            before = [old.kept(call) for call in old.calls.get(self.ref, ())]
            if self._goes_on:
                calls = [*before, *taken]
            elif self._shared:
                asked = {call.fields.run for call in taken}
                calls = [*(call for call in before if call.fields.run not in asked), *taken]
            else:
                calls = before if same(before, taken) else list(taken)
            return {self.ref: numbered(calls, os.path.basename(self.file), self.ref)}

        def ids(found: Recordings) -> list[bytes]:
            return [call.object.id for call in found.calls.get(self.ref, ())]

        before = ids(self._opened.recordings(self.file))
        self._opened.forget(self.file)
        after = change(self.file, make)[self.ref]
        self.outcome["written"] = "recorded as before" if after == before else "recorded" if after else "no recording any more"
        if self._shared:
            self._opened.begun.add((self.file, self.ref))
        return after

    def _failure(self, error: RunstoreError, call: Call) -> BaseException:
        said = str(error).replace(self._root + os.sep, "")
        if not isinstance(error, NotRecorded):
            return pytest.fail.Exception(f"{said}\nhint: {_BRING_BACK}", pytrace=False)
        at = _place(self._root)
        lines = [f"not recorded: {said}", f"asked{f' in {at}' if at else ''}: {call.method} {call.url.partition('?')[0]}"]
        where = "CI is set, so nothing is sent; where the service can be reached" if in_ci(os.environ) else "to record it"
        lines.append(f"hint: {where}: pytest --runstore-mode=record '{self._id}'")
        return pytest.fail.Exception("\n".join(lines), pytrace=False)


@contextmanager
def running(request: pytest.FixtureRequest) -> Iterator[Test]:
    """Run a test with its recording."""
    item, config = request.node, request.config
    marker = item.get_closest_marker("runstore")
    opened = config.stash.setdefault(OPENED, Opened())
    try:
        given = _given(marker)
        mode = mode_of(config.getoption("runstore_mode"), given.get("mode"), os.environ, typed=config.option.runstore_typed)
        test = Test(item, mode, given.get("ref"), opened)
    except RunstoreError as error:
        _fail(error, config)
    item.stash[RUNNING] = test
    with test.answering():
        yield test
    try:
        test.end(keep_failed=config.getoption("runstore_keep_failed"), report=config.getoption("runstore_report"))
    except RunstoreError as error:
        _fail(error, config)
    test.check()


def note(item: pytest.Item, report: pytest.TestReport) -> None:
    """Note how a stage of a test ended; the last stage's report tells the rest."""
    test = item.stash.get(RUNNING, None)
    if test is not None:
        test.passed = test.passed and report.passed
        test.failed = test.failed or report.failed
    if report.when != "teardown":
        return
    path, name = str(item.path), item.nodeid.partition("::")[2]
    told = {"ref": _ref(item), "mode": OFF, "state": "not run"}
    if test is not None:
        del item.stash[RUNNING]
        told = {"ref": test.ref, "mode": test.mode, "state": _state(test), **test.outcome}
    report.runstore = {  # type: ignore[attr-defined]
        "file": file_of(path),
        "test": name,
        "of": item.config.stash.get(COUNTS, {}).get(path, 0),
        "partial": partial(item.config),
        **told,
    }


def _state(test: Test) -> str:
    return "failed" if test.failed else "passed" if test.passed else "not run"  # skipped on the way, or expected to fail


def _ref(item: pytest.Item) -> str:
    """Return the ref of the recording of a test that did not run."""
    marker = item.get_closest_marker("runstore")
    shared = None if marker is None else marker.kwargs.get("ref")
    try:
        return full_name(shared) if shared else ref_of(item.nodeid.partition("::")[2])
    except InvalidInput:  # of no recording; the test says so when it runs
        return ""


def _given(marker: pytest.Mark | None) -> dict[str, Any]:
    if marker is None:
        return {}
    if marker.args or marker.kwargs.keys() - {"ref", "mode"}:
        raise InvalidInput("the marker runstore takes ref=… and mode=…, and nothing else", kind="bad-options")
    return dict(marker.kwargs)


def _line(answer: Any) -> str:
    return one_line(text_of(answer), 70)


def _fail(error: RunstoreError, config: pytest.Config) -> NoReturn:
    hint = _BRING_BACK if isinstance(error, Refused | Damaged) else error.hint
    said = str(error).replace(str(config.rootpath) + os.sep, "")
    raise pytest.fail.Exception(f"{said}\nhint: {hint}" if hint else said, pytrace=False) from None


def _place(root: str) -> str | None:
    """Return the line of the project from which a call comes: the nearest below the root that is no library's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(root + os.sep) and "site-packages" not in file and not file.startswith(_OWN):
            return f"{os.path.relpath(file, root)}:{frame.f_lineno}"
        frame = frame.f_back
    return None
