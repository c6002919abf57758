"""`runstore proxy`: stand before a service, and record the calls of programs in any language, or answer them from the store."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from runstore.cli import redaction
from runstore.cli.context import Context
from runstore.cli.declare import Command, flag, number, option
from runstore.cli.errors import say
from runstore.cli.output import count
from runstore.cli.settings import wanted_actor
from runstore.errors import InvalidInput

if TYPE_CHECKING:
    from runstore.capture.instrumenting import Recording
    from runstore.capture.tap.handler import Handler
    from runstore.reproduce.replay.replayer import Replayer

_SHOWN = 5
_NOT_RECORDED = 15


def run(
    context: Context,
    *,
    upstream: str | None,
    port: int | None,
    host: str | None,
    ref: str | None,
    session: str | None,
    replay: bool,
    mode: str | None,
    choice: str | None,
    normalise: tuple[str, ...],
    redact: bool,
    no_redact: bool,
    refuse_secrets: bool,
) -> int | None:
    """Pass calls on, or answer them, until told to end; then say what was recorded or answered. 15 if a call was not recorded."""
    if upstream is None:
        raise InvalidInput("the proxy needs a service to pass calls on to", hint="--upstream https://api.openai.com, for example")
    if not replay and (mode or choice or normalise):
        raise InvalidInput(
            "--mode, --choice and --normalise say how calls are answered", hint="give --replay with them", kind="bad-options"
        )
    secrets = redaction.choice(mask=redact, off=no_redact, refuse=refuse_secrets)
    service = _Replaying(context, mode or "replay", choice, normalise) if replay else None
    if service is not None and service.only:
        _serve(upstream, service.handler(None), host, port, f"answering from {service.place}")
        return service.end()
    recording = _recording(context, ref, session, secrets, commit=replay)
    handler = recording.recorder if service is None else service.handler(recording.recorder)
    try:
        _serve(upstream, handler, host, port, f"recording into {recording.recorder.options.store}")
    finally:
        recording.close()
        _say_recorded()
    return None if service is None else service.end()


def _serve(upstream: str, handler: Handler, host: str | None, port: int | None, does: str) -> None:
    from runstore.capture.proxy.running import HOST, run_proxy

    def ready(port: int) -> None:
        say(f"proxy for {upstream} on http://{host or HOST}:{port}, {does}")
        if host is not None and host not in ("127.0.0.1", "localhost", "::1"):
            say("hint: whoever reaches this address can use it; it adds no credentials of its own")

    run_proxy(upstream, handler, host=host or HOST, port=port or 0, labelled=_labelled, ready=ready)


def _recording(context: Context, ref: str | None, session: str | None, secrets: str | None, *, commit: bool) -> Recording:
    """Begin to record. `commit`: what is recorded may be asked for at once."""
    from runstore import refs
    from runstore.capture.instrumenting import Recording
    from runstore.capture.recorder import Options

    repo = context.repo_to_write()
    name = refs.short_name(refs.full_name(ref or repo.default_ref))
    said = {"ref": name, "session": session, "actor": wanted_actor(context.actor)}
    directory: str = repo.store.directory  # type: ignore[attr-defined]
    label = {key: value for key, value in said.items() if value}
    options = Options(directory, "commit" if commit else "spool", label=label, redact=redaction.redactor_of(repo, secrets))
    return Recording(options, background=True)


def _say_recorded() -> None:
    from runstore.capture.instrumenting import stats

    told = stats()
    say(f"recorded {count(int(told['recorded'] or 0), 'call')}; {told['others']} others passed through")
    if told["dropped"] or told["refused"]:
        say(f"not recorded: {int(told['dropped'] or 0) + int(told['refused'] or 0)}, the last because: {told['last_error']}")


class _Replaying:
    """How a proxy answers from the store."""

    def __init__(self, context: Context, mode: str, choice: str | None, normalise: tuple[str, ...]) -> None:
        from runstore.reproduce.replay.choosing import parse_choice
        from runstore.reproduce.replay.library import Library
        from runstore.reproduce.replay.normalising import declared
        from runstore.reproduce.replay.replaying import REPLAY, replay_settings

        self.mode = mode
        self.only = mode == REPLAY
        self._repo = context.repo_to_read() if self.only else context.repo_to_write()
        self.place = getattr(self._repo.store, "directory", None) or getattr(self._repo.store, "path", None)
        patterns = declared([name for one in normalise for name in one.split(",")] if normalise else None, replay_settings(self._repo))
        self._library = Library(self._repo, parse_choice(choice or "latest"), patterns)
        self._replayer: Replayer | None = None

    def handler(self, live: Handler | None) -> Handler:
        """Return the handler: `live` is who records what is sent, None where nothing is."""
        from runstore.reproduce.replay.answering import Answering
        from runstore.reproduce.replay.replayer import Replayer
        from runstore.reproduce.replay.replaying import COMPARE

        ref = None if self.only else self._repo.default_ref
        compare = self.mode == COMPARE
        self._replayer = Replayer(self._library, live, answers=not compare, compare=compare, ref=ref)
        return Answering(self._replayer, sends=not self.only)

    def end(self) -> int | None:
        """Say what was answered and what was not; return the exit code."""
        from runstore.reproduce.replay.replayer import compared
        from runstore.reproduce.replay.replaying import COMPARE

        assert self._replayer is not None
        if self.mode == COMPARE:
            same, different, new = compared(self._library, self._replayer)
            say(f"compared with what was recorded: {same} the same, {different} different, {new} not recorded before")
            return None
        say(f"answered {count(self._replayer.hits, 'call')} from the store, {self._replayer.missed} not recorded")
        for text in list(dict.fromkeys(map(str, self._replayer.misses)))[:_SHOWN]:
            say(f"  {text}")
        return _NOT_RECORDED if self.only and self._replayer.missed else None


def _labelled(labels: dict[str, str]) -> AbstractContextManager[object]:
    """Return the scope that the headers of a request name."""
    from runstore.capture.scopes import record

    return record(labels.get("ref"), session=labels.get("session"), scope=labels.get("scope")) if labels else nullcontext()


COMMAND = Command(
    run,
    option("--upstream", metavar="URL", help="The service that answers: scheme, host and base path."),
    number("--port", metavar="N", help="Where to listen. Default: any free port, which is said."),
    option("--host", metavar="ADDRESS", help="The address to listen on. Default: 127.0.0.1, which only this machine reaches."),
    option("--ref", metavar="NAME", help="The ref to record on. Default: the store's."),
    option("--session", metavar="ID", help="The session that all calls belong to."),
    flag("--replay", help="Answer calls from the store by what they ask, and send nothing. 15 at the end if one was not recorded."),
    option(
        "--mode",
        metavar="MODE",
        choices=("replay", "auto", "compare"),
        help="With --replay: replay (the default), auto (what is not recorded is sent and recorded) or compare (all is sent).",
    ),
    option("--choice", metavar="CHOICE", help="With --replay: latest (the default), first, sequence or sample:SEED."),
    option("--normalise", metavar="NAMES", many=True, help="With --replay: what is put aside to find a call, as for `replay`."),
    *redaction.OPTIONS,
    help="""Stand before a service, pass every call on as it comes, and record those of model APIs.

Programs in any language name this address as the base URL of the service. Requests and answers go through byte for byte, streams chunk by
chunk. The headers X-Runstore-Ref, X-Runstore-Session and X-Runstore-Scope label a call, and are not passed on. The run's endpoint is the
upstream. SIGINT or SIGTERM lets running calls end. Needs `pip install 'runstore[capture]'`. Where there is no store,
./.runstore is made; a store that --store or $RUNSTORE names must be there.

With --replay it stands for the service: a recorded call is answered, streamed or in one piece as is asked; a call that is not recorded gets
status 404 and a JSON error that names the nearest that is and what differs. Nothing is sent, to the upstream or elsewhere.""",
    examples="""runstore proxy --upstream https://api.openai.com --port 8080
runstore proxy --upstream https://api.openai.com --port 8080 --replay""",
)
