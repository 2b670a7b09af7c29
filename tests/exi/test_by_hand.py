"""Streams written bit by bit from the rules of EXI and the schemas, with the reason of every bit beside it.

Needs neither the reference folder nor any encoder.
"""

from __future__ import annotations

import pytest

from iso15118 import exi
from iso15118.errors import ExiError
from iso15118.exi import Message
from iso15118.messages import app, iso2, xmldsig
from iso15118.messages.iso20 import acdp, dc
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import common_types as ct
from tests.exi.second_opinion import Bits

SESSION = bytes.fromhex("0011223344556677")
HEADER = ct.MessageHeader(session_id=SESSION, time_stamp=1_700_000_000)


def stream(width: int, index: int) -> Bits:
    """The header octet and the code of the root element: its place among the global
    elements of the set, by name."""
    return Bits().bits(8, 0x80).bits(width, index)


def header(bits: Bits, *, signed: bool = False) -> Bits:
    """Header of a -20 message: the element, the two values, and the end or the signature."""
    bits.bits(1, 0)  # SE(Header), the only production: one bit for it and the escape
    bits.bits(1, 0).bits(1, 0).binary(SESSION).bits(1, 0)  # SE, CH, value, EE
    bits.bits(1, 0).bits(1, 0).unsigned(1_700_000_000).bits(1, 0)
    return bits.bits(2, 0 if signed else 1)  # SE(Signature), EE, escape: two bits


def rational(bits: Bits, exponent: int, value: int) -> Bits:
    bits.bits(1, 0).bits(1, 0).bits(8, exponent + 128).bits(1, 0)  # a byte: offset from -128 in eight bits
    return bits.bits(1, 0).bits(1, 0).signed(value).bits(1, 0).bits(1, 0)  # a short: sign and magnitude; EE


def sap_request() -> tuple[str, Message, Bits]:
    message = app.SupportedAppProtocolReq(
        app_protocol=tuple(
            app.AppProtocol(
                protocol_namespace=uri,
                version_number_major=1,
                version_number_minor=0,
                schema_id=number,
                priority=number,
            )
            for number, uri in ((1, "urn:x"), (2, "urn:ö"))
        )
    )
    bits = stream(2, 0)  # two documents and SE(*)
    for number, uri in ((1, "urn:x"), (2, "urn:ö")):
        # The first entry is mandatory; the second one may as well be the end.
        bits.bits(1 if number == 1 else 2, 0)
        bits.bits(1, 0).bits(1, 0).string(uri).bits(1, 0)  # code points, length and two
        bits.bits(1, 0).bits(1, 0).unsigned(1).bits(1, 0)
        bits.bits(1, 0).bits(1, 0).unsigned(0).bits(1, 0)
        bits.bits(1, 0).bits(1, 0).bits(8, number).bits(1, 0)  # unsignedByte: eight bits
        bits.bits(1, 0).bits(1, 0).bits(5, number - 1).bits(1, 0)  # 1 to 20: five bits from 1
        bits.bits(1, 0)  # EE of the entry
    return "app", message, bits.bits(2, 1)


def sap_request_with_twenty_entries() -> tuple[str, Message, Bits]:
    entry = app.AppProtocol(
        protocol_namespace="", version_number_major=200, version_number_minor=0, schema_id=255, priority=20
    )
    bits = stream(2, 0)
    for number in range(20):
        bits.bits(2 if number else 1, 0)
        bits.bits(1, 0).bits(1, 0).bits(8, 2).bits(1, 0)  # the empty string is a value of length 0 + 2
        bits.bits(1, 0).bits(1, 0).bits(8, 0xC8).bits(8, 1).bits(
            1, 0
        )  # 200 = 1 * 128 + 72: two groups of seven bits
        bits.bits(1, 0).bits(1, 0).bits(8, 0).bits(1, 0)
        bits.bits(1, 0).bits(1, 0).bits(8, 255).bits(1, 0)
        bits.bits(1, 0).bits(1, 0).bits(5, 19).bits(1, 0).bits(1, 0)
    # After the last that is allowed no other can come: the end takes one bit, not two.
    return "app", app.SupportedAppProtocolReq(app_protocol=(entry,) * 20), bits.bits(1, 0)


def sap_response() -> tuple[str, Message, Bits]:
    message = app.SupportedAppProtocolRes(response_code=app.ResponseCode.Failed_NoNegotiation)
    bits = stream(2, 1).bits(1, 0).bits(1, 0).bits(2, 2).bits(1, 0)  # third of three literals
    return "app", message, bits.bits(2, 1)  # SchemaID, EE, escape


def session_setup() -> tuple[str, Message, Bits]:
    bits = header(stream(6, 35))  # 36th of 54 global elements: the second octet is 0x8c and more
    bits.bits(1, 0).bits(1, 0).string("WMIV1").bits(1, 0).bits(1, 0)
    return "iso20-common", cm.SessionSetupReq(header=HEADER, evccid="WMIV1"), bits


def authorization_by_eim() -> tuple[str, Message, Bits]:
    message = cm.AuthorizationReq(
        header=HEADER,
        selected_authorization_service=cm.Authorization.EIM,
        a_req_authorization_mode=cm.EIMAReqAuthorizationMode(),
    )
    bits = header(stream(6, 0))
    bits.bits(1, 0).bits(1, 0).bits(1, 0).bits(1, 0)  # SE, CH, one of two literals, EE
    bits.bits(2, 0)  # EIM, PnC, escape
    return "iso20-common", message, bits.bits(1, 0).bits(1, 0)  # an empty element: EE; and EE


def services(count: int) -> tuple[str, Message, Bits]:
    message = cm.ServiceDiscoveryRes(
        header=HEADER,
        response_code=ct.ResponseCode.FAILED_WrongChargeParameter,
        service_renegotiation_supported=True,
        energy_transfer_service_list=cm.ServiceList(
            service=tuple(cm.Service(service_id=300, free_service=False) for _ in range(count))
        ),
    )
    bits = header(stream(6, 32))
    bits.bits(1, 0).bits(1, 0).bits(6, 39).bits(1, 0)  # last of forty response codes
    bits.bits(1, 0).bits(1, 0).bits(1, 1).bits(1, 0).bits(1, 0)  # the boolean; SE of the list
    for number in range(count):
        bits.bits(2 if number else 1, 0)
        bits.bits(1, 0).bits(1, 0).unsigned(300).bits(1, 0)  # 65536 values are too many for n bits
        bits.bits(1, 0).bits(1, 0).bits(1, 0).bits(1, 0).bits(1, 0)
    bits.bits(2, 1) if count < 8 else bits.bits(1, 0)
    return "iso20-common", message, bits.bits(2, 1)  # VASList, EE, escape


def parameters() -> tuple[str, Message, Bits]:
    message = cm.ServiceDetailRes(
        header=HEADER,
        response_code=ct.ResponseCode.OK,
        service_id=2,
        service_parameter_list=cm.ServiceParameterList(
            parameter_set=(
                cm.ParameterSet(parameter_set_id=1, parameter=(cm.Parameter(name="C", int_value=-1),)),
            )
        ),
    )
    bits = header(stream(6, 30))
    bits.bits(1, 0).bits(1, 0).bits(6, 0).bits(1, 0)
    bits.bits(1, 0).bits(1, 0).unsigned(2).bits(1, 0)
    bits.bits(1, 0).bits(1, 0)  # SE of the list, of the first set
    bits.bits(1, 0).bits(1, 0).unsigned(1).bits(1, 0)
    bits.bits(1, 0)  # SE of the first parameter
    bits.bits(1, 0).string("C")  # the attribute comes first and is required: AT, escape
    bits.bits(3, 3)  # bool, byte, short, int, rational, string, escape
    bits.bits(1, 0).bits(1, 1).unsigned(0).bits(1, 0)  # -1: sign, and a magnitude that is one less
    bits.bits(1, 0)  # EE of the parameter
    bits.bits(2, 1).bits(2, 1)  # no other parameter, no other set
    return "iso20-common", message, bits.bits(1, 0)


def limits() -> tuple[str, Message, Bits]:
    number = ct.RationalNumber(exponent=-1, value=-5)
    message = dc.DCChargeParameterDiscoveryReq(
        header=HEADER,
        dc_cpd_req_energy_transfer_mode=dc.DCCPDReqEnergyTransferMode(
            ev_maximum_charge_power=number,
            ev_minimum_charge_power=number,
            ev_maximum_charge_current=number,
            ev_minimum_charge_current=number,
            ev_maximum_voltage=number,
            ev_minimum_voltage=number,
            target_soc=80,
        ),
    )
    bits = header(stream(6, 15))
    bits.bits(2, 1)  # the group sorted by name: BPT_DC_..., DC_..., escape
    for _ in range(6):
        rational(bits.bits(1, 0), -1, -5)
    bits.bits(2, 0).bits(1, 0).bits(7, 80).bits(1, 0)  # TargetSOC, EE, escape; 0 to 100 in seven bits
    return "iso20-dc", message, bits.bits(1, 0).bits(1, 0)


def loop() -> tuple[str, Message, Bits]:
    message = dc.DCChargeLoopReq(
        header=HEADER,
        meter_info_requested=True,
        ev_present_voltage=ct.RationalNumber(exponent=0, value=800),
        cl_req_control_mode=dc.ScheduledDCCLReqControlMode(
            ev_target_current=ct.RationalNumber(exponent=0, value=3000),
            ev_target_voltage=ct.RationalNumber(exponent=-1, value=9000),
        ),
    )
    bits = header(stream(6, 13))
    bits.bits(2, 1).bits(1, 0).bits(1, 1).bits(1, 0)  # no DisplayParameters; MeterInfoRequested
    rational(bits.bits(1, 0), 0, 800)
    # BPT_Dynamic, BPT_Scheduled, the abstract head itself, Dynamic, Scheduled, escape: three bits.
    bits.bits(3, 4)
    rational(bits.bits(3, 3), 0, 3000)  # three optional energies stand before EVTargetCurrent
    rational(bits.bits(1, 0), -1, 9000)
    return "iso20-dc", message, bits.bits(3, 5).bits(1, 0)  # five optional limits, EE, escape; and EE


def signed_info() -> tuple[Message, Bits]:
    algorithm, digest = "urn:x", bytes(range(64))
    message = xmldsig.SignedInfo(
        canonicalization_method=xmldsig.CanonicalizationMethod(algorithm=algorithm),
        signature_method=xmldsig.SignatureMethod(algorithm=algorithm),
        reference=(
            xmldsig.Reference(
                uri="#id1",
                transforms=xmldsig.Transforms(transform=(xmldsig.Transform(algorithm=algorithm),)),
                digest_method=xmldsig.DigestMethod(algorithm=algorithm),
                digest_value=digest,
            ),
        ),
    )
    bits = stream(6, 32)  # 33rd of 45 names of the standalone schema: 80 81 and more
    bits.bits(2, 1)  # Id, CanonicalizationMethod, escape
    bits.bits(1, 0).string(algorithm).bits(2, 1)  # behind Algorithm: SE(*), EE, text, escape
    bits.bits(1, 0).bits(1, 0).string(algorithm).bits(3, 2)  # HMACOutputLength, SE(*), EE, text, escape
    bits.bits(1, 0).bits(3, 2).string("#id1")  # Id, Type, URI, Transforms, DigestMethod, escape
    bits.bits(2, 0).bits(1, 0)  # Transforms, DigestMethod, escape; Transform
    bits.bits(1, 0).string(algorithm).bits(3, 2)  # XPath, SE(*), EE, text, escape
    bits.bits(2, 1)  # Transform, EE, escape
    bits.bits(1, 0).bits(1, 0).string(algorithm).bits(2, 1)
    bits.bits(1, 0).bits(1, 0).binary(digest).bits(1, 0).bits(1, 0)
    bits.bits(2, 1)  # Reference, EE, escape
    return message, bits.bits(6, 46)  # end of the fragment: behind the names and SE(*)


def serial_number() -> tuple[Message, Bits]:
    """160 bits, in groups of seven like any other integer."""
    number = 2**159 + 12345
    message = xmldsig.X509IssuerSerial(x509_issuer_name="CN=é", x509_serial_number=number)
    bits = stream(6, NAMES.index("X509IssuerSerial"))
    bits.bits(1, 0).bits(1, 0).string("CN=é").bits(1, 0)
    bits.bits(1, 0).bits(1, 0).signed(number).bits(1, 0)
    return message, bits.bits(1, 0).bits(6, 46)


NAMES = [
    "CanonicalizationMethod", "DSAKeyValue", "DigestMethod", "DigestValue", "Exponent", "G", "HMACOutputLength", "J",
    "KeyInfo", "KeyName", "KeyValue", "Manifest", "MgmtData", "Modulus", "Object", "P", "PGPData", "PGPKeyID",
    "PGPKeyPacket", "PgenCounter", "Q", "RSAKeyValue", "Reference", "RetrievalMethod", "SPKIData", "SPKISexp", "Seed",
    "Signature", "SignatureMethod", "SignatureProperties", "SignatureProperty", "SignatureValue", "SignedInfo",
    "Transform", "Transforms", "X509CRL", "X509Certificate", "X509Data", "X509IssuerName", "X509IssuerSerial", "X509SKI",
    "X509SerialNumber", "X509SubjectName", "XPath", "Y",
]  # fmt: skip
"""Every element name of XML Signature, global or local, in the order of EXI."""

CASES = [
    sap_request(),
    sap_request_with_twenty_entries(),
    sap_response(),
    session_setup(),
    authorization_by_eim(),
    services(1),
    services(7),
    services(8),
    parameters(),
    limits(),
    loop(),
]


@pytest.mark.parametrize(
    ("schema", "message", "bits"), CASES, ids=[str(number) for number in range(len(CASES))]
)
def test_message(schema: str, message: Message, bits: Bits) -> None:
    assert exi.encode(schema, message).hex() == bits.octets().hex()
    assert exi.decode_with_notes(schema, bits.octets()) == (message, [])


@pytest.mark.parametrize(
    ("message", "bits"), [signed_info(), serial_number()], ids=["SignedInfo", "X509IssuerSerial"]
)
def test_fragment(message: Message, bits: Bits) -> None:
    assert exi.encode("xmldsig-fragment", message, fragment=True).hex() == bits.octets().hex()
    assert exi.decode_with_notes("xmldsig-fragment", bits.octets(), fragment=True) == (message, [])


def test_the_signed_contract_identifier_of_iso2_has_the_relaxed_grammar() -> None:
    """eMAID is declared with two types, so that a fragment of it may hold any attribute
    and any element of the set."""
    # In the start state ten attributes, AT(*), 243 elements, SE(*), EE, text and the escape: nine
    # bits. Id is declared without namespace (XML Signature), in MsgBody and in MsgDataTypes; the
    # last is the fifth attribute.
    text = 10 + 1 + 243 + 1 + 1
    bits = stream(8, 236).bits(9, 4).string("id4").bits(9, text).string("DEABCC123ABC56")
    bits.bits(8, 243 + 1).bits(8, 243 + 1)  # EE behind the elements and SE(*); ED behind the roots and SE(*)
    identifier = iso2.EMAID(id="id4", value="DEABCC123ABC56")
    assert exi.encode("iso2", identifier, fragment=True).hex() == bits.octets().hex()
    assert exi.decode_with_notes("iso2", bits.octets(), fragment=True) == (identifier, [])
    # The other type has no Id.
    bits = stream(8, 236).bits(9, text).string("DEABCC123ABC56").bits(8, 244).bits(8, 244)
    plain = iso2.EMAIDValue(value="DEABCC123ABC56")
    assert exi.encode("iso2", plain, fragment=True).hex() == bits.octets().hex()
    assert exi.decode_with_notes("iso2", bits.octets(), fragment=True) == (plain, [])
    # What is there for other types only is refused by name.
    for code in (0, 10, 11, 253, 254, 255, 257):
        refused = stream(8, 236).bits(9, code).string("DEABCC123ABC56").bits(8, 244).bits(8, 244)
        with pytest.raises(ExiError) as error:
            exi.decode("iso2", refused.octets(), fragment=True)
        assert error.value.path == "eMAID"


def test_requests_of_one_type_are_told_apart_by_their_class() -> None:
    """ACDP connects and disconnects with messages of the same type: the code of the root
    element is all that differs."""
    state = acdp.ElectricalChargingDeviceStatus.State_B
    for index, message in (
        (0, acdp.ACDPConnectReq(header=HEADER, ev_electrical_charging_device_status=state)),
        (2, acdp.ACDPDisconnectReq(header=HEADER, ev_electrical_charging_device_status=state)),
    ):
        bits = header(stream(6, index)).bits(1, 0).bits(1, 0).bits(2, 1).bits(1, 0).bits(1, 0)
        assert exi.encode("iso20-acdp", message).hex() == bits.octets().hex()
        assert exi.decode("iso20-acdp", bits.octets()) == message


def test_strict_refuses_what_is_otherwise_borne_with_and_named() -> None:
    octets = session_setup()[2].octets()
    assert exi.decode("iso20-common", octets, strict=True) == exi.decode("iso20-common", octets)
    identifier = "EMAID of 18 chars."
    long = exi.encode("iso2", iso2.EMAIDValue(value="x" * 15), fragment=True)
    text = 10 + 1 + 243 + 1 + 1
    bits = stream(8, 236).bits(9, text).string(identifier).bits(8, 244).bits(8, 244)
    for schema, fragment, stream_, name in (
        ("iso20-common", False, octets + b"\x00", "trailing-octets"),
        ("iso2", True, bits.octets(), "long"),
    ):
        assert [
            one.partition(":")[0] for one in exi.decode_with_notes(schema, stream_, fragment=fragment)[1]
        ] == [name]
        with pytest.raises(ExiError):
            exi.decode(schema, stream_, fragment=fragment, strict=True)
    assert exi.decode("iso2", long, fragment=True, strict=True) == iso2.EMAIDValue(value="x" * 15)


def test_the_second_octet_of_known_messages() -> None:
    assert session_setup()[2].octets()[1] >> 2 == 35
    assert signed_info()[1].octets()[:2] == bytes.fromhex("8081")
