"""TCP and UDP sockets on the network interface to the peer, all IPv6 and all bound to that interface.

A charging cable ends at one interface, and its addresses are link-local. The loopback interface stands in for
a cable on one machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
import socket
import struct
import sys
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final

from iso15118.errors import LinkError, LinkTimeoutError
from iso15118.sdp import MULTICAST_GROUP, SDP_PORT

from .interface import Interface, find_interface
from .interface import words_of as _words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .stream import MessageStream

__all__ = [
    "DYNAMIC_PORTS",
    "Interface",
    "connect",
    "find_interface",
    "listen_tcp",
    "sdp_client_socket",
    "sdp_server_socket",
]

DYNAMIC_PORTS: Final = range(49152, 65536)
"""TCP ports that stations listen on."""

_PORT_TRIES: Final = 64
_BACKLOG: Final = 16
"""Connections that the system keeps waiting: one car is at the end of a cable, and some room
for whoever gets in its way."""


def listen_tcp(interface: Interface, port: int | None = None) -> socket.socket:
    """A TCP socket that listens on the interface: on ``port``, or on any free one of the dynamic range.

    Raises ``LinkError`` if there is no such port to be
    had.
    """
    for choice in _ports() if port is None else (port,):
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((str(interface.address), choice, 0, interface.scope_id))
            sock.listen(_BACKLOG)
            sock.setblocking(False)
        except OSError as error:
            sock.close()
            if port is None and error.errno == errno.EADDRINUSE:
                continue
            raise LinkError(
                f"cannot listen on TCP port {choice} of {interface.name}: {_words(error)}"
            ) from error
        return sock
    raise LinkError(
        f"no free TCP port on {interface.name} between {DYNAMIC_PORTS[0]} and {DYNAMIC_PORTS[-1]}"
    )


async def connect(
    stream: MessageStream, interface: Interface, address: IPv6Address, port: int, *, timeout_s: float
) -> None:
    """Connect ``stream`` to a station on this interface within ``timeout_s`` seconds. Raises ``LinkError`` if
    it does not come about."""
    loop = asyncio.get_running_loop()
    where = f"[{address}]:{port} on {interface.name}"
    sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        async with asyncio.timeout(timeout_s):
            await loop.sock_connect(sock, (str(address), port, 0, interface.scope_id))
            await loop.create_connection(lambda: stream, sock=sock)
    except TimeoutError as error:
        sock.close()
        raise LinkTimeoutError(f"no TCP connection to {where} within {timeout_s:g} s") from error
    except OSError as error:
        sock.close()
        raise LinkError(f"no TCP connection to {where}: {_words(error)}") from error
    except BaseException:
        sock.close()
        raise


def sdp_server_socket(interface: Interface, port: int = SDP_PORT) -> socket.socket:
    """The station's discovery socket: in the multicast group on this interface, or on ``::1``. Raises
    ``LinkError`` if the port is taken.

    Several stations of one machine share the port, one interface each. On the loopback interface there is no
    multicast, hence nothing to share: the second one is refused.
    """
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Of the loopback interface too: else a station there takes the port from those on every cable.
        _bind_to_device(sock, interface)
        if interface.loopback:
            sock.bind((str(interface.address), port))
        else:
            _share_port(sock)
            sock.bind(("::", port))
            group = MULTICAST_GROUP.packed + struct.pack("@I", interface.index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    except OSError as error:
        sock.close()
        raise LinkError(f"cannot listen on UDP port {port} of {interface.name}: {_words(error)}") from error
    return sock


def sdp_client_socket(interface: Interface) -> socket.socket:
    """The car's discovery socket, on a port of the system's choice. Raises ``LinkError`` if the interface
    does not allow it."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if not interface.loopback:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface.index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
        sock.bind((str(interface.address), 0, 0, interface.scope_id))
    except OSError as error:
        sock.close()
        raise LinkError(f"cannot send discovery requests on {interface.name}: {_words(error)}") from error
    return sock


def _share_port(sock: socket.socket) -> None:
    # Multicast reaches every socket on the port. Linux shares with REUSEADDR, the BSDs want REUSEPORT for it.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if not sys.platform.startswith("linux") and hasattr(socket, "SO_REUSEPORT"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def _bind_to_device(sock: socket.socket, interface: Interface) -> None:
    # Keeps other interfaces' datagrams out of this process. Where it is not allowed the scope of the sender
    # decides (SdpServer).
    if hasattr(socket, "SO_BINDTODEVICE"):
        with contextlib.suppress(PermissionError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.name.encode() + b"\0")


def _ports() -> Iterator[int]:
    # Random, so that a port says nothing, and own choice, because the system's own range begins lower.
    for _ in range(_PORT_TRIES):
        yield DYNAMIC_PORTS[secrets.randbelow(len(DYNAMIC_PORTS))]
