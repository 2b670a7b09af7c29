"""A station with several connectors as a whole program, until it is told to stop; ``run`` has the
one with a single connector.

SIGINT, SIGTERM and SIGHUP end every session in an orderly way, a second one at once; each connector makes
its hardware safe either way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final

from .asked import opened
from .notify import SystemdNotifier
from .run import ORDERLY_S, Clock, Sleep, running, signals
from .site import Site

if TYPE_CHECKING:
    from iso15118.aio.plug.plugged_secc import PluggedSecc

    from .results import SessionResult
    from .secc import SeccServer

__all__ = ["run_site"]

_SWITCHED_OFF: Final = "the station is switched off"


def run_site(
    connectors: Callable[[Sleep, Clock], Mapping[str, SeccServer | PluggedSecc]],
    *,
    sessions: int | None = None,
    listening: Callable[[str, SeccServer | PluggedSecc], None] | None = None,
    finished: Callable[[str, SessionResult], None] | None = None,
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> int:
    """Serve until ``sessions`` have ended, at whatever connectors, or a signal comes; returns how many have.
    Those that run then are ended in an orderly way.

    ``connectors`` is given the loop's sleep and clock and makes the servers. ``listening`` and ``finished``:
    as for ``Site``; ``beside``: what runs as long as the station does. Raises as ``Site.open`` does.
    """

    async def serve() -> int:
        loop = asyncio.get_running_loop()
        site = Site(connectors(asyncio.sleep, loop.time), finished=finished, listening=listening)
        async with signals() as asked:
            notifier = SystemdNotifier(site.heartbeat, lambda: _status(site))
            try:
                async with opened(site, asked) as is_open, running(beside if is_open else None):
                    if not is_open:
                        return site.finished
                    notifier.ready()
                    enough = loop.create_task(_ended(site, sessions))
                    await asyncio.wait((enough, asked.first), return_when=asyncio.FIRST_COMPLETED)
                    if site.in_session:
                        for name in site.connectors:  # nobody begins meanwhile
                            site[name].out_of_service(_SWITCHED_OFF)
                        site.stop(_SWITCHED_OFF)
                        idle = loop.create_task(_idle(site))
                        await asyncio.wait(
                            (idle, asked.second), timeout=ORDERLY_S, return_when=asyncio.FIRST_COMPLETED
                        )
                        idle.cancel()
                    enough.cancel()
                    notifier.stopping()
            finally:
                notifier.close()
        return site.finished

    return asyncio.run(serve())


async def _ended(site: Site, sessions: int | None) -> None:
    if sessions is None:
        await asyncio.get_running_loop().create_future()
    else:
        await site.wait_finished(sessions)


async def _idle(site: Site) -> None:
    """Until no connector has a session."""
    while site.in_session:
        await site.wait_finished(site.finished + 1)


def _status(site: Site) -> str:
    """What systemd shows: every connector with its state."""
    words = []
    for name in site.connectors:
        server = site[name]
        words.append(
            f"{name}: {server.out_of_service_because or server.unreachable_because or server.state.value}"
        )
    return "; ".join(words)
