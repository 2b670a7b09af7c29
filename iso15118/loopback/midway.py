"""What happens in the middle of a loopback run: another schedule or service, a standby, a pause,
each at its state of charge.

The same on every transport: it is told the state of charge and the time again and
again, and tells the vehicle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from iso15118.loopback.spec import LoopbackSpec
from iso15118.session.actions import Notify, ScheduleRenegotiated, ServiceRenegotiated, StandbyChanged
from iso15118.session.events import (
    Event,
    PauseRequested,
    ScheduleRenegotiationRequested,
    ServiceRenegotiationRequested,
    StandbyRequested,
)

__all__ = ["Midway"]

_RENEGOTIATES, _STANDS_BY, _PAUSES = 0.25, 0.375, 0.5
"""Shares of the charge at which it happens."""
_PACE_S = 1.0


class Midway:
    """``minute_s``: what a minute of the hardware takes on the clock of the session, in s."""

    def __init__(self, order: LoopbackSpec, *, minute_s: float = 60.0) -> None:
        self._order, self._minute_s = order, minute_s
        self._script = self._steps()
        self._next: tuple[float, float, Event] | None = next(self._script, None)
        self._wait_until = 0.0
        self.renegotiated: list[str] = []
        """What was agreed on anew, in order: "stop-and-go", "beside" or "service"."""
        self.standby_s: float | None = None
        """How long the vehicle stood by."""
        self._stood_by_at: float | None = None

    @property
    def over(self) -> bool:
        """Nothing more is to happen."""
        return self._next is None

    def _steps(self) -> Iterator[tuple[float, float, Event]]:
        """State of charge in percent, time to wait before it in s, and what the vehicle is told."""
        order = self._order
        if order.renegotiate == "service":
            yield (
                self._soc(_RENEGOTIATES),
                0.0,
                ServiceRenegotiationRequested("a quarter of the charge is done"),
            )
        elif order.renegotiate is not None:
            yield (
                self._soc(_RENEGOTIATES),
                0.0,
                ScheduleRenegotiationRequested("a quarter of the charge is done"),
            )
        if order.standby is not None:
            yield self._soc(_STANDS_BY), 0.0, StandbyRequested("more than a third of the charge is done")
            yield 0.0, order.standby * self._minute_s, StandbyRequested("it was long enough", wanted=False)
        if order.pause is not None:
            yield self._soc(_PAUSES), 0.0, PauseRequested("half of the charge is done")

    def _soc(self, share: float) -> float:
        order = self._order
        return order.soc_start + share * (order.soc_target - order.soc_start)

    def due(self, soc: float, now: float) -> bool:
        """Something is to happen."""
        return self._next is not None and soc >= self._next[0] and now >= self._wait_until

    def look(self, soc: float, now: float, tell: Callable[[Event], None]) -> None:
        """Let it happen, if it is time."""
        while self._next is not None and self.due(soc, now):
            event = self._next[2]
            self._next = next(self._script, None)
            self._wait_until = now if self._next is None else now + self._next[1]
            tell(event)

    def hear(self, news: Notify, now: float) -> None:
        """News of the vehicle's session."""
        match news:
            case ScheduleRenegotiated(beside=beside, agreed=True):
                self.renegotiated.append("beside" if beside else "stop-and-go")
            case ServiceRenegotiated():
                self.renegotiated.append("service")
            case StandbyChanged(standing_by=True):
                self._stood_by_at = now
            case StandbyChanged(standing_by=False) if self._stood_by_at is not None:
                self.standby_s = now - self._stood_by_at
            case _:
                pass

    @property
    def problem(self) -> str:
        """What was ordered and did not happen; empty if all did."""
        order = self._order
        if order.renegotiate is not None and order.renegotiate not in self.renegotiated:
            return f"nothing was renegotiated ({order.renegotiate})"
        if order.standby is not None and self.standby_s is None:
            return "the vehicle did not stand by, or did not go on"
        return ""
