"""What a station wants of a vehicle in mid-session, until it is done or withdrawn,
and what it was told meanwhile.

One wish at a time is told to the vehicle; the time that it has begins when it is told for the first time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from iso15118.session import events as ev

__all__ = ["Wish", "Wishes"]


@dataclass(slots=True)
class Wish:
    """One thing that a vehicle is asked to do within a time."""

    why: str = ""
    """Empty: it is not wanted."""
    until: float | None = None
    """When its time is over; None: it has not been told yet."""

    def ask(self, why: str) -> None:
        """It is wanted, from now on or still."""
        self.why = self.why or why or "the station asks for it"

    def done(self) -> None:
        """It was done, or is not wanted any more."""
        self.why, self.until = "", None

    def told(self, now: float, delay_s: float) -> float:
        """It is told now: how much of its time is left, in s; below 0 once that is over."""
        if self.until is None:
            self.until = now + delay_s
        return self.until - now


@dataclass(slots=True)
class Wishes:
    """All of them, of one session."""

    service: Wish = field(default_factory=Wish)
    """Another choice of service."""
    schedule: Wish = field(default_factory=Wish)
    """Another schedule."""
    exit_standby: Wish = field(default_factory=Wish)
    mobility: ev.MobilityNeedsChanged | None = None
    """What the station was told about this charge."""
    mobility_at: float = 0.0
    """When."""
    mobility_new: bool = False
    """The vehicle has not been told yet."""
    mobility_until: float = 0.0
    """Until then it may take that over."""
    mobility_adopted: bool | None = None
    """It did, or did not; None while that is open."""
    receipt: ev.ReceiptIssued | None = None
    """Not yet sent."""
    standing_by: bool = False
    """The vehicle stands by: nothing may flow."""
    may_leave: str = ""
    """Not empty: a vehicle that goes without a word now ends in order, for this reason."""
    give_up: str = ""
    """Not empty: the session is to be ended in order, for this reason."""

    def take(self, event: ev.Event, now: float) -> None:
        """A command of the application."""
        match event:
            case ev.ScheduleRenegotiationRequested(reason=reason):
                self.schedule.ask(reason)
            case ev.ServiceRenegotiationRequested(reason=reason):
                self.service.ask(reason)
            case ev.StandbyRequested(reason=reason, wanted=False):
                self.exit_standby.ask(reason)
            case ev.MobilityNeedsChanged():
                self.mobility, self.mobility_at, self.mobility_new = event, now, True
            case ev.ReceiptIssued():
                self.receipt = event
            case _:
                pass

    def service_anew(self) -> None:
        """The vehicle chooses a service anew: what was about the old one is over."""
        for wish in (self.service, self.schedule, self.exit_standby):
            wish.done()
        self.standing_by = False
        self.mobility_new, self.mobility_adopted = self.mobility is not None, None
