"""`runstore init`: make a store."""

from __future__ import annotations

import os

from runstore.cli.context import Context
from runstore.cli.declare import Command, argument
from runstore.errors import InvalidInput


def run(context: Context, *, dir: str | None) -> None:
    """Make a store in DIR, or in ./.runstore. One that is there already stays as it is."""
    import runstore
    from runstore.store.directory import DEFAULT_NAME, is_store, read_config, write_config
    from runstore.sync.urls import is_bucket_url

    if dir is not None and context.store is not None:
        raise InvalidInput("init is given two places: DIR and --store", hint="name one")
    place = dir or context.store or DEFAULT_NAME
    if is_bucket_url(place):
        _init_bucket(context, place)
        return
    if is_store(place):
        context.out.line(f"there is a store in {os.path.abspath(place)} already")
        return
    runstore.open(place, create=True).close()
    if context.actor is not None:
        write_config(place, read_config(place)._replace(actor=context.actor))
    context.out.line(f"made a store in {os.path.abspath(place)}")


def _init_bucket(context: Context, url: str) -> None:
    import runstore
    from runstore.errors import NoStore

    try:
        runstore.open(url).close()
        context.out.line(f"there is a store in {url} already")
    except NoStore:
        runstore.open(url, create=True).close()
        context.out.line(f"made a store in {url}")


COMMAND = Command(
    run,
    argument("DIR", required=False),
    help="""Make a store in DIR, or in ./.runstore, where every command finds it from here and from the directories below.

DIR may be a bucket, s3://bucket/prefix or dir:///path, in which many machines record (docs/how-to/many-machines.md).

With --actor the store remembers who writes to it.""",
    examples="""runstore init
runstore init ~/runs""",
)
