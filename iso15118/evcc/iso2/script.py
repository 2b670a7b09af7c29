"""A charging session of ISO 15118-2, as the vehicle lives it: read it from top to bottom.

Every ``await exchange(...)`` is one request and its answer. What can go wrong on the way ends the session in
``EvccSession``; what the vehicle itself wants to break off takes the way out at the bottom.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from iso15118.evcc.conversation import Bound, Conversation, EndSession, Leave, Step
from iso15118.evcc.edition import Reading
from iso15118.evcc.iso2 import ac, dc
from iso15118.evcc.iso2.exchange import RESPONSES, exchange
from iso15118.evcc.iso2.parameters import charge_parameters
from iso15118.evcc.iso2.pause import keep, session_setup
from iso15118.evcc.iso2.plan import Plan
from iso15118.evcc.iso2.setup import choose_services, identify
from iso15118.evcc.wind_down import current_gone
from iso15118.messages import iso2
from iso15118.messages.values import NO_SESSION
from iso15118.session.actions import EndReason, OpenContactors, SessionEnded, SignalReady, StopPower, Urgency
from iso15118.session.ends import then
from iso15118.timing import Timer

__all__ = ["Iso2"]

_ANSWERS: Final = frozenset(pair.response for pair in RESPONSES.values())
_OK: Final = iso2.ResponseCode.OK
_ERRORS: Final = {
    EndReason.PRE_CHARGE_FAILED: iso2.DCEVErrorCode.FAILED_ChargingVoltageOutOfRange,
    EndReason.CONTACTOR_FAILED: iso2.DCEVErrorCode.FAILED_EVRESSMalfunction,
}
"""What is told of the vehicle's own reasons to leave, where the edition has a word for it."""


class Iso2:
    """ISO 15118-2."""

    schema = "iso2"

    def plain(self, message: Any, session_id: bytes) -> type | None:
        """See ``EvccEdition``."""
        if type(message) is not iso2.V2GMessage:
            return None
        response: Any = message.body.body_element
        kind, header = type(response), message.header
        if kind not in _ANSWERS or response.response_code is not _OK or header.notification is not None:
            return None
        return kind if header.session_id == session_id != NO_SESSION else None

    def read(self, message: Any) -> Reading | None:
        """The header of a response, and its code."""
        if type(message) is not iso2.V2GMessage:
            return None
        response: Any = message.body.body_element
        kind = type(response)
        if kind not in _ANSWERS:
            return None
        code, fault = response.response_code.value, message.header.notification
        deviates = None
        if fault is not None:
            deviates = ("notification", f"the station notes a fault: {fault.fault_code.value}")
        elif kind is iso2.SessionSetupRes and code == "OK":
            deviates = ("session-setup-code", "SessionSetupRes says OK and not whether the session is new")
        return Reading(
            kind,
            code,
            code.startswith("FAILED"),
            message.header.session_id,
            joined=code.endswith("OldSessionJoined"),
            deviates=deviates,
        )

    def session(self, talk: Conversation, set_up: Callable[[], None]) -> Coroutine[Step, Any, SessionEnded]:
        """See below."""
        talk.timing = talk.config.iso2.timing
        return _session(talk, set_up)


async def _session(talk: Conversation, set_up: Callable[[], None]) -> SessionEnded:
    plan, longest = Plan(), talk.timing.communication_setup_timeout
    late = EndSession(EndReason.TIMEOUT, "communication set-up took too long")
    talk.bound = Bound(talk.connected_at + longest, late, Timer.SETUP)  # [V2G2-446]
    await session_setup(talk, plan)
    talk.bound = None
    set_up()
    end = SessionEnded(EndReason.STOPPED_BY_EV)
    try:
        offered = await choose_services(talk, plan)
        await identify(talk, plan, offered)
        await charge_parameters(talk, plan)
        if wants_pause(talk, end):
            await _stop(talk, plan)  # without ever taking power; a pause is legal after it only [V2G2-739]
        else:
            end = await (_alternating if plan.alternating else _direct)(talk, plan)
        if wants_pause(talk, end):
            end = SessionEnded(EndReason.PAUSED, talk.pause_wanted)
        elif end.reason is EndReason.PAUSED:
            end = SessionEnded(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    except Leave as leave:
        talk.bound = None
        end = talk.left = SessionEnded(leave.reason, leave.detail, leave.rule, leave.cause)
        await _break_off(talk, plan, leave)
    paused = end.reason is EndReason.PAUSED
    kind = iso2.ChargingSession.Pause if paused else iso2.ChargingSession.Terminate
    answer = await exchange(talk, iso2.SessionStopReq(charging_session=kind), optional=plan.parting)
    talk.act(SignalReady(False))
    talk.ticket = keep(talk, plan) if paused and answer is not None else None
    return end


async def _direct(talk: Conversation, plan: Plan) -> SessionEnded:
    await dc.cable_check(talk, plan)
    await dc.pre_charge(talk, plan)
    await dc.start(talk, plan)
    end = await dc.charge_loop(talk, plan)
    await dc.stop(talk, plan)
    await dc.welding_detection(talk, plan)
    return end


async def _alternating(talk: Conversation, plan: Plan) -> SessionEnded:
    await ac.start(talk, plan)
    end = await ac.charge_loop(talk, plan)
    await ac.stop(talk, plan)
    return end


async def _stop(talk: Conversation, plan: Plan) -> None:
    await (ac if plan.alternating else dc).stop(talk, plan)


def wants_pause(talk: Conversation, end: SessionEnded) -> bool:
    """A wish to stop outweighs one to pause, and a station that ends the session is not asked for a pause."""
    return (
        bool(talk.pause_wanted)
        and not talk.stop_wanted
        and end.reason.orderly
        and end.reason is not EndReason.STOPPED_BY_STATION
    )


async def _break_off(talk: Conversation, plan: Plan, leave: Leave) -> None:
    """The vehicle breaks off: off the cable first, then tell the station that power is no longer wanted.

    A mere wish to stop is no alarm, so the signal is held until the station has heard of it in a message.
    """
    orderly = leave.reason.orderly
    urgency = Urgency.ORDERLY if orderly else Urgency.EMERGENCY
    if orderly:
        await current_gone(talk)
    talk.act(StopPower(urgency))
    if not orderly:
        plan.ready = False
        talk.act(SignalReady(False))
    talk.act(OpenContactors(urgency, leave.detail or leave.reason.value))
    plan.ac.taken = None
    plan.error = _ERRORS.get(leave.reason, plan.error)
    if (plan.power_delivered or plan.stop_told) and not plan.receipt_due:
        try:
            await _stop(talk, plan)
        except Leave as again:
            raise EndSession(
                leave.reason, then(leave.detail, again.detail), leave.rule, leave.cause
            ) from again
