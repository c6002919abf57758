"""`runstore version`: print versions."""

from __future__ import annotations

from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command


def run(context: Context, *, json: bool) -> None:
    """Print the versions of this program, of the formats it reads and writes, and of what it stands on."""
    import platform
    from importlib.metadata import version

    import runstore
    from runstore.store.directory import FORMAT

    found = {
        "runstore": runstore.__version__,
        "store_format": FORMAT,
        "identity_format": 1,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: version(name) for name in ("blake3", "click", "lmdb", "msgpack", "zstandard")},
    }
    if json:
        context.out.json(found)
    else:
        context.out.line(f"runstore {found['runstore']} (format {found['store_format']}, Python {found['python']})")


COMMAND = Command(
    run,
    JSON,
    help="Print the version of runstore; with --json also of the formats and of the libraries it stands on.",
    examples="runstore version --json",
)
