"""Plug and Charge at the station: the contract, its signed challenge, contracts for
vehicles, signed meter readings.

What is right about certificates is judged by ``ContractTrust`` with the profile of ISO 15118-2, whether
a contract pays by the backend behind ``RequestContractAuthorization``; here is what is said to the
vehicle meanwhile and afterwards.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from iso15118.messages import iso2
from iso15118.pnc.contracts import ContractClaim, Refusal
from iso15118.printable import printable
from iso15118.secc.facts import Installation
from iso15118.session.actions import (
    Action,
    EndReason,
    MeteringConfirmed,
    RequestContractAuthorization,
    RequestContractCertificate,
)
from iso15118.session.causes import cause_of_refusal
from iso15118.session.edition import Answer, Fault, Refused, Wait

from .context import Context
from .replies import CHALLENGE_OCTETS, RESPONSES
from .sequence import State

if TYPE_CHECKING:
    from iso15118.pnc.authorization import AuthorizationVerdict, ContractTrust

__all__ = [
    "contract_authorization",
    "contract_certificate",
    "metering_receipt",
    "payment_details",
    "receipt_wanted",
]

Code = iso2.ResponseCode
Processing = iso2.EVSEProcessing
_DAY_S = 86_400.0


def payment_details(request: iso2.PaymentDetailsReq, ctx: Context) -> Answer | Refused:
    """Judge the contract's chain, and that it is the contract which the vehicle names; then a
    fresh challenge [V2G2-697]."""
    facts = ctx.facts
    if facts.trust is None:
        return _refused(ctx, Refusal.NOT_AVAILABLE, "no contracts are taken here")
    sent = request.contract_signature_cert_chain
    subs = () if sent.sub_certificates is None else sent.sub_certificates.certificate
    ctx.chain, ctx.emaid = (sent.certificate, *subs), request.emaid
    verdict = facts.trust.judge_chain(ctx.chain, facts.unix_time, edition="iso2")
    if verdict.refusal is not None:
        return _refused(ctx, verdict.refusal, f"{verdict.emaid or 'contract'}: {verdict.detail}")
    from iso15118.pki.chain.identifiers import normal_emaid  # here: certificates are loaded by who has some

    if normal_emaid(request.emaid) != normal_emaid(verdict.emaid):
        return _refused(ctx, Refusal.CHAIN, f"the contract of {verdict.emaid} is not that of {request.emaid}")
    ctx.challenge = secrets.token_bytes(CHALLENGE_OCTETS)
    now = facts.unix_time
    response = iso2.PaymentDetailsRes(
        response_code=Code.OK_CertificateExpiresSoon if _expires_soon(ctx, ctx.chain) else Code.OK,
        gen_challenge=ctx.challenge,
        evse_time_stamp=0 if now is None else int(now),
    )
    return Answer(ctx.envelope(response), State.AUTHORIZATION)


def _expires_soon(ctx: Context, chain: Sequence[bytes]) -> bool:
    now = ctx.facts.unix_time
    if now is None:
        return False
    from iso15118.pki.chain.parsed import parse

    left_s = parse(chain[0]).not_after.timestamp() - now
    return left_s <= ctx.settings.certificate_expiry_days * _DAY_S


def contract_authorization(request: iso2.AuthorizationReq, ctx: Context) -> Answer | Refused:
    """The first request is signed, and its repetitions need not be [V2G2-684]; every
    signature that comes is judged."""
    facts, message, trust = ctx.facts, ctx.message, ctx.facts.trust
    if message is None or trust is None:
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "authorization without its preconditions")
    signed = request.gen_challenge is not None or message.header.signature is not None
    judged = ctx.verdict
    if judged is None or signed:
        verdict = _judge(request, message, trust, ctx)
        if isinstance(verdict, Refused):
            return verdict
        judged = ctx.verdict = verdict
    claim = facts.claim
    if claim is None:
        claim = facts.claim = ContractClaim(
            emaid=judged.emaid, chain=judged.chain, evccid=facts.evccid, verified=judged.verified
        )
        facts.authorization_requested = facts.now
        return _authorized(ctx, Processing.Ongoing, (RequestContractAuthorization(claim),))
    asked = facts.now if facts.authorization_requested is None else facts.authorization_requested
    if facts.authorized is None:
        if facts.now - asked < facts.timing.ongoing_performance:
            return _authorized(ctx, Processing.Ongoing)
        facts.contract_refusal = Refusal.NOT_AVAILABLE
    if not facts.authorized:
        why = facts.contract_refusal or Refusal.REJECTED
        return _refused(ctx, why, f"{claim.emaid}: {why.value}")
    facts.turned_down = ""
    facts.emaid, facts.contract = claim.emaid, claim.chain[0]
    ctx.metering_due = facts.now + facts.config.metering_confirmation_s
    return _authorized(ctx, Processing.Finished)


def _judge(
    request: iso2.AuthorizationReq, message: iso2.V2GMessage, trust: ContractTrust, ctx: Context
) -> AuthorizationVerdict | Refused:
    """The signature of the challenge: the first with the whole contract, later ones by the
    contract that was judged."""
    from iso15118.pnc.iso2 import judge_authorization, judge_request

    if ctx.verdict is not None:
        challenge = request.gen_challenge
        if challenge is None or not hmac.compare_digest(challenge, ctx.challenge):
            return _refused(ctx, Refusal.CHALLENGE, "another challenge, or none, was signed")
        again = judge_request(message, ctx.chain[0])
        return ctx.verdict if again.ok else _refused(ctx, Refusal.SIGNATURE, str(again))
    verdict = judge_authorization(
        message,
        challenge=ctx.challenge,
        chain=ctx.chain,
        trust=trust,
        unix_time=ctx.facts.unix_time,
        emaid=ctx.emaid,
    )
    if verdict.refusal is not None:
        return _refused(ctx, verdict.refusal, f"{verdict.emaid or 'contract'}: {verdict.detail}")
    return verdict


def _authorized(ctx: Context, processing: iso2.EVSEProcessing, before: tuple[Action, ...] = ()) -> Answer:
    response = iso2.AuthorizationRes(response_code=Code.OK, evse_processing=processing)
    done = processing is Processing.Finished
    following = State.CHARGE_PARAMETER_DISCOVERY if done else State.AUTHORIZATION
    return Answer(ctx.envelope(response), following, before)


def _refused(ctx: Context, why: Refusal, detail: str) -> Refused:
    from iso15118.pnc.iso2 import RESPONSE_CODES

    said = printable(detail)  # names of certificates are in it, which nobody has verified
    ctx.facts.refusals.append(said)
    end, cause = EndReason.AUTHORIZATION_FAILED, cause_of_refusal(why)
    return Refused(Fault.CERTIFICATE, end, said, code=RESPONSE_CODES[why], cause=cause)


# -- contracts for vehicles


def contract_certificate(
    request: iso2.CertificateInstallationReq | iso2.CertificateUpdateReq, ctx: Context
) -> Answer | Refused | Wait:
    """Pass the request on and wait for the service, once: there is no Ongoing here, and after the
    answer only PaymentDetails."""
    facts, message = ctx.facts, ctx.message
    # Half a second before the vehicle gives up, it learns from us that there is none.
    deadline = facts.now + facts.timing.answer_time_long
    asked = facts.installation = Installation((request,), message, deadline)

    def finish(timed_out: bool) -> Answer | Refused | None:
        if not asked.answered and not timed_out:
            return None
        facts.installation = None
        answer = asked.response if asked.answered and asked.refusal is None else None
        element = answer.body.body_element if isinstance(answer, iso2.V2GMessage) else None
        if isinstance(answer, iso2.V2GMessage) and isinstance(element, RESPONSES[type(request)]):
            return _passed_on(answer, element, ctx)
        why = asked.refusal or Refusal.NOT_AVAILABLE
        return _refused(ctx, why, f"contract certificate: {why.value}")

    return Wait((RequestContractCertificate(message, deadline, "iso2"),), deadline, finish)


def _passed_on(answer: iso2.V2GMessage, element: Any, ctx: Context) -> Answer:
    """The service's answer as it signed it, under this session's header."""
    passed = ctx.envelope(element)
    passed = replace(passed, header=replace(passed.header, signature=answer.header.signature))
    code: iso2.ResponseCode = element.response_code
    if code.value.startswith("FAILED"):
        detail = f"the provisioning service says {code.value}"
        return Answer(passed, State.ENDED, end=EndReason.AUTHORIZATION_FAILED, detail=detail)
    return Answer(passed, State.PAYMENT_DETAILS)


# -- metering


def receipt_wanted(ctx: Context) -> bool:
    """It is time to have a reading signed; never with external identification [V2G2-691]."""
    facts = ctx.facts
    every = facts.config.metering_confirmation_s
    return every > 0.0 and bool(facts.contract) and facts.meter is not None and facts.now >= ctx.metering_due


def metering_receipt(request: iso2.MeteringReceiptReq, ctx: Context) -> Answer | Refused:
    """Take the vehicle's signature of the reading that it was sent; a bad one ends the session [V2G2-481]."""
    facts, message, sent = ctx.facts, ctx.message, ctx.receipt
    problem = "nobody asked for it" if sent is None or message is None else _other_reading(request, ctx, sent)
    if not problem and message is not None and ctx.settings.verify_receipt:
        from iso15118.pnc.iso2 import judge_request

        verdict = judge_request(message, facts.contract)
        problem = "" if verdict.ok else str(verdict)
    if problem:
        detail = printable(f"meter reading: {problem}"[:300])
        return Refused(Fault.METERING_SIGNATURE, EndReason.AUTHORIZATION_FAILED, detail)
    ctx.receipt = None
    ctx.metering_due = facts.now + facts.config.metering_confirmation_s
    response = iso2.MeteringReceiptRes(response_code=Code.OK, evse_status=ctx.part.running(ctx))
    reading = request.meter_info
    news = MeteringConfirmed(facts.emaid, reading.meter_id, float(reading.meter_reading or 0), message)
    return Answer(ctx.envelope(response), ctx.part.loop, (news,))


def _other_reading(request: iso2.MeteringReceiptReq, ctx: Context, sent: iso2.MeterInfo) -> str:
    if request.session_id != ctx.facts.session_id:
        return "of another session"
    if request.sa_schedule_tuple_id not in (None, ctx.tuple_id):
        return "of another schedule"
    told = request.meter_info
    if (told.meter_id, told.meter_reading) != (sent.meter_id, sent.meter_reading):
        return "not the reading that was sent"
    # The rest of it may be left out, and is the same where it is not.
    for name in ("sig_meter_reading", "meter_status", "t_meter"):
        if getattr(told, name) not in (None, getattr(sent, name)):
            return f"another {name}"
    return ""
