"""A vehicle with several inlets at a site: a session at the preferred inlet, at the next one if there is
none, and never at two that the arbiter does not allow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Self

from msgspec import Struct

from iso15118.aio.ports.guard import Callback, describe, each
from iso15118.aio.ports.loop_thread import LoopThread
from iso15118.connector.inlet_ports import contactors_behind, is_behind_inlet
from iso15118.errors import ConfigError, LinkError, MisuseError, V2GError

from .evcc import EvccClient
from .logs import Log, connector
from .results import SessionResult

if TYPE_CHECKING:
    from iso15118.aio.plug.plugged_evcc import PluggedEvcc
    from iso15118.connector.inlets import InletArbiter


__all__ = ["Attempt", "SeveralInlets"]

_log = Log(__name__)


class Attempt(Struct, frozen=True):
    """What came of one inlet: the result of a session, or why there was none."""

    inlet: str
    result: SessionResult | None = None
    error: V2GError | None = None

    @property
    def served(self) -> bool:
        """A session that went as one of the two sides wanted."""
        return self.result is not None and self.result.ended.reason.orderly and self.result.safe


class SeveralInlets:
    """The clients of the inlets of ``arbiter`` by name, each on ports that
    ``connector.inlet_ports.behind_inlet`` made. A context manager: while it is open, the hardware of inlets
    without a session is looked after, too; that of an inlet with a plug only while its turn lasts.
    ``told``: hears of each attempt when it is over.

    Raises ``ConfigError`` for a client that is missing, whose contactors this arbiter does not guard, or
    whose contactors are those of another inlet.
    """

    def __init__(
        self,
        arbiter: InletArbiter,
        clients: Mapping[str, EvccClient | PluggedEvcc],
        *,
        told: Callable[[Attempt], None] | None = None,
    ) -> None:
        if set(clients) != set(arbiter.order):
            raise ConfigError(
                "clients", f"these are of {', '.join(clients)}", f"one for each of {', '.join(arbiter.order)}"
            )
        for name, one in clients.items():
            if not is_behind_inlet(one.vehicle, arbiter, name):
                raise ConfigError(
                    "clients",
                    f"the contactors of inlet {name!r} are not guarded by this arbiter",
                    "ports made by behind_inlet(vehicle, arbiter, name, clock)",
                )
        ports = [contactors_behind(one.vehicle) for one in clients.values()]
        if len({id(port) for port in ports}) != len(ports):
            raise ConfigError(
                "clients", "two inlets have the same contactors", "contactors of its own for each inlet"
            )
        self.arbiter = arbiter
        self._clients = dict(clients)
        self._told = Callback("who is told of the inlets", told, lasting=True)
        self._running: dict[str, asyncio.Task[Attempt]] = {}
        self._stopped = ""
        self._opened = AsyncExitStack()
        self._thread = LoopThread()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for one in self._clients.values():
                if isinstance(one, EvccClient):  # one with a plug does it in its run
                    await stack.enter_async_context(one)
            self._opened = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    @property
    def stopped_because(self) -> str:
        """Why the visit was ended by ``stop`` or ``emergency_shutdown``; empty if it was not."""
        return self._stopped

    @property
    def in_session(self) -> tuple[str, ...]:
        """The inlets where a session runs now."""
        return tuple(name for name, one in self._clients.items() if one.any_session is not None)

    async def run(self) -> list[Attempt]:
        """Charge: one inlet after the other, the preferred one first, until a session has gone as wanted;
        where the arbiter allows several, all of them at the same time. What was tried, in the order of
        preference. Cancelled, it makes the hardware safe first. Raises what a client raises beside
        ``V2GError`` when nothing runs any more, and ``MisuseError`` while it runs."""
        if self._running:
            raise MisuseError("a visit of this vehicle is under way")
        self._stopped = ""
        self._thread.enter(asyncio.get_running_loop())
        try:
            return await self._visit()
        finally:
            self._thread.leave()

    async def _visit(self) -> list[Attempt]:
        names = self.arbiter.order
        if self.arbiter.settings.several:
            return await self._try(names)
        attempts: list[Attempt] = []
        for name in names:
            attempts += await self._try((name,))
            if attempts[-1].served or self._stopped:
                break
        return attempts

    def stop(self, reason: str) -> None:
        """End the visit: sessions that run end in an orderly way, and no other one begins. From any
        thread."""
        self._thread.do(lambda: self._end(reason, lambda client: client.stop(reason)))

    def emergency_shutdown(self, reason: str) -> None:
        """Off the cables now: likewise, and sessions that run end as an emergency. From any
        thread."""
        self._thread.do(lambda: self._end(reason, lambda client: client.emergency_shutdown(reason)))

    def _end(self, reason: str, ask: Callable[[EvccClient | PluggedEvcc], object]) -> None:
        """Every client is asked, whatever another one raises."""
        self._stopped = reason or "it was stopped"
        asked = [partial(ask, self._clients[name]) for name in self.in_session]
        for error in each(*asked, self._begin_no_more):
            _log.error("an inlet could not be asked to end its session: %s", describe(error), error=error)

    def _begin_no_more(self) -> None:
        for name, task in self._running.items():
            if not self._clients[name].begun:  # it looks for a station; what has begun comes to its end
                task.cancel()

    async def _try(self, names: tuple[str, ...]) -> list[Attempt]:
        loop = asyncio.get_running_loop()
        self._running = {name: loop.create_task(self._attempt(name)) for name in names}
        try:
            # Until all have ended: one that raises what it must not leaves no session running unseen.
            ended = await asyncio.gather(*self._running.values(), return_exceptions=True)
        finally:
            self._running = {}
        attempts: list[Attempt] = []
        for name, one in zip(names, ended, strict=True):
            if isinstance(one, asyncio.CancelledError):  # before it had begun
                one = Attempt(name, error=LinkError(self._stopped))
            if isinstance(one, BaseException):
                raise one
            attempts.append(one)
        return attempts

    async def _attempt(self, name: str) -> Attempt:
        connector.set(name)
        self.arbiter.begin(name)
        try:
            attempt = Attempt(name, result=await self._clients[name].run())
        except V2GError as error:
            _log.info("no session at inlet %s: %s", name, error)
            attempt = Attempt(name, error=error)
        except asyncio.CancelledError:
            if not self._stopped:
                raise
            attempt = Attempt(name, error=LinkError(self._stopped))
        finally:
            self.arbiter.end(name)
        self._told(attempt)
        return attempt
