"""One request and its answer in ISO 15118-2: which response belongs to which request, how long to wait, and
how long "Ongoing" may go on.

The response code and the session id have been checked when an answer arrives here; a FAILED never does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from iso15118.evcc.conversation import Bound, Conversation, EndSession, Exchange, Leave
from iso15118.messages import iso2
from iso15118.messages.xmldsig import Signature
from iso15118.session.actions import Action, EndReason
from iso15118.session.causes import POLLS

__all__ = ["RESPONSES", "Pair", "exchange", "exchange_message", "message", "poll"]


class Pair(Struct, frozen=True):
    """What answers a request."""

    response: type
    state: str
    """Name of the state that waits for it."""
    timeout: str = "message_timeout"
    """The field of ``Iso2Timing`` that says for how long (Tables 109 and 111)."""


_LONG: Final = "message_timeout_long"

RESPONSES: Final[dict[type, Pair]] = {
    iso2.SessionSetupReq: Pair(iso2.SessionSetupRes, "SessionSetup"),
    iso2.ServiceDiscoveryReq: Pair(iso2.ServiceDiscoveryRes, "ServiceDiscovery"),
    iso2.ServiceDetailReq: Pair(iso2.ServiceDetailRes, "ServiceDetail", _LONG),
    iso2.PaymentServiceSelectionReq: Pair(iso2.PaymentServiceSelectionRes, "PaymentServiceSelection"),
    iso2.CertificateInstallationReq: Pair(iso2.CertificateInstallationRes, "CertificateInstallation", _LONG),
    iso2.CertificateUpdateReq: Pair(iso2.CertificateUpdateRes, "CertificateUpdate", _LONG),
    iso2.PaymentDetailsReq: Pair(iso2.PaymentDetailsRes, "PaymentDetails", _LONG),
    iso2.AuthorizationReq: Pair(iso2.AuthorizationRes, "Authorization"),
    iso2.ChargeParameterDiscoveryReq: Pair(iso2.ChargeParameterDiscoveryRes, "ChargeParameterDiscovery"),
    iso2.CableCheckReq: Pair(iso2.CableCheckRes, "CableCheck"),
    iso2.PreChargeReq: Pair(iso2.PreChargeRes, "PreCharge"),
    iso2.PowerDeliveryReq: Pair(iso2.PowerDeliveryRes, "PowerDelivery", "message_timeout_power"),
    iso2.CurrentDemandReq: Pair(iso2.CurrentDemandRes, "CurrentDemand", "message_timeout_loop"),
    iso2.ChargingStatusReq: Pair(iso2.ChargingStatusRes, "ChargingStatus"),
    iso2.MeteringReceiptReq: Pair(iso2.MeteringReceiptRes, "MeteringReceipt"),
    iso2.WeldingDetectionReq: Pair(iso2.WeldingDetectionRes, "WeldingDetection"),
    iso2.SessionStopReq: Pair(iso2.SessionStopRes, "SessionStop"),
}


def message(talk: Conversation, body: Any, signature: Signature | None = None) -> iso2.V2GMessage:
    """A request as it is sent now."""
    header: iso2.MessageHeader | None = talk.kept
    if header is None or header.session_id != talk.session_id:
        header = talk.kept = iso2.MessageHeader(session_id=talk.session_id)
    if signature is not None:
        header = iso2.MessageHeader(session_id=talk.session_id, signature=signature)
    return iso2.V2GMessage(header=header, body=iso2.Body(body_element=body))


async def exchange(
    talk: Conversation,
    request: Any,
    signature: Signature | None = None,
    *,
    optional: bool = False,
    then: tuple[Action, ...] = (),
) -> Any:
    """Send ``request``, which is a body element; gives that of the response. ``optional``: None where the
    station refuses or is silent. ``then``: what is done right behind the request."""
    answer = await exchange_message(talk, request, signature, optional=optional, then=then)
    return None if answer is None else answer.body.body_element


async def exchange_message(
    talk: Conversation,
    request: Any,
    signature: Signature | None = None,
    *,
    optional: bool = False,
    then: tuple[Action, ...] = (),
) -> iso2.V2GMessage | None:
    """The same with the whole message of the response: where its signature counts."""
    pair = RESPONSES[type(request)]
    answer: iso2.V2GMessage | None = await Exchange(
        message(talk, request, signature),
        pair.response,
        getattr(talk.timing, pair.timeout),
        pair.state,
        opens=pair.state == "SessionSetup",
        optional=optional,
        then=then,
    )
    return answer


async def poll(
    talk: Conversation,
    make: Callable[[], Any],
    finished: Callable[[Any], bool],
    *,
    limit: float,
    reason: EndReason,
    look: Callable[[Any], None] = lambda response: None,
    stands: Callable[[], str] = str,
) -> iso2.V2GMessage:
    """Repeat the request until ``finished(response)``, for ``limit`` s at most; then the session
    is over for ``reason``, and the clock ends it: no answer has to come. ``look`` sees every
    response first, and may raise; ``stands``: what an end by the clock says of how far it is.

    ``make`` gives a body element, or a pair of it and its signature. A wish to stop
    leaves between two requests.
    """
    first = make()
    name = RESPONSES[type(_parts(first)[0])].response.__name__
    kind = EndSession if reason is EndReason.ONGOING_TOO_LONG else Leave

    def error() -> Leave | EndSession:
        late = f"{name} still not finished after {limit:g} s"
        return kind(reason, late + stands(), cause=POLLS.get(reason, ""))

    bound = talk.bound = Bound(talk.now + limit, error)
    request = first
    try:
        while True:
            answer = await exchange_message(talk, *_parts(request))
            if answer is None:
                raise error()  # nothing optional is polled
            response = answer.body.body_element
            look(response)
            if finished(response):
                return answer
            if talk.stop_wanted:
                raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
            if talk.now >= bound.until:
                raise error()
            await talk.pause(talk.config.poll_interval_s)
            request = make()
    finally:
        talk.bound = None


def _parts(made: Any) -> tuple[Any, Signature | None]:
    return made if isinstance(made, tuple) else (made, None)
