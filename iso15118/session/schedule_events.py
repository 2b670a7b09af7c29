"""What the energy manager tells a station about power over time: plans, schedules with
prices, or that it has none.

Part of ``session.events``, by whose name they are imported.
"""

from __future__ import annotations

from iso15118.energy.offer import ScheduleOffer
from iso15118.vocabulary import Event

__all__ = ["PlanChanged", "SchedulesGiven", "SchedulesMissing"]


class PlanChanged(Event, frozen=True):
    """Station: the energy manager has other plans for this vehicle: charging power over time, one to three of
    them, of which the first is the default. Each is a list of durations in s and powers in W of all phases
    together. Empty: there is none, and the limits hold.

    They are offered as schedules, and a vehicle in the charge loop is asked for a new negotiation.
    ``begins``: on the session's clock; None: now. ``SchedulesGiven`` says the same with prices, and
    with what may be given back.
    """

    plans: tuple[tuple[tuple[float, float], ...], ...]
    begins: float | None = None


class SchedulesGiven(Event, frozen=True):
    """Station: the schedules that the vehicle is offered, one to three of them with their prices, in place of
    what was planned before; empty: the limits hold.

    ``number``: that of the ``RequestSchedules`` which this is the answer to; 0: nobody asked, and a
    vehicle that is in the charge loop is asked for a new negotiation. ``signature``: the provider's, over
    all price schedules that have an ``id``, in their order: the value of the XML signature, whose
    SignedInfo follows from them.
    """

    offers: tuple[ScheduleOffer, ...]
    number: int = 0
    signature: bytes | None = None


class SchedulesMissing(Event, frozen=True):
    """Station: the energy manager has no answer to ``RequestSchedules`` of this ``number``: what it
    had planned before holds."""

    number: int
