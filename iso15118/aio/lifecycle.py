"""Open, being closed, closed: of a server, a client, a connector or a site, and who holds which hardware.

One end is never mixed with the next beginning: whoever opens while it is being closed waits for that end, and
so does everybody else who closes.
"""

from __future__ import annotations

import asyncio
import math
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from iso15118.aio.ports.guard import insist
from iso15118.errors import MisuseError
from iso15118.session.port_checks import refuse_common_ports

__all__ = ["Holders", "Lifecycle"]

Holder = TypeVar("Holder")


class Lifecycle:
    """Of one object that is opened and closed, over and over. ``what`` names it in errors.

    On the thread of its event loop, except for the readings.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._open = False
        self._ended = 0
        """How often somebody has asked for an end."""
        self._end: asyncio.Future[None] | None = None
        """Done when the end that is under way is over."""
        self._loop: asyncio.AbstractEventLoop | None = None
        """The one that it was opened in last."""

    @property
    def open(self) -> bool:
        """It was opened, or is being opened, and nobody has begun to close it."""
        return self._open

    @property
    def closed(self) -> bool:
        """It was never opened, or its end is over."""
        return not self._open and not self.closing

    @property
    def closing(self) -> bool:
        """Its end is under way."""
        end = self._end
        return end is not None and not end.done() and not end.get_loop().is_closed()

    @property
    def begun(self) -> bool:
        """It was opened at least once."""
        return self._loop is not None

    async def begin(self) -> int:
        """It is being opened; an end that is under way is waited for. Gives a number for ``check``.

        It is not refused then: a program that closes and opens again wants it open, and the end is bounded.
        Raises ``MisuseError`` where it is open, and where somebody closes it while this waits: the last
        word counts. Raises it as well while it is being closed in another event loop that runs.
        """
        ended = self._ended
        await self.settled()
        if self.closing and self._loop is not None and self._loop.is_running():
            raise MisuseError(f"this {self._what} is being closed in another event loop")
        if self._ended != ended:
            raise MisuseError(f"this {self._what} was closed while it waited to be opened")
        if self._open:
            raise MisuseError(f"this {self._what} is open already")
        self._open, self._loop = True, asyncio.get_running_loop()
        return ended

    def check(self, number: int) -> None:
        """Raises ``MisuseError`` if it was closed since this ``begin``."""
        if self._ended != number:
            raise MisuseError(f"this {self._what} was closed while it was being opened")

    def need_begun(self) -> None:
        """Raises ``MisuseError`` where it was never opened: there is nothing to wait for."""
        if not self.begun:
            raise MisuseError(
                f"this {self._what} has not been opened: use it with 'async with', or await open() first"
            )

    def need_its_loop(self, what: str) -> None:
        """Raises ``MisuseError`` that names ``what`` in another event loop than the one in which it is
        open."""
        loop = self._loop
        if not self.closed and loop is not None and loop is not asyncio.get_running_loop():
            raise MisuseError(
                f"{what} was called in another event loop than the one of this {self._what}: "
                f"use asyncio.run_coroutine_threadsafe({what}(...), loop)"
            )

    async def settled(self) -> None:
        """Wait for an end that is under way."""
        while (end := self._under_way()) is not None:
            await asyncio.wait((end,))

    async def end(self, steps: Callable[[], Awaitable[None]]) -> None:
        """Close it: take these steps, or wait for those that somebody else takes already. Nothing where it is
        closed. Raises what the steps raise; who waits for another one and is cancelled gets
        ``CancelledError`` when the end is over, which is bounded by whoever takes the steps. From another
        event loop than the one that it was opened in, the steps are taken in that one as long as it runs.
        """
        loop, mine = asyncio.get_running_loop(), self._loop
        if mine is not None and mine is not loop and mine.is_running():
            there = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.end(steps), mine))
            await _waited_for(lambda: asyncio.wait((there,)))
            there.result()
            return
        self._ended += 1
        if self._under_way() is not None:
            await _waited_for(self.settled)
        elif self._open:
            await self._take(steps)

    async def undo(self, number: int, steps: Callable[[], Awaitable[None]]) -> None:
        """What this ``begin`` began came to nothing: close what of it is there. Somebody who has closed it
        meanwhile may have come before it was there; who has opened it anew since has it."""
        if self._ended == number:
            await self.end(steps)
            return
        await _waited_for(self.settled)
        if not self._open:
            await self._take(steps)

    async def _take(self, steps: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        self._open = False
        self._end = end = loop.create_future()
        try:
            await steps()
        finally:
            if not loop.is_closed() and not end.done():
                end.set_result(None)

    def _under_way(self) -> asyncio.Future[None] | None:
        """What a program left behind that took its loop away comes to no end any more."""
        end = self._end
        if end is None or end.done() or end.get_loop() is not asyncio.get_running_loop():
            return None
        return end


async def _waited_for(end: Callable[[], Awaitable[object]]) -> None:
    """An end that somebody else brings about, and bounds. A cancellation comes out then."""
    _, cancelled = await insist(end, math.inf)
    if cancelled:
        raise asyncio.CancelledError


class Holders(Generic[Holder]):
    """Those that look after their hardware now: two of them never share a port that cannot serve two.
    From any thread.

    ``ports``: the bundle of one of them. ``hint``: what to do about a port that two want.
    """

    def __init__(self, ports: Callable[[Holder], object], hint: str) -> None:
        self._ports: Final = ports
        self._hint = hint
        self._lock = threading.Lock()
        self._loops: weakref.WeakKeyDictionary[Holder, asyncio.AbstractEventLoop] = (
            weakref.WeakKeyDictionary()
        )

    def hold(self, who: Holder) -> None:
        """From now on until ``let_go``, or until the event loop of ``who``, which is the one that runs here,
        is closed. Raises ``ConfigError`` for a port that another one has and that cannot serve two."""
        loop = asyncio.get_running_loop()
        with self._lock:  # two threads may open at the same time
            for other, its in tuple(self._loops.items()):
                if other is not who and not its.is_closed():
                    refuse_common_ports(self._ports(who), self._ports(other), self._hint)
            self._loops[who] = loop

    def let_go(self, who: Holder) -> None:
        """Not any more. Harmless where it held nothing."""
        with self._lock:
            self._loops.pop(who, None)
