"""Running the proxy: until the process is told to end, and then until its running calls have.

The first SIGINT or SIGTERM stops taking calls, the second cuts off those that run.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from runstore.errors import NotFound

if TYPE_CHECKING:
    from runstore.capture.proxy.forwarding import Labelled
    from runstore.capture.tap.handler import Handler

HOST = "127.0.0.1"


def run_proxy(
    upstream: str,
    handler: Handler,
    *,
    host: str = HOST,
    port: int = 0,
    labelled: Labelled | None = None,
    ready: Callable[[int], None] = lambda port: None,
) -> None:
    """Pass calls on to `upstream` and show them to `handler` until a signal comes. `ready` is told the port; 0 takes any that is free.

    A handler may answer calls itself: then nothing goes to the upstream. Raises InvalidInput for what is no URL of a service,
    Unavailable if nothing can listen there, and NotFound if httpx is not installed.
    """
    try:
        from runstore.capture.proxy.forwarding import Forwarder, upstream_of
        from runstore.capture.proxy.server import Server
    except ImportError as error:
        raise NotFound(f"the proxy needs {error.name}", hint="pip install 'runstore[capture]'", kind="missing-extra") from error
    found = upstream_of(upstream)

    async def run() -> None:
        forwarder = Forwarder(found, handler, labelled=labelled)
        server = Server(forwarder.forward)
        told = asyncio.Event()
        again = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, lambda: again.set() if told.is_set() else told.set())
        try:
            ready(await server.listen(host, port))
            await told.wait()
            stopping = asyncio.ensure_future(server.stop())
            hurry = asyncio.ensure_future(again.wait())
            await asyncio.wait((stopping, hurry), return_when=asyncio.FIRST_COMPLETED)
            hurry.cancel()
            if not stopping.done():
                stopping.cancel()
                await asyncio.gather(stopping, return_exceptions=True)
                await server.stop(0)
        finally:
            await forwarder.close()

    asyncio.run(run())
