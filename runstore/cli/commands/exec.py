"""`runstore exec`: run a program and record its model calls."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from runstore.cli.context import Context
from runstore.cli.declare import Command, argument, flag, option
from runstore.cli.errors import report, say
from runstore.cli.output import count
from runstore.cli.redaction import choice, redactor_of
from runstore.cli.settings import wanted_actor

if TYPE_CHECKING:
    from runstore.capture.drain import Drained
    from runstore.repo import Repo


def run(
    context: Context,
    *,
    command: tuple[str, ...],
    ref: str | None,
    session: str | None,
    commit: bool,
    strict: bool,
    spans: bool,
    **secrets: bool,
) -> int:
    """Run a program with the tap on; return its exit code. What was recorded is said on stderr."""
    from runstore import refs
    from runstore.capture.children import environment, recording
    from runstore.capture.launching import NoProgram, launch
    from runstore.capture.recorder import Options
    from runstore.store.directory import read_config

    chosen = choice(mask=secrets["redact"], off=secrets["no_redact"], refuse=secrets["refuse_secrets"])
    repo = context.repo_to_write()
    redactor = redactor_of(repo, chosen)  # what the settings say wrongly is said before the program begins
    name = refs.short_name(refs.full_name(ref or repo.default_ref))
    actor = wanted_actor(context.actor)
    session = session or os.urandom(8).hex()
    label = {"ref": name, "session": session} | ({"actor": actor} if actor else {})
    place = directory(repo)
    options = Options(place, "commit" if commit else "spool", "raise" if strict else "count", label, spans=spans)
    settings = recording(options, {"settings": read_config(place).capture, "choice": chosen})
    told = _Told(repo, refuses=redactor is not None and redactor.refuses)
    try:
        code = launch(command, environment(os.environ, settings), meanwhile=told.drain)
    except NoProgram as error:
        report(error)
        return error.code
    told.drain()
    told.say()
    _close(repo)
    return code


def directory(repo: Repo) -> str:
    """Return the directory of a repo's store."""
    place: str = repo.store.directory  # type: ignore[attr-defined]
    return place


def _close(repo: Repo) -> None:
    """Close the store. That a bucket was not reached is said: what was recorded is kept, and the program's exit code stands."""
    from runstore.errors import RunstoreError

    try:
        repo.close()
    except RunstoreError as error:
        report(error)


class _Told:
    """What was drained so far. `refuses`: calls that hold a secret are not recorded."""

    def __init__(self, repo: Repo, *, refuses: bool) -> None:
        self._repo = repo
        self._refuses = refuses
        self._statuses: Counter[str] = Counter()
        self._refs: Counter[str] = Counter()
        self._sessions: Counter[str] = Counter()
        self._failed = self._lost = 0
        self._error: str | None = None

    def drain(self) -> None:
        """Drain. A failure here is the store's and not the program's: it is said at the end, and the journal stays."""
        from runstore.capture.drain import drain
        from runstore.errors import RunstoreError

        try:
            self._add(drain(self._repo))
            self._error = None
        except (RunstoreError, OSError) as error:
            self._error = str(error)

    def _add(self, done: Drained) -> None:
        self._statuses += done.statuses
        self._refs += done.refs
        self._sessions += done.sessions
        self._failed += done.failed
        self._lost += done.lost

    def say(self) -> None:
        """Say what was recorded, in one line, and what was not."""
        from runstore import refs

        if self._statuses:
            kinds = ", ".join(f"{number} {status}" for status, number in sorted(self._statuses.items(), key=lambda one: one[0] != "ok"))
            where = " and ".join(refs.short_name(name) for name in sorted(self._refs))
            # The program may have named sessions of its own: then it knows them, and they may be many.
            [session, *others] = self._sessions
            look = f"log --session {session}" if session and not others else "log --oneline"
            say(f"recorded {count(self._statuses.total(), 'execution')} ({kinds}) on {where}: `runstore {look}`")
        elif not self._failed and not self._lost and self._error is None:
            which = "model call without a secret" if self._refuses else "model call"
            say(f"recorded nothing: no {which} was seen (docs/how-to/record-my-app.md says what is)")
        if self._failed or self._lost:
            say(
                f"not recorded: {count(self._failed + self._lost, 'call')}, {self._failed} of them kept in the journal's directory `failed`"
            )
        if self._error is not None:
            say(f"error: what was seen waits in the journal: {self._error}")


COMMAND = Command(
    run,
    option("--ref", metavar="NAME", help="The ref to record on. Default: the store's."),
    option("--session", metavar="ID", help="The session that all calls belong to. Default: a new one."),
    flag("--commit", help="Each call is durable in the store before the program goes on, instead of waiting in the journal."),
    flag("--strict", help="What cannot be recorded is an error for the program, instead of a count."),
    flag("--spans", help="Set run and request id on the program's current OpenTelemetry span."),
    flag("--redact", help="Mask secrets before anything is written, whatever the store's settings say."),
    flag("--refuse-secrets", help="Do not record a call that holds a secret."),
    flag("--no-redact", help="Record as it is, whatever the store's settings say."),
    argument("COMMAND", name="command", many=True),
    help="""Run a Python program unchanged and record every model call that it and its children make.

The calls of httpx, httpx2 and botocore are seen, and with them those of the SDKs of OpenAI, Anthropic, Google, Mistral, Cohere, Ollama,
AWS and what builds on them. Signals go on to the program, and its exit code is returned; 127 if there is no such program. Where there is no
store, ./.runstore is made; a store that --store or $RUNSTORE names must be there.""",
    examples="""runstore exec python app.py
runstore exec --ref support/reply --session ticket-7 -- python -m app --verbose""",
    program=True,
)
