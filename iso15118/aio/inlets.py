"""A vehicle with several inlets at a site: a session at the preferred inlet, at the next one if there is
none, and never at two that the arbiter does not allow."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from iso15118.aio.ports.guard import insist
from iso15118.connector.inlet_ports import contactors_behind, is_behind_inlet
from iso15118.errors import ConfigError, V2GError

from .logs import Log, connector
from .results import SessionResult

if TYPE_CHECKING:
    from iso15118.aio.plug.plugged_evcc import PluggedEvcc
    from iso15118.connector.inlets import InletArbiter

    from .evcc import EvccClient

__all__ = ["Attempt", "SeveralInlets"]

_log = Log(__name__)

_SAFE_S: Final = 30.0
"""How long an end by cancellation may take: that of a client is bounded by the time limits of its ports."""


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
    ``connector.inlet_ports.behind_inlet`` made. Clients that were opened look after their
    hardware between visits, too.

    Raises ``ConfigError`` for a client that is missing, whose contactors this arbiter does not guard, or
    whose contactors are those of another inlet.
    """

    def __init__(self, arbiter: InletArbiter, clients: Mapping[str, EvccClient | PluggedEvcc]) -> None:
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

    async def run(self) -> list[Attempt]:
        """Charge: one inlet after the other, the preferred one first, until a session has gone as wanted;
        where the arbiter allows several, all of them at the same time. What was tried, in the order of
        preference. Cancelled, it makes the hardware safe first."""
        names = self.arbiter.order
        if self.arbiter.settings.several:
            return await self._together(names)
        attempts: list[Attempt] = []
        for name in names:
            attempts.append(await self._attempt(name))
            if attempts[-1].served:
                break
        return attempts

    async def _together(self, names: Sequence[str]) -> list[Attempt]:
        """None is left behind, whatever becomes of another one or of whoever waits here."""
        tasks = [asyncio.create_task(self._attempt(name), name=f"inlet {name}") for name in names]
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            await insist(lambda: asyncio.wait(tasks), _SAFE_S)
            raise
        failed = [task.exception() for task in tasks]  # all of them are looked at
        for error in failed:
            if error is not None:
                raise error
        return [task.result() for task in tasks]

    async def _attempt(self, name: str) -> Attempt:
        connector.set(name)
        self.arbiter.begin(name)
        try:
            return Attempt(name, result=await self._clients[name].run())
        except V2GError as error:
            _log.info("no session at inlet %s: %s", name, error)
            return Attempt(name, error=error)
        finally:
            self.arbiter.end(name)
