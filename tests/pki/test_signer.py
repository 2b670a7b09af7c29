"""Signers and key agreements in memory: what they give, what they refuse by name,
and what they never show."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x448
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from iso15118.errors import MisuseError, PkiError
from iso15118.messages.iso20.common_messages import (
    ContractCertificateChain,
    PnCAReqAuthorizationMode,
    SubCertificates,
)
from iso15118.pki import Credential, issue_test_pki
from iso15118.pki.keys.raw import SigningKey, verify_raw
from iso15118.pki.keys.signer import SoftwareAgreement, SoftwareSigner, signer_of
from iso15118.pnc.contract_key import (
    ISO20_P521,
    ISO20_X448,
    ContractKeyError,
    new_contract_key,
    open_payload,
    wrap,
)
from iso15118.pnc.signature import SignedElement, sign, verify

KEYS: dict[str, SigningKey] = {
    "secp256r1": ec.generate_private_key(ec.SECP256R1()),
    "secp521r1": ec.generate_private_key(ec.SECP521R1()),
    "ed448": ed448.Ed448PrivateKey.generate(),
}
ELEMENT = SignedElement(
    "iso20-common",
    PnCAReqAuthorizationMode(
        id="id1",
        gen_challenge=bytes(16),
        contract_certificate_chain=ContractCertificateChain(
            certificate=b"leaf", sub_certificates=SubCertificates(certificate=(b"sub",))
        ),
    ),
)


@pytest.mark.parametrize(("kind", "octets"), [("secp256r1", 64), ("secp521r1", 132), ("ed448", 114)])
def test_a_signer_signs_what_a_verifier_takes(kind: str, octets: int) -> None:
    signer = SoftwareSigner(KEYS[kind])
    assert signer.algorithm == kind
    signature = signer.sign(b"data")
    assert len(signature) == octets
    assert verify_raw(signer.public_key, b"data", signature)
    assert verify(sign(signer, [ELEMENT]), signer.public_key, [ELEMENT]).ok


def test_the_signer_of_a_credential_has_its_chain() -> None:
    pki = issue_test_pki("iso20", "p521", at=datetime.now(UTC), responders=False)
    signer = signer_of(pki.credential("contract"))
    assert signer.chain == pki.chain("contract")
    with pytest.raises(PkiError, match="not the signing key's"):
        SoftwareSigner(KEYS["secp521r1"], pki.chain("contract"))


def test_an_encrypted_key_opens_with_its_passphrase_only() -> None:
    secret = BestAvailableEncryption(b"long enough")
    key = KEYS["secp521r1"].private_bytes(Encoding.DER, PrivateFormat.PKCS8, secret)
    assert signer_of(Credential(chain=(), key=key, passphrase=b"long enough")).algorithm == "secp521r1"
    for wrong in (None, b"wrong"):
        with pytest.raises(PkiError, match="no private key"):
            signer_of(Credential(chain=(), key=key, passphrase=wrong))


def test_kinds_that_no_edition_has_are_refused_by_name() -> None:
    with pytest.raises(MisuseError, match="secp384r1"):
        SoftwareSigner(ec.generate_private_key(ec.SECP384R1()))
    with pytest.raises(MisuseError, match="signs and agrees on nothing"):
        _ = SoftwareSigner(KEYS["ed448"]).curve
    with pytest.raises(MisuseError, match="secp521r1 only"):
        SoftwareSigner(KEYS["secp521r1"]).agree(ec.generate_private_key(ec.SECP256R1()).public_key())
    with pytest.raises(MisuseError, match="x448 only"):
        SoftwareAgreement(x448.X448PrivateKey.generate()).agree(
            ec.generate_private_key(ec.SECP256R1()).public_key()
        )


def test_contract_keys_open_through_an_agreement() -> None:
    own = ec.generate_private_key(ec.SECP521R1())
    wrapped = wrap(
        ISO20_P521,
        new_contract_key(ISO20_P521),
        own.public_key(),
        pcid="WVW123456789ABCDE7",
        contract_ski=bytes(8),
    )
    by_key = open_payload(ISO20_P521, wrapped, own, pcid="WVW123456789ABCDE7", contract_ski=bytes(8))
    by_signer = open_payload(
        ISO20_P521, wrapped, SoftwareSigner(own), pcid="WVW123456789ABCDE7", contract_ski=bytes(8)
    )
    assert by_key == by_signer
    with pytest.raises(ContractKeyError, match="an Ed448 key signs") as caught:
        open_payload(
            ISO20_P521,
            wrapped,
            SoftwareSigner(KEYS["ed448"]),
            pcid="WVW123456789ABCDE7",
            contract_ski=bytes(8),
        )
    assert caught.value.fault == "key-type"
    second = x448.X448PrivateKey.generate()
    wrapped = wrap(
        ISO20_X448,
        new_contract_key(ISO20_X448),
        second.public_key(),
        pcid="WVW123456789ABCDE7",
        contract_ski=bytes(8),
    )
    assert open_payload(
        ISO20_X448, wrapped, SoftwareAgreement(second), pcid="WVW123456789ABCDE7", contract_ski=bytes(8)
    )


@pytest.mark.parametrize("kind", KEYS)
def test_no_key_in_a_repr_or_a_pickle(kind: str) -> None:
    signer = SoftwareSigner(KEYS[kind])
    assert repr(signer) == f"SoftwareSigner({kind}, 0 certificates, key hidden)"
    for one in (signer, SoftwareAgreement(x448.X448PrivateKey.generate())):
        with pytest.raises(TypeError, match="its key would go with it"):
            pickle.dumps(one)
