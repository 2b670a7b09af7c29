"""From a request to its answer: the session id, the table, the handler of the phase, and the table again.

Stateless: what the session knows is in the context, where it is is the caller's business. Handlers are called
only for what the table allows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.messages.values import unit_of
from iso15118.session.actions import EndReason

from . import delivery, loop, parameters, plug_and_charge, schedules, setup
from .context import Context
from .replies import REQUESTS, Reply, Wait, refusal
from .sequence import SEQUENCE, TOLERATED, State

__all__ = ["answer", "is_request"]

Handler = Callable[[Any, Context], Reply | Wait]

HANDLERS: dict[type, Handler] = {
    cm.SessionSetupReq: setup.session_setup,
    cm.AuthorizationSetupReq: setup.authorization_setup,
    cm.AuthorizationReq: setup.authorization,
    cm.CertificateInstallationReq: plug_and_charge.certificate_installation,
    cm.ServiceDiscoveryReq: setup.service_discovery,
    cm.ServiceDetailReq: setup.service_detail,
    cm.ServiceSelectionReq: setup.service_selection,
    dc.DCChargeParameterDiscoveryReq: parameters.charge_parameter_discovery,
    cm.ScheduleExchangeReq: schedules.schedule_exchange,
    dc.DCCableCheckReq: delivery.cable_check,
    dc.DCPreChargeReq: delivery.pre_charge,
    dc.DCChargeLoopReq: loop.charge_loop,
    cm.MeteringConfirmationReq: plug_and_charge.metering_confirmation,
    dc.DCWeldingDetectionReq: delivery.welding_detection,
}
BY_STATE: dict[type, Callable[[Any, Context, State], Reply | Wait]] = {
    cm.PowerDeliveryReq: delivery.power_delivery,
    cm.SessionStopReq: setup.session_stop,
}
"""Requests that mean something else in another state."""


def is_request(message: Any) -> bool:
    """The message is a request of ISO 15118-20, legal now or not."""
    return type(message) in REQUESTS


def answer(request: Any, ctx: Context, state: State) -> Reply | Wait:
    """The answer to ``request`` in ``state``; whatever the table does not list is refused and ends the
    session."""
    kind = type(request)
    if unit := unit_of(request.header.time_stamp):
        ctx.note("time-stamp-unit", f"the vehicle's time stamps are {unit}")
    if kind is not cm.SessionSetupReq and request.header.session_id != ctx.session_id:
        # Byte for byte, zero included: an id of zero is never the id of an open session [V2G20-460].
        return Reply(
            refusal(request, ctx, ResponseCode.FAILED_UnknownSession),
            State.ENDED,
            end=EndReason.UNKNOWN_SESSION,
            detail="session id of another session",
        )
    # Only once a pre-charge has been asked for: there has to be a target to compare the output with.
    if ctx.config.accept_ongoing_pre_charge and ctx.precharge_started is not None:
        state = TOLERATED.get((state, kind), state)
    row = SEQUENCE[state].get(kind)
    if row is None:
        return Reply(
            refusal(request, ctx, ResponseCode.FAILED_SequenceError),  # [V2G20-459]
            State.ENDED,
            end=EndReason.SEQUENCE_ERROR,
            detail=f"{kind.__name__} while waiting for {state.value}{_bearable(state, kind)}",
        )
    by_state = BY_STATE.get(kind)
    reply = by_state(request, ctx, state) if by_state is not None else HANDLERS[kind](request, ctx)
    if type(reply) is Reply and reply.end is None and reply.next not in row.next:
        raise RuntimeError(
            f"{kind.__name__} led from {state.value} to {reply.next.value}, which the table does not list"
        )
    return reply


def _bearable(state: State, kind: type) -> str:
    """The setting with which this would have been borne with; empty if there is none."""
    tolerated = TOLERATED.get((state, kind))
    if tolerated is None or kind not in SEQUENCE[tolerated]:
        return ""
    return "; session.accept_ongoing_pre_charge = true bears with it"
