"""Whose a connection is: whether two are one vehicle's, and whether it comes as it had asked in discovery."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from iso15118.sdp import Answer, Security

if TYPE_CHECKING:
    from ipaddress import IPv6Address

    from iso15118.aio.net.stream import MessageStream
    from iso15118.sdp import Ignored, Origin

__all__ = ["Asked", "is_same_vehicle"]

_MOST: Final = 64
_KEPT_S: Final = 60.0
"""A vehicle connects within the 20 s of its communication set-up."""


class Asked:
    """By address: when TLS was promised to a vehicle that asked for it in discovery. One that comes without
    it all the same may have been talked out of it, or somebody else comes in its place."""

    def __init__(self) -> None:
        self._promised: OrderedDict[IPv6Address, float] = OrderedDict()

    def heard(self, origin: Origin, outcome: Answer | Ignored, now: float) -> None:
        """A request of discovery, and what was said to it."""
        if not isinstance(outcome, Answer):
            return
        self._promised.pop(origin.address, None)
        if outcome.request.security is outcome.response.security is Security.TLS:
            self._promised[origin.address] = now
            while len(self._promised) > _MOST:
                self._promised.popitem(last=False)

    def remark(self, stream: MessageStream, now: float) -> str:
        """What is wrong with this connection in the light of that; empty if nothing is. Each
        promise is looked at once."""
        address = stream.peer_address
        since = None if address is None else self._promised.pop(address, None)
        if since is None or now - since > _KEPT_S or stream.secure:
            return ""
        return f"{stream.peer} asked for TLS in discovery, was promised TLS, and comes without it"


def is_same_vehicle(one: MessageStream, other: MessageStream) -> bool:
    """Whether both connections are of the same vehicle: by the certificate that it proved
    in TLS, which nobody else can.

    Without TLS nothing but the link-local address tells, which is for laboratories; of TLS without a
    vehicle's certificate nothing is known.
    """
    if one.secure != other.secure:
        return False
    if not one.secure:
        address = one.peer_address
        return address is not None and address.is_link_local and address == other.peer_address
    chains = [stream.tls_info.peer_chain if stream.tls_info is not None else () for stream in (one, other)]
    return bool(chains[0]) and bool(chains[1]) and chains[0][0] == chains[1][0]
