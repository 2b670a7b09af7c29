"""DIN 70121 as the station's funnel sees it: from a request to its answer by way of the session
id, the table and the handler.

What a session has agreed on is in the context, where it is is the funnel's business. Handlers are called
only for what the table allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from iso15118.messages import din
from iso15118.secc.facts import Facts
from iso15118.session.actions import EndReason
from iso15118.session.edition import Answer, Fault, Refused, Stage, Wait
from iso15118.session.ticket import SeccTicket

from . import delivery, loop, parameters, setup
from .context import Context
from .replies import CODES, PAIRS, refusal
from .sequence import STAGES, TABLE, State, key_of

__all__ = ["Din"]

Handler = Callable[[Any, Context], Answer | Refused | Wait]

_HANDLERS: Final[Mapping[type, Handler]] = {
    din.SessionSetupReq: setup.session_setup,
    din.ServiceDiscoveryReq: setup.service_discovery,
    din.ServicePaymentSelectionReq: setup.service_payment_selection,
    din.ContractAuthenticationReq: setup.contract_authentication,
    din.ChargeParameterDiscoveryReq: parameters.charge_parameter_discovery,
    din.CableCheckReq: delivery.cable_check,
    din.PreChargeReq: delivery.pre_charge,
    din.PowerDeliveryReq: delivery.power_delivery,
    din.CurrentDemandReq: loop.current_demand,
    din.WeldingDetectionReq: delivery.welding_detection,
    din.SessionStop: setup.session_stop,
}


def _body(message: Any) -> Any:
    """The request in the envelope; None if this is none."""
    element = message.body.body_element if type(message) is din.V2GMessage else None
    return element if type(element) in PAIRS else None


class Din:
    """One session."""

    schema = "din"
    first = State.SESSION_SETUP
    ended = State.ENDED

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        facts.timing = facts.config.din.timing
        self.context = Context(facts=facts)

    def stage(self, state: State) -> Stage:
        """What the funnel needs to know about this state."""
        return STAGES[state]

    def request_of(self, message: Any) -> str:
        """The class name of a request, legal now or not."""
        request = _body(message)
        return "" if request is None else type(request).__name__

    def is_beside(self, message: Any) -> bool:
        """There is one stream only."""
        return False

    def answer_beside(self, message: Any, state: State) -> Answer | Refused | Wait:
        """So what comes on another stream is out of sequence."""
        detail = f"{self.request_of(message)} on a stream that the edition does not have"
        return Refused(Fault.SEQUENCE, EndReason.SEQUENCE_ERROR, detail)

    def leads_on(self, message: Any) -> bool:
        """Before energy flows, a wish to stop is told by refusing; in the loop by the status."""
        request = _body(message)
        if isinstance(request, din.PowerDeliveryReq):
            return request.ready_to_charge_state
        return not isinstance(request, din.SessionStop | din.CurrentDemandReq)

    def answer(self, message: Any, state: State) -> Answer | Refused | Wait:
        """What the table does not list is refused and ends the session."""
        ctx, request = self.context, _body(message)
        if state is not self.first and message.header.session_id != self.facts.session_id:
            # Octet for octet, zero included: an id of zero is never the id of an open session [V2G-DC-391].
            return Refused(Fault.UNKNOWN_SESSION, EndReason.UNKNOWN_SESSION, "session id of another session")
        row = TABLE[state].get(key_of(request))
        if row is None:
            what = f"{_words(request)} while waiting for {state.value}"
            return Refused(Fault.SEQUENCE, EndReason.SEQUENCE_ERROR, what)
        if row.when is not None and (why := row.when(ctx)):
            return Refused(Fault.SEQUENCE, EndReason.SEQUENCE_ERROR, why)
        ctx.state = state
        reply = _HANDLERS[type(request)](request, ctx)
        if type(reply) is Answer and reply.end is None and reply.next not in row.next:
            raise RuntimeError(
                f"{_words(request)} led from {state.value} to {reply.next.value}, which the table does not list"
            )
        return reply

    def refuse(self, message: Any, fault: Fault, code: Any = None) -> Any:
        """The response of the request's type, with the code for ``fault``."""
        return refusal(_body(message), self.context, CODES[fault] if code is None else code)

    def answer_time(self, message: Any) -> float:
        """Within how many s the request has to be answered."""
        timing, request = self.facts.timing, _body(message)
        if isinstance(request, din.CurrentDemandReq):
            return timing.answer_time_loop
        if isinstance(request, din.PowerDeliveryReq):
            return self.facts.config.din.timing.answer_time_power
        return timing.answer_time

    def is_turn(self, response: Any) -> bool:
        """CurrentDemandRes."""
        return isinstance(response.body.body_element, din.CurrentDemandRes)

    def goodbye(self, message: Any) -> Any | None:
        """The answer to a SessionStopReq of this session."""
        request = _body(message)
        if not isinstance(request, din.SessionStop) or message.header.session_id != self.facts.session_id:
            return None
        return refusal(request, self.context, din.ResponseCode.OK)

    def is_last(self, response: Any) -> bool:
        """SessionStopRes is."""
        return response is not None and isinstance(response.body.body_element, din.SessionStopRes)

    def advice(self, reason: EndReason, state: State) -> str:
        """Nothing."""
        return ""

    def rebound(self) -> tuple[float, float, float, bool] | None:
        """Limits or set-point have changed."""
        parameters.refresh_limits(self.context)
        return loop.present_bounds(self.context)

    def steps_at(self) -> float | None:
        """Its schedule is the limit of the moment."""
        return None

    def ticket(self) -> SeccTicket | None:
        """There is no pause in DIN 70121."""
        return None


def _words(request: Any) -> str:
    key = key_of(request)
    name = type(request).__name__
    if isinstance(key, tuple):
        name += f" {'on' if key[1] else 'off'}"
    return name
