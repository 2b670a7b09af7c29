"""Signed messages of ISO 15118-2: authorization, metering receipts and tariffs, made
and judged message by message.

The sessions of -2 carry them; contract installation is in ``installation_iso2``. The body element of a
request is what is signed, with P-256 and SHA-256 over its EXI fragment.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm

from iso15118.errors import MisuseError, PkiError
from iso15118.messages.iso2 import (
    AuthorizationReq,
    Body,
    CertificateChain,
    CertificateInstallationReq,
    CertificateUpdateReq,
    MessageHeader,
    MeteringReceiptReq,
    ResponseCode,
    SalesTariff,
    SubCertificates,
    V2GMessage,
)
from iso15118.messages.xmldsig import Signature
from iso15118.pki.chain.identifiers import normal_emaid
from iso15118.pki.chain.parsed import UnreadableError, parse
from iso15118.pki.keys.raw import VerifyingKey
from iso15118.pki.keys.signer import Signer
from iso15118.pnc.authorization import AuthorizationVerdict, ContractTrust
from iso15118.pnc.contracts import Refusal
from iso15118.pnc.signature import SignatureVerdict, SignedElement, sign, verify
from iso15118.printable import printable

__all__ = [
    "RESPONSE_CODES",
    "SignedRequest",
    "judge_authorization",
    "judge_request",
    "judge_tariffs",
    "payment_details",
    "signed_request",
    "signed_tariffs",
    "tariff_elements",
]

SCHEMA = "iso2"
_MOST_SUBS = 4
_MOST_OCTETS = 800
_EMAID_LENGTHS = (14, 15)
"""Of the type of eMAID: without a check digit and with it."""

SignedRequest: TypeAlias = (
    AuthorizationReq | MeteringReceiptReq | CertificateInstallationReq | CertificateUpdateReq
)
"""Requests whose body element is signed."""

RESPONSE_CODES = {
    Refusal.CHAIN: ResponseCode.FAILED_CertChainError,
    Refusal.EXPIRED: ResponseCode.FAILED_CertificateExpired,
    Refusal.NOT_YET_VALID: ResponseCode.FAILED_CertChainError,
    Refusal.REVOKED: ResponseCode.FAILED_CertificateRevoked,
    Refusal.CHALLENGE: ResponseCode.FAILED_ChallengeInvalid,  # [V2G2-475]
    Refusal.SIGNATURE: ResponseCode.FAILED_SignatureError,
    Refusal.PROVIDER_UNKNOWN: ResponseCode.FAILED_CertificateNotAllowedAtThisEVSE,
    Refusal.REJECTED: ResponseCode.FAILED_ContractCanceled,
    Refusal.NO_CONTRACT: ResponseCode.FAILED_NoCertificateAvailable,
    Refusal.NOT_AVAILABLE: ResponseCode.FAILED_NoCertificateAvailable,
}
"""What a response of -2 says."""


def signed_request(request: SignedRequest, signer: Signer, session_id: bytes) -> V2GMessage:
    """The message with the signature of its body element in the header.

    Raises MisuseError for a request without Id, SignerError if the key cannot be used.
    """
    signature = sign(signer, [SignedElement(SCHEMA, request)])
    header = MessageHeader(session_id=session_id, signature=signature)
    return V2GMessage(header=header, body=Body(body_element=request))


def payment_details(signer: Signer) -> tuple[str, CertificateChain]:
    """What PaymentDetailsReq says of a contract: its name without hyphens, and its chain.

    Raises MisuseError for a chain that the message cannot carry, PkiError for a certificate that is none.
    """
    leaf, *subs = signer.chain or (b"",)
    if len(subs) > _MOST_SUBS or any(len(der) > _MOST_OCTETS for der in signer.chain) or not leaf:
        raise MisuseError(
            f"a chain of 1 to {_MOST_SUBS + 1} certificates of at most {_MOST_OCTETS} octets is wanted"
        )
    try:
        names = parse(leaf).common_names
    except UnreadableError as error:
        raise PkiError(str(error)) from error
    name = names[0].replace("-", "") if names else ""
    if len(name) not in _EMAID_LENGTHS:
        name = normal_emaid(name)
    chain = SubCertificates(certificate=tuple(subs)) if subs else None
    return name, CertificateChain(certificate=leaf, sub_certificates=chain)


def judge_request(message: V2GMessage, certificate_der: bytes) -> SignatureVerdict:
    """Judge a signed request by a certificate: the contract's, or the provisioning certificate. [V2G2-903]

    Nothing that the vehicle sends raises anything.
    """
    request = message.body.body_element
    if not isinstance(request, SignedRequest):
        return SignatureVerdict((("missing", f"{type(request).__name__} is not signed"),))
    if not request.id:
        return SignatureVerdict((("reference-uri", "the request has no Id"),))
    key = _public_key(certificate_der)
    if isinstance(key, str):
        return SignatureVerdict((("key", key),))
    return verify(message.header.signature, key, [SignedElement(SCHEMA, request)])


def judge_authorization(
    message: V2GMessage,
    *,
    challenge: bytes,
    chain: Sequence[bytes],
    trust: ContractTrust,
    unix_time: float | None,
    emaid: str = "",
) -> AuthorizationVerdict:
    """Judge an AuthorizationReq by the chain of PaymentDetailsReq and the challenge of its answer. [V2G2-475]

    ``trust``: of whatever edition; its roots count, by the profile of this one. ``emaid``: the eMAID of
    PaymentDetailsReq, which must be the contract's; hyphens, case and check digit do not count. Nothing that
    the vehicle sends raises anything.
    """
    request, sent = message.body.body_element, tuple(chain)
    given = request.gen_challenge if isinstance(request, AuthorizationReq) else None
    if given is None or not hmac.compare_digest(given, challenge):
        return AuthorizationVerdict(
            refusal=Refusal.CHALLENGE, presented=sent, detail="another challenge, or none, was signed"
        )
    signed = judge_request(message, sent[0] if sent else b"")
    if not signed.ok:
        return AuthorizationVerdict(refusal=Refusal.SIGNATURE, presented=sent, detail=str(signed))
    verdict = trust.judge_chain(sent, unix_time, edition="iso2")
    if verdict.refusal is None and emaid and normal_emaid(emaid) != normal_emaid(verdict.emaid):
        return msgspec.structs.replace(
            verdict,
            refusal=Refusal.CHAIN,
            verified=False,
            detail=printable(f"the contract of {verdict.emaid} is not that of {emaid}"),
        )
    return verdict


def signed_tariffs(tariffs: Sequence[SalesTariff], signer: Signer) -> Signature:
    """The signature for the header of ChargeParameterDiscoveryRes, by the
    provider's Sub-CA 2, over each tariff.

    Raises MisuseError for a tariff without Id, or none at all.
    """
    if not tariffs:
        raise MisuseError("there is no tariff to sign")
    return sign(signer, tariff_elements(tariffs))


def tariff_elements(tariffs: Sequence[SalesTariff]) -> list[SignedElement]:
    """They as what a signature covers."""
    return [SignedElement(SCHEMA, one) for one in tariffs]


def judge_tariffs(
    tariffs: Sequence[SalesTariff], signature: Signature | None, contract_chain: Sequence[bytes]
) -> SignatureVerdict:
    """Judge tariffs by the Sub-CA that issued the contract, whose chain is given leaf first."""
    if len(contract_chain) < 2 or not tariffs:
        return SignatureVerdict((("key", "no Sub-CA of a provider, or no tariff"),))
    if any(not one.id for one in tariffs):
        return SignatureVerdict((("reference-uri", "a tariff has no Id"),))
    key = _public_key(contract_chain[1])
    if isinstance(key, str):
        return SignatureVerdict((("key", key),))
    return verify(signature, key, [SignedElement(SCHEMA, one) for one in tariffs])


def _public_key(der: bytes) -> VerifyingKey | str:
    """The key of a certificate, or what is wrong with it."""
    try:
        key = parse(der).certificate.public_key()
    except (UnreadableError, UnsupportedAlgorithm, ValueError, TypeError) as error:
        return str(error)[:200]
    return key if isinstance(key, VerifyingKey) else "a key that signs no messages"
