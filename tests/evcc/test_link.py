"""What a vehicle offers on which connection: nothing of ISO 15118-20 below TLS 1.3."""

from __future__ import annotations

import pytest

from iso15118.evcc import EvccConfig, EvccSession
from iso15118.messages import app
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.secured import TlsPeer

from .station import VEHICLE, battery

PLAIN = ev.Connected(secure=False)
OLD = ev.Connected(True, TlsPeer(version="TLSv1.2"))
NEW = ev.Connected(True, TlsPeer(version="TLSv1.3"))


@pytest.mark.parametrize(
    ("connected", "allow_plaintext", "said"),
    [
        (NEW, False, None),
        (PLAIN, True, None),
        (PLAIN, False, "nothing may be offered without TLS"),
        (OLD, False, "nothing may be offered below TLS 1.3"),
        (OLD, True, "nothing may be offered below TLS 1.3"),
    ],
)
def test_iso15118_20_is_not_offered_below_tls_1_3(
    connected: ev.Connected, allow_plaintext: bool, said: str | None
) -> None:
    """[V2G20-1237]"""
    session = EvccSession(EvccConfig(allow_plaintext=allow_plaintext), VEHICLE, battery(), epoch=1.79e9)
    actions = session.handle(connected, 1.0)
    offers = [one for one in actions if isinstance(one, act.Send)]
    if said is None:
        (offer,) = offers
        assert isinstance(offer.message, app.SupportedAppProtocolReq)
    else:
        assert offers == []
        assert session.ended is not None
        assert session.ended.reason is act.EndReason.PROTOCOL_NEGOTIATION_FAILED
        assert session.ended.detail == said
