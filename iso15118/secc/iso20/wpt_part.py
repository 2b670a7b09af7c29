"""The wireless family of ISO 15118-20: the rows, stages and handlers that WPT adds to the common table.

No public source has an order of its messages. Positioning and pairing stand before authorization, since
pairing tells whose pad is meant, and are taken once a service is chosen as well
(``WptSeccSettings.positioning``); the alignment check stands behind the schedule, since it sends power
(docs/sources.md, "Wireless power").
"""

from __future__ import annotations

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import wpt
from iso15118.messages.iso20.common_types import Processing
from iso15118.session.edition import Stage
from iso15118.session.services import Namespace

from . import telling, wpt_power
from . import wpt as place
from .sequence import Key, Part, Row, State, row

__all__ = ["WPT"]

S = State
_ORDER = "docs/sources.md"
_SETUP: dict[Key, Row] = {
    wpt.WPTFinePositioningSetupReq: row(_ORDER, S.WPT_FINE_POSITIONING_SETUP, S.WPT_FINE_POSITIONING)
}

WPT = Part(
    name="WPT",
    schema="iso20-wpt",
    namespace=Namespace.WPT.value,
    parameters=S.WPT_CHARGE_PARAMETER_DISCOVERY,
    ready=S.WPT_ALIGNMENT_CHECK,
    loop=S.WPT_CHARGE_LOOP,
    after=S.SESSION_STOP,
    rows={
        S.AUTHORIZATION_SETUP: {
            wpt.WPTFinePositioningSetupReq: row(
                _ORDER,
                S.WPT_FINE_POSITIONING_SETUP,
                S.WPT_FINE_POSITIONING,
                when=place.positioning_is_before_authorization,
            ),
        },
        S.WPT_FINE_POSITIONING_SETUP: dict(_SETUP),
        S.WPT_FINE_POSITIONING: {
            **_SETUP,
            wpt.WPTFinePositioningReq: row(
                _ORDER, S.WPT_FINE_POSITIONING, S.WPT_PAIRING, S.WPT_FINE_POSITIONING_SETUP
            ),
        },
        S.WPT_PAIRING: {
            **_SETUP,
            # On to where positioning began, or back to its beginning after WARNING_WPT.
            wpt.WPTPairingReq: row(
                _ORDER,
                S.WPT_PAIRING,
                S.WPT_FINE_POSITIONING_SETUP,
                S.AUTHORIZATION_SETUP,
                S.WPT_CHARGE_PARAMETER_DISCOVERY,
                S.WPT_ALIGNMENT_CHECK,
            ),
        },
        S.WPT_CHARGE_PARAMETER_DISCOVERY: {
            wpt.WPTFinePositioningSetupReq: row(
                _ORDER,
                S.WPT_FINE_POSITIONING_SETUP,
                S.WPT_FINE_POSITIONING,
                when=place.positioning_is_here,
            ),
            # A paused session goes on here [V2G20-5046].
            wpt.WPTChargeParameterDiscoveryReq: row(
                "V2G20-5046", S.SCHEDULE_EXCHANGE, when=wpt_power.is_paired
            ),
        },
        S.WPT_ALIGNMENT_CHECK: {
            wpt.WPTAlignmentCheckReq: row(
                _ORDER, S.WPT_ALIGNMENT_CHECK, S.POWER_DELIVERY, S.WPT_FINE_POSITIONING_SETUP
            ),
            (cm.PowerDeliveryReq, cm.ChargeProgress.Stop): row("V2G20-2122", S.SESSION_STOP),
            (cm.PowerDeliveryReq, cm.ChargeProgress.Standby): row("V2G20-2122", S.WPT_ALIGNMENT_CHECK),
        },
        S.WPT_CHARGE_LOOP: {
            wpt.WPTChargeLoopReq: row("V2G20-5070", S.WPT_CHARGE_LOOP),
        },
    },
    handlers={
        wpt.WPTFinePositioningSetupReq: place.fine_positioning_setup,
        wpt.WPTFinePositioningReq: place.fine_positioning,
        wpt.WPTPairingReq: place.pairing,
        wpt.WPTChargeParameterDiscoveryReq: wpt_power.charge_parameter_discovery,
        wpt.WPTAlignmentCheckReq: wpt_power.alignment_check,
        cm.PowerDeliveryReq: wpt_power.power_delivery,
        wpt.WPTChargeLoopReq: wpt_power.charge_loop,
    },
    stages=tuple(
        (
            state,
            Stage(
                name=state.value,
                live=state in (S.WPT_ALIGNMENT_CHECK, S.WPT_CHARGE_LOOP),
                lasts=state is S.WPT_CHARGE_LOOP,
            ),
        )
        for state in (
            S.WPT_FINE_POSITIONING_SETUP,
            S.WPT_FINE_POSITIONING,
            S.WPT_PAIRING,
            S.WPT_CHARGE_PARAMETER_DISCOVERY,
            S.WPT_ALIGNMENT_CHECK,
            S.WPT_CHARGE_LOOP,
        )
    ),
    responses={
        wpt.WPTFinePositioningSetupReq: (wpt.WPTFinePositioningSetupRes, place.neutral_setup),
        wpt.WPTFinePositioningReq: (
            wpt.WPTFinePositioningRes,
            lambda ctx: {"evse_processing": Processing.Finished},
        ),
        wpt.WPTPairingReq: (wpt.WPTPairingRes, lambda ctx: {"evse_processing": Processing.Finished}),
        wpt.WPTChargeParameterDiscoveryReq: (wpt.WPTChargeParameterDiscoveryRes, wpt_power.neutral_offer),
        wpt.WPTAlignmentCheckReq: (
            wpt.WPTAlignmentCheckRes,
            lambda ctx: {"evse_processing": Processing.Finished},
        ),
        wpt.WPTChargeLoopReq: (wpt.WPTChargeLoopRes, wpt_power.neutral_loop),
    },
    loop_request=wpt.WPTChargeLoopReq,
    refresh=wpt_power.refresh_limits,
    advice=telling.unasked_reading,
    bounds=wpt_power.present_bounds,
    declared=wpt_power.declared,
)
