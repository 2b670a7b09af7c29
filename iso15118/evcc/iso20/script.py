"""A charging session of ISO 15118-20 over DC or AC messages, as the vehicle lives
it: read it from top to bottom.

Every ``await exchange(...)`` is one request and its answer. What can go wrong on the way ends the session in
``EvccSession``; what the vehicle
itself wants to break off takes the way out at the bottom.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from msgspec import Struct

from iso15118.evcc.conversation import Conversation, EndSession, Leave, Step
from iso15118.evcc.edition import Reading
from iso15118.evcc.iso20 import ac_energy, ac_setup, acdp, der, energy, setup, value_added, wpt, wpt_power
from iso15118.evcc.iso20.exchange import RESPONSES, exchange, header
from iso15118.evcc.iso20.pause import heed_go_to_pause, keep, session_setup
from iso15118.evcc.iso20.plan import Plan
from iso15118.evcc.iso20.setup import authorization, choose_service, schedule
from iso15118.evcc.wind_down import current_gone
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.messages.values import NO_SESSION, unit_of
from iso15118.session.actions import (
    EndReason,
    OpenContactors,
    ServiceRenegotiated,
    SessionEnded,
    SignalReady,
    StopPower,
    Urgency,
)
from iso15118.session.ends import then
from iso15118.session.services import Namespace

__all__ = ["AC", "ACDP", "AC_DER_IEC", "AC_DER_SAE", "DC", "WPT", "Family", "Iso20"]


class Family(Struct, frozen=True, kw_only=True):
    """What sets the services of one set of messages apart."""

    schema: str
    namespace: str
    charge_parameters: Callable[[Conversation, Plan], Coroutine[Step, Any, None]]
    charge: Callable[[Conversation, Plan], Coroutine[Step, Any, SessionEnded]]
    """From the agreed schedule until power is over."""
    stop: Callable[[Conversation, Plan], Coroutine[Step, Any, None]]
    begin: Callable[[Conversation, Plan], Coroutine[Step, Any, None]] | None = None
    """Before anybody is authorized."""
    part: Callable[[Conversation, Plan], Coroutine[Step, Any, None]] | None = None
    """Once power is over, however it ended, and before the station is told goodbye."""


async def _direct(talk: Conversation, plan: Plan) -> SessionEnded:
    await energy.cable_check(talk)
    await energy.pre_charge(talk)
    await energy.start(talk, plan)
    end = await energy.charge_loop(talk, plan)
    await energy.stop(talk, plan)
    await energy.welding_detection(talk)
    return end


async def _under_device(talk: Conversation, plan: Plan) -> SessionEnded:
    await acdp.connect(talk, plan)
    return await _direct(talk, plan)


async def _without_wire(talk: Conversation, plan: Plan) -> SessionEnded:
    await wpt_power.align(talk, plan)
    await wpt_power.start(talk, plan)
    end = await wpt_power.charge_loop(talk, plan)
    await wpt_power.stop(talk, plan)
    return end


async def _alternating(talk: Conversation, plan: Plan) -> SessionEnded:
    await ac_energy.start(talk, plan)
    end = await ac_energy.charge_loop(talk, plan)
    await ac_energy.stop(talk, plan)
    return end


DC = Family(
    schema="iso20-dc",
    namespace=Namespace.DC.value,
    charge_parameters=setup.charge_parameters,
    charge=_direct,
    stop=energy.stop,
)
AC = Family(
    schema="iso20-ac",
    namespace=Namespace.AC.value,
    charge_parameters=ac_setup.charge_parameters,
    charge=_alternating,
    stop=ac_energy.stop,
)
AC_DER_IEC = msgspec.structs.replace(
    AC,
    schema="iso20-ac-der-iec",
    namespace=Namespace.AC_DER_IEC.value,
    charge_parameters=der.charge_parameters,
)
AC_DER_SAE = msgspec.structs.replace(
    AC_DER_IEC, schema="iso20-ac-der-sae", namespace=Namespace.AC_DER_SAE.value
)
ACDP = Family(
    schema="iso20-acdp",
    namespace=Namespace.ACDP.value,
    charge_parameters=setup.charge_parameters,
    charge=_under_device,
    stop=energy.stop,
    begin=acdp.position_first,
    part=acdp.disconnect,
)
WPT = Family(
    schema="iso20-wpt",
    namespace=Namespace.WPT.value,
    charge_parameters=wpt_power.charge_parameters,
    charge=_without_wire,
    stop=wpt_power.stop,
    begin=wpt.position_first,
)


class Iso20:
    """ISO 15118-20 over the messages of one family."""

    def __init__(self, family: Family = DC) -> None:
        self.schema = family.schema
        self._family = family

    def plain(self, message: Any, session_id: bytes) -> type | None:
        """See ``EvccEdition``."""
        kind = type(message)
        if kind not in _ANSWERS or message.response_code is not _OK:
            return None
        header = message.header
        return (
            kind if header.session_id == session_id != NO_SESSION and not unit_of(header.time_stamp) else None
        )

    def read(self, message: Any) -> Reading | None:
        """The header of a response, and its code."""
        kind = type(message)
        if kind not in _ANSWERS:
            return None
        code, header = message.response_code, message.header
        unit = unit_of(header.time_stamp)
        deviates = ("time-stamp-unit", f"the station's time stamps are {unit}") if unit else None
        said = code.value
        joined = code is ResponseCode.OK_OldSessionJoined
        return Reading(kind, said, said.startswith("FAILED"), header.session_id, joined, deviates)

    def session(self, talk: Conversation, set_up: Callable[[], None]) -> Coroutine[Step, Any, SessionEnded]:
        """See below."""
        return _session(talk, set_up, self._family)


_OK = ResponseCode.OK
_ANSWERS = frozenset(response for response, _ in RESPONSES.values())


async def _session(talk: Conversation, set_up: Callable[[], None], family: Family) -> SessionEnded:
    plan = Plan(namespace=family.namespace)
    joined = plan.joined = await session_setup(talk, plan)
    set_up()
    end, told = SessionEnded(EndReason.STOPPED_BY_EV), None
    try:
        if not joined:
            if family.begin is not None:
                await family.begin(talk, plan)
            await authorization(talk)
            await choose_service(talk, plan)
            await value_added.check_in(talk)
        end = await _charge(talk, plan, family)
        while plan.service_anew and end.reason.orderly and not (talk.stop_wanted or talk.pause_wanted):
            if family.part is not None:  # what was agreed on about a connection device ends with the choice
                await family.part(talk, plan)
            plan = await _service_anew(talk, family)
            end = await _charge(talk, plan, family)
        if family.part is not None:
            await family.part(talk, plan)
        if wants_pause(talk, end):
            end = SessionEnded(EndReason.PAUSED, talk.pause_wanted)
        elif end.reason is EndReason.PAUSED:
            end = SessionEnded(EndReason.STOPPED_BY_EV, talk.stop_wanted)
        if end.reason is not EndReason.PAUSED:
            await value_added.check_out(talk)
    except Leave as leave:
        talk.bound = None
        end = talk.left = SessionEnded(leave.reason, leave.detail, leave.rule, leave.cause)
        told = leave.told
        await break_off(talk, plan, leave, family)
    paused = end.reason is EndReason.PAUSED
    await exchange(
        talk,
        cm.SessionStopReq(
            header=header(talk),
            charging_session=cm.ChargingSession.Pause if paused else cm.ChargingSession.Terminate,
            ev_termination_code=end.reason.name,
            ev_termination_explanation=(end.detail if told is None else told)[:160] or None,
        ),
    )
    # Leaving state C under power is an emergency on MCS, so it is held until the session is over (IEC
    # 61851-23-3, Annex CC).
    talk.act(SignalReady(False))
    talk.ticket = keep(talk, plan) if paused else None
    return end


async def _charge(talk: Conversation, plan: Plan, family: Family) -> SessionEnded:
    """From the charge parameters until power is over."""
    end = SessionEnded(EndReason.STOPPED_BY_EV)
    await family.charge_parameters(talk, plan)
    await schedule(talk, plan)
    heed_go_to_pause(talk, plan)
    if wants_pause(talk, end):
        await family.stop(talk, plan)  # without ever taking power [V2G20-2122]
        return end
    return await family.charge(talk, plan)


async def _service_anew(talk: Conversation, family: Family) -> Plan:
    """In the same session, with the same authorization, whatever was agreed on before [V2G20-1477]."""
    talk.service_wanted, talk.service_changes = "", talk.service_changes + 1
    await exchange(
        talk,
        cm.SessionStopReq(header=header(talk), charging_session=cm.ChargingSession.ServiceRenegotiation),
    )
    talk.act(ServiceRenegotiated())
    value_added.forget(talk)
    plan = Plan(namespace=family.namespace)
    await choose_service(talk, plan)
    return plan


def wants_pause(talk: Conversation, end: SessionEnded) -> bool:
    """A wish to stop outweighs one to pause, and a station that ends the session is not asked for a pause."""
    return (
        bool(talk.pause_wanted)
        and not talk.stop_wanted
        and end.reason.orderly
        and (end.reason is not EndReason.STOPPED_BY_STATION)
    )


async def break_off(talk: Conversation, plan: Plan, leave: Leave, family: Family) -> None:
    """The vehicle breaks off: off the cable first, then tell the station that power is no longer wanted.

    A mere wish to stop is no alarm, so the signal is held until the station has heard of it in a message, and
    a current that the station is bringing down already may come to its end.
    """
    orderly = leave.reason.orderly
    urgency = Urgency.ORDERLY if orderly else Urgency.EMERGENCY
    if orderly:
        await current_gone(talk)
    talk.act(StopPower(urgency))
    if not orderly:
        talk.act(SignalReady(False))
    talk.act(OpenContactors(urgency, leave.detail or leave.reason.value))
    talk.drop_aside = True
    plan.ac.taken = plan.wpt_taken_w = None
    try:
        if plan.power_delivered:
            await family.stop(talk, plan)
        if family.part is not None:
            await family.part(talk, plan)
    except Leave as again:
        raise EndSession(leave.reason, then(leave.detail, again.detail), leave.rule, leave.cause) from again
