"""Installation of contracts by ISO 15118-20, on the vehicle's side: what it asks with, and what it takes.

All of it works on elements of messages; who carries them is the sessions' business. The service that
issues is in ``contract_service``, the parameters of the key transport in ``contract_key``, the messages
of -2 in ``installation_iso2``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x448

from iso15118.errors import PkiError
from iso15118.messages.iso20.common_messages import (
    CertificateChain,
    EcdhCurve,
    SignedCertificateChain,
    SignedInstallationData,
    SubCertificates,
)
from iso15118.messages.xmldsig import Signature
from iso15118.pki.chain.identifiers import normal_emaid
from iso15118.pki.chain.parsed import Parsed, UnreadableError, parse
from iso15118.pki.chain.verify import verify_chain
from iso15118.pki.chain.violations import Verdict
from iso15118.pki.keys.credential import Credential
from iso15118.pki.keys.raw import VerifyingKey
from iso15118.pki.keys.signer import KeyAgreement, Signer, SoftwareAgreement, SoftwareSigner, signer_of
from iso15118.pnc.authorization import refusal_of
from iso15118.pnc.contract_key import (
    ISO20_P521,
    ISO20_X448,
    ContractKeyError,
    KeyTransport,
    WrappedKey,
    unwrap,
)
from iso15118.pnc.contracts import Refusal
from iso15118.pnc.signature import Form, SignedElement, sign, verify

__all__ = [
    "Fault",
    "InstallationError",
    "InstalledContract",
    "Provisioning",
    "TpmKeys",
    "accept_contract",
    "parsed",
    "preferred",
    "provisioning_of",
    "refused",
    "request_chain",
    "verified",
]

SCHEMA = "iso20-common"
DATA_ID = "id1"

Fault = Literal["chain", "signature", "no-contract", "no-key", "contract-key", "tpm"]


class InstallationError(PkiError):
    """An installation that is refused as a whole. [V2G20-2504] ``fault`` names the
    step, ``refusal`` the answer."""

    def __init__(self, fault: Fault, reason: str, refusal: Refusal | None = None) -> None:
        self.fault = fault
        self.refusal = refusal or _REFUSALS.get(fault, Refusal.NOT_AVAILABLE)
        super().__init__(f"contract installation: {reason}")


_REFUSALS: dict[Fault, Refusal] = {
    "chain": Refusal.CHAIN,
    "signature": Refusal.SIGNATURE,
    "no-contract": Refusal.NO_CONTRACT,
}


class TpmKeys(Protocol):
    """A TPM in the vehicle that takes contract keys wrapped for it."""

    def import_key(self, blob: bytes, dh_public_key: bytes, chain: tuple[bytes, ...]) -> Signer:
        """The contract's signer, once the TPM has the key. Raises SignerError if it does not take it."""


class Provisioning(msgspec.Struct, frozen=True, kw_only=True):
    """What a vehicle needs to be given contracts: its provisioning certificate, and keys behind it."""

    signer: Signer
    agreement: KeyAgreement | None = None
    """The certificate's own key, if it is of a NIST curve."""
    alternative: KeyAgreement | None = None
    """The X448 key beside it. [V2G20-2534]"""
    tpm: TpmKeys | None = None


class InstalledContract(msgspec.Struct, frozen=True, kw_only=True):
    """A contract that the vehicle took."""

    signer: Signer
    credential: Credential | None
    """Chain and key to keep; None where the key never left a TPM."""


def provisioning_of(credential: Credential, alternative_key: bytes | None = None) -> Provisioning:
    """Keys in memory. ``alternative_key``: PKCS#8 of the X448 key, DER or PEM. Raises
    PkiError for keys that are none."""
    signer = signer_of(credential)
    alternative: KeyAgreement | None = None
    if alternative_key is not None:
        try:
            armoured = alternative_key.startswith(b"-----BEGIN")
            read = serialization.load_pem_private_key if armoured else serialization.load_der_private_key
            key = read(alternative_key, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise PkiError(f"no X448 key: {error}") from error
        if not isinstance(key, x448.X448PrivateKey):
            raise PkiError("the alternative key is not of X448")
        alternative = SoftwareAgreement(key)
    agreement = None if signer.algorithm == "ed448" else signer
    return Provisioning(signer=signer, agreement=agreement, alternative=alternative)


def request_chain(
    provisioning: Signer, *, form: Form = "standalone"
) -> tuple[SignedCertificateChain, Signature]:
    """The vehicle's part of a request: its provisioning chain, signed with its key."""
    subs = SubCertificates(certificate=provisioning.chain[1:]) if len(provisioning.chain) > 1 else None
    element = SignedCertificateChain(id=DATA_ID, certificate=provisioning.chain[0], sub_certificates=subs)
    return element, sign(provisioning, [SignedElement(SCHEMA, element)], form=form)


def preferred(emaids: Iterable[str], preferences: Sequence[str]) -> list[str]:
    """EMAIDs in the order of preference: ``preferences`` are EMAIDs or their beginnings, such as a provider's
    ``DE8AA``, the best first. What none of them fits comes last, in its own order.
    """
    wanted = [one.replace("-", "").upper() for one in preferences]

    def rank(emaid: str) -> int:
        text = normal_emaid(emaid)
        return next((place for place, one in enumerate(wanted) if text.startswith(one[:14])), len(wanted))

    return sorted(emaids, key=rank)


def accept_contract(
    data: SignedInstallationData,
    signature: Signature | None,
    cps_chain: CertificateChain,
    *,
    provisioning: Provisioning,
    v2g_anchors: Sequence[bytes],
    mo_anchors: Sequence[bytes],
    at: datetime | None,
    edition: str = "iso20",
    transports: Sequence[KeyTransport] = (ISO20_P521, ISO20_X448),
) -> InstalledContract:
    """The vehicle takes a contract: chain and signature of the service, chain of the contract, and its key.

    Raises InstallationError; nothing is kept of a contract that is refused.
    """
    subs = cps_chain.sub_certificates
    cps = [cps_chain.certificate, *(subs.certificate if subs else ())]
    verdict = verify_chain(
        cps, role="cps", anchors_der=v2g_anchors, anchor_role="V2G", at=at, edition=edition
    )
    if not verdict.ok:
        raise refused("provisioning service", verdict)
    verified(signature, cps_chain.certificate, SignedElement(SCHEMA, data))
    leaf = data.contract_certificate_chain
    contract = (leaf.certificate, *leaf.sub_certificates.certificate)
    verdict = verify_chain(
        contract, role="contract", anchors_der=mo_anchors, anchor_role="MO", at=at, edition=edition
    )
    if not verdict.ok:
        raise refused("contract", verdict)
    contract = verdict.certificates(contract)  # what was put in beside it is neither kept nor sent on
    if parsed(leaf.certificate).key_bits == parsed(provisioning.signer.chain[0]).key_bits:
        raise InstallationError("contract-key", "the contract has the key of the provisioning certificate")
    if data.tpm_encrypted_private_key is not None:
        if provisioning.tpm is None:
            raise InstallationError("tpm", "the key is wrapped for a TPM, which this vehicle has none of")
        signer = provisioning.tpm.import_key(data.tpm_encrypted_private_key, data.dh_public_key, contract)
        return InstalledContract(signer=signer, credential=None)
    transport, blob, receiver = _received(data, provisioning, transports)
    own = parsed(leaf.certificate)
    public = own.certificate.public_key()
    if not isinstance(public, VerifyingKey):
        raise InstallationError("contract-key", "a contract with a key of another kind")
    try:
        key = unwrap(
            transport,
            WrappedKey(data.dh_public_key, blob),
            receiver,
            contract=public,
            pcid=parsed(provisioning.signer.chain[0]).common_names[0],
            contract_ski=own.subject_key_identifier or b"",
        )
    except ContractKeyError as error:
        raise InstallationError("contract-key", f"{error.fault}: {error}") from error
    pkcs8 = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return InstalledContract(
        signer=SoftwareSigner(key, contract), credential=Credential(chain=contract, key=pkcs8)
    )


def _received(
    data: SignedInstallationData, provisioning: Provisioning, transports: Sequence[KeyTransport]
) -> tuple[KeyTransport, bytes, KeyAgreement]:
    """The transport that the message says, the wrapped key, and the vehicle's key that opens it."""
    if data.ecdh_curve is EcdhCurve.X448:
        curve, blob, key = "x448", data.x448_encrypted_private_key, provisioning.alternative
    else:
        curve, blob, key = "secp521r1", data.secp521_encrypted_private_key, provisioning.agreement
    if blob is None:
        raise InstallationError("contract-key", f"no key for {data.ecdh_curve.value}")
    if key is None or key.curve != curve:
        raise InstallationError("no-key", f"the vehicle has no key for {curve}")
    for one in transports:
        if one.curve == curve:
            return one, blob, key
    raise InstallationError("no-key", f"the vehicle is set up for no key transport by {curve}")


def refused(what: str, verdict: Verdict) -> InstallationError:
    """The error for a chain that is not acceptable."""
    return InstallationError("chain", f"{what}: {verdict}", refusal_of(verdict))


def verified(signature: Signature | None, certificate: bytes, element: SignedElement) -> None:
    """Raises InstallationError unless the element is signed with the certificate's key."""
    public = parsed(certificate).certificate.public_key()
    if not isinstance(public, VerifyingKey):
        raise InstallationError("signature", "a key that signs no messages")
    verdict = verify(signature, public, [element])
    if not verdict.ok:
        raise InstallationError("signature", str(verdict))


def parsed(der: bytes) -> Parsed:
    """A certificate. Raises PkiError for what is none."""
    try:
        return parse(der)
    except UnreadableError as error:
        raise PkiError(f"certificate: {error}") from error
