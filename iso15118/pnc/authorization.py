"""Plug and Charge by ISO 15118-20 on both sides: the vehicle signs a challenge with its
contract, the station judges it.

Pure functions over messages, roots and a time. What a backend thinks of the contract is not known here.
"""

from __future__ import annotations

import hmac
import logging
import math
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm

from iso15118.errors import MisuseError
from iso15118.messages.iso20.common_messages import (
    ContractCertificateChain,
    PnCAReqAuthorizationMode,
    SignedMeteringData,
    SubCertificates,
)
from iso15118.messages.xmldsig import Signature
from iso15118.pki.chain.identifiers import normal_emaid
from iso15118.pki.chain.parsed import UnreadableError, parse
from iso15118.pki.chain.profiles import AnchorRole, Edition
from iso15118.pki.chain.verify import Environment, anchor_problems, check_codes, verify_chain
from iso15118.pki.chain.violations import Verdict
from iso15118.pki.keys.raw import VerifyingKey
from iso15118.pki.keys.signer import Signer
from iso15118.pki.status.revocation import Revocation, RevocationPolicy
from iso15118.pnc.contracts import ContractClaim, Refusal
from iso15118.pnc.signature import Form, SignatureVerdict, SignedElement, sign, verify
from iso15118.ranges import check_fields

__all__ = [
    "AuthorizationVerdict",
    "ContractTrust",
    "refusal_of",
    "signed_authorization",
    "signed_metering",
    "time_of",
]

_log = logging.getLogger(__name__)

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
    """The certificates (DER) that were judged, from the contract's up, without the root: a path to
    one of the station's roots, or where only the root is unknown the whole of it below that. Empty
    where nothing could be judged."""
    presented: tuple[bytes, ...] = ()
    """All that the vehicle sent, in its order; others than those in ``chain`` prove nothing."""
    verified: bool = False
    """The chain is good and ends in one of the station's roots. Never true beside a refusal."""
    detail: str = ""
    """For people: everything that is wrong."""


class ContractTrust(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a station believes about contracts: roots (DER) per purpose, and how strict it is. A root that no
    contract's chain can end in (no CA, no root) is logged as a warning.

    Raises ConfigError for a field of another type, an edition or a code that does not exist, PkiError for a
    root that is no certificate.
    """

    mo_anchors: tuple[bytes, ...] = ()
    v2g_anchors: tuple[bytes, ...] = ()
    """A provider may have its branch under a V2G root, or a cross-certificate of one."""
    edition: Edition = "iso20"
    """Profile to judge by; ``lab`` takes P-256."""
    environment: Environment = "public"
    central_validation: bool = False
    """Let the backend judge chains whose root is unknown here, as OCPP's CentralContractValidationAllowed
    does; without it they are refused. Whoever sets it needs a backend that has the roots: anybody can make a
    chain of his own that is right in all but its root, for whatever EMAID."""
    revocation: Revocation | RevocationPolicy | None = None
    """OCSP responses and lists, or who gives them for each chain (only that can hold responses,
    which come by place); without them nothing is said about revocation here, and the backend has to
    look. [V2G20-2443, V2G20-2448]"""
    tolerate: tuple[str, ...] = ()
    """Codes of violations to accept; see ``verify_chain``."""
    refuse: tuple[str, ...] = ()
    """Codes of violations that count though the edition tolerates them."""
    providers: tuple[str, ...] = ()
    """Provider ids told to vehicles (SupportedProviders), such as ``DE8AA``; empty:
    none is told, all may try."""
    forms: tuple[Form, ...] = ("standalone", "combined")
    """Encodings of SignedInfo that are taken."""

    def __post_init__(self) -> None:
        # Now, and not when a vehicle comes.
        check_fields(self)
        check_codes(tolerate=self.tolerate, refuse=self.refuse)
        # A station of both editions has the roots of both here, and judges each contract by its own.
        found = anchor_problems(self._anchors(), at=None, edition=self.edition, older_edition="iso2")
        for name, problem in found:
            if problem.code not in self.tolerate:
                _log.warning("trust anchor %s for contracts: %s", name, problem)

    def judge(
        self,
        mode: PnCAReqAuthorizationMode,
        signature: Signature | None,
        *,
        challenge: bytes,
        unix_time: float | None,
        tls_leaf: bytes = b"",
    ) -> AuthorizationVerdict:
        """Judge the signed element of an AuthorizationReq: challenge [V2G20-2565],
        signature [V2G20-461], chain.

        ``unix_time``: seconds since 1970; None if no clock is set. ``tls_leaf``: see ``judge_chain``. Nothing
        that the vehicle sends raises anything.
        """
        leaf = mode.contract_certificate_chain
        sent = (leaf.certificate, *leaf.sub_certificates.certificate)
        if not hmac.compare_digest(mode.gen_challenge, challenge):
            return AuthorizationVerdict(
                refusal=Refusal.CHALLENGE, presented=sent, detail="another challenge was signed"
            )
        try:
            parsed = parse(leaf.certificate)
            public = parsed.certificate.public_key()
        except (UnreadableError, UnsupportedAlgorithm, ValueError, TypeError) as error:
            return AuthorizationVerdict(
                refusal=Refusal.CHAIN, presented=sent, detail=f"contract: {error}"[:200]
            )
        emaid = parsed.common_names[0] if parsed.common_names else ""
        if not isinstance(public, VerifyingKey):
            detail = f"a contract with a {parsed.key} key, which signs no messages"
            return AuthorizationVerdict(refusal=Refusal.CHAIN, emaid=emaid, presented=sent, detail=detail)
        signed = verify(signature, public, [SignedElement(_SCHEMA, mode)], forms=self.forms)
        if not signed.ok:
            return AuthorizationVerdict(
                refusal=Refusal.SIGNATURE, emaid=emaid, presented=sent, detail=str(signed)
            )
        return self.judge_chain(sent, unix_time, tls_leaf=tls_leaf)

    def judge_chain(
        self,
        chain: Sequence[bytes],
        unix_time: float | None,
        *,
        tls_leaf: bytes = b"",
        edition: Edition | None = None,
    ) -> AuthorizationVerdict:
        """Judge a contract's chain (DER, leaf first), whose owner has proven to hold its key.

        With ``central_validation`` one thing may be left to the backend: that the root is unknown here.
        Everything else that is wrong with the part below it is refused all the same, and so is a contract
        without the Sub-CA that issued it, of which nothing could be judged. ``tls_leaf``: the vehicle's
        certificate in TLS, whose key must not be the contract's. ``edition``: the profile of the session,
        where it is another than the station's own.
        """
        sent = tuple(chain)
        verdict = self.verify(sent, unix_time, edition=edition)
        path = verdict.certificates(sent)
        refusal, detail = refusal_of(verdict), "" if verdict.ok else str(verdict)[:500]
        if refusal is not None and self.central_validation and self._lacks_its_root_only(verdict):
            refusal = None
        if refusal is None and _same_key(sent[0], tls_leaf):
            refusal, detail = Refusal.CHAIN, "the contract has the key of the vehicle's TLS certificate"
        return AuthorizationVerdict(
            refusal=refusal,
            emaid=_emaid_of(sent),
            chain=path,
            presented=sent,
            verified=refusal is None and verdict.verified,
            detail=detail,
        )

    def still_holds(self, claim: ContractClaim, unix_time: float | None) -> bool:
        """True if a contract that was accepted once would be accepted now, by the same rules: verified if it
        was that, and otherwise with an unknown root as the only thing that is wrong with it."""
        verdict = self.judge_chain(claim.chain, unix_time)
        return (
            verdict.refusal is None
            and (verdict.verified or not claim.verified)
            and normal_emaid(verdict.emaid) == normal_emaid(claim.emaid)
        )

    def _lacks_its_root_only(self, verdict: Verdict) -> bool:
        """In a public environment a Sub-CA stands between contract and root; if it was not sent, more
        is missing than the root."""
        only = {one.code for one in verdict.violations} == _UNKNOWN_ROOT
        return only and len(verdict.path) > (1 if self.environment == "public" else 0)

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

    def verify(
        self, chain: Sequence[bytes], unix_time: float | None, *, edition: Edition | None = None
    ) -> Verdict:
        """Check a contract's chain against the roots of providers, and those of V2G where there are
        any; ``edition`` as above."""
        return verify_chain(
            chain,
            role="contract",
            anchors_der=self._anchors(),
            at=time_of(unix_time),
            edition=self.edition if edition is None else edition,
            environment=self.environment,
            revocation=self._known(chain),
            tolerate=self.tolerate,
            refuse=self.refuse,
        )

    def _known(self, chain: Sequence[bytes]) -> Revocation | None:
        if isinstance(self.revocation, RevocationPolicy):
            return self.revocation.evidence(chain, (), leaf_only=False)
        return self.revocation

    def _anchors(self) -> dict[AnchorRole, Sequence[bytes]]:
        given: dict[AnchorRole, Sequence[bytes]] = {"MO": self.mo_anchors, "V2G": self.v2g_anchors}
        return {kind: ders for kind, ders in given.items() if ders}


def _emaid_of(chain: Sequence[bytes]) -> str:
    try:
        return next(iter(parse(chain[0]).common_names), "")
    except (UnreadableError, IndexError):
        return ""


def _same_key(one: bytes, other: bytes) -> bool:
    try:
        return bool(other) and parse(one).key_bits == parse(other).key_bits
    except UnreadableError:
        return False


def refusal_of(verdict: Verdict) -> Refusal | None:
    """The one word for a verdict: a time or a revocation by its name if nothing else is wrong but that the
    root is unknown. That such a chain has ended holds whoever its root is, and the code that says so tells
    the vehicle more than the general one."""
    codes = {one.code for one in verdict.violations}
    if not codes:
        return None
    if codes != _UNKNOWN_ROOT and codes <= _TIMES.keys() | _UNKNOWN_ROOT:
        return next(refusal for code, refusal in _TIMES.items() if code in codes)
    return Refusal.CHAIN


def signed_authorization(
    signer: Signer, challenge: bytes, *, form: Form = "standalone"
) -> tuple[PnCAReqAuthorizationMode, Signature]:
    """The vehicle's part of an AuthorizationReq, and the signature for its header.

    Raises MisuseError for a contract without Sub-CA, which the message cannot carry,
    SignerError if the key cannot be used.
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
    """Seconds since 1970 as ``verify_chain`` wants them; None if no clock is set,
    or what it says is no time."""
    if unix_time is None or not math.isfinite(unix_time):
        return None
    try:
        return datetime.fromtimestamp(unix_time, UTC)
    except (ValueError, OverflowError, OSError):  # beyond the calendar
        return None
