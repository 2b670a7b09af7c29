"""Signature and installation cases made and judged: one thing changed in a signed
request or a transported key.

The result of each is the names of the faults that the receiver's code found.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, x448
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from iso15118.errors import ConfigError
from iso15118.messages.iso20.common_messages import (
    ContractCertificateChain,
    PnCAReqAuthorizationMode,
    SubCertificates,
)
from iso15118.messages.xmldsig import (
    CanonicalizationMethod,
    DigestMethod,
    Signature,
    SignatureMethod,
    SignatureValue,
    Transform,
    Transforms,
)
from iso15118.pki.cases import Variant
from iso15118.pki.chain.curves import CURVES
from iso15118.pki.issuing.issue import IssuedPki, load_key
from iso15118.pki.keys.raw import SigningKey, VerifyingKey
from iso15118.pnc import contract_key
from iso15118.pnc.contract_key import ContractKeyError, KeyTransport, WrappedKey
from iso15118.pnc.signature import SUITES, SignedElement, sign, verify

__all__ = [
    "TRANSPORTS",
    "installation_faults",
    "signature_faults",
    "wrong_authorization",
    "wrong_key",
    "wrong_signature",
]

_SCHEMA = "iso20-common"
_CHALLENGE = bytes(range(16))
_XML_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
TRANSPORTS = {
    "p256": contract_key.ISO2,
    "p521": contract_key.ISO20_P521,
    "ed448": contract_key.ISO20_X448,
}
"""Which transport an algorithm's hierarchy uses."""


def wrong_authorization(
    variant: Variant, pki: IssuedPki
) -> tuple[PnCAReqAuthorizationMode, Signature | None]:
    """An authorization (-20) with the contract of ``pki`` and its signature, spoiled as the case says."""
    key = load_key(pki.keys["contract"])
    if not isinstance(key, SigningKey):
        raise ConfigError("algorithm", "a contract key that signs no messages")
    chain = pki.chain("contract")
    element = PnCAReqAuthorizationMode(
        id="id1",
        gen_challenge=_CHALLENGE,
        contract_certificate_chain=ContractCertificateChain(
            certificate=chain[0], sub_certificates=SubCertificates(certificate=chain[1:])
        ),
    )
    edit = variant.case.edit or ""
    other = msgspec.structs.replace(element, gen_challenge=_CHALLENGE[::-1])
    if edit == "challenge":
        element = other
    if edit == "one-of-two":
        return element, sign(key, [SignedElement(_SCHEMA, element)])
    one = SignedElement(_SCHEMA, element)
    return element, wrong_signature(edit, key, one, other=SignedElement(_SCHEMA, other))


def signature_faults(variant: Variant, pki: IssuedPki) -> tuple[str, ...]:
    """Sign an authorization with the contract of ``pki``, spoil it as the case says, and
    judge it as a station does."""
    public = x509.load_der_x509_certificate(pki.certificates["contract"]).public_key()
    if not isinstance(public, VerifyingKey):
        raise ConfigError("algorithm", "a contract key that signs no messages")
    element, spoiled = wrong_authorization(variant, pki)
    received = [element]
    if variant.case.edit == "one-of-two":
        received.append(msgspec.structs.replace(element, id="id2"))
    verdict = verify(spoiled, public, [SignedElement(_SCHEMA, one) for one in received])
    faults = [fault for fault, _ in verdict.faults]
    if not faults and element.gen_challenge != _CHALLENGE:
        return ("challenge",)  # [V2G2-825] - what the signature covers is for the station to compare
    return tuple(dict.fromkeys(str(one) for one in faults))


def wrong_signature(
    edit: str, key: SigningKey, element: SignedElement, *, other: SignedElement
) -> Signature | None:
    """The signature of an element, wrong as a case's ``edit`` says; None for none at all.

    ``other``: an element of the same class with other content and the same Id, which is what was signed where
    the content was changed afterwards. An edit that is not about the signature gives a good one.
    """
    second = SignedElement(element.schema, msgspec.structs.replace(element.element, id="id2"))
    signed = [element]
    match edit:
        case "none":
            return None
        case "element":
            signed = [other]
        case "one-of-two":
            signed = [second]
        case "two-of-one":
            signed = [element, second]
        case "twice":
            signed = [element, element]
        case "other-key":
            key = _another(key)
    return _spoiled(sign(key, signed), edit)


def _another(key: SigningKey) -> SigningKey:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return ec.generate_private_key(key.curve)
    return contract_key.new_contract_key(contract_key.ISO20_X448)


def _spoiled(made: Signature, edit: str) -> Signature:
    value = made.signature_value.value
    own = made.signed_info.signature_method.algorithm
    foreign = SUITES["secp521r1" if own == SUITES["secp256r1"].method else "secp256r1"]
    match edit:
        case "uri":
            return _reference(made, uri="#id2")
        case "no-uri":
            return _reference(made, uri=None)
        case "sha256":
            return _reference(made, digest_method=DigestMethod(algorithm=foreign.digest))
        case "transform":
            return _reference(made, transforms=Transforms(transform=(Transform(algorithm=_XML_C14N),)))
        case "no-transform":
            return _reference(made, transforms=None)
        case "method":
            return _info(made, signature_method=SignatureMethod(algorithm=foreign.method))
        case "canonicalization":
            return _info(made, canonicalization_method=CanonicalizationMethod(algorithm=_XML_C14N))
        case "der":
            half = len(value) // 2
            value = encode_dss_signature(
                int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")
            )
        case "short":
            value = value[:-1]
        case "zero":
            value = bytes(len(value))
        case "value":
            value = value[:20] + bytes([value[20] ^ 1]) + value[21:]
    return msgspec.structs.replace(made, signature_value=SignatureValue(value=value))


def _info(made: Signature, **changes: Any) -> Signature:
    return msgspec.structs.replace(made, signed_info=msgspec.structs.replace(made.signed_info, **changes))


def _reference(made: Signature, **changes: Any) -> Signature:
    first = msgspec.structs.replace(made.signed_info.reference[0], **changes)
    return _info(made, reference=(first, *made.signed_info.reference[1:]))


def installation_faults(variant: Variant, *, pcid: str = "WVW123456789ABCDE7") -> tuple[str, ...]:
    """Transport a contract key, spoil it as the case says, and take it as a vehicle does."""
    transport, edit = TRANSPORTS[variant.algorithm], variant.case.edit or ""
    vehicle = _vehicle_key(transport)
    key = contract_key.new_contract_key(transport)
    ski = bytes.fromhex("4ec1a90839d4f50a")
    wrapped = wrong_key(edit, transport, key, vehicle.public_key(), pcid=pcid, ski=ski)
    try:
        contract_key.unwrap(
            transport, wrapped, vehicle, contract=key.public_key(), pcid=pcid, contract_ski=ski
        )
    except ContractKeyError as error:
        return (error.fault,)
    return ()


def wrong_key(
    edit: str,
    transport: KeyTransport,
    key: contract_key.ContractKey,
    receiver: contract_key.AgreementPublicKey,
    *,
    pcid: str,
    ski: bytes,
) -> WrappedKey:
    """A contract's key on its way to a vehicle, wrong as a case's ``edit`` says; any
    other edit gives a good one."""
    used, wrap_pcid, wrap_ski = transport, pcid, ski
    match edit:
        case "no-additional-data":
            used = msgspec.structs.replace(transport, additional_data="none")
        case "other-info":
            used = msgspec.structs.replace(transport, other_info=b"")
        case "other-pcid":
            wrap_pcid = pcid[:-1] + "8"
        case "other-ski":
            wrap_ski = ski[::-1]
        case "other-vehicle":
            receiver = _vehicle_key(transport).public_key()
        case "other-key":
            key = contract_key.new_contract_key(transport)
    payload = _payload(transport, edit)
    if payload is not None:
        return _wrap_octets(transport, payload, receiver, pcid, ski)
    return _spoiled_key(contract_key.wrap(used, key, receiver, pcid=wrap_pcid, contract_ski=wrap_ski), edit)


def _vehicle_key(transport: KeyTransport) -> contract_key.AgreementKey:
    if transport.curve == "x448":
        return x448.X448PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1() if transport.curve == "secp256r1" else ec.SECP521R1())


def _payload(transport: KeyTransport, edit: str) -> bytes | None:
    octets = transport.payload_octets
    match edit:
        case "top-bits":
            return b"\x02" + bytes(octets - 2) + b"\x01"
        case "zero":
            return bytes(octets)
        case "order":
            return CURVES[transport.curve].order.to_bytes(octets, "big")
    return None


def _wrap_octets(
    transport: KeyTransport, payload: bytes, receiver: contract_key.AgreementPublicKey, pcid: str, ski: bytes
) -> WrappedKey:
    """Encrypt octets that are no key, which ``wrap`` would not take: with the ciphers that it uses."""
    key = contract_key.new_contract_key(transport)
    ephemeral = _vehicle_key(transport)
    public = contract_key.wrap(
        transport, key, receiver, pcid=pcid, contract_ski=ski, ephemeral=ephemeral
    ).dh_public_key
    secret = contract_key.session_key(transport, ephemeral, receiver)
    iv = os.urandom(transport.iv_octets)
    if transport.cipher == "aes-gcm":
        additional = contract_key.additional_data(transport, pcid, ski)
        return WrappedKey(public, iv + AESGCM(secret).encrypt(iv, payload, additional))
    return WrappedKey(public, iv + contract_key.cbc(secret, iv, payload))


def _spoiled_key(wrapped: WrappedKey, edit: str) -> WrappedKey:
    blob, public = wrapped.encrypted_private_key, wrapped.dh_public_key
    match edit:
        case "long":
            blob += bytes(6)
        case "short":
            blob = blob[:-1]
        case "tag":
            blob = blob[:-1] + bytes([blob[-1] ^ 1])
        case "point":
            public = public[:-1] + bytes([public[-1] ^ 1])
        case "compressed":
            kind = ec.SECP256R1() if len(public) == 65 else ec.SECP521R1()
            point = ec.EllipticCurvePublicKey.from_encoded_point(kind, public)
            public = point.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        case "small-order":
            public = bytes(len(public))
        case "padded":
            public = bytes(133 - len(public)) + public
    return WrappedKey(public, blob)
