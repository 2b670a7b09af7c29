"""What a vehicle's attempt came to, as its program sees it: a result, or an error that says who refused
whom; and the likely reason of a station that goes right after the handshake."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.aio.evcc_outcome import judge
from iso15118.aio.net.ending import Ending, StreamEnd
from iso15118.aio.results import SessionResult
from iso15118.errors import LinkError, LinkTimeoutError, TlsError
from iso15118.session.actions import EndReason, SessionEnded
from iso15118.tls import TlsInfo

WHERE = IPv6Address("fe80::1")
TLS = TlsInfo(
    profile="iso20", version="TLSv1.3", cipher="c", group="g", server_signature="s", client_signature=None,
    peer_chain=(), peer_authorities=(), deviations=(),
)  # fmt: skip
LIKELY = "most likely the station does not accept this vehicle's certificate"
TLS_ENDS = {Ending.TLS_ALERT, Ending.TLS_REFUSED}
SUDDEN = {Ending.RESET, Ending.CLOSED_BY_PEER, Ending.TRUNCATED}


def came_to(**changes: Any) -> SessionResult:
    ended = SessionEnded(EndReason.PEER_VANISHED, "the connection is gone")
    result = SessionResult(
        role="evcc", ended=ended, exchanges=0, charge_loops=0, started=0.0, finished=1.0, safe=True, tls=TLS
    )
    return replace(result, **changes)


@pytest.mark.parametrize("ending", Ending)
def test_without_a_session_the_end_of_the_connection_is_the_error(ending: Ending) -> None:
    end = StreamEnd(ending, "why")
    kind = (
        TlsError
        if ending in TLS_ENDS
        else LinkTimeoutError
        if ending is Ending.HANDSHAKE_TIMEOUT
        else LinkError
    )
    with pytest.raises(LinkError if kind is not TlsError else TlsError) as caught:
        judge(None, end, WHERE)
    assert type(caught.value) is kind
    assert str(caught.value) == (str(end) if kind is TlsError else f"no session with fe80::1: {end}")


def test_a_connection_that_never_came_about_is_named() -> None:
    with pytest.raises(LinkError, match="the connection to fe80::1 never came about"):
        judge(None, None, WHERE)


@pytest.mark.parametrize("ending", sorted(TLS_ENDS, key=str))
def test_what_tls_said_is_raised_as_it_was_said(ending: Ending) -> None:
    said = TlsError("bad certificate")
    for result in (None, came_to()):
        with pytest.raises(TlsError) as caught:
            judge(result, StreamEnd(ending, "x", said), WHERE)
        assert caught.value is said
        with pytest.raises(TlsError, match=ending.value) as worded:
            judge(result, StreamEnd(ending, "", ValueError("odd")), WHERE)
        assert not isinstance(worded.value, LinkError)


@pytest.mark.parametrize("ending", Ending)
def test_a_session_that_had_an_answer_is_a_result_however_it_ended(ending: Ending) -> None:
    result = came_to(exchanges=1)
    assert judge(result, StreamEnd(ending, "why"), WHERE) is result
    assert judge(result, None, WHERE) is result


@pytest.mark.parametrize("ending", sorted(set(Ending) - TLS_ENDS, key=str))
@pytest.mark.parametrize(
    ("tls", "exchanges"), [(TLS, 0), (None, 0), (TLS, 1)], ids=["tls", "plain", "answered"]
)
def test_a_station_that_goes_right_after_the_handshake_has_a_likely_reason(
    ending: Ending, tls: TlsInfo | None, exchanges: int
) -> None:
    result = came_to(tls=tls, exchanges=exchanges)
    judged = judge(result, StreamEnd(ending), WHERE)
    if ending in SUDDEN and tls is not None and not exchanges:
        assert judged.ended.detail.startswith(
            "the connection is gone; it ended right after the TLS handshake"
        )
        assert LIKELY in judged.ended.detail
        assert replace(judged, ended=result.ended) == result
    else:
        assert judged is result


def test_a_station_that_goes_has_that_reason_alone_where_there_is_no_other() -> None:
    result = came_to(ended=SessionEnded(EndReason.PEER_VANISHED))
    assert judge(result, None, WHERE) is result
    judged = judge(result, StreamEnd(Ending.RESET), WHERE)
    assert judged.ended.detail.startswith("it ended right after the TLS handshake")
