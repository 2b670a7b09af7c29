"""A few messages of every schema set in use, for tests that need some and do not care which."""

from __future__ import annotations

from iso15118.messages.app import AppProtocol, ResponseCode, SupportedAppProtocolReq, SupportedAppProtocolRes
from iso15118.messages.iso20.common_messages import ServiceDiscoveryReq, SessionSetupReq
from iso15118.messages.iso20.common_types import MessageHeader, RationalNumber
from iso15118.messages.iso20.dc import DCChargeLoopReq, ScheduledDCCLReqControlMode

__all__ = ["DISCOVERY", "HEADER", "LOOP", "SAP_REQ", "SAP_RES", "SETUP"]

HEADER = MessageHeader(session_id=bytes(range(8)), time_stamp=1_700_000_000)

SAP_REQ = SupportedAppProtocolReq(
    app_protocol=(
        AppProtocol(
            protocol_namespace="urn:iso:std:iso:15118:-20:DC",
            version_number_major=1,
            version_number_minor=0,
            schema_id=1,
            priority=1,
        ),
    )
)
SAP_RES = SupportedAppProtocolRes(response_code=ResponseCode.OK_SuccessfulNegotiation, schema_id=1)
SETUP = SessionSetupReq(header=HEADER, evccid="WMIV1234567890ABCDEX")
DISCOVERY = ServiceDiscoveryReq(header=HEADER)
LOOP = DCChargeLoopReq(
    header=HEADER,
    meter_info_requested=False,
    ev_present_voltage=RationalNumber(exponent=-1, value=8000),
    cl_req_control_mode=ScheduledDCCLReqControlMode(
        ev_target_current=RationalNumber(exponent=0, value=1250),
        ev_target_voltage=RationalNumber(exponent=-1, value=8100),
    ),
)
