"""Names in Python: the schema's words, cut where a reader would cut them."""

from __future__ import annotations

import pytest

from iso15118.codegen.names import class_name, common_words, field_name, member_name

FIELDS = {
    "EVSEProcessing": "evse_processing",
    "EVCCID": "evccid",
    "SupportedServiceIDs": "supported_service_ids",
    "DC_CPDReqEnergyTransferMode": "dc_cpd_req_energy_transfer_mode",
    "PresentSOC": "present_soc",
    "EVMaximumV2XEnergyRequest": "ev_maximum_v2x_energy_request",
    "BPT_ChannelSelection": "bpt_channel_selection",
    "EIM_AReqAuthorizationMode": "eim_a_req_authorization_mode",
    "PnC_AReqAuthorizationMode": "pnc_a_req_authorization_mode",
    "Dynamic_SEReqControlMode": "dynamic_se_req_control_mode",
    "X509IssuerSerial": "x509_issuer_serial",
    "boolValue": "bool_value",
    "ChargedEnergyReadingWh": "charged_energy_reading_wh",
    "CapacitiveEnergyReadingVARh": "capacitive_energy_reading_varh",
    "PrioritizedEMAIDs": "prioritized_emaids",
    "Power_L2": "power_l2",
    "class": "class_",
}


@pytest.mark.parametrize(("schema", "python"), FIELDS.items())
def test_fields(schema: str, python: str) -> None:
    assert field_name(schema) == python


@pytest.mark.parametrize(
    ("schema", "python"),
    [
        ("DC_ChargeLoopReqType", "DCChargeLoopReq"),
        ("supportedAppProtocolReq", "SupportedAppProtocolReq"),
        ("responseCodeType", "ResponseCode"),
        ("Type", "Type"),
    ],
)
def test_classes(schema: str, python: str) -> None:
    assert class_name(schema) == python


def test_members() -> None:
    assert member_name("OK_SuccessfulNegotiation") == "OK_SuccessfulNegotiation"
    assert member_name("None") == "None_"
    assert member_name("2-phase") == "_2_phase"


@pytest.mark.parametrize(
    ("branches", "words"),
    [
        (["AbsolutePriceSchedule", "PriceLevelSchedule"], "price schedule"),
        (["EIM_ASResAuthorizationMode", "PnC_ASResAuthorizationMode"], "as res authorization mode"),
        (["KeyName", "X509Data"], ""),
    ],
)
def test_words_in_common(branches: list[str], words: str) -> None:
    assert common_words(branches) == words.split()
