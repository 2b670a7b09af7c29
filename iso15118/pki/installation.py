"""Installation of contracts by ISO 15118-20: what the provisioning service issues, and what a vehicle takes.

Both work on the elements of the messages; who carries them is the sessions' business. The parameters of the
key transport are in ``contract_key``. -2 has other messages and is not here. Ed448 contracts go over X448, whose
public value of 56 octets [V2G20-2495] does not fit the schema's fixed length of 133: until the codec takes both,
issuing one raises ExiError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x448

from iso15118.errors import PkiError
from iso15118.messages.iso20.common_messages import (
    CertificateChain,
    ContractCertificateChain,
    EcdhCurve,
    SignedCertificateChain,
    SignedInstallationData,
    SubCertificates,
)
from iso15118.messages.xmldsig import Signature
from iso15118.pki.build import ALTERNATIVE_KEY
from iso15118.pki.contract_key import (
    ISO20_P521,
    ISO20_X448,
    AgreementKey,
    AgreementPublicKey,
    ContractKeyError,
    KeyTransport,
    WrappedKey,
    unwrap,
    wrap,
)
from iso15118.pki.credential import Credential
from iso15118.pki.identifiers import normal_emaid
from iso15118.pki.issue import load_key
from iso15118.pki.parsed import Parsed, UnreadableError, parse
from iso15118.pki.raw import SigningKey, VerifyingKey
from iso15118.pki.signature import SignedElement, sign, verify
from iso15118.pki.verify import verify_chain

__all__ = ["ContractService", "InstallationError", "Offer", "accept_contract", "preferred", "request_chain"]

_SCHEMA = "iso20-common"
_DATA_ID = "id1"

Fault = Literal["chain", "signature", "no-contract", "no-key", "contract-key", "tpm"]


class InstallationError(PkiError):
    """An installation that is refused as a whole. [V2G20-2504] ``fault`` names the step."""

    def __init__(self, fault: Fault, reason: str) -> None:
        self.fault = fault
        super().__init__(f"contract installation: {reason}")


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What the service puts into a CertificateInstallationRes."""

    data: SignedInstallationData
    signature: Signature
    cps_chain: CertificateChain
    remaining: int
    """How many more contracts the vehicle may ask for."""


def request_chain(provisioning: Credential) -> tuple[SignedCertificateChain, Signature]:
    """The vehicle's part of a request: its provisioning chain, signed with its key."""
    subs = SubCertificates(certificate=provisioning.chain[1:]) if len(provisioning.chain) > 1 else None
    element = SignedCertificateChain(id=_DATA_ID, certificate=provisioning.chain[0], sub_certificates=subs)
    return element, sign(_signing(provisioning.key), [SignedElement(_SCHEMA, element)])


def preferred(emaids: Iterable[str], preferences: Sequence[str]) -> list[str]:
    """EMAIDs in the order of preference: ``preferences`` are EMAIDs or their beginnings, such as a provider's
    ``DE8AA``, the best first. What none of them fits comes last, in its own order.
    """
    wanted = [one.replace("-", "").upper() for one in preferences]

    def rank(emaid: str) -> int:
        text = normal_emaid(emaid)
        return next((place for place, one in enumerate(wanted) if text.startswith(one[:14])), len(wanted))

    return sorted(emaids, key=rank)


class ContractService:
    """Issues the contracts of each vehicle, by its PCID; signs as provisioning service.

    ``contracts``: by PCID, each with its key. ``oem_anchors``: roots (DER) of provisioning certificates.
    """

    def __init__(
        self,
        *,
        cps: Credential,
        contracts: Mapping[str, Sequence[Credential]],
        oem_anchors: Sequence[bytes],
        edition: str = "iso20",
    ) -> None:
        self._cps = cps
        self._contracts = {pcid: tuple(some) for pcid, some in contracts.items()}
        self._anchors = tuple(oem_anchors)
        self._edition = edition

    def issue(
        self,
        chain: SignedCertificateChain,
        signature: Signature | None,
        *,
        at: datetime,
        maximum: int,
        prioritized: Sequence[str] = (),
        issued: int = 0,
    ) -> Offer:
        """The next contract for the vehicle. ``issued``: how many it got in this session already.

        Raises InstallationError if the request is not to be trusted or there is no contract left.
        """
        certificates = [
            chain.certificate,
            *(chain.sub_certificates.certificate if chain.sub_certificates else ()),
        ]
        verdict = verify_chain(
            certificates,
            role="oemprov",
            anchors_der=self._anchors,
            anchor_role="OEM",
            at=at,
            edition=self._edition,
        )
        if not verdict.ok:
            raise InstallationError("chain", f"provisioning certificate: {verdict}")
        _verified(signature, chain.certificate, SignedElement(_SCHEMA, chain))
        leaf = _parsed(chain.certificate)
        pcid = leaf.common_names[0]
        known = {_emaid(one): one for one in self._contracts.get(pcid, ())}
        order = preferred(known, prioritized)[:maximum]
        if issued >= len(order):
            raise InstallationError(
                "no-contract", f"{len(order)} contracts for {pcid}, {issued} issued already"
            )
        data = _installation_data(known[order[issued]], leaf, pcid)
        subs = SubCertificates(certificate=self._cps.chain[1:]) if len(self._cps.chain) > 1 else None
        return Offer(
            data=data,
            signature=sign(_signing(self._cps.key), [SignedElement(_SCHEMA, data)]),
            cps_chain=CertificateChain(certificate=self._cps.chain[0], sub_certificates=subs),
            remaining=len(order) - issued - 1,
        )


def accept_contract(
    data: SignedInstallationData,
    signature: Signature | None,
    cps_chain: CertificateChain,
    *,
    provisioning: Credential,
    alternative_key: bytes | None,
    v2g_anchors: Sequence[bytes],
    mo_anchors: Sequence[bytes],
    at: datetime,
    edition: str = "iso20",
) -> Credential:
    """The vehicle takes a contract: chain and signature of the service, chain of the contract, and its key.

    ``alternative_key``: PKCS#8 of the X448 key of the provisioning certificate, if there is one. Raises
    InstallationError; nothing is kept of a contract that is refused.
    """
    subs = cps_chain.sub_certificates
    cps = [cps_chain.certificate, *(subs.certificate if subs else ())]
    verdict = verify_chain(
        cps, role="cps", anchors_der=v2g_anchors, anchor_role="V2G", at=at, edition=edition
    )
    if not verdict.ok:
        raise InstallationError("chain", f"provisioning service: {verdict}")
    _verified(signature, cps_chain.certificate, SignedElement(_SCHEMA, data))
    if data.tpm_encrypted_private_key is not None:
        raise InstallationError("tpm", "the key is wrapped for a TPM, which this vehicle has none of")
    leaf = data.contract_certificate_chain
    contract = (leaf.certificate, *leaf.sub_certificates.certificate)
    verdict = verify_chain(
        contract, role="contract", anchors_der=mo_anchors, anchor_role="MO", at=at, edition=edition
    )
    if not verdict.ok:
        raise InstallationError("chain", f"contract: {verdict}")
    transport, blob, receiver = _received(data, provisioning, alternative_key)
    parsed = _parsed(leaf.certificate)
    public = parsed.certificate.public_key()
    if not isinstance(public, VerifyingKey):
        raise InstallationError("contract-key", "a contract with a key of another kind")
    try:
        key = unwrap(
            transport,
            WrappedKey(data.dh_public_key, blob),
            receiver,
            contract=public,
            pcid=_parsed(provisioning.chain[0]).common_names[0],
            contract_ski=parsed.subject_key_identifier or b"",
        )
    except ContractKeyError as error:
        raise InstallationError("contract-key", str(error)) from error
    pkcs8 = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Credential(chain=contract, key=pkcs8)


def _installation_data(contract: Credential, provisioning: Parsed, pcid: str) -> SignedInstallationData:
    key = _signing(contract.key)
    leaf = _parsed(contract.chain[0])
    is_448 = isinstance(key, ed448.Ed448PrivateKey)
    transport = ISO20_X448 if is_448 else ISO20_P521
    receiver = _receiver(provisioning, transport)
    wrapped = wrap(transport, key, receiver, pcid=pcid, contract_ski=leaf.subject_key_identifier or b"")
    return SignedInstallationData(
        id=_DATA_ID,
        contract_certificate_chain=ContractCertificateChain(
            certificate=contract.chain[0], sub_certificates=SubCertificates(certificate=contract.chain[1:])
        ),
        ecdh_curve=EcdhCurve.X448 if is_448 else EcdhCurve.SECP521,
        dh_public_key=wrapped.dh_public_key,
        x448_encrypted_private_key=wrapped.encrypted_private_key if is_448 else None,
        secp521_encrypted_private_key=None if is_448 else wrapped.encrypted_private_key,
    )


def _receiver(provisioning: Parsed, transport: KeyTransport) -> AgreementPublicKey:
    """The vehicle's key for the transport: the certificate's own, or the alternative one. [V2G20-2534]"""
    key: object = provisioning.certificate.public_key()
    if transport.curve == "x448":
        try:
            found = provisioning.certificate.extensions.get_extension_for_oid(ALTERNATIVE_KEY).value
            key = serialization.load_der_public_key(found.public_bytes())
        except (x509.ExtensionNotFound, ValueError, TypeError) as error:
            raise InstallationError("no-key", "no X448 key in the provisioning certificate") from error
    if not isinstance(key, (ec.EllipticCurvePublicKey, x448.X448PublicKey)):
        raise InstallationError("no-key", f"the provisioning certificate has no key for {transport.name}")
    return key


def _received(
    data: SignedInstallationData, provisioning: Credential, alternative_key: bytes | None
) -> tuple[KeyTransport, bytes, AgreementKey]:
    if data.ecdh_curve is EcdhCurve.X448 and data.x448_encrypted_private_key is not None:
        key = serialization.load_der_private_key(alternative_key, None) if alternative_key else None
        if not isinstance(key, x448.X448PrivateKey):
            raise InstallationError("no-key", "the vehicle has no X448 key")
        return ISO20_X448, data.x448_encrypted_private_key, key
    if data.ecdh_curve is EcdhCurve.SECP521 and data.secp521_encrypted_private_key is not None:
        own = load_key(provisioning.key)
        if not isinstance(own, ec.EllipticCurvePrivateKey):
            raise InstallationError("no-key", "the vehicle has no P-521 key")
        return ISO20_P521, data.secp521_encrypted_private_key, own
    raise InstallationError("contract-key", f"no key for {data.ecdh_curve.value}")


def _verified(signature: Signature | None, certificate: bytes, element: SignedElement) -> None:
    public = _parsed(certificate).certificate.public_key()
    if not isinstance(public, VerifyingKey):
        raise InstallationError("signature", "a key that signs no messages")
    verdict = verify(signature, public, [element])
    if not verdict.ok:
        raise InstallationError("signature", str(verdict))


def _signing(key: bytes) -> SigningKey:
    found = load_key(key)
    if not isinstance(found, SigningKey):
        raise PkiError("a private key that signs no messages")
    return found


def _emaid(contract: Credential) -> str:
    return _parsed(contract.chain[0]).common_names[0]


def _parsed(der: bytes) -> Parsed:
    try:
        return parse(der)
    except UnreadableError as error:
        raise PkiError(f"certificate: {error}") from error
