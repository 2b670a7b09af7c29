"""Signatures of message elements: made, verified, and refused by name for every way to cheat."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448

from iso15118.errors import MisuseError
from iso15118.messages.iso20.common_messages import (
    ContractCertificateChain,
    PnCAReqAuthorizationMode,
    SubCertificates,
)
from iso15118.messages.xmldsig import (
    DigestMethod,
    Signature,
    SignatureMethod,
    SignatureValue,
    Transform,
    Transforms,
)
from iso15118.pki.keys.raw import SigningKey
from iso15118.pki.keys.signer import SoftwareSigner
from iso15118.pnc.signature import Form, SignedElement, sign, signed_octets, verify

KEYS: dict[str, SigningKey] = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "ed448": ed448.Ed448PrivateKey.generate(),
}
each_key = pytest.mark.parametrize("kind", KEYS)


def authorization(name: str = "id1", challenge: bytes = bytes(16)) -> SignedElement:
    chain = ContractCertificateChain(
        certificate=b"leaf", sub_certificates=SubCertificates(certificate=(b"sub2", b"sub1"))
    )
    element = PnCAReqAuthorizationMode(id=name, gen_challenge=challenge, contract_certificate_chain=chain)
    return SignedElement("iso20-common", element)


def changed(signature: Signature, *, method: str | None = None, **reference: object) -> Signature:
    info = signature.signed_info
    if method is not None:
        info = msgspec.structs.replace(info, signature_method=SignatureMethod(algorithm=method))
    first = msgspec.structs.replace(info.reference[0], **reference)
    info = msgspec.structs.replace(info, reference=(first, *info.reference[1:]))
    return msgspec.structs.replace(signature, signed_info=info)


@each_key
@pytest.mark.parametrize("form", ["standalone", "combined"])
def test_either_form_verifies_and_is_told(kind: str, form: Form) -> None:
    signature = sign(KEYS[kind], [authorization()], form=form)
    verdict = verify(signature, KEYS[kind].public_key(), [authorization()])
    assert verdict.ok, str(verdict)
    assert verdict.form == form
    other: Form = "combined" if form == "standalone" else "standalone"
    assert not verify(signature, KEYS[kind].public_key(), [authorization()], forms=[other]).ok


@each_key
def test_several_elements_are_covered_each_once(kind: str) -> None:
    elements = [authorization("a"), authorization("b", b"x" * 16)]
    signature = sign(KEYS[kind], elements)
    public = KEYS[kind].public_key()
    assert verify(signature, public, elements).ok
    assert verify(signature, public, elements[::-1]).ok
    assert {fault for fault, _ in verify(signature, public, elements[:1]).faults} == {
        "reference-count",
        "reference-uri",
    }
    assert ("reference-count", "1, not 2") in verify(sign(KEYS[kind], elements[:1]), public, elements).faults
    twice = sign(KEYS[kind], [elements[0], elements[0]])
    assert "reference-uri" in {fault for fault, _ in verify(twice, public, elements).faults}


def test_faults_have_names() -> None:
    key = KEYS["p521"]
    good = sign(key, [authorization()])
    exi_step = Transform(algorithm="http://www.w3.org/TR/canonical-exi/")
    sha256 = "http://www.w3.org/2001/04/xmlenc#sha256"
    cases: dict[str, Signature | None] = {
        "missing": None,
        "reference-uri": changed(good, uri="#id2"),
        "transforms": changed(good, transforms=Transforms(transform=(exi_step, exi_step))),
        "digest-method": changed(good, digest_method=DigestMethod(algorithm=sha256)),
        "digest": changed(good, digest_value=bytes(64)),
        "signature-method": changed(good, method="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"),
    }
    for fault, signature in cases.items():
        verdict = verify(signature, key.public_key(), [authorization()])
        assert fault in {name for name, _ in verdict.faults}
    # Any change of SignedInfo breaks the value as well.
    verdict = verify(cases["reference-uri"], key.public_key(), [authorization()])
    assert "signature" in {name for name, _ in verdict.faults}


@each_key
def test_another_element_challenge_or_key_is_refused(kind: str) -> None:
    signature = sign(KEYS[kind], [authorization()])
    verdict = verify(signature, KEYS[kind].public_key(), [authorization(challenge=b"y" * 16)])
    assert verdict.faults == (("digest", "of #id1"),)
    for other, key in KEYS.items():
        assert verify(signature, key.public_key(), [authorization()]).ok == (other == kind)


def test_our_own_mistakes_are_ours() -> None:
    with pytest.raises(MisuseError, match="no Id"):
        sign(
            KEYS["p521"],
            [SignedElement("iso20-common", msgspec.structs.replace(authorization().element, id=""))],
        )
    with pytest.raises(MisuseError):
        sign(ec.generate_private_key(ec.SECP384R1()), [authorization()])
    verdict = verify(
        sign(KEYS["p521"], [authorization()]),
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        [authorization()],
    )
    assert [fault for fault, _ in verdict.faults] == ["key"]


@each_key
@pytest.mark.parametrize("form", ["standalone", "combined"])
def test_what_the_key_signed_is_refused_all_the_same_if_it_may_not_stand_there(kind: str, form: Form) -> None:
    """An XPath step would select what is digested, HMACOutputLength would cut the value short: the
    value itself is right here."""
    key = KEYS[kind]
    good = sign(key, [authorization()], form=form).signed_info
    (step,) = good.reference[0].transforms.transform  # type: ignore[union-attr]  # our own
    bent = msgspec.structs.replace(step, x_path=("//*[true()]",))
    reference = msgspec.structs.replace(good.reference[0], transforms=Transforms(transform=(bent,)))
    method = msgspec.structs.replace(good.signature_method, hmac_output_length=8)
    for info, fault in (
        (msgspec.structs.replace(good, reference=(reference,)), "transforms"),
        (msgspec.structs.replace(good, signature_method=method), "signature-method"),
    ):
        value = SoftwareSigner(key).sign(signed_octets(info, form, "iso20-common"))
        signature = Signature(signed_info=info, signature_value=SignatureValue(value=value))
        verdict = verify(signature, key.public_key(), [authorization()])
        assert [name for name, _ in verdict.faults] == [fault]
        assert verdict.form == form
        assert not verdict.ok


def test_references_without_uri_or_with_odd_ones_are_refused() -> None:
    good = sign(KEYS["ed448"], [authorization()])
    for uri in (None, "", "id1", "#", "##id1", "#ID1", "#xpointer(/)"):
        verdict = verify(changed(good, uri=uri), KEYS["ed448"].public_key(), [authorization()])
        assert "reference-uri" in {fault for fault, _ in verdict.faults}
