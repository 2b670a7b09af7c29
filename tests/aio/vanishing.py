"""A peer that talks like any other up to a certain message, and then is gone: the connection of a real
session, with the plug pulled at the moment of sending.

Nothing of it reacts afterwards: its session hears nothing more and sends nothing more,
as if its process were dead.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from enum import Enum
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, cast

from iso15118.aio.net.stream import MessageStream
from iso15118.errors import TlsError

__all__ = ["Vanishing", "Way"]


class Way(Enum):
    """How it goes."""

    FIN = "the socket is closed, without close_notify"
    RST = "the connection is reset"
    SILENCE = "nothing comes any more"
    ALERT = "a fatal TLS alert"


class Vanishing(MessageStream):
    """Vanishes instead of sending the ``count``-th message of class ``name``; ``gone`` is when it did."""

    def __init__(
        self, *args: Any, name: str, way: Way, count: int = 1, after: bool = False, **settings: Any
    ) -> None:
        super().__init__(*args, **settings)
        self._name, self._count, self._way, self._after = name, count, way, after
        self.gone: float | None = None

    def send(self, message: Any, *, beside: bool = False) -> None:
        if self.gone is not None:
            return
        if type(message).__name__ == self._name:
            self._count -= 1
            if self._count == 0:
                if self._after:
                    super().send(message, beside=beside)
                self._vanish()
                return
        super().send(message, beside=beside)

    def _vanish(self) -> None:
        dead, self.gone = self.gone is not None, self._loop.time()
        if self._name.startswith("SupportedAppProtocol") and not dead:
            # Later than the handshake's last flight, which the station has to see to have a session at all.
            self._loop.call_later(0.02, self._vanish)
            return
        transport = cast("asyncio.Transport", self._transport)
        match self._way:
            case Way.FIN:
                transport.write_eof()
            case Way.RST:
                transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                transport.abort()
            case Way.ALERT:
                tls = self._tls
                assert tls is not None
                # A record that nobody encrypted: this end says so by a fatal alert.
                with contextlib.suppress(TlsError):
                    tls.receive_data(b"\x17\x03\x03\x00\x20" + bytes(32))
                alert = tls.data_to_send()
                assert alert
                transport.write(alert)
            case Way.SILENCE:
                pass

    def buffer_updated(self, nbytes: int) -> None:
        if self.gone is None:
            super().buffer_updated(nbytes)

    def eof_received(self) -> bool:
        return True if self.gone is not None else super().eof_received()

    def close(self, grace_s: float = 0.0) -> None:
        if self.gone is None:
            super().close(grace_s)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.gone is not None:
            self._end = self._end or self._planned_end  # nobody is told
            if not self._closed.done():
                self._closed.set_result(None)
            return
        super().connection_lost(exc)
