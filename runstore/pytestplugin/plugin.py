"""The hooks, the fixture and the options: what pytest loads, also where nobody uses it. So nothing here imports more than it has to.

Source: docs/how-to/pytest.md, docs/design/0014-pytest.md.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from runstore.pytestplugin.opened import Opened
    from runstore.pytestplugin.running import Test

FIXTURE = "runstore_replay"
MODES = ("replay", "auto", "record", "compare", "off")
_MARKER = "runstore(ref=None, mode=None): answer the test's model calls from its recording; `ref` names one that tests share."
RUNNING: pytest.StashKey[Test] = pytest.StashKey()
OPENED: pytest.StashKey[Opened] = pytest.StashKey()
COUNTS: pytest.StashKey[dict[str, int]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("runstore", "model calls answered from recordings (runstore)")
    group.addoption(
        "--runstore-mode",
        choices=MODES,
        help="replay (the default): answer from recordings, send no model call. auto: send and record what is not. record: send all, "
        "and record it anew. compare: send all, and say whether the answers are those recorded. off: leave calls alone.",
    )
    group.addoption(
        "--runstore-prune", action="store_true", help="Remove the recordings that no test of a module used that ran whole and passed."
    )
    group.addoption("--runstore-report", action="store_true", help="Say which test used which recorded run.")
    group.addoption("--runstore-keep-failed", action="store_true", help="Record the calls of tests that fail, too.")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and note what was typed: what a file of settings says is no explicit wish (`modes.mode_of`)."""
    config.addinivalue_line("markers", _MARKER)
    config.option.runstore_typed = any(str(word).startswith("--runstore-mode") for word in config.invocation_params.args)
    if not hasattr(config, "workerinput"):  # a worker of xdist, whose reports go to its controller
        config.pluginmanager.register(_Collector(config), "runstore-collector")


@pytest.fixture
def runstore_replay(request: pytest.FixtureRequest) -> Iterator[Test]:
    """Answer the test's model calls from `recordings/MODULE.runs`. Has `mode`, `file`, `ref`, `hits` and `missed`."""
    from runstore.pytestplugin.running import running

    with running(request) as test:
        yield test


def uses(item: pytest.Item) -> bool:
    """True if an item takes the fixture."""
    return FIXTURE in getattr(item, "fixturenames", ())


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let marked tests have the fixture, and let it begin before all others, so that what they call is answered too."""
    names = getattr(item, "fixturenames", None)
    if names is not None and (FIXTURE in names or item.get_closest_marker("runstore") is not None):
        item.fixturenames = [FIXTURE, *(name for name in names if name != FIXTURE)]  # type: ignore[attr-defined]
        # Counted here, before anything is left out: not all that leaves tests out says so.
        counts = item.config.stash.setdefault(COUNTS, {})
        counts[str(item.path)] = counts.get(str(item.path), 0) + 1


def partial(config: pytest.Config) -> bool:
    """True where not all tests of the modules are collected: some are named, or (`--lf`) those that failed last are."""
    return bool(config.getoption("lf", False)) or any("::" in word for word in config.args)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """A miss fails the test, whatever the program made of it."""
    test = item.stash.get(RUNNING, None)
    if test is None:
        return (yield)
    try:
        return (yield)
    finally:
        test.check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether the test passes, and let its report tell of its recording."""
    report = yield
    if uses(item):
        from runstore.pytestplugin.running import note

        note(item, report)
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the recordings."""
    opened = config.stash.get(OPENED, None)
    if opened is not None:
        opened.close()


class _Collector:
    """Gathers what the reports of tests tell, those of other processes too (xdist): in the process that talks to the person."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._told: list[dict[str, Any]] = []
        self._lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a report tells."""
        told = getattr(report, "runstore", None)
        if told is not None:
            self._told.append(told)

    def pytest_sessionfinish(self) -> None:
        """Prune, and make up what is to be said."""
        if self._told:
            from runstore.pytestplugin.summary import summarise

            self._lines = summarise(self._told, self._config)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say it."""
        if self._lines:
            terminalreporter.section("runstore")
            for line in self._lines:
                terminalreporter.line(line)
