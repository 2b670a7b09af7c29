"""ISO 15118-2 as the station's funnel sees it: from a request to its answer by way of the session id, the
table, the handler, and the table again.

What a session has agreed on is in the context, where it is is the funnel's business. Handlers are called
only for what the table allows.
"""

from __future__ import annotations

from typing import Any, Final

from iso15118.messages import iso2
from iso15118.secc.facts import Facts
from iso15118.session.actions import EndReason
from iso15118.session.edition import Answer, Fault, Refused, Stage, Wait
from iso15118.session.ticket import SeccTicket

from . import authorization, parameters, pause, plug_and_charge, setup
from .ac_part import AC
from .context import Context
from .dc_part import DC
from .modes import modes_of
from .replies import CODES, RESPONSES, neutral
from .sequence import NOT_SEQUENCE, Handler, Part, State, Table, compose, key_of
from .settings import AC_MODES

__all__ = ["Iso2"]

S = State

_HANDLERS: Final[dict[type, Handler]] = {
    iso2.SessionSetupReq: setup.session_setup,
    iso2.ServiceDiscoveryReq: setup.service_discovery,
    iso2.ServiceDetailReq: setup.service_detail,
    iso2.PaymentServiceSelectionReq: setup.payment_service_selection,
    iso2.CertificateInstallationReq: plug_and_charge.contract_certificate,
    iso2.CertificateUpdateReq: plug_and_charge.contract_certificate,
    iso2.PaymentDetailsReq: plug_and_charge.payment_details,
    iso2.AuthorizationReq: authorization.authorization,
    iso2.ChargeParameterDiscoveryReq: parameters.charge_parameter_discovery,
    iso2.MeteringReceiptReq: plug_and_charge.metering_receipt,
    iso2.SessionStopReq: setup.session_stop,
}

_STAGES: Final[dict[State, Stage]] = {
    S.SESSION_SETUP: Stage(name=S.SESSION_SETUP.value, first=True),
    S.SERVICE_DISCOVERY: Stage(name=S.SERVICE_DISCOVERY.value),
    S.PAYMENT_SERVICE_SELECTION: Stage(name=S.PAYMENT_SERVICE_SELECTION.value),
    S.CONTRACT_CERTIFICATE: Stage(name=S.CONTRACT_CERTIFICATE.value),
    S.PAYMENT_DETAILS: Stage(name=S.PAYMENT_DETAILS.value),
    S.AUTHORIZATION: Stage(name=S.AUTHORIZATION.value, authorizing=True),
    S.CHARGE_PARAMETER_DISCOVERY: Stage(name=S.CHARGE_PARAMETER_DISCOVERY.value),
    S.RENEGOTIATION: Stage(name=S.RENEGOTIATION.value, live=True, holds=True),
    S.METERING_RECEIPT: Stage(name=S.METERING_RECEIPT.value, live=True, holds=True),
    S.SESSION_STOP: Stage(name=S.SESSION_STOP.value, refuses=False),
    S.ENDED: Stage(name=S.ENDED.value, refuses=False),
}

_GOES_ON: Final = (
    iso2.SessionStopReq,
    iso2.CurrentDemandReq,
    iso2.ChargingStatusReq,
    iso2.MeteringReceiptReq,
    iso2.WeldingDetectionReq,
)
"""What runs, stops or says goodbye: a wish to stop is not told by refusing it."""

_ANSWER_TIMES: Final[dict[type, str]] = {
    iso2.ServiceDetailReq: "answer_time_long",
    iso2.CertificateInstallationReq: "answer_time_long",
    iso2.CertificateUpdateReq: "answer_time_long",
    iso2.PaymentDetailsReq: "answer_time_long",
    iso2.PowerDeliveryReq: "answer_time_power",
    iso2.CurrentDemandReq: "answer_time_loop",
    iso2.ChargingStatusReq: "answer_time",
}
"""The field of ``Iso2Timing``; "answer_time" for the others."""


class Iso2:
    """One session over the messages of ISO 15118-2."""

    schema = "iso2"
    first = State.SESSION_SETUP
    ended = State.ENDED

    def __init__(self, facts: Facts) -> None:
        settings, modes = facts.config.iso2, modes_of(facts)
        part = AC if set(modes) & AC_MODES else DC
        self.facts = facts
        facts.timing = settings.timing
        facts.stop_notice_s = float(settings.stop_notice_s)
        self.context = Context(facts=facts, part=part, all_modes=modes)
        self._table = table_of(part)
        self._stages = _STAGES | dict(part.stages)
        self._handlers = _HANDLERS | dict(part.handlers)

    def stage(self, state: State) -> Stage:
        """What the funnel needs to know about this state."""
        return self._stages[state]

    def request_of(self, message: Any) -> str:
        """The class name of a request, legal now or not."""
        element = _element(message)
        return type(element).__name__ if type(element) in RESPONSES else ""

    def is_beside(self, message: Any) -> bool:
        """There is one conversation."""
        return False

    def answer_beside(self, message: Any, state: State) -> Answer | Refused | Wait:
        """So what comes on another stream is out of sequence."""
        detail = f"{self.request_of(message)} on a stream that the edition does not have"
        return Refused(Fault.SEQUENCE, EndReason.SEQUENCE_ERROR, detail)

    def leads_on(self, message: Any) -> bool:
        """Before energy flows, a wish to stop is told by refusing; in the loop by a notification."""
        element = _element(message)
        if isinstance(element, iso2.PowerDeliveryReq):
            return element.charge_progress is iso2.ChargeProgress.Start
        return not isinstance(element, _GOES_ON)

    def answer(self, message: Any, state: State) -> Answer | Refused | Wait:
        """What the table does not list is refused and ends the session."""
        ctx, facts, request = self.context, self.facts, _element(message)
        kind = type(request)
        opens = state is State.SESSION_SETUP or kind is iso2.SessionSetupReq
        if not opens and message.header.session_id != facts.session_id:
            # Byte for byte, zero included: an id of zero is never the id of an open session [V2G2-460].
            return Refused(Fault.UNKNOWN_SESSION, EndReason.UNKNOWN_SESSION, "session id of another session")
        ctx.state, ctx.message = state, message
        key = key_of(request)
        row = self._table[state].get(key)
        if row is None:
            what = f"{kind.__name__} {key[1].value}" if isinstance(key, tuple) else kind.__name__
            fault = NOT_SEQUENCE.get((state, key), Fault.SEQUENCE)
            return Refused(fault, EndReason.SEQUENCE_ERROR, f"{what} while waiting for {state.value}")
        if row.when is not None and (why := row.when(ctx)):
            return Refused(Fault.SEQUENCE, EndReason.SEQUENCE_ERROR, why)
        reply = self._handlers[kind](request, ctx)
        if type(reply) is Answer and reply.end is None and reply.next not in row.next:
            raise RuntimeError(
                f"{kind.__name__} led from {state.value} to {reply.next.value}, which the table does not list"
            )
        return reply

    def refuse(self, message: Any, fault: Fault, code: Any = None) -> Any:
        """The response of the request's type, with the code for ``fault``."""
        return neutral(_element(message), self.context, CODES[fault] if code is None else code)

    def answer_time(self, message: Any) -> float:
        """Within how many s the request has to be answered. An answer of the loop that is held back
        on purpose has that long."""
        field = _ANSWER_TIMES.get(type(_element(message)), "answer_time")
        seconds: float = getattr(self.facts.timing, field)
        return max(seconds, self.context.settings.loop_answer_delay_s)

    def is_turn(self, response: Any) -> bool:
        """CurrentDemandRes, or ChargingStatusRes."""
        return type(_element(response)) is RESPONSES[self.context.part.loop_request]

    def goodbye(self, message: Any) -> Any | None:
        """The answer to a SessionStopReq of this session."""
        request = _element(message)
        if not isinstance(request, iso2.SessionStopReq) or message.header.session_id != self.facts.session_id:
            return None
        return neutral(request, self.context, iso2.ResponseCode.OK)

    def is_last(self, response: Any) -> bool:
        """SessionStopRes is."""
        return isinstance(_element(response), iso2.SessionStopRes)

    def advice(self, reason: EndReason, state: State) -> str:
        """A refusal names its setting itself."""
        return ""

    def rebound(self) -> Any:
        """See ``Part``."""
        part = self.context.part
        part.refresh(self.context)
        return part.bounds(self.context)

    def steps_at(self) -> float | None:
        """The next step of the tuple that the vehicle has chosen."""
        ctx = self.context
        schedule = ctx.schedules.get(ctx.tuple_id)
        return (
            None
            if schedule is None
            else schedule.changes_at(ctx.facts.now, ctx.facts.config.schedule_overrun_s)
        )

    def ticket(self) -> SeccTicket | None:
        """What is kept of a paused session."""
        return pause.keep(self.context)


def _element(message: Any) -> Any:
    return message.body.body_element if isinstance(message, iso2.V2GMessage) else None


_TABLES: dict[str, Table] = {}


def table_of(part: Part) -> Table:
    """Composed once per kind of current."""
    table = _TABLES.get(part.name)
    if table is None:
        table = _TABLES[part.name] = compose(part)
    return table
