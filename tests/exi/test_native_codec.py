"""The binding between engine and message classes: every wrong value is refused by name, nothing
leaks, nothing is dropped."""

from __future__ import annotations

import gc
import sys
from typing import Any

import msgspec
import pytest

from iso15118 import exi
from iso15118._native import Codec
from iso15118.errors import ExiError
from iso15118.exi.codec import TABLES, codec
from iso15118.messages import iso2
from iso15118.messages.app import ResponseCode, SupportedAppProtocolReq, SupportedAppProtocolRes
from iso15118.messages.iso20.common_types import MessageHeader, RationalNumber
from iso15118.messages.iso20.common_types import ResponseCode as ResponseCode20
from iso15118.messages.iso20.dc import DCChargeLoopReq, DynamicDCCLReqControlMode
from iso15118.messages.xmldsig import X509IssuerSerial
from tests.sample_messages import HEADER, LOOP, SAP_REQ, SAP_RES

APP = codec("app")
DC = codec("iso20-dc")
XMLDSIG = codec("xmldsig-fragment")
PROTOCOL = SAP_REQ.app_protocol[0]


def refusal(engine: Codec, message: object, **options: Any) -> ExiError:
    with pytest.raises(ExiError) as caught:
        engine.encode(message, **options)
    assert caught.value.schema == engine.schema
    assert caught.value.bit_offset is None
    return caught.value


def loop(**changes: Any) -> DCChargeLoopReq:
    return msgspec.structs.replace(LOOP, **changes)


def voltage(exponent: Any, value: Any) -> DCChargeLoopReq:
    return loop(ev_present_voltage=RationalNumber(exponent=exponent, value=value))


def protocols(*items: Any) -> SupportedAppProtocolReq:
    return SupportedAppProtocolReq(app_protocol=items)


class OwnHeader(MessageHeader, frozen=True, kw_only=True):
    """A subclass: not what the schema knows."""


@pytest.mark.parametrize(
    ("message", "path", "reason"),
    [
        (voltage(True, 0), "EVPresentVoltage/Exponent", "a bool"),
        (voltage(1.0, 0), "EVPresentVoltage/Exponent", "a float"),
        (voltage("1", 0), "EVPresentVoltage/Exponent", "a str"),
        (voltage(128, 0), "EVPresentVoltage/Exponent", "128"),
        (voltage(-129, 0), "EVPresentVoltage/Exponent", "-129"),
        (voltage(0, 32_768), "EVPresentVoltage/Value", "32768"),
        (voltage(0, 2**64), "EVPresentVoltage/Value", "an int of more than 64 bits"),
        (voltage(0, -(2**63) - 1), "EVPresentVoltage/Value", "an int of more than 64 bits"),
        (voltage(None, 0), "EVPresentVoltage", "a required value is missing before value"),
        (loop(ev_present_voltage=7), "", "ev_present_voltage holds an int"),
        (loop(header=None), "", "missing"),
        (loop(header=OwnHeader(session_id=bytes(8), time_stamp=1)), "", "header holds an OwnHeader"),
        (
            loop(header=MessageHeader(session_id=bytearray(8), time_stamp=1)),  # type: ignore[arg-type]
            "Header/SessionID",
            "a bytearray",
        ),
        (loop(header=MessageHeader(session_id=bytes(9), time_stamp=1)), "Header/SessionID", "a length of 9"),
        (loop(header=MessageHeader(session_id=bytes(8), time_stamp=-1)), "Header/TimeStamp", "-1"),
        (loop(meter_info_requested=1), "MeterInfoRequested", "an int"),
        (loop(meter_info_requested="true"), "MeterInfoRequested", "a str"),
        (loop(cl_req_control_mode=HEADER), "", "cl_req_control_mode holds a MessageHeader"),
        (loop(display_parameters=LOOP), "", "display_parameters holds a DCChargeLoopReq"),
    ],
)
def test_wrong_values_are_refused_where_they_are(message: object, path: str, reason: str) -> None:
    error = refusal(DC, message)
    assert error.path == "/".join(part for part in ("DC_ChargeLoopReq", path) if part)
    assert reason in error.reason


@pytest.mark.parametrize(
    ("message", "path", "reason"),
    [
        (protocols(), "", "missing"),
        (protocols(*[PROTOCOL] * 21), "", "too many items"),
        (protocols(PROTOCOL, None), "", "app_protocol holds None"),
        (protocols(PROTOCOL, 5), "", "app_protocol holds an int"),
        (SupportedAppProtocolReq(app_protocol=None), "", "app_protocol is None"),  # type: ignore[arg-type]
        (SupportedAppProtocolReq(app_protocol="abc"), "", "app_protocol is a str"),  # type: ignore[arg-type]
        (SupportedAppProtocolReq(app_protocol=iter(())), "", "app_protocol is a tuple_iterator"),  # type: ignore[arg-type]
        (
            protocols(PROTOCOL, msgspec.structs.replace(PROTOCOL, protocol_namespace="\ud800")),
            "AppProtocol[2]/ProtocolNamespace",
            "surrogate",
        ),
        (
            protocols(msgspec.structs.replace(PROTOCOL, protocol_namespace="x" * 101)),
            "AppProtocol[1]/ProtocolNamespace",
            "a length of 101",
        ),
        (
            protocols(msgspec.structs.replace(PROTOCOL, protocol_namespace=b"x")),
            "AppProtocol[1]/ProtocolNamespace",
            "a bytes",
        ),
        (protocols(msgspec.structs.replace(PROTOCOL, priority=21)), "AppProtocol[1]/Priority", "21"),
        (protocols(msgspec.structs.replace(PROTOCOL, priority=0)), "AppProtocol[1]/Priority", "0"),
    ],
)
def test_wrong_lists_and_strings_are_refused_where_they_are(message: object, path: str, reason: str) -> None:
    error = refusal(APP, message)
    assert error.path == "/".join(part for part in ("supportedAppProtocolReq", path) if part)
    assert reason in error.reason


@pytest.mark.parametrize(
    "code",
    [
        ResponseCode20.OK,
        "OK_SuccessfulNegotiation",
        0,
        None,
        ResponseCode,
        [ResponseCode.OK_SuccessfulNegotiation],
    ],
)
def test_only_members_of_the_enumeration_are_taken(code: object) -> None:
    error = refusal(APP, SupportedAppProtocolRes(response_code=code))  # type: ignore[arg-type]
    assert error.path.startswith("supportedAppProtocolRes")


@pytest.mark.parametrize(
    "message", [None, 5, "abc", b"abc", object(), [], SAP_REQ, SupportedAppProtocolReq, HEADER]
)
def test_what_is_no_root_is_refused(message: object) -> None:
    assert "is no root element" in refusal(DC, message).reason


def test_a_list_does_as_well_as_a_tuple() -> None:
    listed = SupportedAppProtocolReq(app_protocol=[PROTOCOL, PROTOCOL])  # type: ignore[arg-type]
    assert APP.encode(listed) == APP.encode(protocols(PROTOCOL, PROTOCOL))


def test_a_choice_takes_each_of_its_classes() -> None:
    number = RationalNumber(exponent=3, value=-1)
    dynamic = DynamicDCCLReqControlMode(
        ev_target_energy_request=number,
        ev_maximum_energy_request=number,
        ev_minimum_energy_request=number,
        ev_maximum_charge_power=number,
        ev_minimum_charge_power=number,
        ev_maximum_charge_current=number,
        ev_maximum_voltage=number,
        ev_minimum_voltage=number,
    )
    for message in (LOOP, loop(cl_req_control_mode=dynamic)):
        assert DC.decode(DC.encode(message)) == message


@pytest.mark.parametrize("bits", [0, 1, 6, 7, 8, 63, 64, 159, 160, 200])
def test_serial_numbers_of_any_size(bits: int) -> None:
    for number in (2**bits, 2**bits - 1, -(2**bits), -(2**bits) - 1):
        message = X509IssuerSerial(x509_issuer_name="CN=x", x509_serial_number=number)
        assert XMLDSIG.decode(XMLDSIG.encode(message, fragment=True), fragment=True) == message


def test_a_serial_number_beyond_all_reason_is_refused() -> None:
    message = X509IssuerSerial(x509_issuer_name="CN=x", x509_serial_number=2**448)
    assert "too long" in refusal(XMLDSIG, message, fragment=True).reason
    message = X509IssuerSerial(x509_issuer_name="CN=x", x509_serial_number=True)
    assert "a bool" in refusal(XMLDSIG, message, fragment=True).reason


def test_all_kinds_of_octets_are_read() -> None:
    octets = DC.encode(LOOP)
    for data in (
        octets,
        bytearray(octets),
        memoryview(octets),
        memoryview(b"." + octets)[1:],
        memoryview(octets * 2)[: len(octets)],
    ):
        assert DC.decode(data) == LOOP
    assert DC.decode(memoryview(octets[::-1])[::-1]) == LOOP


@pytest.mark.parametrize("data", [None, 5, "8080", [0x80], memoryview(b"8080").cast("H"), object()])
def test_what_is_no_octets_is_refused(data: Any) -> None:
    with pytest.raises(ExiError, match="no bytes-like object"):
        DC.decode(data)


def test_errors_say_where() -> None:
    octets = DC.encode(LOOP)
    with pytest.raises(ExiError) as caught:
        DC.decode(octets[:10])
    error = caught.value
    assert (error.schema, error.path, error.bit_offset) == (
        "iso20-dc",
        "DC_ChargeLoopReq/Header/SessionID",
        17,
    )
    with pytest.raises(ExiError) as caught:
        DC.decode(b"\x81" + octets[1:])
    assert (caught.value.reason, caught.value.expected, caught.value.bit_offset) == (
        "header octet 0x81",
        "0x80",
        0,
    )


def test_deviations_are_noted_and_refused_when_strict() -> None:
    octets = APP.encode(SAP_RES)
    assert APP.decode_with_notes(octets) == (SAP_RES, [])
    assert APP.decode_with_notes(octets + b"\0\0") == (SAP_RES, ["trailing-octets: 2 after the end"])
    with pytest.raises(ExiError, match="2 octets after the end"):
        APP.decode(octets + b"\0\0", strict=True)


def test_roots_are_listed_with_their_classes() -> None:
    assert [(name, cls) for name, _, cls in APP.roots()] == [
        ("supportedAppProtocolReq", SupportedAppProtocolReq),
        ("supportedAppProtocolRes", SupportedAppProtocolRes),
    ]
    assert ("X509SerialNumber", None) in [(name, cls) for name, _, cls in XMLDSIG.roots(fragment=True)]
    assert APP.schema == "app"
    assert repr(APP) == "<Codec app>"


def test_a_root_may_be_named() -> None:
    message = X509IssuerSerial(x509_issuer_name="CN=x", x509_serial_number=1)
    octets = XMLDSIG.encode(message, fragment=True)
    assert XMLDSIG.encode(message, fragment=True, root="X509IssuerSerial") == octets
    assert "no root element KeyInfo" in refusal(XMLDSIG, message, fragment=True, root="KeyInfo").reason


def test_a_root_in_two_namespaces_is_told_by_its_namespace() -> None:
    status = iso2.ACEVSEStatus(
        notification_max_delay=1, evse_notification=iso2.EVSENotification.StopCharging, rcd=False
    )
    bodies, types = (f"{{urn:iso:15118:2:2013:{name}}}AC_EVSEStatus" for name in ("MsgBody", "MsgDataTypes"))
    first, second = (exi.encode("iso2", status, fragment=True, root=root) for root in (bodies, types))
    assert first == exi.encode("iso2", status, fragment=True, root="AC_EVSEStatus")
    assert (first[1] + 1, first[2:]) == (second[1], second[2:])
    assert exi.decode("iso2", second, fragment=True) == exi.decode("iso2", first, fragment=True) == status


def test_a_root_of_simple_type_is_written_and_refused_by_name_when_read() -> None:
    octets = XMLDSIG.encode(5, fragment=True, root="X509SerialNumber")
    with pytest.raises(ExiError) as caught:
        XMLDSIG.decode(octets, fragment=True)
    assert caught.value.reason == "the root is a bare value"
    assert caught.value.path == "X509SerialNumber"
    with pytest.raises(ExiError, match="bare value"):
        exi.decode("xmldsig-fragment", octets, fragment=True)


def test_tables_that_do_not_fit_the_classes_are_refused() -> None:
    tables = (TABLES / "app.exig").read_bytes()
    octets = APP.encode(SAP_RES)
    for old, new in [
        (b"AppProtocol", b"AppProtocel"),
        (b"schema_id", b"schema_ix"),
        (b".messages.app", b".messages.apt"),
    ]:
        damaged = Codec(tables.replace(old, new))
        for _ in range(2):  # an error at first use stays an error
            with pytest.raises(ExiError):
                damaged.decode(octets)
    for length in range(len(tables)):
        with pytest.raises(ExiError, match="grammar tables"):
            Codec(tables[:length])


def test_neither_success_nor_failure_leaks() -> None:
    octets = DC.encode(LOOP)
    sap = APP.encode(SAP_REQ)
    bad = voltage(0, 99_999)

    def work() -> None:
        for _ in range(200):
            DC.encode(DC.decode(octets))
            APP.decode(bytearray(sap))
            with pytest.raises(ExiError):
                DC.decode(octets[:-3])
            with pytest.raises(ExiError):
                DC.encode(bad)
            with pytest.raises(ExiError):
                APP.encode(LOOP)

    def grown() -> tuple[int, int, int]:
        """Blocks, references to None and to a member that one round of work leaves."""
        gc.collect()
        before = counts()
        work()
        gc.collect()
        after = counts()
        return after[0] - before[0], after[1] - before[1], after[2] - before[2]

    def counts() -> tuple[int, int, int]:
        # None is immortal, and its count a constant, from Python 3.12 on.
        member = sys.getrefcount(ResponseCode.OK_SuccessfulNegotiation)
        return sys.getallocatedblocks(), sys.getrefcount(None), member

    work()
    # Other threads of the process come and go; what the engine leaked would be left by every round.
    rounds = [grown() for _ in range(5)]
    blocks, nones, members = (min(column) for column in zip(*rounds, strict=True))
    assert blocks < 100
    assert members < 10
    assert nones < 100


def test_messages_outlive_their_input() -> None:
    data = bytearray(DC.encode(LOOP))
    message = DC.decode(data)
    data[:] = bytes(len(data))
    assert message == LOOP
