"""`runstore proxy`: stand before a service and record the calls of programs in any language."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from runstore.cli import redaction
from runstore.cli.context import Context
from runstore.cli.declare import Command, number, option
from runstore.cli.errors import say
from runstore.cli.output import count
from runstore.cli.settings import wanted_actor
from runstore.errors import InvalidInput


def run(
    context: Context,
    *,
    upstream: str | None,
    port: int | None,
    host: str | None,
    ref: str | None,
    session: str | None,
    redact: bool,
    no_redact: bool,
    refuse_secrets: bool,
) -> None:
    """Pass calls on until told to end; then say what was recorded."""
    from runstore import refs
    from runstore.capture.instrumenting import Recording, stats
    from runstore.capture.proxy.running import HOST, run_proxy
    from runstore.capture.recorder import Options

    if upstream is None:
        raise InvalidInput("the proxy needs a service to pass calls on to", hint="--upstream https://api.openai.com, for example")
    choice = redaction.choice(mask=redact, off=no_redact, refuse=refuse_secrets)
    repo = context.repo_to_write()
    name = refs.short_name(refs.full_name(ref or repo.default_ref))
    actor = wanted_actor(context.actor)
    said = {"ref": name, "session": session, "actor": actor}
    directory: str = repo.store.directory  # type: ignore[attr-defined]
    options = Options(directory, label={key: value for key, value in said.items() if value}, redact=redaction.redactor_of(repo, choice))
    recording = Recording(options, background=True)

    def ready(port: int) -> None:
        say(f"proxy for {upstream} on http://{host or HOST}:{port}, recording into {directory}")
        if host is not None and host not in ("127.0.0.1", "localhost", "::1"):
            say("hint: whoever reaches this address can use it; it adds no credentials of its own")

    try:
        run_proxy(upstream, recording.recorder, host=host or HOST, port=port or 0, labelled=_labelled, ready=ready)
    finally:
        recording.close()
        told = stats()
        say(f"recorded {count(int(told['recorded'] or 0), 'call')}; {told['others']} others passed through")
        if told["dropped"] or told["refused"]:
            say(f"not recorded: {int(told['dropped'] or 0) + int(told['refused'] or 0)}, the last because: {told['last_error']}")


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
    *redaction.OPTIONS,
    help="""Stand before a service, pass every call on as it comes, and record those of model APIs.

Programs in any language name this address as the base URL of the service. Requests and answers go through byte for byte, streams chunk by
chunk. The headers X-Runstore-Ref, X-Runstore-Session and X-Runstore-Scope label a call, and are not passed on. The run's endpoint is the
upstream. SIGINT or SIGTERM lets running calls end. Needs `pip install 'runstore[capture]'`. The store is made if there is none.""",
    examples="runstore proxy --upstream https://api.openai.com --port 8080",
)
