"""What a vehicle may send when: the one place that says what is legal in an ISO 15118-20 session over DC
messages.

A row is a state (named after what the station waits for), a request and the states that may follow. What is
not in the table is refused with
FAILED_SequenceError in the response type of the request [V2G20-459], and the session ends.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc

__all__ = ["ENERGY_STATES", "PAUSE_STATES", "SEQUENCE", "TOLERATED", "Row", "State"]


class State(Enum):
    """What the station waits for. ``ENDED`` waits for nothing."""

    SESSION_SETUP = "SessionSetup"
    AUTHORIZATION_SETUP = "AuthorizationSetup"
    AUTHORIZATION = "Authorization"
    SERVICE_DISCOVERY = "ServiceDiscovery"
    SERVICE_DETAIL = "ServiceDetail"
    SERVICE_SELECTION = "ServiceSelection"
    DC_CHARGE_PARAMETER_DISCOVERY = "DC_ChargeParameterDiscovery"
    SCHEDULE_EXCHANGE = "ScheduleExchange"
    DC_CABLE_CHECK = "DC_CableCheck"
    DC_PRE_CHARGE = "DC_PreCharge"
    POWER_DELIVERY = "PowerDelivery"
    DC_CHARGE_LOOP = "DC_ChargeLoop"
    SCHEDULE_RENEGOTIATION = "ScheduleRenegotiation"
    DC_WELDING_DETECTION = "DC_WeldingDetection"
    SESSION_STOP = "SessionStop"
    ENDED = "Ended"


class Row(Struct, frozen=True):
    """The states that may follow, and the requirement or source that says so."""

    next: frozenset[State]
    source: str


def _row(source: str, *states: State) -> Row:
    return Row(frozenset(states), source)


S = State

# SessionStop is accepted in every phase after SessionSetup: a vehicle must always be able to leave (EcoG-io/iso15118,
# issue 184; docs/sources.md).
_STOP: dict[type, Row] = {cm.SessionStopReq: _row("V2G20-1633, -1643", S.ENDED, S.SERVICE_DISCOVERY)}

SEQUENCE: dict[State, dict[type, Row]] = {
    S.SESSION_SETUP: {
        # A paused session goes on where its choices had been made [V2G20-1032].
        cm.SessionSetupReq: _row("V2G20-2106, -1032", S.AUTHORIZATION_SETUP, S.DC_CHARGE_PARAMETER_DISCOVERY),
    },
    S.AUTHORIZATION_SETUP: _STOP | {
        cm.AuthorizationSetupReq: _row("V2G20-2567", S.AUTHORIZATION),
    },
    S.AUTHORIZATION: _STOP | {
        # Ongoing repeats the request unaltered [V2G20-1582]; a WARNING lets the vehicle try again
        # [V2G20-2219].
        cm.AuthorizationReq: _row("V2G20-1582, -2219", S.AUTHORIZATION, S.SERVICE_DISCOVERY),
        # Only if it was offered, which the handler looks at; repeated while Ongoing, and until no contract remains.
        cm.CertificateInstallationReq: _row("docs/sources.md", S.AUTHORIZATION),
    },
    S.SERVICE_DISCOVERY: _STOP | {
        cm.ServiceDiscoveryReq: _row("V2G20-1248", S.SERVICE_DETAIL),
    },
    S.SERVICE_DETAIL: _STOP | {
        cm.ServiceDetailReq: _row("V2G20-425", S.SERVICE_SELECTION),
    },
    S.SERVICE_SELECTION: _STOP | {
        cm.ServiceDetailReq: _row("V2G20-425", S.SERVICE_SELECTION),
        cm.ServiceSelectionReq: _row("V2G20-433, -467", S.DC_CHARGE_PARAMETER_DISCOVERY),
    },
    S.DC_CHARGE_PARAMETER_DISCOVERY: _STOP | {
        dc.DCChargeParameterDiscoveryReq: _row("V2G20-2272", S.SCHEDULE_EXCHANGE),
    },
    S.SCHEDULE_EXCHANGE: _STOP | {
        cm.ScheduleExchangeReq: _row("V2G20-2176", S.SCHEDULE_EXCHANGE, S.DC_CABLE_CHECK),
    },
    S.DC_CABLE_CHECK: _STOP | {
        dc.DCCableCheckReq: _row("docs/sources.md", S.DC_CABLE_CHECK, S.DC_PRE_CHARGE),
        # A vehicle that only wanted a schedule goes to pause without ever taking power, or asks for standby,
        # which is not granted [V2G20-2122].
        cm.PowerDeliveryReq: _row("V2G20-2122", S.DC_CABLE_CHECK, S.SESSION_STOP),
    },
    S.DC_PRE_CHARGE: _STOP | {
        # EVProcessing Ongoing: pre-charge again; Finished: power delivery [V2G20-2005, V2G20-2006].
        dc.DCPreChargeReq: _row("V2G20-2005, -2006", S.DC_PRE_CHARGE, S.POWER_DELIVERY),
    },
    S.POWER_DELIVERY: _STOP | {
        cm.PowerDeliveryReq: _row("V2G20-862", S.POWER_DELIVERY, S.DC_CHARGE_LOOP, S.DC_WELDING_DETECTION),
    },
    S.DC_CHARGE_LOOP: _STOP | {
        dc.DCChargeLoopReq: _row("V2G20-1500", S.DC_CHARGE_LOOP),
        # Only if it was asked for, which the handler looks at; it comes on a stream of its own beside the loop.
        cm.MeteringConfirmationReq: _row("V2G20-1083", S.DC_CHARGE_LOOP),
        cm.PowerDeliveryReq: _row("V2G20-3210", S.DC_CHARGE_LOOP, S.SCHEDULE_RENEGOTIATION, S.DC_WELDING_DETECTION),
    },
    S.SCHEDULE_RENEGOTIATION: _STOP | {
        # Contactors stay closed and no new cable check is made (docs/sources.md).
        cm.ScheduleExchangeReq: _row("docs/sources.md", S.SCHEDULE_RENEGOTIATION, S.POWER_DELIVERY),
        # Whoever does not want another schedule must be able to stop.
        cm.PowerDeliveryReq: _row("V2G20-3210", S.DC_WELDING_DETECTION),
    },
    S.DC_WELDING_DETECTION: _STOP | {
        # The vehicle ends the poll by EVProcessing Finished; it may leave welding detection out.
        dc.DCWeldingDetectionReq: _row("docs/sources.md", S.DC_WELDING_DETECTION, S.SESSION_STOP),
    },
    S.SESSION_STOP: dict(_STOP),
    S.ENDED: {},
}  # fmt: skip

TOLERATED: dict[tuple[State, type], State] = {
    # SeccConfig.accept_ongoing_pre_charge, off by default.
    (S.DC_PRE_CHARGE, cm.PowerDeliveryReq): S.POWER_DELIVERY,
}
"""Habits of known vehicles that a setting lets pass, and the state in whose row they are then looked up."""

ENERGY_STATES = frozenset(
    {S.DC_CABLE_CHECK, S.DC_PRE_CHARGE, S.POWER_DELIVERY, S.DC_CHARGE_LOOP, S.SCHEDULE_RENEGOTIATION}
)
"""States in which the output may carry voltage: the control pilot must stay in C or D here."""

PAUSE_STATES = frozenset({S.DC_WELDING_DETECTION, S.SESSION_STOP})
"""States in which SessionStopReq may ask for a pause: those that PowerDelivery(Stop) leads to [V2G2-739] (docs/sources.md)."""
