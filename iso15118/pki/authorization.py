"""Plug and Charge by ISO 15118-20 on both sides: the vehicle signs a challenge with its contract, the station judges it.

Pure functions over messages, roots and a time. What a backend thinks of the contract is not known here.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm

from iso15118.contracts import Refusal
from iso15118.errors import MisuseError
from iso15118.messages.iso20.common_messages import (
    ContractCertificateChain,
    PnCAReqAuthorizationMode,
    SignedMeteringData,
    SubCertificates,
)
from iso15118.messages.xmldsig import Signature
from iso15118.pki.parsed import UnreadableError, parse
from iso15118.pki.profiles import AnchorRole, Edition
from iso15118.pki.raw import VerifyingKey
from iso15118.pki.revocation import Revocation, RevocationPolicy
from iso15118.pki.signature import Form, SignatureVerdict, SignedElement, sign, verify
from iso15118.pki.signer import Signer
from iso15118.pki.verify import Environment, verify_chain
from iso15118.pki.violations import Verdict

__all__ = [
    "AuthorizationVerdict",
    "ContractTrust",
    "refusal_of",
    "signed_authorization",
    "signed_metering",
    "time_of",
]

_SCHEMA = "iso20-common"
_ID = "id1"
_UNKNOWN_ROOT = frozenset({"issuer-unknown"})
_TIMES = {
    "revoked": Refusal.REVOKED,
    "expired": Refusal.EXPIRED,
    "not-yet-valid": Refusal.NOT_YET_VALID,
}
"""Violations that a response code of their own speaks of, the worst first."""


class AuthorizationVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a station thinks of a vehicle's AuthorizationReq."""

    refusal: Refusal | None = None
    """None if nothing is wrong that the station can see."""
    emaid: str = ""
    """Common name of the contract certificate; empty if it has none."""
    chain: tuple[bytes, ...] = ()
    verified: bool = True
    """The chain ends in one of the station's roots."""
    detail: str = ""
    """For people: everything that is wrong."""


class ContractTrust(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a station believes about contracts: roots (DER) per purpose, and how strict it is."""

    mo_anchors: tuple[bytes, ...] = ()
    v2g_anchors: tuple[bytes, ...] = ()
    """A provider may have its branch under a V2G root, or a cross-certificate of one."""
    edition: Edition = "iso20"
    """Profile to judge by; ``lab`` takes P-256."""
    environment: Environment = "public"
    central_validation: bool = False
    """Let the backend judge chains that end in a root unknown here, as OCPP's CentralContractValidationAllowed does;
    without it they are refused."""
    revocation: Revocation | RevocationPolicy | None = None
    """OCSP responses and lists, or who gives them for each chain (only that can hold responses, which come by place); without them
    nothing is said about revocation here, and the backend has to look. [V2G20-2443, V2G20-2448]"""
    tolerate: tuple[str, ...] = ()
    """Codes of violations to accept; see ``verify_chain``."""
    providers: tuple[str, ...] = ()
    """Provider ids told to vehicles (SupportedProviders), such as ``DE8AA``; empty: none is told, all may try."""
    forms: tuple[Form, ...] = ("standalone", "combined")
    """Encodings of SignedInfo that are taken."""

    def judge(
        self,
        mode: PnCAReqAuthorizationMode,
        signature: Signature | None,
        *,
        challenge: bytes,
        unix_time: float | None,
    ) -> AuthorizationVerdict:
        """Judge the signed element of an AuthorizationReq: challenge [V2G20-2565], signature [V2G20-461], chain.

        ``unix_time``: seconds since 1970; None if no clock is set. Nothing that the vehicle sends raises anything.
        """
        leaf = mode.contract_certificate_chain
        chain = (leaf.certificate, *leaf.sub_certificates.certificate)
        if not hmac.compare_digest(mode.gen_challenge, challenge):
            return AuthorizationVerdict(
                refusal=Refusal.CHALLENGE, chain=chain, detail="another challenge was signed"
            )
        try:
            parsed = parse(leaf.certificate)
            public = parsed.certificate.public_key()
        except (UnreadableError, UnsupportedAlgorithm, ValueError, TypeError) as error:
            return AuthorizationVerdict(refusal=Refusal.CHAIN, chain=chain, detail=f"contract: {error}"[:200])
        emaid = parsed.common_names[0] if parsed.common_names else ""
        if not isinstance(public, VerifyingKey):
            detail = f"a contract with a {parsed.key} key, which signs no messages"
            return AuthorizationVerdict(refusal=Refusal.CHAIN, emaid=emaid, chain=chain, detail=detail)
        signed = verify(signature, public, [SignedElement(_SCHEMA, mode)], forms=self.forms)
        if not signed.ok:
            return AuthorizationVerdict(
                refusal=Refusal.SIGNATURE, emaid=emaid, chain=chain, detail=str(signed)
            )
        verdict = self.verify(chain, unix_time)
        refusal = refusal_of(verdict)
        unknown = {one.code for one in verdict.violations} == _UNKNOWN_ROOT
        if self.central_validation and unknown:
            refusal = None
        return AuthorizationVerdict(
            refusal=refusal,
            emaid=emaid,
            chain=chain,
            verified=verdict.ok,
            detail="" if verdict.ok else str(verdict)[:500],
        )

    def judge_metering(
        self, data: SignedMeteringData, signature: Signature | None, contract_der: bytes
    ) -> SignatureVerdict:
        """Judge a signed meter reading by the contract that the session was authorized with."""
        try:
            public = parse(contract_der).certificate.public_key()
        except (UnreadableError, UnsupportedAlgorithm, ValueError, TypeError) as error:
            return SignatureVerdict((("key", str(error)[:200]),))
        if not isinstance(public, VerifyingKey):
            return SignatureVerdict((("key", "a key that signs no messages"),))
        return verify(signature, public, [SignedElement(_SCHEMA, data)], forms=self.forms)

    def verify(self, chain: Sequence[bytes], unix_time: float | None) -> Verdict:
        """Check a contract's chain against the roots of providers, and those of V2G where there are any."""
        anchors: list[tuple[AnchorRole, tuple[bytes, ...]]] = [("MO", self.mo_anchors)]
        if self.v2g_anchors:
            anchors.append(("V2G", self.v2g_anchors))
        verdicts = [
            verify_chain(
                chain,
                role="contract",
                anchors_der=ders,
                anchor_role=kind,
                at=time_of(unix_time),
                edition=self.edition,
                environment=self.environment,
                revocation=self._known(chain),
                tolerate=self.tolerate,
            )
            for kind, ders in anchors
        ]
        return min(verdicts, key=lambda one: (_leads_nowhere(one), len(one.violations)))

    def _known(self, chain: Sequence[bytes]) -> Revocation | None:
        if isinstance(self.revocation, RevocationPolicy):
            return self.revocation.evidence(chain, (), leaf_only=False)
        return self.revocation


def _leads_nowhere(verdict: Verdict) -> bool:
    return any(one.code in _UNKNOWN_ROOT for one in verdict.violations)


def refusal_of(verdict: Verdict) -> Refusal | None:
    """The one word for a verdict: a time or a revocation by its name if nothing else is wrong."""
    codes = {one.code for one in verdict.violations}
    if not codes:
        return None
    if codes <= _TIMES.keys():
        return next(refusal for code, refusal in _TIMES.items() if code in codes)
    return Refusal.CHAIN


def signed_authorization(
    signer: Signer, challenge: bytes, *, form: Form = "standalone"
) -> tuple[PnCAReqAuthorizationMode, Signature]:
    """The vehicle's part of an AuthorizationReq, and the signature for its header.

    Raises MisuseError for a contract without Sub-CA, which the message cannot carry, SignerError if the key cannot
    be used.
    """
    leaf, *subs = signer.chain or (b"",)
    if not leaf or not subs:
        raise MisuseError("a contract's chain has its certificate and at least one Sub-CA")
    element = PnCAReqAuthorizationMode(
        id=_ID,
        gen_challenge=challenge,
        contract_certificate_chain=ContractCertificateChain(
            certificate=leaf, sub_certificates=SubCertificates(certificate=tuple(subs))
        ),
    )
    return element, sign(signer, [SignedElement(_SCHEMA, element)], form=form)


def signed_metering(signer: Signer, data: SignedMeteringData, *, form: Form = "standalone") -> Signature:
    """The vehicle's signature of a meter reading. Raises SignerError if the key cannot be used."""
    return sign(signer, [SignedElement(_SCHEMA, data)], form=form)


def time_of(unix_time: float | None) -> datetime | None:
    """Seconds since 1970 as ``verify_chain`` wants them; None if no clock is set."""
    return None if unix_time is None else datetime.fromtimestamp(unix_time, UTC)
