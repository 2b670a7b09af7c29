"""Tells systemd, where it started this process, that the service is ready, what it does, and that it is
able to make its hardware safe.

``WATCHDOG=1`` follows the heartbeat, so that ``WatchdogSec=`` restarts a process whose loop hangs
(sd_notify(3), systemd.service(5)).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from iso15118.aio.ports.guard import brief, describe

from .logs import Log

if TYPE_CHECKING:
    from .heartbeat import Heartbeat

__all__ = ["SystemdNotifier"]

_log = Log(__name__)

_AT_MOST_EVERY_S: Final = 0.02
"""systemd counts in microseconds; nobody restarts a process after so few."""
_STATUS_S: Final = 1.0
"""How often the status is told where no watchdog is asked for."""


class SystemdNotifier:
    """Does nothing where ``NOTIFY_SOCKET`` is not set. ``heartbeat`` gives the one to follow (None while
    there is none), ``status`` a few words. Nothing here raises or blocks."""

    def __init__(self, heartbeat: Callable[[], Heartbeat | None], status: Callable[[], str]) -> None:
        self._heartbeat, self._status = heartbeat, status
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._seen = 0
        mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        micros = os.environ.get("WATCHDOG_USEC", "")
        self._watched = mine and micros.isascii() and micros.isdigit() and int(micros) > 0
        self._every_s = max(int(micros) / 3e6, _AT_MOST_EVERY_S) if self._watched else _STATUS_S
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    def ready(self) -> None:
        """The service can be used; from now on its heartbeat is passed on."""
        self._send("READY=1")
        if self._socket is not None:
            self._due()

    def stopping(self) -> None:
        """The service is being stopped; its heartbeat still counts."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Tell nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _due(self) -> None:
        self._timer = self._loop.call_later(self._every_s, self._due)
        heartbeat = self._heartbeat()
        beaten = heartbeat is not None and heartbeat.count != self._seen
        if heartbeat is not None:
            self._seen = heartbeat.count
        alive = "WATCHDOG=1\n" if self._watched and beaten else ""
        try:
            status = brief(self._status())
        except Exception as error:  # whoever cannot say what it does is alive all the same
            status = describe(error)
        self._send(f"{alive}STATUS={status}")

    def _send(self, text: str) -> None:
        if self._socket is None:
            return
        # A name that begins with @ is one of the abstract namespace.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            self._socket.sendto(text.encode(), address)
        except OSError as error:
            _log.debug("systemd was not told %r: %s", text, error)
