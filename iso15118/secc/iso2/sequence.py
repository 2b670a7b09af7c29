"""How the table of ISO 15118-2 is made: rows that AC and DC share, with named places,
and the rows of one of them.

A row is a state (named after what the station waits for), a request or one meaning of it, and the states that
may follow. What is not in the table is refused with FAILED_SequenceError in the response type of the request
[V2G2-538], and the session ends [V2G2-539].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from iso15118.messages import iso2
from iso15118.session.edition import Answer, Fault, Refused, Stage, Wait

if TYPE_CHECKING:
    from .context import Context
else:
    Context = Any  # who asks for help at run time is told of it without loading it

__all__ = ["PAUSE_STATES", "Key", "Part", "Row", "State", "Table", "compose", "key_of", "row"]


class State(Enum):
    """What the station waits for. ``ENDED`` waits for nothing."""

    SESSION_SETUP = "SessionSetup"
    SERVICE_DISCOVERY = "ServiceDiscovery"
    PAYMENT_SERVICE_SELECTION = "PaymentServiceSelection"
    CONTRACT_CERTIFICATE = "CertificateInstallation"
    """PaymentDetails as well: a vehicle may select the service and not use it."""
    PAYMENT_DETAILS = "PaymentDetails"
    AUTHORIZATION = "Authorization"
    CHARGE_PARAMETER_DISCOVERY = "ChargeParameterDiscovery"
    CABLE_CHECK = "CableCheck"
    PRE_CHARGE = "PreCharge"
    POWER_DELIVERY = "PowerDelivery"
    CURRENT_DEMAND = "CurrentDemand"
    CHARGING_STATUS = "ChargingStatus"
    METERING_RECEIPT = "MeteringReceipt"
    RENEGOTIATION = "Renegotiation"
    """ChargeParameterDiscovery while power rests."""
    RENEGOTIATED = "Renegotiated"
    """DC, with another schedule: cable check, or power straight away."""
    WELDING_DETECTION = "WeldingDetection"
    SESSION_STOP = "SessionStop"
    ENDED = "Ended"


Key = type | tuple[type, Enum]
"""A request, or a request with what it means."""
Guard = Callable[["Context"], str]
"""Why the row is not for this session now; empty if it is."""
Handler = Callable[[Any, "Context"], Answer | Refused | Wait]
"""Called with the element of the body, only for what the table allows in ``Context.state``."""


class Row(Struct, frozen=True):
    """The states that may follow, the requirement or source that says so, and ``when`` the row holds."""

    next: frozenset[State]
    source: str
    when: Guard | None = None


def row(source: str, *states: State, when: Guard | None = None) -> Row:
    """A row that leads to ``states``."""
    return Row(frozenset(states), source, when)


Table = Mapping[State, Mapping[Key, Row]]


class Part(Struct, frozen=True, kw_only=True):
    """What AC or DC adds to the common table. ``ready``, ``renegotiated``, ``loop`` and
    ``after`` are its places: where the first and another schedule lead, where power flows, and
    what follows PowerDelivery(Stop)."""

    name: str
    ready: State
    renegotiated: State
    loop: State
    after: State
    rows: Mapping[State, Mapping[Key, Row]]
    handlers: Mapping[type, Handler]
    stages: Mapping[State, Stage]
    parameters: Callable[[Any, Context], Refused | None]
    """Takes the vehicle's charge parameters, and derives what is offered."""
    offer: Callable[..., iso2.EVSEChargeParameter]
    """The station's charge parameters, with ``refused=True`` those of a refusal."""
    most_w: Callable[..., float]
    """The power in W that was offered, or with ``now=True`` what there is at present."""
    wanted_wh: Callable[[Any], float]
    """The energy that the vehicle asks for, in Wh; 0 if it does not say."""
    status: Callable[[Context], iso2.EVSEStatus]
    """The status that a refusal says."""
    running: Callable[[Context], iso2.EVSEStatus]
    """The status while all is well."""
    loop_request: type
    refresh: Callable[[Context], None]
    """Derives what holds in the loop from offer, present limits and set-point; called
    whenever one of them changes."""
    bounds: Callable[[Context], Any]
    """What the supply has to hold by the vehicle's last request; None before the first one."""


def key_of(request: Any) -> Key:
    """Under which the table lists this request."""
    kind = type(request)
    if kind is iso2.PowerDeliveryReq:
        return kind, request.charge_progress
    if kind is iso2.SessionStopReq:
        return kind, request.charging_session
    return kind


START = iso2.PowerDeliveryReq, iso2.ChargeProgress.Start
STOP = iso2.PowerDeliveryReq, iso2.ChargeProgress.Stop
RENEGOTIATE = iso2.PowerDeliveryReq, iso2.ChargeProgress.Renegotiate

S = State
PAUSE_STATES = frozenset({S.WELDING_DETECTION, S.SESSION_STOP})
"""States in which SessionStopReq may ask for a pause: those that PowerDelivery(Stop) leads to [V2G2-739]."""

NOT_SEQUENCE: Mapping[tuple[State, Key], Fault] = {
    (S.CURRENT_DEMAND, START): Fault.FAILED,
    (S.CHARGING_STATUS, START): Fault.FAILED,
    (S.POWER_DELIVERY, RENEGOTIATE): Fault.FAILED,
}
"""Of what the table does not list: the right message with the wrong meaning, which has
the code FAILED [V2G2-812]."""


def _may_leave(ctx: Context) -> str:
    if ctx.settings.session_stop_anywhere or ctx.state not in (ctx.part.loop, S.METERING_RECEIPT):
        return ""
    return "SessionStop under power (iso2.session_stop_anywhere = true takes it)"


def _common(part: Part) -> dict[State, dict[Key, Row]]:
    # A vehicle must always be able to leave (docs/sources.md).
    leave: dict[Key, Row] = {
        (iso2.SessionStopReq, iso2.ChargingSession.Terminate): row(
            "docs/sources.md", S.ENDED, when=_may_leave
        ),
        # Whether it may pause is the handler's to say, since the refusal has another code.
        (iso2.SessionStopReq, iso2.ChargingSession.Pause): row("V2G2-739", S.ENDED, when=_may_leave),
    }
    return {
        S.SESSION_SETUP: {
            iso2.SessionSetupReq: row("docs/sources.md", S.SERVICE_DISCOVERY),
        },
        S.SERVICE_DISCOVERY: leave | {
            iso2.ServiceDiscoveryReq: row("docs/sources.md", S.PAYMENT_SERVICE_SELECTION),
        },
        S.PAYMENT_SERVICE_SELECTION: leave | {
            iso2.ServiceDetailReq: row("docs/sources.md", S.PAYMENT_SERVICE_SELECTION),
            iso2.PaymentServiceSelectionReq: row(
                "docs/sources.md", S.AUTHORIZATION, S.PAYMENT_DETAILS, S.CONTRACT_CERTIFICATE
            ),
        },
        S.CONTRACT_CERTIFICATE: leave | {
            # One exchange only: then nothing but PaymentDetails.
            iso2.CertificateInstallationReq: row("V2G2-554, -557", S.PAYMENT_DETAILS),
            iso2.CertificateUpdateReq: row("V2G2-554, -558", S.PAYMENT_DETAILS),
            iso2.PaymentDetailsReq: row("docs/sources.md", S.AUTHORIZATION),
        },
        S.PAYMENT_DETAILS: leave | {
            iso2.PaymentDetailsReq: row("docs/sources.md", S.AUTHORIZATION),
        },
        S.AUTHORIZATION: leave | {
            iso2.AuthorizationReq: row("V2G2-684, -854", S.AUTHORIZATION, S.CHARGE_PARAMETER_DISCOVERY),
        },
        S.CHARGE_PARAMETER_DISCOVERY: leave | {
            iso2.ChargeParameterDiscoveryReq: row("V2G2-565", S.CHARGE_PARAMETER_DISCOVERY, part.ready),
        },
        S.RENEGOTIATION: leave | {
            iso2.ChargeParameterDiscoveryReq: row("V2G2-842", S.RENEGOTIATION, part.renegotiated),
            # Whoever does not want another schedule must be able to stop.
            STOP: row("docs/sources.md", part.after),
        },
        part.loop: leave | {
            STOP: row("V2G2-568", part.after),
            RENEGOTIATE: row("V2G2-841", S.RENEGOTIATION),
        },
        S.METERING_RECEIPT: leave | {
            iso2.MeteringReceiptReq: row("V2G2-691", part.loop),
        },
        S.SESSION_STOP: dict(leave),
        S.ENDED: {},
    }  # fmt: skip


def compose(part: Part) -> Table:
    """The whole table of AC or DC. Raises ``ValueError`` for a row that is listed twice, leads
    nowhere or is never reached."""
    table = _common(part)
    leave = table[S.SESSION_STOP]
    for state, rows in part.rows.items():
        mine = table.setdefault(state, dict(leave))
        for key, what in rows.items():
            if key in mine:
                raise ValueError(f"{state.value} lists {key} twice")
            mine[key] = what
    for state, rows in table.items():
        for key, what in rows.items():
            if not what.next or not what.next <= table.keys():
                raise ValueError(f"{key} in {state.value} leads nowhere")
    reached, new = {S.SESSION_SETUP}, {S.SESSION_SETUP}
    while new:
        new = set(_following(table, new)) - reached
        reached |= new
    # Nothing leads to SessionStop in DC, where WeldingDetection takes it too.
    if lost := table.keys() - reached - {S.SESSION_STOP}:
        raise ValueError(f"never reached: {', '.join(state.value for state in lost)}")
    return {state: rows for state, rows in table.items() if state in reached}


def _following(table: Table, states: set[State]) -> Iterator[State]:
    for state in states:
        for what in table[state].values():
            yield from what.next
