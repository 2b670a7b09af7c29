"""Plug and Charge at the station: the offer, the signed authorization, contracts for
vehicles, signed meter readings.

What is right about certificates is judged by the ``ContractTrust`` of the context, whether a
contract pays by the backend behind ``RequestContractAuthorization``; here is what is said to the
vehicle meanwhile and afterwards.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any

import msgspec

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import MeterInfo, Processing, Receipt, ResponseCode
from iso15118.pnc.contracts import ContractClaim, Refusal
from iso15118.printable import printable
from iso15118.secc.facts import Installation
from iso15118.session.actions import (
    EndReason,
    MeteringConfirmed,
    RequestContractAuthorization,
    RequestContractCertificate,
)
from iso15118.session.causes import cause_of_refusal
from iso15118.session.edition import Answer, Fault, Refused, Wait

from .context import Context
from .replies import neutral
from .sequence import State

__all__ = [
    "AUTHORIZATION_CODES",
    "INSTALLATION_CODES",
    "ask",
    "certificate_installation",
    "contract_decision",
    "judge_contract",
    "metering_confirmation",
    "metering_wanted",
    "not_offered",
    "pnc_offer",
]

Code = ResponseCode

AUTHORIZATION_CODES = {
    Refusal.CHAIN: Code.WARNING_CertificateValidationError,
    Refusal.EXPIRED: Code.WARNING_CertificateExpired,
    Refusal.NOT_YET_VALID: Code.WARNING_CertificateNotYetValid,
    Refusal.REVOKED: Code.WARNING_CertificateRevoked,
    Refusal.CHALLENGE: Code.WARNING_ChallengeInvalid,  # [V2G20-2216] [V2G20-2228]
    Refusal.SIGNATURE: Code.FAILED_SignatureError,  # [V2G20-461]
    Refusal.PROVIDER_UNKNOWN: Code.WARNING_eMSPUnknown,
    Refusal.REJECTED: Code.WARNING_GeneralPnCAuthorizationError,
    Refusal.NO_CONTRACT: Code.WARNING_GeneralPnCAuthorizationError,
    Refusal.NOT_AVAILABLE: Code.WARNING_GeneralPnCAuthorizationError,
}
"""What AuthorizationRes says. A warning lets the vehicle try another contract, or EIM."""
INSTALLATION_CODES = AUTHORIZATION_CODES | {
    Refusal.REJECTED: Code.WARNING_NoCertificateAvailable,
    Refusal.NO_CONTRACT: Code.WARNING_NoContractMatchingPCIDFound,  # [V2G20-2206]
    Refusal.NOT_AVAILABLE: Code.WARNING_NoCertificateAvailable,  # [V2G20-2207]
}
"""What CertificateInstallationRes says."""

_DAY_S = 86_400.0
_CHALLENGE_OCTETS = 16
_MOST_INSTALLATIONS = 32
"""Contracts passed on in one session: far more than anybody has, and an end for a vehicle that has none."""


def pnc_offer(ctx: Context) -> cm.PnCASResAuthorizationMode:
    """A fresh challenge [V2G2-825], and the providers that are worth trying."""
    ctx.challenge = secrets.token_bytes(_CHALLENGE_OCTETS)
    providers = ctx.facts.trust.providers if ctx.facts.trust is not None else ()
    return cm.PnCASResAuthorizationMode(
        gen_challenge=ctx.challenge,
        supported_providers=cm.SupportedProvidersList(provider_id=providers) if providers else None,
    )


def judge_contract(request: cm.AuthorizationReq, ctx: Context) -> Answer | Refused | ContractClaim:
    """The claim that goes to the backend, or what is answered at once because the
    station sees that it is void."""
    facts = ctx.facts
    mode, trust = request.a_req_authorization_mode, facts.trust
    if not ctx.offers_contracts or trust is None or not isinstance(mode, cm.PnCAReqAuthorizationMode):
        return not_offered(ctx)
    facts.attempts += 1
    if facts.attempts > facts.config.authorization_attempts:
        why = f"{facts.config.authorization_attempts} contracts were tried"
        return Refused(Fault.FAILED, EndReason.AUTHORIZATION_FAILED, why)
    verdict = trust.judge(
        mode,
        request.header.signature,
        challenge=ctx.challenge,
        unix_time=facts.unix_time,
        tls_leaf=facts.tls.peer_chain[0] if facts.tls is not None and facts.tls.peer_chain else b"",
    )
    if verdict.refusal is not None:
        return _refused(ctx, verdict.refusal, f"{verdict.emaid or 'contract'}: {verdict.detail}")
    return ContractClaim(
        emaid=verdict.emaid,
        chain=verdict.chain,
        evccid=facts.evccid,
        verified=verdict.verified,
        certificate_name=facts.certificate_name,
    )


def not_offered(ctx: Context) -> Answer | Refused:
    """The vehicle may choose again [V2G20-2209, V2G20-2226], a number of times."""
    return ctx.facts.one_choice_more() or _warned(ctx, Code.WARNING_AuthorizationSelectionInvalid)


def contract_decision(ctx: Context, claim: ContractClaim) -> Answer | Refused:
    """What the backend's decision, or the lack of one, comes to."""
    facts = ctx.facts
    timing = facts.timing
    if facts.authorized is None:
        asked = facts.authorization_requested
        if asked is not None and facts.now - asked < timing.ongoing_performance:
            ongoing = _answer(ctx, Code.OK, Processing.Ongoing)
            return Answer(ongoing, State.AUTHORIZATION)
        facts.contract_refusal = Refusal.NOT_AVAILABLE
    if not facts.authorized:
        why = facts.contract_refusal or Refusal.REJECTED
        detail = f"{claim.emaid}: {why.value}"
        ctx.forget_authorization(printable(detail), cause_of_refusal(why))
        return _refused(ctx, why, detail)
    facts.turned_down = ""
    facts.emaid, facts.contract = claim.emaid, claim.chain[0]
    ctx.metering_due = facts.now + facts.config.metering_confirmation_s
    code = Code.OK_CertificateExpiresSoon if _expires_soon(ctx, claim) else Code.OK
    return Answer(_answer(ctx, code, Processing.Finished), State.SERVICE_DISCOVERY)


def _expires_soon(ctx: Context, claim: ContractClaim) -> bool:
    now = ctx.facts.unix_time
    if now is None:
        return False
    from iso15118.pki.chain.parsed import parse

    left_s = parse(claim.chain[0]).not_after.timestamp() - now
    return left_s <= ctx.facts.config.contract_expiry_days * _DAY_S


def ask(ctx: Context, claim: ContractClaim) -> Answer:
    """Ask the backend; the vehicle repeats its request meanwhile [V2G20-1582]."""
    ctx.facts.claim = claim
    ongoing = _answer(ctx, Code.OK, Processing.Ongoing)
    return Answer(ongoing, State.AUTHORIZATION, (RequestContractAuthorization(claim),))


def _answer(ctx: Context, code: ResponseCode, processing: Processing) -> cm.AuthorizationRes:
    return cm.AuthorizationRes(header=ctx.header(), response_code=code, evse_processing=processing)


def _warned(ctx: Context, code: ResponseCode) -> Answer:
    return Answer(_answer(ctx, code, Processing.Finished), State.AUTHORIZATION)


def _refused(ctx: Context, why: Refusal, detail: str) -> Answer | Refused:
    code = AUTHORIZATION_CODES[why]
    said = printable(detail)  # names of certificates are in it, which nobody has verified
    ctx.facts.refusals.append(said)
    cause = cause_of_refusal(why)
    ctx.facts.turn_down(said, cause)
    if code.value.startswith("FAILED"):
        return Refused(Fault.FAILED, EndReason.AUTHORIZATION_FAILED, said, code=code, cause=cause)
    return _warned(ctx, code)


# -- installation


def certificate_installation(request: cm.CertificateInstallationReq, ctx: Context) -> Answer | Refused | Wait:
    """Pass the request on and wait for the service; Ongoing while it takes longer than one answer may."""
    facts = ctx.facts
    timing = facts.timing
    now, pending = facts.now, facts.installation
    wanted = _without_header(request)
    before: tuple[RequestContractCertificate, ...] = ()
    if pending is None:
        ctx.installations += 1
        if ctx.installations > _MOST_INSTALLATIONS:
            return _not_installed(request, ctx, Refusal.NO_CONTRACT)
        deadline = now + timing.ongoing_performance
        facts.installation = Installation(wanted, request, deadline)
        before = (RequestContractCertificate(request, deadline),)
    elif pending.request != wanted:
        return _out_of_sequence("another request while the first is answered Ongoing")

    def finish(timed_out: bool) -> Answer | Refused | None:
        asked = facts.installation
        if asked is None:
            return _not_installed(request, ctx, Refusal.NOT_AVAILABLE)
        if not asked.answered:
            if not timed_out:
                return None
            if facts.now < asked.deadline:
                ongoing = msgspec.structs.replace(
                    neutral(request, ctx, Code.OK), evse_processing=Processing.Ongoing
                )
                return Answer(ongoing, State.AUTHORIZATION)
            asked.refusal = Refusal.NOT_AVAILABLE
        facts.installation = None
        if asked.refusal is None and isinstance(asked.response, cm.CertificateInstallationRes):
            return _passed_on(ctx, asked.response)
        why = asked.refusal or Refusal.NOT_AVAILABLE
        facts.refusals.append(f"contract installation: {why.value}")
        code = INSTALLATION_CODES[why]
        if code.value.startswith("FAILED"):
            detail = f"contract installation: {why.value}"
            return Refused(Fault.FAILED, EndReason.AUTHORIZATION_FAILED, detail, code=code)
        return Answer(neutral(request, ctx, code), State.AUTHORIZATION)

    return Wait(before, now + timing.certificate_answer, finish)


def _passed_on(ctx: Context, response: cm.CertificateInstallationRes) -> Answer:
    """The service's answer as it signed it, under this session's header."""
    header = msgspec.structs.replace(ctx.header(), signature=response.header.signature)
    passed = msgspec.structs.replace(response, header=header)
    if response.response_code.value.startswith("FAILED"):
        detail = f"the provisioning service says {response.response_code.value}"
        return Answer(passed, State.ENDED, end=EndReason.AUTHORIZATION_FAILED, detail=detail)
    return Answer(passed, State.AUTHORIZATION)


def _not_installed(request: cm.CertificateInstallationReq, ctx: Context, why: Refusal) -> Answer:
    return Answer(neutral(request, ctx, INSTALLATION_CODES[why]), State.AUTHORIZATION)


def _without_header(request: cm.CertificateInstallationReq) -> tuple[Any, ...]:
    """What must stay the same when a request is repeated: all but time stamp and
    signature, which may be made anew."""
    return (
        request.oem_provisioning_certificate_chain,
        request.list_of_root_certificate_ids,
        request.maximum_contract_certificate_chains,
        request.prioritized_emaids,
    )


def _out_of_sequence(detail: str) -> Refused:
    return Refused(Fault.SEQUENCE, EndReason.SEQUENCE_ERROR, detail)


# -- metering


def metering_wanted(ctx: Context) -> bool:
    """It is time to have a reading confirmed: asked for in every answer until the vehicle does [V2G20-1083],
    or has let its time pass as often as it may."""
    facts = ctx.facts
    every = facts.config.metering_confirmation_s
    if not (
        every > 0.0 and bool(facts.contract) and facts.meter is not None and facts.now >= ctx.metering_due
    ):
        return False
    if ctx.metering_until is not None and facts.now >= ctx.metering_until:
        ctx.metering_until = None
        ctx.metering_unanswered += 1
        if ctx.metering_unanswered == facts.config.renegotiation.metering_attempts:
            facts.wishes.give_up = "the vehicle confirms no meter readings"
    return True


def metering_confirmation(request: cm.MeteringConfirmationReq, ctx: Context) -> Answer | Refused:
    """Take the vehicle's signature of a reading that it was sent; a bad one ends the session [V2G2-481]."""
    facts = ctx.facts
    asked, trust = ctx.metering_asked, facts.trust
    if not asked or trust is None:
        return _out_of_sequence("nobody asked for a confirmation")
    data = request.signed_metering_data
    problem = _other_reading(data, ctx, asked)
    if not problem:
        verdict = trust.judge_metering(data, request.header.signature, facts.contract)
        problem = "" if verdict.ok else str(verdict)
    if problem:
        detail = f"meter reading: {problem}"
        return Refused(Fault.METERING_SIGNATURE, EndReason.AUTHORIZATION_FAILED, detail[:300])
    asked.clear()
    ctx.metering_until, ctx.metering_unanswered, ctx.receipt = None, 0, None
    ctx.metering_due = facts.now + facts.config.metering_confirmation_s
    response = cm.MeteringConfirmationRes(header=ctx.header(), response_code=Code.OK)
    reading = data.meter_info
    news = MeteringConfirmed(facts.emaid, reading.meter_id, float(reading.charged_energy_reading_wh), request)
    return Answer(response, ctx.part.loop, (news,))


def _other_reading(
    data: cm.SignedMeteringData, ctx: Context, asked: Collection[tuple[MeterInfo, Receipt | None]]
) -> str:
    if data.session_id != ctx.facts.session_id:
        return "of another session"
    if all(data.meter_info != reading for reading, _ in asked):
        return "not a reading that was sent"
    if (data.meter_info, data.receipt) not in asked:
        return "not a receipt that was sent"
    return ""
