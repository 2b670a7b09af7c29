"""What is legal when in DIN 70121: every state of the station, the requests that it takes,
and the states that may follow.

What is not listed is refused with FAILED_SequenceError in the response of the request's own type, and the
session ends [V2G-DC-390, V2G-DC-665].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from iso15118.messages import din
from iso15118.session.edition import Stage
from iso15118.timing import Timer

if TYPE_CHECKING:
    from .context import Context
else:
    Context = Any  # who asks for help at run time is told of it without loading it

__all__ = ["OFF", "ON", "STAGES", "TABLE", "Key", "Row", "State", "key_of"]


class State(Enum):
    """What the station waits for. ``ENDED`` waits for nothing."""

    SESSION_SETUP = "SessionSetup"
    SERVICE_DISCOVERY = "ServiceDiscovery"
    SERVICE_PAYMENT_SELECTION = "ServicePaymentSelection"
    CONTRACT_AUTHENTICATION = "ContractAuthentication"
    CHARGE_PARAMETER_DISCOVERY = "ChargeParameterDiscovery"
    CABLE_CHECK = "CableCheck"
    PRE_CHARGE = "PreCharge"
    POWER_DELIVERY = "PowerDelivery"
    """Pre-charge was asked for: the vehicle goes on with it until the voltage fits."""
    CURRENT_DEMAND = "CurrentDemand"
    WELDING_DETECTION = "WeldingDetection"
    """Power is over; welding detection may be repeated, or left out."""
    ENDED = "Ended"


Key = type | tuple[type, bool]
"""A request, or PowerDeliveryReq with its ReadyToChargeState."""


class Row(Struct, frozen=True):
    """The states that may follow, the source that says so, and ``when`` the row holds:
    why it does not, or nothing."""

    next: frozenset[State]
    source: str
    when: Callable[[Context], str] | None = None


def _row(source: str, *states: State, when: Callable[[Context], str] | None = None) -> Row:
    return Row(frozenset(states), source, when)


def key_of(request: object) -> Key:
    """Under which the table lists this request."""
    if isinstance(request, din.PowerDeliveryReq):
        return din.PowerDeliveryReq, request.ready_to_charge_state
    return type(request)


ON: Final = (din.PowerDeliveryReq, True)
OFF: Final = (din.PowerDeliveryReq, False)
S = State


def _from_the_loop(ctx: Context) -> str:
    if ctx.settings.session_stop_anywhere:
        return ""
    return "SessionStop in the charge loop; din.session_stop_anywhere = true answers it"


_LEAVE: Mapping[Key, Row] = {din.SessionStop: _row("docs/sources.md", S.ENDED)}
# A vehicle may stop before there is any power, and does so while it waits for the
# cable check (docs/sources.md).
_STOP: Mapping[Key, Row] = {OFF: _row("docs/sources.md", S.WELDING_DETECTION)}

TABLE: Final[Mapping[State, Mapping[Key, Row]]] = {
    S.SESSION_SETUP: {
        din.SessionSetupReq: _row("V2G-DC-390", S.SERVICE_DISCOVERY),
    },
    S.SERVICE_DISCOVERY: {
        **_LEAVE,
        din.ServiceDiscoveryReq: _row("V2G-DC-390", S.SERVICE_PAYMENT_SELECTION),
    },
    S.SERVICE_PAYMENT_SELECTION: {
        **_LEAVE,
        din.ServicePaymentSelectionReq: _row("V2G-DC-390, -635", S.CONTRACT_AUTHENTICATION),
    },
    S.CONTRACT_AUTHENTICATION: {
        **_LEAVE,
        din.ContractAuthenticationReq: _row(
            "V2G-DC-390", S.CONTRACT_AUTHENTICATION, S.CHARGE_PARAMETER_DISCOVERY
        ),
    },
    S.CHARGE_PARAMETER_DISCOVERY: {
        **_LEAVE,
        din.ChargeParameterDiscoveryReq: _row(
            "V2G-DC-390, -453", S.CHARGE_PARAMETER_DISCOVERY, S.CABLE_CHECK
        ),
    },
    S.CABLE_CHECK: {
        **_LEAVE,
        **_STOP,
        din.CableCheckReq: _row("V2G-DC-390, -547", S.CABLE_CHECK, S.PRE_CHARGE),
    },
    S.PRE_CHARGE: {
        **_LEAVE,
        **_STOP,
        din.PreChargeReq: _row("V2G-DC-390", S.POWER_DELIVERY),
    },
    S.POWER_DELIVERY: {
        **_LEAVE,
        **_STOP,
        din.PreChargeReq: _row("V2G-DC-390", S.POWER_DELIVERY),
        ON: _row("V2G-DC-390, -401", S.CURRENT_DEMAND),
    },
    S.CURRENT_DEMAND: {
        din.SessionStop: _row("docs/sources.md", S.ENDED, when=_from_the_loop),
        din.CurrentDemandReq: _row("V2G-DC-390", S.CURRENT_DEMAND),
        OFF: _row("V2G-DC-390", S.WELDING_DETECTION),
    },
    S.WELDING_DETECTION: {
        **_LEAVE,
        din.WeldingDetectionReq: _row("V2G-DC-390", S.WELDING_DETECTION),
    },
    S.ENDED: {},
}
"""State x request -> next states."""

STAGES: Final[Mapping[State, Stage]] = {
    S.SESSION_SETUP: Stage(name=S.SESSION_SETUP.value, first=True),
    S.SERVICE_DISCOVERY: Stage(name=S.SERVICE_DISCOVERY.value),
    S.SERVICE_PAYMENT_SELECTION: Stage(name=S.SERVICE_PAYMENT_SELECTION.value),
    S.CONTRACT_AUTHENTICATION: Stage(name=S.CONTRACT_AUTHENTICATION.value, authorizing=True),
    S.CHARGE_PARAMETER_DISCOVERY: Stage(name=S.CHARGE_PARAMETER_DISCOVERY.value),
    S.CABLE_CHECK: Stage(name=S.CABLE_CHECK.value, live=True, timer=Timer.CABLE_CHECK),
    S.PRE_CHARGE: Stage(name=S.PRE_CHARGE.value, live=True, timer=Timer.PRE_CHARGE),
    # The time of pre-charge runs from the first request, whether it could be followed or not.
    S.POWER_DELIVERY: Stage(
        name=S.POWER_DELIVERY.value,
        live=True,
        timer=Timer.PRE_CHARGE,
        limit="pre_charge_performance",
    ),
    S.CURRENT_DEMAND: Stage(name=S.CURRENT_DEMAND.value, live=True, holds=True, lasts=True),
    S.WELDING_DETECTION: Stage(
        name=S.WELDING_DETECTION.value,
        refuses=False,
        timer=Timer.WELDING_DETECTION,
        limit="welding_detection_performance",
    ),
    S.ENDED: Stage(name=S.ENDED.value, refuses=False),
}
"""What the funnel knows about each state."""


def _check() -> None:
    """Raises ``ValueError`` for a row that leads nowhere or a state that is never reached."""
    reached, new = {S.SESSION_SETUP}, {S.SESSION_SETUP}
    while new:
        following = {after for state in new for row in TABLE[state].values() for after in row.next}
        if not following <= TABLE.keys():
            raise ValueError("a row leads nowhere")
        new = following - reached
        reached |= new
    if lost := TABLE.keys() - reached:
        raise ValueError(f"never reached: {', '.join(state.value for state in lost)}")
    if TABLE.keys() != STAGES.keys():
        raise ValueError("a state without a stage")


_check()
