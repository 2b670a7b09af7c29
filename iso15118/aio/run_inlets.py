"""A vehicle with several inlets as a whole program: one visit to a site, which signals end; ``run``
has the vehicle with one inlet.

SIGINT, SIGTERM and SIGHUP end what runs in an orderly way, a second one at once; the hardware of each inlet
is made safe either way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .inlets import Attempt, SeveralInlets
from .run import AT_ONCE_S, ORDERLY_S, Clock, Sleep, signals

__all__ = ["run_inlets"]


def run_inlets(inlets: Callable[[Sleep, Clock], SeveralInlets]) -> tuple[list[Attempt] | None, bool]:
    """What came of each inlet that was tried (None: the visit was dropped), and whether a signal ended it.

    ``inlets`` is given the loop's sleep and clock, and is made within the loop. While the visit lasts, the
    hardware of inlets without a session is looked after as well. Raises as ``SeveralInlets.run`` does, and
    ``ConfigError`` and ``LinkError`` as what ``inlets`` makes.
    """

    async def drive() -> tuple[list[Attempt] | None, bool]:
        loop = asyncio.get_running_loop()
        several = inlets(asyncio.sleep, loop.time)
        async with signals() as asked, several:
            visit = loop.create_task(several.run())
            await asyncio.wait((visit, asked.first), return_when=asyncio.FIRST_COMPLETED)
            if not visit.done():
                several.stop("the driver ends the session")
                await asyncio.wait(
                    (visit, asked.second), timeout=ORDERLY_S, return_when=asyncio.FIRST_COMPLETED
                )
            if not visit.done():
                several.emergency_shutdown("the driver ends the session at once")
                await asyncio.wait((visit,), timeout=AT_ONCE_S)
            if not visit.done():
                visit.cancel()
                await asyncio.wait((visit,))
            return None if visit.cancelled() else visit.result(), asked.first.done()

    return asyncio.run(drive())
