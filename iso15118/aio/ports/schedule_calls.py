"""What is asked of the energy manager: schedules for a vehicle, and whose key their prices are signed with.

An answer that does not come, or makes no sense, is no fault of the hardware: what was planned
before holds, or the limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from iso15118.aio.logs import Log
from iso15118.energy.offer import SignedOffers, check_offers
from iso15118.errors import ConfigError, HardwareError
from iso15118.session import events as ev

from .guard import Port, brief
from .port_calls import Question

if TYPE_CHECKING:
    from iso15118.pki.keys.signer import Signer
    from iso15118.session import actions as act
    from iso15118.session import ports

__all__ = ["ScheduleCalls", "asks_schedules", "price_signers_of"]

_log = Log(__name__)


def asks_schedules(station: ports.Station) -> bool:
    """The energy manager wants to be asked for schedules."""
    return station.energy is not None and Port(station.energy, "energy").has("schedules")


def price_signers_of(station: ports.Station) -> tuple[Signer, ...]:
    """Keys that the energy manager has for signing prices, read now; none where
    it has none, or cannot say."""
    if station.energy is None:
        return ()
    port = Port(station.energy, "energy")
    if not port.has("price_signers"):
        return ()
    try:
        signers: tuple[Signer, ...] = port.read("price_signers", _signers)
    except HardwareError as error:
        _log.warning("prices are not signed in this session: %s", brief(error))
        return ()
    return signers


def _signers(value: Any, name: str) -> tuple[Signer, ...]:
    if not isinstance(value, Iterable):
        raise HardwareError(f"{name} is {type(value).__name__}, not a list of signers")
    found = tuple(value)
    for one in found:
        if not callable(getattr(one, "sign", None)) or not isinstance(getattr(one, "algorithm", None), str):
            raise HardwareError(f"{name} has {type(one).__name__}, which is no signer")
    return found


class ScheduleCalls:
    """One question at a time; a later one takes the place of an earlier one. ``tell``
    gets the answers as events."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, station: ports.Station, tell: Callable[[ev.Event], None]
    ) -> None:
        self._loop = loop
        self._port = Port(station.energy, "energy") if asks_schedules(station) else None
        self._tell = tell
        self._question: Question | None = None

    def ask(self, action: act.RequestSchedules) -> None:
        """Ask for schedules until ``action.deadline``."""
        self.close()
        number = action.number
        if self._port is None:
            self._tell(ev.SchedulesGiven((), number))
            return
        self._question = Question(
            self._loop,
            self._port,
            "schedules",
            partial(self._given, number),
            partial(self._not_given, number),
        )
        limit_s = max(action.deadline - self._loop.time(), 0.001)
        self._question.ask(self._port.call("schedules", action.needs), limit_s)

    def drop(self) -> None:
        """Nobody wants to know any more."""
        if self._question is not None:
            self._question.drop()

    def close(self) -> None:
        """No more questions; the end of one that is under way is not taken for an answer."""
        if self._question is not None:
            self._question.drop()
            self._question.close()
            self._question = None

    def _given(self, number: int, result: object) -> None:
        signature = None
        if isinstance(result, SignedOffers):
            signature = result.signature
            if not isinstance(signature, bytes) or not 1 <= len(signature) <= 350:
                raise HardwareError("energy.schedules returned a signature that is not 1 to 350 octets")
        try:
            listed = result.offers if isinstance(result, SignedOffers) else result
            offers = check_offers(listed, "energy.schedules")
        except ConfigError as error:
            raise HardwareError(brief(error)) from error
        self._tell(ev.SchedulesGiven(offers, number, signature))

    def _not_given(self, number: int, complaint: str) -> None:
        _log.warning("no schedules of the energy manager: %s", complaint)
        self._tell(ev.SchedulesMissing(number))
