"""One request and its answer in DIN 70121: which response belongs to which request, how long to wait, and
how long "Ongoing" may go on.

The response code and the session id have been checked when an answer arrives here; a FAILED never does.
Requests and responses are bodies; the envelope is put on and taken off here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from iso15118.evcc.conversation import Bound, Conversation, Exchange, Leave
from iso15118.evcc.din.plan import Plan
from iso15118.messages import din
from iso15118.session.actions import EndReason
from iso15118.session.causes import POLLS

__all__ = ["RESPONSES", "Pair", "exchange", "poll"]


class Pair(Struct, frozen=True):
    """What answers a request."""

    response: type
    state: str
    """Name of the state that waits for it."""
    timeout: str = "message_timeout"
    """The field of ``DinTiming`` that says for how long."""


RESPONSES: Final[dict[type, Pair]] = {
    din.SessionSetupReq: Pair(din.SessionSetupRes, "SessionSetup"),
    din.ServiceDiscoveryReq: Pair(din.ServiceDiscoveryRes, "ServiceDiscovery"),
    din.ServicePaymentSelectionReq: Pair(din.ServicePaymentSelectionRes, "ServicePaymentSelection"),
    din.ContractAuthenticationReq: Pair(din.ContractAuthenticationRes, "ContractAuthentication"),
    din.ChargeParameterDiscoveryReq: Pair(din.ChargeParameterDiscoveryRes, "ChargeParameterDiscovery"),
    din.CableCheckReq: Pair(din.CableCheckRes, "CableCheck"),
    din.PreChargeReq: Pair(din.PreChargeRes, "PreCharge"),
    din.PowerDeliveryReq: Pair(din.PowerDeliveryRes, "PowerDelivery", "message_timeout_power"),
    din.CurrentDemandReq: Pair(din.CurrentDemandRes, "CurrentDemand", "message_timeout_loop"),
    din.WeldingDetectionReq: Pair(din.WeldingDetectionRes, "WeldingDetection"),
    din.SessionStop: Pair(din.SessionStopRes, "SessionStop"),
}


async def exchange(talk: Conversation, request: Any, *, optional: bool = False) -> Any:
    """Send ``request`` and give the response. ``optional``: None where the station refuses or is silent."""
    pair = RESPONSES[type(request)]
    header: din.MessageHeader | None = talk.kept
    if header is None or header.session_id != talk.session_id:
        header = talk.kept = din.MessageHeader(session_id=talk.session_id)
    answer: din.V2GMessage | None = await Exchange(
        din.V2GMessage(header=header, body=din.Body(body_element=request)),
        pair.response,
        getattr(talk.timing, pair.timeout),
        pair.state,
        opens=pair.state == "SessionSetup",
        optional=optional,
    )
    return None if answer is None else answer.body.body_element


async def poll(
    talk: Conversation,
    plan: Plan,
    make: Callable[[], Any],
    finished: Callable[[Any], bool],
    *,
    limit: float,
    reason: EndReason,
    look: Callable[[Any], None] = lambda response: None,
    stands: Callable[[], str] = str,
) -> Any:
    """Repeat the request until ``finished(response)``, for ``limit`` s at most, and not beyond the time to be
    ready to charge; then the vehicle leaves for ``reason``, and the clock sees to it: no answer has to come.
    ``look`` sees every response first, and may raise; ``stands``: what an end by the clock says of how far it
    is.

    A wish to stop leaves between two requests.
    """
    request = make()
    name = RESPONSES[type(request)].response.__name__

    def late() -> Leave:
        detail = f"{name} still not finished after {limit:g} s"
        return Leave(reason, detail + stands(), cause=POLLS.get(reason, ""))

    own = Bound(talk.now + limit, late)
    bound = talk.bound = own if plan.ready is None or own.until <= plan.ready.until else plan.ready
    try:
        while True:
            response = await exchange(talk, request)
            look(response)
            if finished(response):
                return response
            if talk.stop_wanted:
                raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
            if talk.now >= bound.until:
                raise bound.error() if callable(bound.error) else bound.error
            await talk.pause(talk.config.poll_interval_s)
            request = make()
    finally:
        talk.bound = plan.ready
