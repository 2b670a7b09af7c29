"""The DC family of ISO 15118-2: the rows, stages and handlers that it adds to the common table."""

from __future__ import annotations

from iso15118.messages import iso2
from iso15118.session.edition import Stage
from iso15118.timing import Timer

from . import dc_limits, delivery, loop
from .sequence import START, STOP, Part, State, row
from .status import dc_status

__all__ = ["DC"]

S = State
_STOP = row("docs/sources.md", S.WELDING_DETECTION)

DC = Part(
    name="DC",
    ready=S.CABLE_CHECK,
    renegotiated=S.RENEGOTIATED,
    loop=S.CURRENT_DEMAND,
    after=S.WELDING_DETECTION,
    rows={
        S.CABLE_CHECK: {
            iso2.CableCheckReq: row("V2G2-917", S.CABLE_CHECK, S.PRE_CHARGE),
            STOP: _STOP,
        },
        S.PRE_CHARGE: {
            iso2.PreChargeReq: row("docs/sources.md", S.POWER_DELIVERY),
            STOP: _STOP,
        },
        S.POWER_DELIVERY: {
            iso2.PreChargeReq: row("docs/sources.md", S.POWER_DELIVERY),
            START: row("docs/sources.md", S.CURRENT_DEMAND),
            STOP: _STOP,
        },
        S.CURRENT_DEMAND: {
            iso2.CurrentDemandReq: row("V2G2-691", S.CURRENT_DEMAND, S.METERING_RECEIPT),
        },
        S.RENEGOTIATED: {
            # In full [V2G2-582] or, with contactors that stayed closed, straight on.
            iso2.CableCheckReq: row("V2G2-565, -582", S.CABLE_CHECK, S.PRE_CHARGE),
            START: row("docs/sources.md", S.CURRENT_DEMAND, when=delivery.still_delivers),
            STOP: _STOP,
        },
        S.WELDING_DETECTION: {
            iso2.WeldingDetectionReq: row("V2G2-920", S.WELDING_DETECTION),
        },
    },
    handlers={
        iso2.CableCheckReq: delivery.cable_check,
        iso2.PreChargeReq: delivery.pre_charge,
        iso2.PowerDeliveryReq: delivery.power_delivery,
        iso2.CurrentDemandReq: loop.current_demand,
        iso2.WeldingDetectionReq: delivery.welding_detection,
    },
    stages={
        S.CABLE_CHECK: Stage(name=S.CABLE_CHECK.value, live=True, timer=Timer.CABLE_CHECK),
        # The time runs from the first request on, which leads to the next state.
        S.PRE_CHARGE: Stage(name=S.PRE_CHARGE.value, live=True),
        S.POWER_DELIVERY: Stage(
            name=S.POWER_DELIVERY.value,
            live=True,
            timer=Timer.PRE_CHARGE,
            limit="pre_charge_performance",
        ),
        S.CURRENT_DEMAND: Stage(name=S.CURRENT_DEMAND.value, live=True, holds=True, lasts=True),
        S.RENEGOTIATED: Stage(name=S.RENEGOTIATED.value, live=True, holds=True),
        S.WELDING_DETECTION: Stage(
            name=S.WELDING_DETECTION.value,
            refuses=False,
            timer=Timer.WELDING_DETECTION,
            limit="welding_detection_performance",
        ),
    },
    parameters=dc_limits.take_parameters,
    offer=dc_limits.offered,
    most_w=dc_limits.most_w,
    wanted_wh=dc_limits.wanted_wh,
    status=dc_status,
    running=lambda ctx: dc_status(ctx, iso2.DCEVSEStatusCode.EVSE_Ready),
    loop_request=iso2.CurrentDemandReq,
    refresh=dc_limits.refresh,
    bounds=loop.present_bounds,
)
