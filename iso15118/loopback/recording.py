"""The session folder: every message as a line of JSON and every packet as it passes, summary and report at the end.

The folder is asked for by its path, and with it the capture that decrypts itself: the TLS secrets are in ``session.pcapng``, which only
the owner may read, and in no other file.
"""

from __future__ import annotations

import logging
import time
from ipaddress import IPv6Address
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from iso15118.errors import ConfigError
from iso15118.files import make_folder, new_secret, write_whole
from iso15118.loopback.summary import LoopbackSummary
from iso15118.testing.pair import EPOCH
from iso15118.trace import Capture, Endpoint, Recorder
from iso15118.trace.report.files import report_of_folder
from iso15118.trace.report.page import page

__all__ = ["SessionFolder"]

_log = logging.getLogger(__name__)

_WRITE_FROM: Final = 64 * 1024  # bytes of packets that wait
_EV: Final = Endpoint(IPv6Address("fe80::1"), 50000, station=False)
_SE: Final = Endpoint(IPv6Address("fe80::2"), 49152, station=True)
"""Both ends of a link in memory, which has no addresses."""


class SessionFolder:
    """``session.jsonl``, ``session.pcapng``, ``report.html`` and ``summary.json`` in ``directory``, which is made. Use it as a
    context manager; it is the ``aio.net.tap.Tap`` of a connection. A run that fails without a summary leaves the other three.

    ``memory``: the run is on a virtual clock, without a network. Raises ``ConfigError`` if the directory cannot be written to.
    """

    def __init__(self, directory: Path, *, memory: bool) -> None:
        self.directory = directory
        self.recorder = Recorder()
        self._memory = memory
        note = (
            "The run was in memory: addresses and ports are made up too, times are the virtual clock's."
            if memory
            else "Addresses and ports are those of the run."
        )
        epoch = EPOCH if memory else time.time() - time.monotonic()
        self._capture = Capture(epoch=epoch, note=note)
        self._warned = False
        try:
            make_folder(directory, durable=False)
            self._lines = new_secret(directory / "session.jsonl")
            try:
                self._packets = new_secret(directory / "session.pcapng")
            except BaseException:
                self._lines.close()
                raise
        except OSError as error:
            raise ConfigError(
                "out", f"{directory}: {error.strerror}", "a folder that can be written to"
            ) from error

    # -- what the session says ------------------------------------------------------------------------------

    def watch(self, sender: str, message: Any, now: float) -> None:
        """One message."""
        self._lines.write(self.recorder.message(sender, message, now))
        if self._capture.waiting > _WRITE_FROM:
            self._packets.write(self._capture.take())

    def state(self, role: str, state: str, now: float) -> None:
        """A role entered a state."""
        self.recorder.state(role, state, now)

    # -- what passes on the wire ----------------------------------------------------------------------------

    def secret(self, line: str) -> None:
        """A line of the TLS key log."""
        if not self._warned:
            self._warned = True
            path = self.directory / "session.pcapng"
            _log.warning("TLS secrets are written to %s: whoever has it can read the traffic", path)
        self._capture.secret(line)

    def discovery(
        self, car: tuple[IPv6Address, int], station: tuple[IPv6Address, int], request: bytes, answer: bytes
    ) -> None:
        """A request that was answered, by the clock of the event loop."""
        now = time.monotonic()
        source, target = Endpoint(*car, station=False), Endpoint(*station, station=True)
        self._capture.datagram(source, target, request, now)
        self._capture.datagram(target, source, answer, now)

    def link(self, from_vehicle: bool, data: bytes, now: float) -> None:
        """V2GTP on the link in memory."""
        if not self._capture.connected:
            self._capture.open(_EV, _SE, now)
        self._capture.data(from_vehicle, data, now)

    def opened(self, local: tuple[str, int], peer: tuple[str, int], now: float) -> None:
        """The vehicle's connection stands."""
        self._capture.open(_end(local, station=False), _end(peer, station=True), now)

    def passed(self, sent: bool, data: bytes, now: float) -> None:
        """Bytes of the vehicle's connection."""
        self._capture.data(sent, data, now)

    def ended(self, sent: bool, reset: bool, now: float) -> None:
        """One side of the vehicle's connection."""
        (self._capture.reset if reset else self._capture.finish)(sent, now)

    # -- the end --------------------------------------------------------------------------------------------

    def conclude(self, summary: LoopbackSummary) -> None:
        """The run is over."""
        text = msgspec.json.format(msgspec.json.encode(summary), indent=2)
        write_whole(self.directory / "summary.json", text + b"\n", durable=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._memory and self._capture.connected:  # the vehicle closes first
            self._capture.finish(True, self.recorder.last)
            self._capture.finish(False, self.recorder.last)
        with self._lines, self._packets:
            self._packets.write(self._capture.take())
        failure = "" if error is None else f"{kind.__name__ if kind else ''}: {error}"
        # The same report that the command makes of the folder.
        text = page(report_of_folder(self.directory, failure=failure))
        write_whole(self.directory / "report.html", text.encode(), durable=False)


def _end(address: tuple[str, int], *, station: bool) -> Endpoint:
    return Endpoint(IPv6Address(address[0].partition("%")[0]), address[1], station)
