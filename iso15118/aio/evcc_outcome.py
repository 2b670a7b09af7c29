"""What came of a vehicle's attempt to have a session, from outside: a result, or an exception
that says why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from iso15118.aio.net.ending import Ending
from iso15118.errors import LinkError, LinkTimeoutError, TlsError

if TYPE_CHECKING:
    from ipaddress import IPv6Address

    from iso15118.aio.net.ending import StreamEnd

    from .results import SessionResult

__all__ = ["judge"]

_TLS_ENDS = (Ending.TLS_ALERT, Ending.TLS_REFUSED)


def judge(result: SessionResult | None, end: StreamEnd | None, address: IPv6Address) -> SessionResult:
    """A session that never began is an error; so is one that the station's TLS refused at its first message,
    since TLS 1.3 lets a client begin before the server has judged it."""
    refused = end is not None and end.ending in _TLS_ENDS
    if result is not None and not (refused and result.exchanges == 0):
        return _with_cause(result, end)
    if end is None:
        raise LinkError(f"the connection to {address} never came about")
    if refused:
        if isinstance(end.error, TlsError):
            raise end.error
        raise TlsError(str(end))
    kind = LinkTimeoutError if end.ending is Ending.HANDSHAKE_TIMEOUT else LinkError
    raise kind(f"no session with {address}: {end}")


_SUDDEN = (Ending.RESET, Ending.CLOSED_BY_PEER, Ending.TRUNCATED)


def _with_cause(result: SessionResult, end: StreamEnd | None) -> SessionResult:
    """A station that goes right after the handshake says nothing, but there are few reasons."""
    if result.exchanges or result.tls is None or end is None or end.ending not in _SUDDEN:
        return result
    likely = (
        "it ended right after the TLS handshake, before any answer: most likely the station does not accept this "
        "vehicle's certificate, which TLS 1.3 lets it judge last, or serves somebody else; its log says which"
    )
    detail = f"{result.ended.detail}; {likely}" if result.ended.detail else likely
    return replace(result, ended=replace(result.ended, detail=detail))
