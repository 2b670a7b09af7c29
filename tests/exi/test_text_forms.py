"""XML and JSON: what they look like, and that anything else than a message of the set is an ExiError."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from iso15118 import exi
from iso15118.errors import ExiError
from iso15118.exi.json import MAX_JSON
from iso15118.exi.xml import MAX_XML
from iso15118.messages import xmldsig
from iso15118.messages.iso20.common_messages import Parameter, ParameterSet
from iso15118.messages.iso20.common_types import RationalNumber
from tests.sample_messages import LOOP, SAP_REQ, SAP_RES, SETUP

XML = exi.to_xml(LOOP)
JSON = exi.to_json(LOOP)
DC = 'xmlns="urn:iso:std:iso:15118:-20:DC"'


def test_xml_carries_names_and_namespaces_of_the_schema() -> None:
    assert exi.to_xml(SAP_RES) == (
        '<app:supportedAppProtocolRes xmlns:app="urn:iso:15118:2:2010:AppProtocol">'
        "<ResponseCode>OK_SuccessfulNegotiation</ResponseCode><SchemaID>1</SchemaID></app:supportedAppProtocolRes>"
    )
    assert exi.to_xml(SETUP, pretty=True).splitlines()[3] == "    <ct:TimeStamp>1700000000</ct:TimeStamp>"


def test_json_carries_names_of_the_schema() -> None:
    assert json.loads(exi.to_json(SETUP)) == {
        "SessionSetupReq": {
            "Header": {"SessionID": "0001020304050607", "TimeStamp": 1_700_000_000},
            "EVCCID": "WMIV1234567890ABCDEX",
        }
    }
    parameters = ParameterSet(
        parameter_set_id=1,
        parameter=(
            Parameter(name="a", bool_value=False),
            Parameter(name="b", rational_number=RationalNumber(exponent=1, value=2)),
        ),
    )
    assert json.loads(exi.to_json(parameters))["ParameterSet"]["Parameter"] == [
        {"Name": "a", "boolValue": False},
        {"Name": "b", "rationalNumber": {"Exponent": 1, "Value": 2}},
    ]


def test_the_order_of_a_repeated_choice_is_kept() -> None:
    message = xmldsig.KeyInfo(
        items=(
            xmldsig.KeyName(value="one"),
            xmldsig.X509Data(items=(xmldsig.X509SKI(value=b"\x01"), xmldsig.X509Certificate(value=b"\x02"))),
            xmldsig.KeyName(value="two"),
        )
    )
    text = exi.to_json(message, schema="xmldsig-fragment")
    assert json.loads(text)["KeyInfo"]["items"][0] == {"KeyName": "one"}
    assert exi.from_json("xmldsig-fragment", text, fragment=True) == message
    assert (
        exi.from_xml("xmldsig-fragment", exi.to_xml(message, schema="xmldsig-fragment"), fragment=True)
        == message
    )


def test_importing_the_codec_loads_neither_xml_nor_tables() -> None:
    code = (
        "import sys, iso15118.exi; from iso15118.exi.codec import _codecs; "
        "sys.exit('lxml' in sys.modules or 'iso15118.codegen' in sys.modules or bool(_codecs))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<",
        "text",
        "\x00",
        "\ud800",
        "<a/>",
        f"<DC_ChargeLoopReq {DC}/>",
        f"<CLReqControlMode {DC}/>",
        '<?xml version="1.0" encoding="utf-16"?><a/>',
        XML.replace("true", "maybe").replace("false", "maybe"),
        XML.replace("0001020304050607", "000102030405060"),
        XML.replace("0001020304050607", "00"),
        XML.replace("1700000000", "-1"),
        XML.replace("1700000000", "1e3"),
        XML.replace("1700000000", str(2**64)),
        XML.replace("1700000000", "9" * 5000),
        XML.replace("1700000000", "\u0661"),
        XML.replace("<ct:TimeStamp>", "text<ct:TimeStamp>"),
        XML.replace("<ct:TimeStamp>", "<ct:TimeStamp a='1'>"),
        XML.replace("<ct:Header>", "<ct:Header a='1'>"),
        XML.replace("<ct:TimeStamp>", "<ct:TimeStamp><a/>"),
        XML.replace("ct:Header", "ct:Heading"),
        XML.replace("urn:iso:std:iso:15118:-20:CommonTypes", "urn:other"),
        "<a>" * 100_000,
    ],
)
def test_what_is_no_message_in_xml_is_refused(text: str) -> None:
    with pytest.raises(ExiError):
        exi.from_xml("iso20-dc", text)


def test_order_and_occurrence_of_elements_matter_in_xml() -> None:
    code, number = "<ResponseCode>Failed_NoNegotiation</ResponseCode>", "<SchemaID>1</SchemaID>"
    for content in (number + code, code + code, number, code + number + number, ""):
        with pytest.raises(ExiError) as refused:
            exi.from_xml(
                "app",
                f'<p:supportedAppProtocolRes xmlns:p="urn:iso:15118:2:2010:AppProtocol">{content}</p:supportedAppProtocolRes>',
            )
        assert refused.value.path == "supportedAppProtocolRes"
        assert refused.value.expected


def test_comments_and_white_space_are_passed_over() -> None:
    spaced = XML.replace("<ct:TimeStamp>1700000000<", "<!-- now -->\n <?x y?><ct:TimeStamp> 1700000000\n<")
    assert exi.from_xml("iso20-dc", spaced) == LOOP


def test_document_types_and_their_entities_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("WMIX")
    plain = exi.to_xml(SETUP)
    for declared in (f'<!ENTITY e SYSTEM "{secret.as_uri()}">', '<!ENTITY e "WMIX">', ""):
        text = f"<!DOCTYPE x [{declared}]>" + plain.replace("WMIV1234567890ABCDEX", "&e;")
        with pytest.raises(ExiError, match="document type"):
            exi.from_xml("iso20-common", text)
    with pytest.raises(ExiError, match="well-formed"):
        exi.from_xml("iso20-common", plain.replace("WMIV1234567890ABCDEX", "&e;"))


def test_long_texts_are_refused_before_they_are_read() -> None:
    with pytest.raises(ExiError, match="too long"):
        exi.from_xml("app", " " * (MAX_XML + 1))
    with pytest.raises(ExiError, match="too long"):
        exi.from_json("app", " " * (MAX_JSON + 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "1",
        "{}",
        '{"a": {}}',
        '{"DC_ChargeLoopReq": 1}',
        '{"DC_ChargeLoopReq": {}}',
        '{"DC_ChargeLoopReq": {}, "x": {}}',
        "[" * 100_000,
        "\ud800",
        JSON.replace('"TimeStamp": 1700000000', '"TimeStamp": "1700000000"'),
        JSON.replace("1700000000", "1.5"),
        JSON.replace("1700000000", "true"),
        JSON.replace("1700000000", "null"),
        JSON.replace("1700000000", "-1"),
        JSON.replace("1700000000", "NaN"),
        JSON.replace("1700000000", "1" + "0" * 5000),
        JSON.replace("0001020304050607", "zz"),
        JSON.replace('"Header"', '"Heading"'),
        JSON.replace('"MeterInfoRequested": false', '"MeterInfoRequested": 0'),
        JSON.replace(
            '"MeterInfoRequested": false', '"MeterInfoRequested": false, "Dynamic_DC_CLReqControlMode": {}'
        ),
    ],
)
def test_what_is_no_message_in_json_is_refused(text: str) -> None:
    with pytest.raises(ExiError):
        exi.from_json("iso20-dc", text)


def test_lists_in_json_are_lists() -> None:
    text = exi.to_json(SAP_REQ)
    assert exi.from_json("app", text) == SAP_REQ
    entry = json.loads(text)["supportedAppProtocolReq"]["AppProtocol"][0]
    wrongs: list[object] = [entry, {}, None, [], [entry] * 21, [1]]
    for wrong in wrongs:
        with pytest.raises(ExiError):
            exi.from_json("app", json.dumps({"supportedAppProtocolReq": {"AppProtocol": wrong}}))


def test_texts_with_random_changes_are_a_message_or_refused() -> None:
    source = random.Random("texts")
    for text, read in ((XML, exi.from_xml), (JSON, exi.from_json)):
        for _ in range(3000):
            at, length = source.randrange(len(text)), source.randrange(6)
            insert = "".join(
                source.choice('<>/"{}[],: 01ae&;=\x00é\U0001f50c') for _ in range(source.randrange(4))
            )
            try:
                message = read("iso20-dc", text[:at] + insert + text[at + length :])
            except ExiError:
                continue
            assert isinstance(message, exi.Message)


def test_what_has_no_text_form_is_refused() -> None:
    with pytest.raises(ExiError):
        exi.to_xml(xmldsig.KeyName(value="\x00"))
    with pytest.raises(ExiError):
        exi.to_xml(RationalNumber(exponent="1", value=None))  # type: ignore[arg-type]
    with pytest.raises(ExiError):
        exi.to_json(RationalNumber(exponent=b"1", value=1))  # type: ignore[arg-type]
    with pytest.raises(ExiError):
        exi.to_json(object())  # type: ignore[arg-type]
    with pytest.raises(ExiError):
        exi.to_xml(LOOP, schema="app")
