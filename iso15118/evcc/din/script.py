"""A charging session of DIN 70121, as the vehicle lives it: read it from top to bottom.

Every phase is one request and its answer, or a poll of it. What goes wrong on the way ends the session in
``EvccSession``; a ``Leave`` that a phase raises goes to the way out at the bottom.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from iso15118.evcc.conversation import Bound, Conversation, EndSession, Leave, Step
from iso15118.evcc.din.energy import cable_check, charge_loop, pre_charge, start, stop, welding_detection
from iso15118.evcc.din.exchange import RESPONSES, exchange
from iso15118.evcc.din.plan import Plan
from iso15118.evcc.din.setup import charge_parameters, choose_service, contract_authentication, session_setup
from iso15118.evcc.edition import Reading
from iso15118.evcc.wind_down import current_gone
from iso15118.messages import din
from iso15118.messages.values import NO_SESSION
from iso15118.session.actions import (
    EndReason,
    OpenContactors,
    SessionEnded,
    SignalReady,
    StopPower,
    Urgency,
)
from iso15118.session.ends import then

__all__ = ["Din"]

_ANSWERS = frozenset(pair.response for pair in RESPONSES.values())
_OK = din.ResponseCode.OK


class Din:
    """DIN 70121."""

    schema = "din"

    def plain(self, message: Any, session_id: bytes) -> type | None:
        """See ``EvccEdition``."""
        body: Any = message.body.body_element if type(message) is din.V2GMessage else None
        kind = type(body)
        if kind not in _ANSWERS or body.response_code is not _OK:
            return None
        return kind if message.header.session_id == session_id != NO_SESSION else None

    def read(self, message: Any) -> Reading | None:
        """The header of a response, and the code in its body. Whatever a station calls its
        session, it is a new one."""
        body = message.body.body_element if type(message) is din.V2GMessage else None
        if type(body) not in _ANSWERS:
            return None
        code = body.response_code.value  # type: ignore[union-attr]
        return Reading(type(body), code, code.startswith("FAILED"), message.header.session_id)

    def session(self, talk: Conversation, set_up: Callable[[], None]) -> Coroutine[Step, Any, SessionEnded]:
        """See below."""
        talk.timing = talk.config.din.timing
        return _session(talk, set_up)


async def _session(talk: Conversation, set_up: Callable[[], None]) -> SessionEnded:
    plan = Plan()
    await session_setup(talk)
    set_up()
    longest = talk.config.din.timing.ready_to_charge
    too_long = Leave(EndReason.ONGOING_TOO_LONG, f"no power {longest:g} s after the connection")
    plan.ready = talk.bound = Bound(talk.connected_at + longest, too_long)
    try:
        await choose_service(talk, plan)
        await contract_authentication(talk, plan)
        await charge_parameters(talk, plan)
        await cable_check(talk, plan)
        await pre_charge(talk, plan)
        await start(talk, plan)
        end = await charge_loop(talk, plan)
        await stop(talk, plan)
        await welding_detection(talk, plan)
    except Leave as leave:
        plan.ready = talk.bound = None
        end = talk.left = SessionEnded(leave.reason, leave.detail, leave.rule, leave.cause)
        await _break_off(talk, plan, leave)
    if end.reason is EndReason.PAUSED:
        end = SessionEnded(EndReason.STOPPED_BY_EV, f"{end.detail}: DIN 70121 knows no pause, so it ends")
    # The charge is over: that nobody answers it changes nothing.
    await exchange(talk, din.SessionStop(), optional=True)
    talk.act(SignalReady(False))
    return end


async def _break_off(talk: Conversation, plan: Plan, leave: Leave) -> None:
    """The vehicle breaks off: off the cable first, then the station is told that power is no longer
    wanted, if it was asked for any."""
    urgency = Urgency.ORDERLY if leave.reason.orderly else Urgency.EMERGENCY
    if leave.reason.orderly:
        await current_gone(talk)
    talk.act(StopPower(urgency))
    if urgency is Urgency.EMERGENCY:
        talk.act(SignalReady(False))
    talk.act(OpenContactors(urgency, leave.detail or leave.reason.value))
    if plan.power_delivered:
        try:
            await stop(talk, plan)
        except Leave as again:
            raise EndSession(
                leave.reason, then(leave.detail, again.detail), leave.rule, leave.cause
            ) from again
