"""`runstore demo`: record, change, compare and check a small example."""

from __future__ import annotations

from runstore.cli import quick
from runstore.cli.context import Context
from runstore.cli.declare import Command
from runstore.cli.errors import say

_TOUR = (
    "log {ref}",
    "show {ref}",
    "diff {ref}~1 {ref}",
    "grep renewed --in documents,output",
    "check {ref}",
)


def run(context: Context) -> None:
    """Record the example in the store given, or in a temporary one, and show what can be asked of it."""
    from tempfile import TemporaryDirectory

    if context.store is not None:
        _demo(context, context.store)
        return
    with TemporaryDirectory(prefix="runstore-demo-") as place:
        _demo(context, place)
    say("that store was temporary; `runstore demo --store DIR` keeps it")


def _demo(context: Context, store: str) -> None:
    import runstore
    from runstore.capture.demo import REF, record

    with runstore.open(store, create=True) as repo:
        if not repo.refs(f"heads/{REF}"):
            record(repo)
    context.out.line(f"Two questions are recorded on {REF}, the second again with a new prompt.")
    context.out.line()
    for line in _TOUR:
        words = line.format(ref=REF)
        context.out.line(context.out.paint(f"$ runstore {words}", "dim"))
        parsed = quick.parse(words.split())
        assert parsed is not None
        # The pages of the tour follow one another: none of them waits in a pager.
        with Context(store=store, actor=context.actor, paged=False) as one:
            parsed.command.run(one, **parsed.values)
        context.out.line()


COMMAND = Command(
    run,
    help="""Record a small retrieval conversation with a built-in model, change the prompt, then show, log, compare, search and check it.

Nothing is downloaded, and the ids are the same every time. The store is temporary unless --store names one.""",
    examples="""runstore demo
runstore demo --store demo-runs""",
)
