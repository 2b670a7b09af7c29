"""Every element that a signature of -2 or -20 refers to stands alone as a fragment, and
SignedInfo in both grammars in use."""

from __future__ import annotations

import random

import pytest

from iso15118 import exi
from iso15118.codegen.model import ComplexType, QName
from iso15118.errors import ExiError
from iso15118.exi.codec import codec
from iso15118.messages import xmldsig
from tests.exi import second_opinion as second

MESSAGES = {"iso2": "iso15118.messages.iso2", "iso20-common": "iso15118.messages.iso20.common_messages"}
SIGNED = [
    ("iso2", "AuthorizationReq", "AuthorizationReq"),
    ("iso2", "MeteringReceiptReq", "MeteringReceiptReq"),
    ("iso2", "CertificateInstallationReq", "CertificateInstallationReq"),
    ("iso2", "CertificateUpdateReq", "CertificateUpdateReq"),
    ("iso2", "CertificateChain", "ContractSignatureCertChain"),
    ("iso2", "ContractSignatureEncryptedPrivateKey", "ContractSignatureEncryptedPrivateKey"),
    ("iso2", "DiffieHellmanPublickey", "DHpublickey"),
    ("iso2", "EMAID", "eMAID"),
    ("iso2", "SalesTariff", "SalesTariff"),
    ("iso20-common", "PnCAReqAuthorizationMode", "PnC_AReqAuthorizationMode"),
    ("iso20-common", "SignedCertificateChain", "OEMProvisioningCertificateChain"),
    ("iso20-common", "SignedInstallationData", "SignedInstallationData"),
    ("iso20-common", "SignedMeteringData", "SignedMeteringData"),
    ("iso20-common", "AbsolutePriceSchedule", "AbsolutePriceSchedule"),
    ("iso20-common", "PriceLevelSchedule", "PriceLevelSchedule"),
]


@pytest.mark.parametrize(("schema", "name", "element"), SIGNED, ids=lambda one: one)
def test_a_signed_element_is_a_fragment(schema: str, name: str, element: str) -> None:
    shape = second.shape_by_name(schema)[MESSAGES[schema], name]
    source = random.Random(element)
    for _ in range(20):
        message = second.generate(schema, shape, source)
        octets = exi.encode(schema, message, fragment=True, root=element)
        assert exi.decode(schema, octets, fragment=True, strict=True) == message
        with pytest.raises(ExiError, match="root element"):
            exi.encode(schema, message, fragment=True, root="SignedInfo")


@pytest.mark.parametrize("schema", exi.SCHEMAS)
def test_whatever_a_signature_can_refer_to_stands_alone(schema: str) -> None:
    """The Reference of a signature names an attribute Id. So what is refused as a fragment is never
    signed: elements of simple type, which have no attributes, abstract ones, and several types under one
    name, none of them with an Id."""
    shapes = second.shapes(schema)
    classes = {QName(local, uri): cls for local, uri, cls in codec(schema).roots(True)}
    refused = 0
    for element in shapes.schema.declarations:
        identified = isinstance(element.type, ComplexType) and any(
            attribute.name.local.lower() == "id" for attribute in element.type.attributes
        )
        if identified and not shapes.schema.is_abstract(element):
            assert classes[element.name] is not None, element.name
        refused += classes[element.name] is None
    assert refused > 0


def test_signed_info_has_a_form_of_its_own_in_each_grammar() -> None:
    """The digest is that of the standalone form; the one in a message set has another
    code for the same element."""
    info = xmldsig.SignedInfo(
        canonicalization_method=xmldsig.CanonicalizationMethod(
            algorithm="http://www.w3.org/TR/canonical-exi/"
        ),
        signature_method=xmldsig.SignatureMethod(algorithm="urn:x"),
        reference=(
            xmldsig.Reference(
                uri="#id1", digest_method=xmldsig.DigestMethod(algorithm="urn:y"), digest_value=bytes(32)
            ),
        ),
    )
    # Place of SignedInfo among the element names of the set, and the width of the code.
    known = {"xmldsig-fragment": (32, 6), "iso2": (208, 8), "iso20-ac": (135, 8), "iso20-dc": (129, 8)}
    known |= {"iso20-wpt": (146, 8), "iso20-acdp": (110, 8)}
    forms = {schema: exi.encode(schema, info, fragment=True, root="SignedInfo") for schema in known}
    for schema, (code, width) in known.items():
        assert int.from_bytes(forms[schema][1:3], "big") >> (16 - width) == code
        assert exi.decode(schema, forms[schema], fragment=True, strict=True) == info
    assert len(set(forms.values())) == len(forms)
