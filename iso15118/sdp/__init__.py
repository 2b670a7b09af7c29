"""SECC discovery (SDP): the two messages of a wired link, the station that answers and the car that asks;
``sdp.wireless`` has those of links without a cable.

Sans-I/O: datagrams and their origin in, datagrams and decisions out. The sockets, the multicast group and the
interface belong to ``aio``; on the loopback interface, which has no multicast, the same machines run over
``::1``.
"""

from __future__ import annotations

from .messages import MULTICAST_GROUP, SDP_PORT, Origin, SdpRequest, SdpResponse, Security, Transport
from .rates import OriginRates, RateLimit
from .station import Answer, Ignored, SdpServer
from .vehicle import Conflict, Found, GaveUp, Refused, SdpAction, SdpClient, SendRequest

__all__ = [
    "MULTICAST_GROUP",
    "SDP_PORT",
    "Answer",
    "Conflict",
    "Found",
    "GaveUp",
    "Ignored",
    "Origin",
    "OriginRates",
    "RateLimit",
    "Refused",
    "SdpAction",
    "SdpClient",
    "SdpRequest",
    "SdpResponse",
    "SdpServer",
    "Security",
    "SendRequest",
    "Transport",
]
