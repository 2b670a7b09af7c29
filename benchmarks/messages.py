"""The messages of ISO 15118-20 whose coding is timed: one of each kind and size that other
codecs have been measured with.

``messages_earlier`` has those of the editions before it. All values are made up here; the bytes come
from the package's own encoder.
"""

from __future__ import annotations

import hashlib
from typing import Any

from msgspec import Struct

from iso15118.messages import app, xmldsig
from iso15118.messages.iso20 import ac, dc
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import (
    DisplayParameters,
    MessageHeader,
    Processing,
    RationalNumber,
    ResponseCode,
)

__all__ = ["SAMPLES", "Sample", "octets"]


class Sample(Struct, frozen=True):
    """A message with its schema set; ``aim_ns`` is what decoding and encoding may take each, None
    where nothing is aimed at."""

    name: str
    schema: str
    message: Any
    aim_ns: float | None = None


def _number(value: int, exponent: int = 0) -> RationalNumber:
    return RationalNumber(exponent=exponent, value=value)


def octets(label: str, length: int) -> bytes:
    """Bytes without pattern, the same in every run: stands for certificates, digests and signatures,
    which no codec looks into."""
    return hashlib.shake_256(label.encode()).digest(length)


_HEADER = MessageHeader(session_id=octets("session", 8), time_stamp=1_790_000_000)


def _protocol(namespace: str, version: int, priority: int) -> app.AppProtocol:
    return app.AppProtocol(
        protocol_namespace=namespace,
        version_number_major=version,
        version_number_minor=0,
        schema_id=priority,
        priority=priority,
    )


_SAP = app.SupportedAppProtocolReq(
    app_protocol=(
        _protocol("urn:iso:std:iso:15118:-20:DC", 1, 1),
        _protocol("urn:iso:15118:2:2013:MsgDef", 2, 2),
    )
)

_LOOP_REQ = dc.DCChargeLoopReq(
    header=_HEADER,
    display_parameters=DisplayParameters(present_soc=54, target_soc=80, charging_complete=False),
    meter_info_requested=False,
    ev_present_voltage=_number(8005, -1),
    cl_req_control_mode=dc.ScheduledDCCLReqControlMode(
        ev_target_energy_request=_number(110, 3),
        ev_target_current=_number(12_500, -1),
        ev_target_voltage=_number(8105, -1),
        ev_maximum_charge_power=_number(10_000, 2),
        ev_maximum_charge_current=_number(15_000, -1),
        ev_maximum_voltage=_number(90, 1),
    ),
)

_LOOP_RES = dc.DCChargeLoopRes(
    header=_HEADER,
    response_code=ResponseCode.OK,
    evse_present_current=_number(12_500, -1),
    evse_present_voltage=_number(8012, -1),
    evse_power_limit_achieved=False,
    evse_current_limit_achieved=False,
    evse_voltage_limit_achieved=False,
    cl_res_control_mode=dc.DynamicDCCLResControlMode(
        evse_maximum_charge_power=_number(10_000, 2),
        evse_minimum_charge_power=_number(0),
        evse_maximum_charge_current=_number(15_000, -1),
        evse_maximum_voltage=_number(1250),
        departure_time=7200,
    ),
)

_AC_LOOP_REQ = ac.ACChargeLoopReq(
    header=_HEADER,
    display_parameters=DisplayParameters(present_soc=54, target_soc=80, charging_complete=False),
    meter_info_requested=False,
    cl_req_control_mode=ac.ScheduledACCLReqControlMode(
        ev_target_energy_request=_number(31, 3),
        ev_maximum_charge_power=_number(11_000),
        ev_minimum_charge_power=_number(1_380),
        ev_present_active_power=_number(3_610),
        ev_present_active_power_l2=_number(3_605),
        ev_present_active_power_l3=_number(3_612),
    ),
)

_AC_LOOP_RES = ac.ACChargeLoopRes(
    header=_HEADER,
    response_code=ResponseCode.OK,
    evse_target_frequency=_number(500, -1),
    cl_res_control_mode=ac.DynamicACCLResControlMode(
        departure_time=7200,
        evse_target_active_power=_number(3_680),
        evse_target_active_power_l2=_number(3_680),
        evse_target_active_power_l3=_number(3_680),
        evse_present_active_power=_number(3_610),
    ),
)


def _signature(what: str) -> xmldsig.Signature:
    exi = "http://www.w3.org/TR/canonical-exi/"
    reference = xmldsig.Reference(
        uri=f"#{what}",
        transforms=xmldsig.Transforms(transform=(xmldsig.Transform(algorithm=exi),)),
        digest_method=xmldsig.DigestMethod(algorithm="http://www.w3.org/2001/04/xmlenc#sha512"),
        digest_value=octets("digest", 64),
    )
    return xmldsig.Signature(
        signed_info=xmldsig.SignedInfo(
            canonicalization_method=xmldsig.CanonicalizationMethod(algorithm=exi),
            signature_method=xmldsig.SignatureMethod(
                algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512"
            ),
            reference=(reference,),
        ),
        signature_value=xmldsig.SignatureValue(value=octets("signature", 132)),
    )


_PNC = cm.AuthorizationReq(
    header=MessageHeader(
        session_id=_HEADER.session_id, time_stamp=_HEADER.time_stamp, signature=_signature("id1")
    ),
    selected_authorization_service=cm.Authorization.PnC,
    a_req_authorization_mode=cm.PnCAReqAuthorizationMode(
        id="id1",
        gen_challenge=octets("challenge", 16),
        contract_certificate_chain=cm.ContractCertificateChain(
            certificate=octets("contract", 610),
            sub_certificates=cm.SubCertificates(
                certificate=(octets("mo sub 2", 580), octets("mo sub 1", 580))
            ),
        ),
    ),
)

_DISCOVERY = cm.ServiceDiscoveryRes(
    header=_HEADER,
    response_code=ResponseCode.OK,
    service_renegotiation_supported=False,
    energy_transfer_service_list=cm.ServiceList(
        service=tuple(cm.Service(service_id=service, free_service=False) for service in (2, 6, 8, 9))
    ),
)


def _schedule(number: int) -> cm.ScheduleTuple:
    """Sixteen hours with the power of each, and prices that change five times and depend on the power."""
    hours = tuple(
        cm.PowerScheduleEntry(duration=3600, power=_number(10_000 - 250 * hour, 2)) for hour in range(16)
    )
    prices = tuple(
        cm.PriceRuleStack(
            duration=11_520,
            price_rule=tuple(
                cm.PriceRule(
                    energy_fee=_number(40 + part + step, -2),
                    parking_fee=_number(10, -2),
                    parking_fee_period=60,
                    power_range_start=_number(1000 * step, 2),
                )
                for step in range(2)
            ),
        )
        for part in range(5)
    )
    return cm.ScheduleTuple(
        schedule_tuple_id=number,
        charging_schedule=cm.ChargingSchedule(
            power_schedule=cm.PowerSchedule(
                time_anchor=1_790_000_000,
                power_schedule_entries=cm.PowerScheduleEntryList(power_schedule_entry=hours),
            ),
            price_schedule=cm.AbsolutePriceSchedule(
                time_anchor=1_790_000_000,
                price_schedule_id=number,
                currency="EUR",
                language="de",
                price_algorithm="urn:iso:std:iso:15118:-20:PriceAlgorithm:1-Power",
                price_rule_stacks=cm.PriceRuleStackList(price_rule_stack=prices),
            ),
        ),
    )


_SCHEDULE = cm.ScheduleExchangeRes(
    header=_HEADER,
    response_code=ResponseCode.OK,
    evse_processing=Processing.Finished,
    se_res_control_mode=cm.ScheduledSEResControlMode(
        schedule_tuple=tuple(_schedule(number) for number in (1, 2))
    ),
)

SAMPLES: tuple[Sample, ...] = (
    Sample("supportedAppProtocolReq", "app", _SAP),
    Sample("DC_ChargeLoopReq", "iso20-dc", _LOOP_REQ, aim_ns=2_500.0),
    Sample("DC_ChargeLoopRes", "iso20-dc", _LOOP_RES, aim_ns=2_500.0),
    Sample("AC_ChargeLoopReq", "iso20-ac", _AC_LOOP_REQ, aim_ns=2_500.0),
    Sample("AC_ChargeLoopRes", "iso20-ac", _AC_LOOP_RES, aim_ns=2_500.0),
    Sample("AuthorizationReq with PnC chain", "iso20-common", _PNC, aim_ns=15_000.0),
    Sample("ServiceDiscoveryRes", "iso20-common", _DISCOVERY),
    Sample("ScheduleExchangeRes", "iso20-common", _SCHEDULE),
)
