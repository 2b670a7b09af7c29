"""The ports of a vehicle that is an energy resource, and of a station whose site has a grid code: what is
read when a session begins, and the calls that bring an inverter its functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from iso15118.aio.logs import Log
from iso15118.energy.grid_functions import IecGridCode
from iso15118.energy.sae_functions import SaeGridCode
from iso15118.errors import HardwareError
from iso15118.session import events as ev
from iso15118.session.actions import FollowGrid
from iso15118.session.der import GridCode, GridCondition, InverterAbilities

from .guard import Port, brief
from .plain import made_again
from .port_calls import Question, Report

if TYPE_CHECKING:
    import asyncio

    from iso15118.session import ports

__all__ = ["InverterCalls", "abilities_of", "grid_code_of"]

_log = Log(__name__)
_KINDS: Final = (IecGridCode, SaeGridCode)


def grid_code_of(station: ports.Station) -> GridCode | None:
    """What the site asks of an energy resource, read now; None if nobody knows, and then
    no such service is offered."""
    port = None if station.energy is None else Port(station.energy, "energy")
    if port is None or not port.has("grid_code"):
        return None
    try:
        code: GridCode | None = port.read("grid_code", _code)
    except HardwareError as error:
        _log.warning("no energy resource in this session: %s", brief(error))
        return None
    return code


def _code(value: Any, port: str) -> GridCode | None:
    if value is not None and not isinstance(value, _KINDS):
        kind = type(value).__name__
        raise HardwareError(f"{port}.grid_code is {kind}, and no IecGridCode, SaeGridCode or None")
    return made_again(value, f"{port}.grid_code")


def abilities_of(vehicle: ports.Vehicle) -> InverterAbilities | None:
    """What the inverter can do, read now; None where there is none. Raises ``HardwareError``
    for one that does not say."""
    if vehicle.inverter is None:
        return None
    abilities: InverterAbilities = Port(vehicle.inverter, "inverter").read("abilities", _abilities)
    return abilities


def _abilities(value: Any, port: str) -> InverterAbilities:
    if type(value) is not InverterAbilities:
        raise HardwareError(f"{port}.abilities is {type(value).__name__}, and no InverterAbilities")
    return made_again(value, f"{port}.abilities")


def _condition(value: Any, port: str) -> GridCondition:
    if type(value) is not GridCondition:
        raise HardwareError(f"{port}.condition is {type(value).__name__}, and no GridCondition")
    return made_again(value, f"{port}.condition")


class InverterCalls:
    """One session's hold on the inverter: one call after the other, of those that wait only the last. One
    that fails is a fault: an inverter that does not follow its grid code must not stay on the grid."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, port: ports.InverterPort, report: Report, limit_s: float
    ) -> None:
        self._port = Port(port, "inverter")
        self._report, self._limit_s = report, limit_s
        self._wanted: FollowGrid | None = None
        self._leaves = False
        self._question = Question(loop, self._port, "follow", self._followed, self._not_followed)
        self._known: GridCondition | None = None

    def follow(self, action: FollowGrid) -> None:
        """Bring it these functions."""
        self._wanted = action
        if not self._question.asked:
            self._next()

    @property
    def may_take_s(self) -> float:
        """How long what it has been asked may take from now, in s; 0.0 when all is done."""
        return self._limit_s * (self._question.asked + (self._wanted is not None))

    def look(self) -> tuple[ev.Event, ...]:
        """What it sees of the grid, if that is something else than at the last look."""
        try:
            condition: GridCondition = self._port.read("condition", _condition)
        except HardwareError as error:
            return self._report.unreadable("inverter", str(error))
        if condition == self._known:
            return ()
        self._known = condition
        return (ev.GridConditionChanged(condition),)

    def close(self) -> None:
        """No more calls."""
        self._question.drop()
        self._question.close()

    def _next(self) -> None:
        action, self._wanted = self._wanted, None
        if action is not None:
            self._leaves = action.code is None
            self._question.ask(self._port.call("follow", action.code, action.set_point), self._limit_s)

    def _followed(self, result: object) -> None:
        self._next()

    def _not_followed(self, complaint: str) -> None:
        waiting, self._wanted = self._wanted, None
        if self._leaves:  # nothing flows any more
            _log.warning("the inverter was not told that the session is over: %s", complaint)
            return
        self._report.fault("inverter", complaint)
        if waiting is not None and waiting.code is None and not self._leaves:
            self.follow(waiting)  # what it was told before this one must not hold for ever
