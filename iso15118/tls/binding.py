"""What ties a paused session to the peer it was paused with: TLS sessions are never resumed, so
the certificate has to say it.

Both sides compute it from the session id and the leaf that the peer proved in TLS, and compare it when the
session goes on. [V2G20-2539, V2G20-2545]
"""

from __future__ import annotations

import hashlib
import hmac

from iso15118.errors import MisuseError

__all__ = ["is_same_peer", "session_binding"]

_SESSION_ID = 8


def session_binding(session_id: bytes, peer_leaf: bytes) -> bytes:
    """64 octets to keep with a paused session: SHA-512 of the session id and the SHA-512 of the
    peer's leaf certificate (DER).

    Raises ``MisuseError`` for a session id that is not eight octets, or no certificate: a peer
    without one cannot be known again.
    """
    if len(session_id) != _SESSION_ID or not any(session_id):
        raise MisuseError("a session id has eight octets, and is not zero")
    if not peer_leaf:
        raise MisuseError("a peer without certificate cannot be known again")
    return hashlib.sha512(session_id + hashlib.sha512(peer_leaf).digest()).digest()


def is_same_peer(binding: bytes, session_id: bytes, peer_leaf: bytes) -> bool:
    """True if this is the peer with which the session was paused. Anything malformed is another one."""
    try:
        return hmac.compare_digest(binding, session_binding(session_id, peer_leaf))
    except MisuseError:
        return False
