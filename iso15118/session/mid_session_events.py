"""What a session is told when somebody changes his mind in mid-session: renegotiations, standby, needs,
and what has been paid so far.

They are to be had from ``session.events``, with all others.
"""

from __future__ import annotations

from msgspec import Struct

from iso15118.vocabulary import Event

from .services import ServiceID

__all__ = [
    "Cost",
    "MobilityNeedsChanged",
    "NeedsChanged",
    "ReceiptIssued",
    "ScheduleRenegotiationRequested",
    "ServiceRenegotiationRequested",
    "StandbyRequested",
]


class ScheduleRenegotiationRequested(Event, frozen=True):
    """Another schedule is wanted, in the charge loop of ISO 15118-20. Vehicle: it asks for one, beside the
    loop or with the power at rest (``EvccConfig.renegotiation``). Station: it asks the vehicle to."""

    reason: str


class ServiceRenegotiationRequested(Event, frozen=True):
    """Another service, or another parameter set, is wanted in the same session, without a new authorization
    (ISO 15118-20). Vehicle: power down, then the choice anew, of ``services`` if there are any, the best
    first. Station: it asks the vehicle to; one that does not renegotiate may end the session instead."""

    reason: str
    services: tuple[ServiceID, ...] = ()


class StandbyRequested(Event, frozen=True):
    """Vehicle: stand by in the charge loop, with no power and contactors closed, or with ``wanted`` False go
    on. Station: with ``wanted`` False the vehicle is asked to leave standby; True is not for it to ask."""

    reason: str
    wanted: bool = True


class NeedsChanged(Event, frozen=True):
    """Vehicle: the driver changed his mind. ``departure_s``: until he leaves, in s from now; states of charge
    in percent. None: as before."""

    departure_s: float | None = None
    minimum_soc: int | None = None
    target_soc: int | None = None


class MobilityNeedsChanged(Event, frozen=True):
    """Station: what the driver told the operator, for a session in Dynamic mode whose parameter set has
    MobilityNeedsMode 2: the vehicle is told, and has ``ack_max_delay_s`` to take it over. Times in s from
    now, states of charge in percent; None: nothing is said of it."""

    departure_s: float | None = None
    minimum_soc: int | None = None
    target_soc: int | None = None
    ack_max_delay_s: float = 30.0


class Cost(Struct, frozen=True):
    """One item of a receipt: the sum, and the price of one unit, in the currency of the price schedule.
    ``per_unit`` is for one kWh where the item is energy."""

    amount: float
    per_unit: float


class ReceiptIssued(Event, frozen=True, kw_only=True):
    """Station: what the session has cost so far. It goes to the vehicle with the next meter reading, which it
    belongs to. ``taxes``: number of the tax rule and sum, at most ten."""

    energy: Cost | None = None
    occupancy: Cost | None = None
    services: Cost | None = None
    overstay: Cost | None = None
    taxes: tuple[tuple[int, float], ...] = ()
