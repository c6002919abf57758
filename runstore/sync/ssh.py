"""The transport for ssh: `runstore serve --stdio PATH` on the other host, spoken to over its standard input and output.

Any command that takes a host and a command line can stand in for ssh ($RUNSTORE_SSH).
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from typing import IO, cast

from runstore.errors import Unavailable
from runstore.sync.channel import Channel
from runstore.sync.connect import Access, Connect
from runstore.sync.streams import StreamChannel
from runstore.sync.urls import Url

_PATIENCE = 10.0


def connector(url: Url, access: Access) -> Connect:
    """Return what starts ssh to the host of a URL."""
    command = ssh_command(url, access.ssh)
    return lambda: spawn(command)


def ssh_command(url: Url, ssh: tuple[str, ...]) -> list[str]:
    """Return the command line: the path is quoted for the shell of the other host."""
    port = [] if url.port is None else ["-p", str(url.port)]
    return [*ssh, *port, url.host, shlex.join(["runstore", "serve", "--stdio", url.path])]


def spawn(command: list[str]) -> Channel:
    """Start a process that answers calls on its standard streams. Its errors go to ours. Raises Unavailable if it cannot be started."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    except OSError as error:
        raise Unavailable(f"cannot run {command[0]}: {error.strerror}", hint="$RUNSTORE_SSH names another command") from error

    def stop() -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
            return
        process.kill()
        process.wait()

    return StreamChannel(cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stdin), stop)  # type: ignore[arg-type]
