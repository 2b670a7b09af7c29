"""Plug and Charge at the station: the offer, the signed authorization, contracts for vehicles, signed meter readings.

What is right about certificates is judged by the ``ContractTrust`` of the context, whether a contract pays by the backend
behind ``RequestContractAuthorization``; here is what is said to the vehicle meanwhile and afterwards.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any

import msgspec

from iso15118.contracts import ContractClaim, Refusal
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import MeterInfo, Processing, ResponseCode
from iso15118.printable import printable
from iso15118.session.actions import (
    EndReason,
    MeteringConfirmed,
    RequestContractAuthorization,
    RequestContractCertificate,
)

from .context import Context, Installation
from .replies import Reply, Wait, refusal
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

_CHALLENGE_OCTETS = 16
_MOST_INSTALLATIONS = 32
"""Contracts passed on in one session: far more than anybody has, and an end for a vehicle that has none."""


def pnc_offer(ctx: Context) -> cm.PnCASResAuthorizationMode:
    """A fresh challenge [V2G2-825], and the providers that are worth trying."""
    ctx.challenge = secrets.token_bytes(_CHALLENGE_OCTETS)
    providers = ctx.trust.providers if ctx.trust is not None else ()
    return cm.PnCASResAuthorizationMode(
        gen_challenge=ctx.challenge,
        supported_providers=cm.SupportedProvidersList(provider_id=providers) if providers else None,
    )


def judge_contract(request: cm.AuthorizationReq, ctx: Context) -> Reply | ContractClaim:
    """The claim that goes to the backend, or what is answered at once because the station sees that it is void."""
    mode, trust = request.a_req_authorization_mode, ctx.trust
    if not ctx.offers_contracts or trust is None or not isinstance(mode, cm.PnCAReqAuthorizationMode):
        return _warned(ctx, Code.WARNING_AuthorizationSelectionInvalid)  # [V2G20-2209, V2G20-2226]
    ctx.attempts += 1
    if ctx.attempts > ctx.config.authorization_attempts:
        failed = refusal(request, ctx, Code.FAILED)
        why = f"{ctx.config.authorization_attempts} contracts were tried"
        return Reply(failed, State.ENDED, end=EndReason.AUTHORIZATION_FAILED, detail=why)
    verdict = trust.judge(
        mode,
        request.header.signature,
        challenge=ctx.challenge,
        unix_time=ctx.unix_time,
        tls_leaf=ctx.tls.peer_chain[0] if ctx.tls is not None and ctx.tls.peer_chain else b"",
    )
    if verdict.refusal is not None:
        ctx.turned_down = True
        return _refused(request, ctx, verdict.refusal, f"{verdict.emaid or 'contract'}: {verdict.detail}")
    return ContractClaim(
        emaid=verdict.emaid,
        chain=verdict.chain,
        evccid=ctx.evccid,
        verified=verdict.verified,
        certificate_name=ctx.certificate_name,
    )


def contract_decision(request: cm.AuthorizationReq, ctx: Context, claim: ContractClaim) -> Reply:
    """What the backend's decision, or the lack of one, comes to."""
    timing = ctx.config.timing
    if ctx.authorized is None:
        asked = ctx.authorization_requested
        if asked is not None and ctx.now - asked < timing.ongoing_performance:
            ongoing = _answer(ctx, Code.OK, Processing.Ongoing)
            return Reply(ongoing, State.AUTHORIZATION)
        ctx.contract_refusal = Refusal.NOT_AVAILABLE
    if not ctx.authorized:
        why = ctx.contract_refusal or Refusal.REJECTED
        ctx.forget_authorization()
        return _refused(request, ctx, why, f"{claim.emaid}: {why.value}")
    ctx.turned_down = False
    ctx.emaid, ctx.contract = claim.emaid, claim.chain[0]
    ctx.metering_due = ctx.now + ctx.config.metering_confirmation_s
    return Reply(_answer(ctx, Code.OK, Processing.Finished), State.SERVICE_DISCOVERY)


def ask(ctx: Context, claim: ContractClaim) -> Reply:
    """Ask the backend; the vehicle repeats its request meanwhile [V2G20-1582]."""
    ctx.claim = claim
    ongoing = _answer(ctx, Code.OK, Processing.Ongoing)
    return Reply(ongoing, State.AUTHORIZATION, (RequestContractAuthorization(claim),))


def _answer(ctx: Context, code: ResponseCode, processing: Processing) -> cm.AuthorizationRes:
    return cm.AuthorizationRes(header=ctx.header(), response_code=code, evse_processing=processing)


def _warned(ctx: Context, code: ResponseCode) -> Reply:
    return Reply(_answer(ctx, code, Processing.Finished), State.AUTHORIZATION)


def _refused(request: Any, ctx: Context, why: Refusal, detail: str) -> Reply:
    code = AUTHORIZATION_CODES[why]
    said = printable(detail)  # names of certificates are in it, which nobody has verified
    ctx.refusals.append(said)
    if code.value.startswith("FAILED"):
        return Reply(
            refusal(request, ctx, code), State.ENDED, end=EndReason.AUTHORIZATION_FAILED, detail=said
        )
    return _warned(ctx, code)


# -- installation


def certificate_installation(request: cm.CertificateInstallationReq, ctx: Context) -> Reply | Wait:
    """Pass the request on and wait for the service; Ongoing while it takes longer than one answer may."""
    if not ctx.offers_installation or ctx.authorization_requested is not None:
        what = "is not offered" if not ctx.offers_installation else "while an authorization is decided"
        return _out_of_sequence(request, ctx, f"contract installation {what}")
    timing = ctx.config.timing
    now, pending = ctx.now, ctx.installation
    wanted = _without_header(request)
    before: tuple[RequestContractCertificate, ...] = ()
    if pending is None:
        ctx.installations += 1
        if ctx.installations > _MOST_INSTALLATIONS:
            return Reply(_not_installed(request, ctx, Refusal.NO_CONTRACT), State.AUTHORIZATION)
        deadline = now + timing.ongoing_performance
        ctx.installation = Installation(wanted, request, deadline)
        before = (RequestContractCertificate(request, deadline),)
    elif pending.request != wanted:
        return _out_of_sequence(request, ctx, "another request while the first is answered Ongoing")

    def finish(ctx: Context, timed_out: bool) -> Reply | None:
        asked = ctx.installation
        if asked is None:
            return Reply(_not_installed(request, ctx, Refusal.NOT_AVAILABLE), State.AUTHORIZATION)
        if not asked.answered:
            if not timed_out:
                return None
            if ctx.now < asked.deadline:
                ongoing = msgspec.structs.replace(
                    refusal(request, ctx, Code.OK), evse_processing=Processing.Ongoing
                )
                return Reply(ongoing, State.AUTHORIZATION)
            asked.refusal = Refusal.NOT_AVAILABLE
        ctx.installation = None
        if asked.refusal is None and isinstance(asked.response, cm.CertificateInstallationRes):
            return _passed_on(ctx, asked.response)
        why = asked.refusal or Refusal.NOT_AVAILABLE
        ctx.refusals.append(f"contract installation: {why.value}")
        response = _not_installed(request, ctx, why)
        if response.response_code.value.startswith("FAILED"):
            detail = f"contract installation: {why.value}"
            return Reply(response, State.ENDED, end=EndReason.AUTHORIZATION_FAILED, detail=detail)
        return Reply(response, State.AUTHORIZATION)

    return Wait(before, now + timing.certificate_answer, finish)


def _passed_on(ctx: Context, response: cm.CertificateInstallationRes) -> Reply:
    """The service's answer as it signed it, under this session's header."""
    header = msgspec.structs.replace(ctx.header(), signature=response.header.signature)
    passed = msgspec.structs.replace(response, header=header)
    if response.response_code.value.startswith("FAILED"):
        detail = f"the provisioning service says {response.response_code.value}"
        return Reply(passed, State.ENDED, end=EndReason.AUTHORIZATION_FAILED, detail=detail)
    return Reply(passed, State.AUTHORIZATION)


def _not_installed(request: cm.CertificateInstallationReq, ctx: Context, why: Refusal) -> Any:
    return refusal(request, ctx, INSTALLATION_CODES[why])


def _without_header(request: cm.CertificateInstallationReq) -> tuple[Any, ...]:
    """What must stay the same when a request is repeated: all but time stamp and signature, which may be made anew."""
    return (
        request.oem_provisioning_certificate_chain,
        request.list_of_root_certificate_ids,
        request.maximum_contract_certificate_chains,
        request.prioritized_emaids,
    )


def _out_of_sequence(request: Any, ctx: Context, detail: str) -> Reply:
    return Reply(
        refusal(request, ctx, Code.FAILED_SequenceError),
        State.ENDED,
        end=EndReason.SEQUENCE_ERROR,
        detail=detail,
    )


# -- metering


def metering_wanted(ctx: Context) -> bool:
    """It is time to have a reading confirmed: asked for in every answer until the vehicle does [V2G20-1083]."""
    every = ctx.config.metering_confirmation_s
    return every > 0.0 and bool(ctx.contract) and ctx.meter is not None and ctx.now >= ctx.metering_due


def metering_confirmation(request: cm.MeteringConfirmationReq, ctx: Context) -> Reply:
    """Take the vehicle's signature of a reading that it was sent; a bad one ends the session [V2G2-481]."""
    asked, trust = ctx.metering_asked, ctx.trust
    if not asked or trust is None:
        return _out_of_sequence(request, ctx, "nobody asked for a confirmation")
    data = request.signed_metering_data
    problem = _other_reading(data, ctx, asked)
    if not problem:
        verdict = trust.judge_metering(data, request.header.signature, ctx.contract)
        problem = "" if verdict.ok else str(verdict)
    if problem:
        failed = refusal(request, ctx, Code.FAILED_MeteringSignatureNotValid)
        detail = f"meter reading: {problem}"
        return Reply(failed, State.ENDED, end=EndReason.AUTHORIZATION_FAILED, detail=detail[:300])
    asked.clear()
    ctx.metering_due = ctx.now + ctx.config.metering_confirmation_s
    response = cm.MeteringConfirmationRes(header=ctx.header(), response_code=Code.OK)
    reading = data.meter_info
    news = MeteringConfirmed(ctx.emaid, reading.meter_id, float(reading.charged_energy_reading_wh), request)
    return Reply(response, State.DC_CHARGE_LOOP, (news,))


def _other_reading(data: cm.SignedMeteringData, ctx: Context, asked: Collection[MeterInfo]) -> str:
    if data.session_id != ctx.session_id:
        return "of another session"
    if data.meter_info not in asked:
        return "not a reading that was sent"
    if data.receipt is not None:  # this station sends none
        return "not a receipt that was sent"
    return ""
