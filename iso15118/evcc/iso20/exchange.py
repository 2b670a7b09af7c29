"""One request and its answer: which response belongs to which request, how long to wait, and how long
"Ongoing" may go on.

The response code and the session id have been checked when an answer arrives here; a FAILED never does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from iso15118.evcc.conversation import Bound, Conversation, EndSession, Exchange, Leave
from iso15118.messages.iso20 import ac, acdp, dc, wpt
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import MessageHeader
from iso15118.messages.values import same_stamp_s, time_stamp
from iso15118.session.actions import Action, EndReason
from iso15118.session.causes import POLLS

__all__ = ["RESPONSES", "exchange", "header", "poll"]

RESPONSES: dict[type, tuple[type, str]] = {
    cm.SessionSetupReq: (cm.SessionSetupRes, "SessionSetup"),
    cm.AuthorizationSetupReq: (cm.AuthorizationSetupRes, "AuthorizationSetup"),
    cm.CertificateInstallationReq: (cm.CertificateInstallationRes, "CertificateInstallation"),
    cm.AuthorizationReq: (cm.AuthorizationRes, "Authorization"),
    cm.ServiceDiscoveryReq: (cm.ServiceDiscoveryRes, "ServiceDiscovery"),
    cm.ServiceDetailReq: (cm.ServiceDetailRes, "ServiceDetail"),
    cm.ServiceSelectionReq: (cm.ServiceSelectionRes, "ServiceSelection"),
    dc.DCChargeParameterDiscoveryReq: (dc.DCChargeParameterDiscoveryRes, "DC_ChargeParameterDiscovery"),
    ac.ACChargeParameterDiscoveryReq: (ac.ACChargeParameterDiscoveryRes, "AC_ChargeParameterDiscovery"),
    acdp.ACDPVehiclePositioningReq: (acdp.ACDPVehiclePositioningRes, "ACDP_VehiclePositioning"),
    acdp.ACDPConnectReq: (acdp.ACDPConnectRes, "ACDP_Connect"),
    acdp.ACDPDisconnectReq: (acdp.ACDPDisconnectRes, "ACDP_Disconnect"),
    acdp.ACDPSystemStatusReq: (acdp.ACDPSystemStatusRes, "ACDP_SystemStatus"),
    wpt.WPTFinePositioningSetupReq: (wpt.WPTFinePositioningSetupRes, "WPT_FinePositioningSetup"),
    wpt.WPTFinePositioningReq: (wpt.WPTFinePositioningRes, "WPT_FinePositioning"),
    wpt.WPTPairingReq: (wpt.WPTPairingRes, "WPT_Pairing"),
    wpt.WPTChargeParameterDiscoveryReq: (
        wpt.WPTChargeParameterDiscoveryRes,
        "WPT_ChargeParameterDiscovery",
    ),
    wpt.WPTAlignmentCheckReq: (wpt.WPTAlignmentCheckRes, "WPT_AlignmentCheck"),
    wpt.WPTChargeLoopReq: (wpt.WPTChargeLoopRes, "WPT_ChargeLoop"),
    cm.ScheduleExchangeReq: (cm.ScheduleExchangeRes, "ScheduleExchange"),
    dc.DCCableCheckReq: (dc.DCCableCheckRes, "DC_CableCheck"),
    dc.DCPreChargeReq: (dc.DCPreChargeRes, "DC_PreCharge"),
    cm.PowerDeliveryReq: (cm.PowerDeliveryRes, "PowerDelivery"),
    ac.ACChargeLoopReq: (ac.ACChargeLoopRes, "AC_ChargeLoop"),
    dc.DCChargeLoopReq: (dc.DCChargeLoopRes, "DC_ChargeLoop"),
    cm.MeteringConfirmationReq: (cm.MeteringConfirmationRes, "MeteringConfirmation"),
    cm.VehicleCheckInReq: (cm.VehicleCheckInRes, "VehicleCheckIn"),
    cm.VehicleCheckOutReq: (cm.VehicleCheckOutRes, "VehicleCheckOut"),
    dc.DCWeldingDetectionReq: (dc.DCWeldingDetectionRes, "DC_WeldingDetection"),
    cm.SessionStopReq: (cm.SessionStopRes, "SessionStop"),
}
"""Request class -> response class, and the name of the state that waits for it."""


_APART = frozenset({cm.VehicleCheckInReq, cm.VehicleCheckOutReq})
"""They have a stream of their own, and nothing else goes on meanwhile."""


def header(talk: Conversation) -> MessageHeader:
    """The header of a request sent now."""
    kept: _Kept | None = talk.kept
    if kept is None or not kept.since <= talk.now < kept.until or kept.header.session_id != talk.session_id:
        unix_s, unit = talk.now + talk.epoch, talk.config.time_stamp_unit
        made = MessageHeader(session_id=talk.session_id, time_stamp=time_stamp(unix_s, unit))
        kept = talk.kept = _Kept(made, talk.now, talk.now + same_stamp_s(unix_s, unit))
    return kept.header


class _Kept(Struct, frozen=True, gc=False):
    """A header, and from when until when its time stamp is that of now."""

    header: MessageHeader
    since: float
    until: float


def exchange(talk: Conversation, request: Any, *, then: tuple[Action, ...] = ()) -> Exchange:
    """Send ``request``, and do ``then`` right behind it; awaiting gives the response."""
    kind = type(request)
    awaited = talk.awaited.get(kind)
    if awaited is None:
        response, state = RESPONSES[kind]
        timeout = talk.timing.message_timeout_of(kind.__name__)
        awaited = talk.awaited[kind] = response, timeout, state, kind is cm.SessionSetupReq, kind in _APART
    response, timeout, state, opens, apart = awaited
    return Exchange(request, response, timeout, state, opens, False, then, apart)


async def poll(
    talk: Conversation,
    make: Callable[[], Any],
    finished: Callable[[Any], bool],
    *,
    limit: float,
    reason: EndReason,
    stands: Callable[[], str] = str,
) -> Any:
    """Repeat the request until ``finished(response)``, for ``limit`` s at most; then the session is over for
    ``reason``, and the clock ends it: no answer has to come.

    A wish to stop leaves between two requests. ``stands``: what an end by the clock says of how far it is.
    """
    response_type = RESPONSES[type(request := make())][0]
    kind = EndSession if reason is EndReason.ONGOING_TOO_LONG else Leave
    late = f"{response_type.__name__} still not finished after {limit:g} s"

    def error() -> Leave | EndSession:
        return kind(reason, late + stands(), cause=POLLS.get(reason, ""))

    bound = talk.bound = Bound(talk.now + limit, error)
    try:
        while True:
            response = await exchange(talk, request)
            if finished(response):
                return response
            if talk.stop_wanted:
                raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
            if talk.now >= bound.until:
                raise error()
            await talk.pause(talk.config.poll_interval_s)
            request = make()
    finally:
        talk.bound = None
