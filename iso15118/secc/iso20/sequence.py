"""How the table of ISO 15118-20 is made: rows that every family of services shares, with named
places, and the rows of one family.

A row is a state (named after what the station waits for), a request or one meaning of it, and the states that
may follow. What is not in the table is refused with FAILED_SequenceError in the response type of the request
[V2G20-459], and the session ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing
from iso15118.session.ac_limits import AcBounds
from iso15118.session.actions import EndReason
from iso15118.session.edition import Answer, Refused, Stage, Wait

from .value_added import check_in_is_selected, check_out_is_selected

if TYPE_CHECKING:
    from iso15118.session.ac_limits import AcVehicleLimits
    from iso15118.session.limits import VehicleLimits
    from iso15118.session.wireless import ReceiverLimits

    from .context import Context
else:
    # Who asks for help at run time is told of these without loading them.
    AcVehicleLimits = VehicleLimits = ReceiverLimits = Context = Any

__all__ = ["PAUSE_STATES", "Key", "Part", "Row", "State", "Table", "compose", "key_of", "row"]


class State(Enum):
    """What the station waits for. ``ENDED`` waits for nothing."""

    SESSION_SETUP = "SessionSetup"
    AUTHORIZATION_SETUP = "AuthorizationSetup"
    AUTHORIZATION = "Authorization"
    SERVICE_DISCOVERY = "ServiceDiscovery"
    SERVICE_DETAIL = "ServiceDetail"
    SERVICE_SELECTION = "ServiceSelection"
    AC_CHARGE_PARAMETER_DISCOVERY = "AC_ChargeParameterDiscovery"
    WPT_FINE_POSITIONING_SETUP = "WPT_FinePositioningSetup"
    WPT_FINE_POSITIONING = "WPT_FinePositioning"
    WPT_PAIRING = "WPT_Pairing"
    WPT_CHARGE_PARAMETER_DISCOVERY = "WPT_ChargeParameterDiscovery"
    DC_CHARGE_PARAMETER_DISCOVERY = "DC_ChargeParameterDiscovery"
    SCHEDULE_EXCHANGE = "ScheduleExchange"
    ACDP_CONNECT = "ACDP_Connect"
    DC_CABLE_CHECK = "DC_CableCheck"
    DC_PRE_CHARGE = "DC_PreCharge"
    WPT_ALIGNMENT_CHECK = "WPT_AlignmentCheck"
    POWER_DELIVERY = "PowerDelivery"
    AC_CHARGE_LOOP = "AC_ChargeLoop"
    WPT_CHARGE_LOOP = "WPT_ChargeLoop"
    DC_CHARGE_LOOP = "DC_ChargeLoop"
    SCHEDULE_RENEGOTIATION = "ScheduleRenegotiation"
    DC_WELDING_DETECTION = "DC_WeldingDetection"
    ACDP_DISCONNECT = "ACDP_Disconnect"
    SESSION_STOP = "SessionStop"
    ENDED = "Ended"

    __hash__ = object.__hash__  # each is one object; looked up with every request


Key = type | tuple[type, Enum]
"""A request, or a request with what it means."""
Guard = Callable[["Context"], str]
"""Why the row is not for this session now; empty if it is."""
Handler = Callable[[Any, "Context"], Answer | Refused | Wait]
"""Called only for what the table allows in ``Context.state``."""


class Row(Struct, frozen=True):
    """The states that may follow, the requirement or source that says so, and ``when`` the row holds."""

    next: frozenset[State]
    source: str
    when: Guard | None = None


def row(source: str, *states: State, when: Guard | None = None) -> Row:
    """A row that leads to ``states``."""
    return Row(frozenset(states), source, when)


Table = Mapping[State, Mapping[Key, Row]]


def _nothing_heard(mode: Any, ctx: Context) -> None:
    """Most services say nothing else."""


def _nothing_told(ctx: Context) -> dict[str, Any]:
    return {}


class Part(Struct, frozen=True, kw_only=True):
    """What a family of services adds to the common table. ``parameters``, ``ready``, ``loop`` and ``after``
    are its places: where the choice of a service leads, where a schedule leads, where power flows, and what
    follows PowerDelivery(Stop)."""

    name: str
    schema: str
    namespace: str
    """Of its messages; the services of a session are those that have it."""
    parameters: State
    ready: State
    loop: State
    after: State
    rows: Mapping[State, Mapping[Key, Row]]
    handlers: Mapping[type, Handler]
    stages: tuple[tuple[State, Stage], ...]
    responses: Mapping[type, tuple[type, Callable[[Context], dict[str, Any]]]]
    """Request class -> response class and the neutral values of its mandatory fields."""
    loop_request: type
    refresh: Callable[[Context], None]
    """Derives what holds in the loop from offer, present limits and set-point; called
    whenever one of them changes."""
    advice: Callable[[Context, EndReason], str]
    """What people may try where a session ends in the loop for this reason."""
    bounds: Callable[[Context], tuple[float, float, float, bool] | AcBounds | float | None]
    """What the supply has to hold by the vehicle's last request; None before the first one."""
    declared: Callable[[Any, Context], VehicleLimits | AcVehicleLimits | ReceiverLimits | Refused]
    """What a vehicle declares that says its charge parameters again in a renegotiation."""
    heard: Callable[[Any, Context], None] = _nothing_heard
    """Takes what a charge-loop request says beside power and limits."""
    told: Callable[[Context], dict[str, Any]] = _nothing_told
    """What a charge-loop response says beside them: fields of its control mode element."""
    offered_again: Callable[[Context], dict[str, Any]] = _nothing_told
    """Fields of the answer to that, where what stands in a refusal does not say all that was offered."""
    beside: frozenset[type] = frozenset()
    """Requests that come on a stream of their own."""
    leaves: frozenset[type] = frozenset()
    """Requests that lead away from power: they are not refused because somebody wants to stop."""

    @property
    def parameters_request(self) -> type:
        """The request with the charge parameters."""
        kinds = [key for key in self.rows[self.parameters] if isinstance(key, type)]
        return next(kind for kind in kinds if kind.__name__.endswith("ChargeParameterDiscoveryReq"))


def key_of(request: Any) -> Key:
    """Under which the table lists this request."""
    kind = type(request)
    if kind is cm.PowerDeliveryReq:
        progress = request.charge_progress
        if progress is not cm.ChargeProgress.Stop and request.ev_processing is not Processing.Finished:
            return kind, Processing.Ongoing  # the vehicle still computes, and will ask again
        return kind, progress
    if kind is cm.SessionStopReq:
        return kind, request.charging_session
    return kind


_START = cm.PowerDeliveryReq, cm.ChargeProgress.Start
_STOP = cm.PowerDeliveryReq, cm.ChargeProgress.Stop
_STANDBY = cm.PowerDeliveryReq, cm.ChargeProgress.Standby
_RENEGOTIATE = cm.PowerDeliveryReq, cm.ChargeProgress.ScheduleRenegotiation
_UNDECIDED = cm.PowerDeliveryReq, Processing.Ongoing

S = State
PAUSE_STATES = frozenset({S.DC_WELDING_DETECTION, S.SESSION_STOP})
"""States in which SessionStopReq may ask for a pause: those that PowerDelivery(Stop) leads to
[V2G2-739] (docs/sources.md)."""


def _installation_is_offered(ctx: Context) -> str:
    if not ctx.offers_installation:
        return "contract installation is not offered"
    if ctx.facts.authorization_requested is not None:
        return "contract installation while an authorization is decided"
    return ""


def _confirmation_is_asked_for(ctx: Context) -> str:
    return "" if ctx.metering_asked and ctx.facts.trust is not None else "nobody asked for a confirmation"


def _power_was_there(ctx: Context) -> str:
    facts = ctx.facts
    there = facts.contactors_closed or (facts.pad_hardware is not None and facts.delivered)
    return "" if there else "standby is for power that was there before"


def _common(parameters: State, ready: State, loop: State, after: State) -> dict[State, dict[Key, Row]]:
    # SessionStop is accepted in every phase after SessionSetup: a vehicle must always be able to leave
    # (EcoG-io/iso15118, issue 184; docs/sources.md).
    leave: dict[Key, Row] = {
        (cm.SessionStopReq, cm.ChargingSession.Terminate): row("V2G20-1633, -1643", S.ENDED),
        # Whether it may pause is the handler's to say, since the refusal has a code of its own.
        (cm.SessionStopReq, cm.ChargingSession.Pause): row("V2G20-1633, -1643", S.ENDED),
        (cm.SessionStopReq, cm.ChargingSession.ServiceRenegotiation): row("V2G20-1477", S.SERVICE_DISCOVERY),
    }
    return {
        S.SESSION_SETUP: {
            # A paused session goes on where its choices had been made [V2G20-1032].
            cm.SessionSetupReq: row("V2G20-2106, -1032", S.AUTHORIZATION_SETUP, parameters),
        },
        S.AUTHORIZATION_SETUP: leave | {
            cm.AuthorizationSetupReq: row("V2G20-2567", S.AUTHORIZATION),
        },
        S.AUTHORIZATION: leave | {
            # Ongoing repeats the request unaltered [V2G20-1582]; a WARNING lets the vehicle try again
            # [V2G20-2219].
            cm.AuthorizationReq: row("V2G20-1582, -2219", S.AUTHORIZATION, S.SERVICE_DISCOVERY),
            # Repeated while Ongoing, and until no contract remains.
            cm.CertificateInstallationReq: row("docs/sources.md", S.AUTHORIZATION, when=_installation_is_offered),
        },
        S.SERVICE_DISCOVERY: leave | {
            cm.ServiceDiscoveryReq: row("V2G20-1248", S.SERVICE_DETAIL),
        },
        S.SERVICE_DETAIL: leave | {
            cm.ServiceDetailReq: row("V2G20-425", S.SERVICE_SELECTION),
        },
        S.SERVICE_SELECTION: leave | {
            cm.ServiceDetailReq: row("V2G20-425", S.SERVICE_SELECTION),
            cm.ServiceSelectionReq: row("V2G20-433, -467", parameters),
        },
        S.SCHEDULE_EXCHANGE: leave | {
            cm.ScheduleExchangeReq: row("V2G20-2176", S.SCHEDULE_EXCHANGE, ready),
        },
        S.POWER_DELIVERY: leave | {
            _START: row("V2G20-862", loop),
            _STOP: row("V2G20-862", after),
            _UNDECIDED: row("V2G20-862", S.POWER_DELIVERY),
            _STANDBY: row("V2G20-862", S.POWER_DELIVERY, when=_power_was_there),
        },
        loop: leave | {
            # It comes on a stream of its own beside the loop.
            cm.MeteringConfirmationReq: row("V2G20-1083", loop, when=_confirmation_is_asked_for),
            # Again: with another profile, or over the other channel [V2G20-2123].
            _START: row("V2G20-3210, -2123", loop),
            _STOP: row("V2G20-3210", after),
            _STANDBY: row("V2G20-3210", loop, when=_power_was_there),
            _RENEGOTIATE: row("V2G20-3210", S.SCHEDULE_RENEGOTIATION),
        },
        S.SCHEDULE_RENEGOTIATION: leave | {
            # Contactors stay closed and no new cable check is made (docs/sources.md).
            cm.ScheduleExchangeReq: row("docs/sources.md", S.SCHEDULE_RENEGOTIATION, S.POWER_DELIVERY),
            # Whoever does not want another schedule must be able to stop.
            _STOP: row("V2G20-3210", after),
        },
        S.SESSION_STOP: dict(leave),
        S.ENDED: {},
    }  # fmt: skip


_WITHOUT_SELECTION = frozenset(
    {
        S.SESSION_SETUP,
        S.AUTHORIZATION_SETUP,
        S.AUTHORIZATION,
        S.SERVICE_DISCOVERY,
        S.SERVICE_DETAIL,
        S.SERVICE_SELECTION,
        S.ENDED,
    }
)
"""States in which no service has been selected yet, or none is any more."""


def compose(part: Part) -> Table:
    """The whole table of a family. Raises ``ValueError`` for a row that is listed twice, leads
    nowhere or is never reached."""
    table = _common(part.parameters, part.ready, part.loop, part.after)
    leave = table[S.SESSION_STOP]
    anew = row("docs/sources.md", S.SCHEDULE_RENEGOTIATION)
    table[S.SCHEDULE_RENEGOTIATION][part.parameters_request] = anew
    for state, rows in part.rows.items():
        mine = table.setdefault(state, dict(leave))
        for key, what in rows.items():
            if key in mine:
                raise ValueError(f"{state.value} lists {key} twice")
            mine[key] = what
    for state in table.keys() - _WITHOUT_SELECTION:
        # On a stream of their own beside whatever goes on.
        table[state][cm.VehicleCheckInReq] = row("docs/value-added.md", state, when=check_in_is_selected)
        table[state][cm.VehicleCheckOutReq] = row("docs/value-added.md", state, when=check_out_is_selected)
    for state, rows in table.items():
        for key, what in rows.items():
            if not what.next or not what.next <= table.keys():
                raise ValueError(f"{key} in {state.value} leads nowhere")
    reached, new = {S.SESSION_SETUP}, {S.SESSION_SETUP}
    while new:
        new = set(_following(table, new)) - reached
        reached |= new
    if lost := table.keys() - reached:
        raise ValueError(f"never reached: {', '.join(state.value for state in lost)}")
    return table


def _following(table: Table, states: set[State]) -> Iterator[State]:
    for state in states:
        for what in table[state].values():
            yield from what.next
