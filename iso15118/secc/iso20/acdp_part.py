"""The pantograph family of ISO 15118-20: what DC_ACDP and DC_ACDP_BPT add to the DC family, and where
the device stands in the order.

Three places are not settled by any public source, and are rows with a reason (docs/sources.md, "Pantograph"):
positioning is taken before authorization and once a service is chosen; the device is connected between
ScheduleExchange and the cable check; and a vehicle that gives up before there was power may have the device
retracted from wherever it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from iso15118.messages.iso20 import acdp, dc
from iso15118.messages.iso20 import common_messages as cm
from iso15118.session.edition import Stage
from iso15118.session.services import Namespace
from iso15118.timing import Timer

from . import acdp as device
from .dc_part import DC
from .sequence import Key, Part, Row, State, row

__all__ = ["ACDP"]

S = State

_ORDER = "docs/sources.md"
_UP: dict[Key, Row] = {
    # As SessionStop: who gives up must be able to leave, and drives away only when the device is home.
    acdp.ACDPDisconnectReq: row(_ORDER, S.ACDP_DISCONNECT, S.SESSION_STOP),
}


def _status(state: State) -> dict[Key, Row]:
    """On its own stream, from the moment the device is told to move until it is home."""
    return {acdp.ACDPSystemStatusReq: row(_ORDER, state)}


def _rows() -> dict[State, Mapping[Key, Row]]:
    rows: dict[State, dict[Key, Row]] = {state: dict(mine) for state, mine in DC.rows.items()}
    rows[S.AUTHORIZATION_SETUP] = {
        acdp.ACDPVehiclePositioningReq: row(
            _ORDER, S.AUTHORIZATION_SETUP, when=device.positioning_is_before_authorization
        ),
    }
    rows[S.DC_CHARGE_PARAMETER_DISCOVERY][acdp.ACDPVehiclePositioningReq] = row(
        _ORDER, S.DC_CHARGE_PARAMETER_DISCOVERY, when=device.positioning_is_here
    )
    rows[S.ACDP_CONNECT] = {
        # Once more right before: a vehicle that waited for its turn may have been moved.
        acdp.ACDPVehiclePositioningReq: row(_ORDER, S.ACDP_CONNECT),
        acdp.ACDPConnectReq: row("V2G20-4071", S.ACDP_CONNECT, S.DC_CABLE_CHECK),
        (cm.PowerDeliveryReq, cm.ChargeProgress.Stop): row("V2G20-2122", S.SESSION_STOP, S.ACDP_DISCONNECT),
        (cm.PowerDeliveryReq, cm.ChargeProgress.Standby): row("V2G20-2122", S.ACDP_CONNECT),
        **_UP,
    }
    rows[S.DC_CABLE_CHECK] |= {
        (cm.PowerDeliveryReq, cm.ChargeProgress.Stop): row("V2G20-2122", S.SESSION_STOP, S.ACDP_DISCONNECT),
        **_UP,
    }
    rows[S.DC_PRE_CHARGE] |= _UP
    rows[S.POWER_DELIVERY] = dict(_UP)
    rows[S.DC_WELDING_DETECTION] = {
        dc.DCWeldingDetectionReq: row(_ORDER, S.DC_WELDING_DETECTION, S.ACDP_DISCONNECT),
        **_UP,
    }
    rows[S.ACDP_DISCONNECT] = dict(_UP)
    rows[S.SCHEDULE_RENEGOTIATION] = {}
    rows[S.SESSION_STOP] = {}
    for state in (
        S.ACDP_CONNECT,
        S.DC_CABLE_CHECK,
        S.DC_PRE_CHARGE,
        S.POWER_DELIVERY,
        S.DC_CHARGE_LOOP,
        S.SCHEDULE_RENEGOTIATION,
        S.DC_WELDING_DETECTION,
        S.ACDP_DISCONNECT,
        S.SESSION_STOP,  # asked while the last answer about the device was on its way
    ):
        rows[state] |= _status(state)
    return dict(rows)


ACDP = Part(
    name="ACDP",
    schema="iso20-acdp",
    namespace=Namespace.ACDP.value,
    parameters=DC.parameters,
    ready=S.ACDP_CONNECT,
    loop=DC.loop,
    after=DC.after,
    rows=_rows(),
    handlers={
        **DC.handlers,
        acdp.ACDPVehiclePositioningReq: device.vehicle_positioning,
        acdp.ACDPConnectReq: device.connect,
        acdp.ACDPDisconnectReq: device.disconnect,
        acdp.ACDPSystemStatusReq: device.system_status,
        cm.PowerDeliveryReq: device.power_delivery,
        dc.DCWeldingDetectionReq: device.welding_detection,
    },
    stages=(
        *DC.stages,
        (S.ACDP_CONNECT, Stage(name=S.ACDP_CONNECT.value, timer=Timer.CONNECTION_DEVICE)),
        (
            S.ACDP_DISCONNECT,
            Stage(
                name=S.ACDP_DISCONNECT.value,
                refuses=False,
                timer=Timer.CONNECTION_DEVICE,
                limit="ongoing_performance",
            ),
        ),
    ),
    responses={
        **DC.responses,
        acdp.ACDPVehiclePositioningReq: (acdp.ACDPVehiclePositioningRes, device.neutral_position),
        acdp.ACDPConnectReq: (acdp.ACDPConnectRes, device.neutral_connection),
        acdp.ACDPDisconnectReq: (acdp.ACDPDisconnectRes, device.neutral_connection),
        acdp.ACDPSystemStatusReq: (acdp.ACDPSystemStatusRes, device.neutral_status),
    },
    loop_request=DC.loop_request,
    refresh=DC.refresh,
    advice=DC.advice,
    bounds=DC.bounds,
    declared=DC.declared,
    beside=frozenset({acdp.ACDPSystemStatusReq}),
    leaves=frozenset({acdp.ACDPDisconnectReq}),
)
