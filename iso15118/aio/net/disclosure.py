"""The TLS secrets of connections as datagrams, in the form that Wireshark plugins for V2G read: lines of an
NSS key log, each in a UDP datagram whose source port is a dynamic one. Whoever hears them can read the
traffic, so nothing sends them unless it is asked for.
"""

from __future__ import annotations

import ipaddress
import os
import random
import re
import socket
from typing import TYPE_CHECKING, Final

from iso15118.aio.logs import Log
from iso15118.errors import ConfigError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["SecretDisclosure"]

_log = Log(__name__)

_SOURCE_PORTS: Final = (49152, 65535)
"""What the plugins look at."""
_ATTEMPTS: Final = 64
_TARGET: Final = re.compile(r"(?:\[(?P<six>[^\]]{1,64})\]|(?P<host>[^:\[\]]{1,255})):(?P<port>\d{1,5})")


class SecretDisclosure:
    """Sends each line to ``target``, ``HOST:PORT`` or ``[ADDRESS%INTERFACE]:PORT``; give it to a
    ``TlsContext`` as ``keylog``.

    Raises ``ConfigError`` for a target that is none, or that nothing can be sent to.
    """

    def __init__(self, target: str) -> None:
        key = "keylog-udp"
        found = _TARGET.fullmatch(target)
        port = int(found["port"]) if found is not None else 0
        if found is None or not 1 <= port <= 0xFFFF:
            raise ConfigError(
                key, f"{target!r} is no host and port", "192.0.2.7:50000, or [fe80::1%eth1]:50000"
            )
        host = found["six"] or found["host"]
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigError(key, f"{host}: {reason}", "an address, or a name that is known") from error
        self._target = target
        self._socket: socket.socket | None = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            self._bind(self._socket, family)
            if ipaddress.ip_address(str(address[0]).partition("%")[0]).is_multicast:
                # On the link of the two ends, where whoever captures is as well.
                level, hops = (
                    (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS)
                    if family == socket.AF_INET6
                    else (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL)
                )
                self._socket.setsockopt(level, hops, 1)
            self._socket.setblocking(False)
            self._socket.connect(address)
        except OSError as error:
            self.close()
            raise ConfigError(
                key,
                f"nothing can be sent to {target}: {os.strerror(error.errno or 0)}",
                "an address that is reached from here; one that begins with fe80 needs %INTERFACE",
            ) from error
        _log.warning(
            "TLS secrets are sent to %s in the clear: whoever hears them can read the traffic", target
        )

    def _bind(self, made: socket.socket, family: int) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                made.bind(("::" if family == socket.AF_INET6 else "", random.randint(*_SOURCE_PORTS)))  # noqa: S311 - any will do
                return
            except OSError:
                if attempt == _ATTEMPTS - 1:
                    raise

    def __call__(self, line: str) -> None:
        """Send one line. What is lost on the way is lost; an error is said once, and
        nothing is sent any more."""
        if self._socket is None:
            return
        try:
            self._socket.send(line.encode())
        except (BlockingIOError, ConnectionRefusedError):
            return  # the line is full, or nobody listens there: whoever captures hears it all the same
        except OSError as error:
            _log.error("no more TLS secrets are sent to %s: %s", self._target, os.strerror(error.errno or 0))
            self.close()

    def close(self) -> None:
        """Send no more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> SecretDisclosure:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
