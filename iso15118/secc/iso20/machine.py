"""ISO 15118-20 as the station's funnel sees it: from a request to its answer by way of the session id, the
table, the handler, and the table again.

What a session has agreed on is in the context, where it is is the funnel's business. Handlers are called
only for what the table allows.
"""

from __future__ import annotations

from typing import Any, Final

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.messages.values import BEYOND_SECONDS, unit_of
from iso15118.secc.facts import Facts
from iso15118.session.ac_limits import AcBounds
from iso15118.session.actions import EndReason
from iso15118.session.edition import Answer, Fault, Refused, Stage, Wait
from iso15118.session.services import ControlMode
from iso15118.session.ticket import SeccTicket
from iso15118.timing import Timer

from . import exchange, pause, plug_and_charge, setup, value_added
from .beside import answer_beside, declare_anew
from .context import Context
from .dc_part import TOLERATED
from .notices import over
from .replies import CODES, RESPONSES, neutral
from .sequence import Handler, Part, State, Table, compose, key_of

__all__ = ["Iso20"]

S = State

_HANDLERS: Final[dict[type, Handler]] = {
    cm.SessionSetupReq: setup.session_setup,
    cm.AuthorizationSetupReq: setup.authorization_setup,
    cm.AuthorizationReq: setup.authorization,
    cm.CertificateInstallationReq: plug_and_charge.certificate_installation,
    cm.ServiceDiscoveryReq: setup.service_discovery,
    cm.ServiceDetailReq: setup.service_detail,
    cm.ServiceSelectionReq: setup.service_selection,
    cm.ScheduleExchangeReq: exchange.schedule_exchange,
    cm.MeteringConfirmationReq: plug_and_charge.metering_confirmation,
    cm.SessionStopReq: setup.session_stop,
    cm.VehicleCheckInReq: value_added.check_in,
    cm.VehicleCheckOutReq: value_added.check_out,
}
_BESIDE: Final = frozenset({cm.MeteringConfirmationReq, cm.VehicleCheckInReq, cm.VehicleCheckOutReq})

_STAGES: Final[dict[State, Stage]] = {
    S.SESSION_SETUP: Stage(name=S.SESSION_SETUP.value, first=True),
    S.AUTHORIZATION_SETUP: Stage(name=S.AUTHORIZATION_SETUP.value),
    S.AUTHORIZATION: Stage(name=S.AUTHORIZATION.value, authorizing=True),
    S.SERVICE_DISCOVERY: Stage(name=S.SERVICE_DISCOVERY.value),
    S.SERVICE_DETAIL: Stage(name=S.SERVICE_DETAIL.value),
    S.SERVICE_SELECTION: Stage(name=S.SERVICE_SELECTION.value),
    S.SCHEDULE_EXCHANGE: Stage(name=S.SCHEDULE_EXCHANGE.value),
    # In PowerDelivery contactors are closed after a renegotiation: opened by themselves, they may not be
    # closed again, because nothing was pre-charged since.
    S.POWER_DELIVERY: Stage(
        name=S.POWER_DELIVERY.value,
        live=True,
        holds=True,
        timer=Timer.POWER_DELIVERY,
        limit="power_delivery_performance",
    ),
    S.SCHEDULE_RENEGOTIATION: Stage(name=S.SCHEDULE_RENEGOTIATION.value, live=True, holds=True),
    S.SESSION_STOP: Stage(name=S.SESSION_STOP.value, refuses=False),
    S.ENDED: Stage(name=S.ENDED.value, refuses=False),
}


class Iso20:
    """One session over the messages of one family."""

    first = State.SESSION_SETUP
    ended = State.ENDED

    def __init__(self, facts: Facts, part: Part) -> None:
        self.facts = facts
        self.schema = part.schema
        self.context = Context(facts=facts, part=part)
        self._table = table_of(part)
        self._stages = _STAGES | dict(part.stages)
        self._handlers = _HANDLERS | dict(part.handlers)
        self._requests = {kind: kind.__name__ for kind in (*RESPONSES, *part.responses)}
        self._loop_response = part.responses[part.loop_request][0]
        self._parameters_request = None if part.declared is None else part.parameters_request
        self._within_the_loop = frozenset({part.loop_request, *_BESIDE, *part.beside})

    def stage(self, state: State) -> Stage:
        """What the funnel needs to know about this state."""
        return self._stages[state]

    def request_of(self, message: Any) -> str:
        """The class name of a request, legal now or not."""
        return self._requests.get(type(message), "")

    def is_beside(self, message: Any) -> bool:
        """Metering confirmation, check-in and check-out come on streams of their own, and so
        may messages of the family."""
        kind = type(message)
        return kind in _BESIDE or kind in self.context.part.beside

    def leads_on(self, message: Any) -> bool:
        """Before energy flows, a wish to stop is told by refusing; in the loop by a notification."""
        kind = type(message)
        if kind is cm.PowerDeliveryReq:
            return message.charge_progress is cm.ChargeProgress.Start
        part = self.context.part
        return (
            kind not in _BESIDE
            and kind not in (cm.SessionStopReq, part.loop_request)
            and kind not in part.beside
            and kind not in part.leaves
        )

    def answer_beside(self, message: Any, state: State) -> Answer | Refused | Wait:
        """On the stream of a schedule renegotiation another table holds; what has a stream to itself
        stands in that of the session."""
        if self.is_beside(message):
            return self.answer(message, state)
        foreign = self._foreign(message)
        return foreign if foreign is not None else answer_beside(message, self.context, state)

    def _foreign(self, message: Any) -> Refused | None:
        facts, header = self.facts, message.header
        if header.time_stamp >= BEYOND_SECONDS:
            facts.note("time-stamp-unit", f"the vehicle's time stamps are {unit_of(header.time_stamp)}")
        if header.session_id != facts.session_id and type(message) is not cm.SessionSetupReq:
            # Byte for byte, zero included: an id of zero is never the id of an open session [V2G20-460].
            return Refused(Fault.UNKNOWN_SESSION, EndReason.UNKNOWN_SESSION, "session id of another session")
        return None

    def answer(self, message: Any, state: State) -> Answer | Refused | Wait:
        """What the table does not list is refused and ends the session."""
        ctx, kind = self.context, type(message)
        facts = self.facts
        if (foreign := self._foreign(message)) is not None:
            return foreign
        # Only once a pre-charge has been asked for: there has to be a target to compare the output with.
        if facts.config.accept_ongoing_pre_charge and facts.precharge_started is not None:
            borne = TOLERATED.get((state, kind), state)
            if borne is not state:
                facts.note("ongoing-pre-charge", f"{kind.__name__} while pre-charge is said to be ongoing")
                state = borne
        rows = self._table[state]
        row = rows.get(kind) or rows.get(key_of(message))
        if row is None:
            key = key_of(message)
            what = f"{kind.__name__} {key[1].value}" if isinstance(key, tuple) else kind.__name__
            detail = f"{what} while waiting for {state.value}{self._bearable(state, kind, key)}"
            return Refused(Fault.SEQUENCE, EndReason.SEQUENCE_ERROR, detail)
        if row.when is not None and (why := row.when(ctx)):
            return Refused(Fault.SEQUENCE, EndReason.SEQUENCE_ERROR, why)
        ctx.state = state
        anew = state is S.SCHEDULE_RENEGOTIATION and kind is self._parameters_request
        reply = declare_anew(message, ctx) if anew else self._handlers[kind](message, ctx)
        # Also one that began while the answer that leads out of the loop was waited for.
        if ctx.attempt is not None and (state is not ctx.part.loop or kind not in self._within_the_loop):
            over(ctx, "the vehicle left the charge loop")
        if type(reply) is Answer and reply.end is None and reply.next not in row.next:
            raise RuntimeError(
                f"{kind.__name__} led from {state.value} to {reply.next.value}, which the table does not list"
            )
        return reply

    def _bearable(self, state: State, kind: type, key: Any) -> str:
        """The setting with which this would have been tolerated; empty if there is none."""
        tolerated = TOLERATED.get((state, kind))
        if tolerated is None or key not in self._table[tolerated]:
            return ""
        return "; session.accept_ongoing_pre_charge = true bears with it"

    def refuse(self, message: Any, fault: Fault, code: Any = None) -> Any:
        """The response of the request's type, with the code for ``fault``."""
        return neutral(message, self.context, CODES[fault] if code is None else code)

    def answer_time(self, message: Any) -> float:
        """Within how many s the request has to be answered."""
        return self.facts.timing.answer_time_of(type(message).__name__)

    def is_turn(self, response: Any) -> bool:
        """The charge-loop response of the family [V2G20-1500, V2G20-443]."""
        return type(response) is self._loop_response

    def goodbye(self, message: Any) -> Any | None:
        """The answer to a SessionStopReq of this session."""
        if type(message) is not cm.SessionStopReq or message.header.session_id != self.facts.session_id:
            return None
        return neutral(message, self.context, ResponseCode.OK)

    def is_last(self, response: Any) -> bool:
        """SessionStopRes is."""
        return type(response) is cm.SessionStopRes

    def advice(self, reason: EndReason, state: State) -> str:
        """In the charge loop a meter reading that was not asked for may be why a vehicle leaves."""
        part = self.context.part
        return part.advice(self.context, reason) if state is part.loop else ""

    def rebound(self) -> tuple[float, float, float, bool] | AcBounds | float | None:
        """See ``Part``."""
        part = self.context.part
        part.refresh(self.context)
        return part.bounds(self.context)

    def steps_at(self) -> float | None:
        """The next step of the tuple that the vehicle has chosen, of either direction."""
        ctx = self.context
        if ctx.control_mode is not ControlMode.SCHEDULED:
            return None
        now, overrun_s = self.facts.now, self.facts.config.schedule_overrun_s
        one = None if ctx.schedule is None else ctx.schedule.changes_at(now, overrun_s)
        other = None if ctx.discharging is None else ctx.discharging.changes_at(now, overrun_s)
        if one is None or other is None:
            return one if other is None else other
        return min(one, other)

    def ticket(self) -> SeccTicket | None:
        """What is kept of a paused session."""
        return pause.keep(self.context)


_TABLES: dict[str, Table] = {}


def table_of(part: Part) -> Table:
    """Composed once per family."""
    table = _TABLES.get(part.name)
    if table is None:
        table = _TABLES[part.name] = compose(part)
    return table
