"""TLS of ISO 15118: the profiles as data, and a connection that turns bytes into bytes.

Nothing here opens a socket or asks the time. ``iso15118.pki`` decides whether a peer's certificates are
acceptable.
"""

from __future__ import annotations

from iso15118.tls.checks import Identity, PathCheck, PeerCheck, StapleSource
from iso15118.tls.connection import TlsConnection, TlsContext, TlsInfo
from iso15118.tls.port import PortConnection, TlsPort
from iso15118.tls.profiles import DUAL, ISO2, ISO20, LAB, PROFILES, TlsProfile

__all__ = [
    "DUAL",
    "ISO2",
    "ISO20",
    "LAB",
    "PROFILES",
    "Identity",
    "PathCheck",
    "PeerCheck",
    "PortConnection",
    "StapleSource",
    "TlsConnection",
    "TlsContext",
    "TlsInfo",
    "TlsPort",
    "TlsProfile",
]
