"""Somebody drives the ends of a run, as the steps of a scenario do: he makes their connections, hears
what happens, and acts on it.

He is asked to look after whatever happened and every few milliseconds, never while a session is at work.
What he raises ends the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from iso15118.aio.net.stream import MessageStream

    from .driver import Observer
    from .evcc import EvccClient
    from .secc import SeccServer

__all__ = ["Directing", "Directs"]

_LOOK_S: Final = 0.02


class Directs(Protocol):
    """Who drives; ends are named "secc" and "evcc"."""

    def stream(self, role: str) -> Callable[..., MessageStream]:
        """What makes the connections of that end."""

    def begin(self, ends: dict[str, SeccServer | EvccClient], clock: Callable[[], float]) -> None:
        """These ends are there, and this is their clock, in s."""

    def observe(self, role: str, now: float, what: Any) -> None:
        """What the ``Observer`` of that end is told."""

    def look(self, now: float) -> None:
        """Something may have happened."""


class Directing:
    """``director`` at work on the running loop."""

    def __init__(self, director: Directs) -> None:
        self._director = director
        self._loop = asyncio.get_running_loop()
        self._soon: asyncio.Handle | None = None
        self._failed: asyncio.Future[None] = self._loop.create_future()
        self._began = False

    def observer(self, role: str, other: Observer | None) -> Observer:
        """For the driver of that end; ``other`` observes as well."""

        def observe(now: float, what: Any) -> None:
            try:
                self._director.observe(role, now, what)
            except Exception as error:  # whoever calls this would only log it, and go on without him
                self._fail(error)
            if self._soon is None and self._began:
                self._soon = self._loop.call_soon(self._look)
            if other is not None:
                other(now, what)

        return observe

    def _look(self) -> None:
        self._soon = None
        if self._failed.done():
            return
        try:
            self._director.look(self._loop.time())
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    @asynccontextmanager
    async def over(self, ends: dict[str, SeccServer | EvccClient]) -> AsyncIterator[None]:
        """He drives these within the block, which is cancelled when he fails, and raises what he raised."""
        self._director.begin(ends, self._loop.time)
        self._began = True
        here = asyncio.current_task()
        ticking = self._loop.create_task(self._tick())
        cancelled = False

        def cancel(failed: asyncio.Future[None]) -> None:
            nonlocal cancelled
            if here is not None and self._began:  # the block may have ended in the turn in which he failed
                cancelled = here.cancel()

        self._failed.add_done_callback(cancel)
        try:
            yield
        except asyncio.CancelledError:
            if not cancelled:
                raise
        finally:
            self._began = False
            ticking.cancel()
            if self._soon is not None:
                self._soon.cancel()
            error = self._failed.exception() if self._failed.done() else None
        if error is not None:
            if cancelled and here is not None:
                here.uncancel()
            raise error

    async def _tick(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(_LOOK_S)
