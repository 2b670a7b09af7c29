"""supportedAppProtocol on the vehicle's side: what is offered on this connection, and what the
station's choice comes to."""

from __future__ import annotations

from collections.abc import Callable

from iso15118.evcc.conversation import Conversation, EndSession, Exchange
from iso15118.messages import app
from iso15118.session.actions import EndReason, PeerDeviates, SessionEnded, UseSchema
from iso15118.session.services import Namespace

from .editions import Offered, offered

__all__ = ["session"]


async def session(talk: Conversation, set_up: Callable[[], None]) -> SessionEnded:
    """The whole session in whatever edition the two sides agree on."""
    chosen = await _negotiated(talk)
    edition = talk.edition = chosen.code()()
    talk.edition_name = chosen.edition
    talk.apart = chosen.namespace == Namespace.ACDP.value
    talk.act(UseSchema(edition.schema))
    return await edition.session(talk, set_up)


async def _negotiated(talk: Conversation) -> Offered:
    wanted = offered(talk.config.editions, talk.config.services)
    usable = [one for one in wanted if not one.why_not(talk)]
    if not usable:
        why = ", ".join(dict.fromkeys(one.why_not(talk) for one in wanted))
        raise EndSession(
            EndReason.PROTOCOL_NEGOTIATION_FAILED, f"nothing may be offered {why}", cause="nothing-to-offer"
        )
    entries = tuple(
        app.AppProtocol(
            protocol_namespace=one.namespace,
            version_number_major=one.major,
            version_number_minor=one.minor,
            schema_id=number,
            priority=number,
        )
        for number, one in enumerate(usable, start=1)
    )
    request = app.SupportedAppProtocolReq(app_protocol=entries)
    timeout = talk.config.timing.message_timeout_of("SupportedAppProtocolReq")
    response = await Exchange(request, app.SupportedAppProtocolRes, timeout, "supportedAppProtocol")
    return _chosen(talk, response, usable)


def _chosen(talk: Conversation, response: app.SupportedAppProtocolRes, usable: list[Offered]) -> Offered:
    """A choice among what was offered. Where that is one protocol, a positive answer can mean nothing else:
    stations in the field leave SchemaID out, or send another one, and that is tolerated."""
    code, chosen = response.response_code, response.schema_id
    if code is app.ResponseCode.Failed_NoNegotiation:
        names = ", ".join(f"{one.namespace} {one.major}.{one.minor}" for one in usable)
        raise EndSession(
            EndReason.PROTOCOL_NEGOTIATION_FAILED, f"{code.value}: the station has nothing of {names}"
        )
    if chosen is not None and 1 <= chosen <= len(usable):
        return usable[chosen - 1]
    wrong = "without SchemaID" if chosen is None else f"SchemaID {chosen} was not offered"
    if len(usable) > 1:
        cause = "answer-without-schema-id" if chosen is None else "schema-id-not-offered"
        raise EndSession(EndReason.PROTOCOL_NEGOTIATION_FAILED, f"{code.value}, but {wrong}", cause=cause)
    talk.act(PeerDeviates("schema-id", f"supportedAppProtocolRes {code.value}, but {wrong}; one was offered"))
    return usable[0]
