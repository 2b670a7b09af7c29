"""Listening on a real interface: every HomePlug management message that passes it, to a callback,
until time or a signal ends it.

Read only: nothing is ever sent. Needs Linux and CAP_NET_RAW.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress

from .slac import PacketPort

__all__ = ["run_watch"]


def run_watch(
    interface: str,
    received: Callable[[bytes], None],
    *,
    seconds: float | None = None,
    listening: Callable[[], None],
) -> None:
    """Call ``received`` with each frame, also with those that this machine sends, until SIGINT,
    SIGTERM, or for ``seconds``.

    ``listening`` is called when it begins. What ``received`` raises ends it and is raised here. Raises
    ``LinkError`` when the interface is missing or may not be listened on.
    """
    asyncio.run(_watch(interface, received, seconds, listening))


async def _watch(
    interface: str, received: Callable[[bytes], None], seconds: float | None, listening: Callable[[], None]
) -> None:
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def end(error: BaseException | None = None) -> None:
        if over.done():
            return
        if error is None:
            over.set_result(None)
        else:
            over.set_exception(error)

    def guarded(data: bytes) -> None:
        try:
            received(data)
        except Exception as error:
            end(error)

    port = PacketPort(interface, guarded, watch=True)
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(ValueError):  # not in the main thread: time ends it then
                loop.add_signal_handler(number, end)
        listening()
        with suppress(TimeoutError):
            await asyncio.wait_for(over, seconds)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(ValueError):
                loop.remove_signal_handler(number)
        port.close()
