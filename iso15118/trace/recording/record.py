"""One session on its way into its folder. Frames, packets, states and events in, files out; what goes wrong
with a file ends the recording and nothing else.

Times of all calls are the caller's clock in s; ``epoch`` makes Unix time of them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, Final

import msgspec

from iso15118.files import write_whole
from iso15118.trace.capture import Capture
from iso15118.trace.entries import EVCC, SECC
from iso15118.trace.packets import Endpoint
from iso15118.trace.pcapng import whole_blocks
from iso15118.trace.reading.frames import FrameStream, Whole
from iso15118.trace.reading.messages import Dialogue

from .folders import CAPTURE, LINES, REPORT, SUMMARY, OutputFile, whole_lines
from .lines import message_line, session_line

__all__ = ["SessionRecord"]

_log = logging.getLogger(__name__)

_LOOK_S: Final = 1.0
"""How often it is looked whether the files are still there."""
_MOST_FOR_A_PAGE: Final = 20_000
"""Frames; the page of a longer session is left to `iso15118 report`: it takes seconds of a processor
that the next session needs."""
_WRITE_FROM: Final = 64 * 1024
"""Octets that wait to be written, where nobody asks for more."""


class SessionRecord:
    """``role``: whose view it is; of a run with both ends in one process the vehicle's. ``prompt``: every
    line is written at once, and packets with ``flush``, so that a process that is killed leaves what was
    said; otherwise in large pieces.

    ``given_up`` hears why nothing more is written, once. Raises OSError if the files cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        *,
        role: str,
        epoch: float,
        note: str = "",
        prompt: bool = True,
        given_up: Callable[[str], None] | None = None,
    ) -> None:
        self.folder, self.role = folder, role
        self.failed = ""
        """Why the recording is not whole; empty as long as it is."""
        self._last_t = 0.0
        self._epoch, self._prompt, self._given_up = epoch, prompt, given_up
        self._capture = Capture(epoch=epoch, note=note)
        self._pending = bytearray()
        self._states: dict[str, str] = {}
        self._last: dict[str, float] = {}
        self._number = 0
        self._looked = -1e18
        self._summary: dict[str, Any] = {}
        self._closed = self._warned = False
        self._connect()
        self._lines = OutputFile(folder / LINES, whole_lines)
        try:
            self._packets = OutputFile(folder / CAPTURE, whole_blocks)
        except BaseException:
            self._lines.close()
            raise
        self._write(self._packets, self._capture.take())

    def _connect(self) -> None:
        """Another connection: what was agreed on the last one says nothing of it."""
        self._dialogue = Dialogue()
        self._frames = {EVCC: FrameStream(), SECC: FrameStream()}
        self._last.clear()

    # -- what is said
    # -----------------------------------------------------------------------------------------

    def octets(self, sender: str, data: bytes, now: float) -> None:
        """V2GTP as one side sent it, before TLS; whole frames or parts."""
        self._do(lambda: self._octets(sender, data, now))

    def _octets(self, sender: str, data: bytes, now: float) -> None:
        for found in self._frames[sender].feed(data, self._number + 1):
            self._number += 1
            if not isinstance(found, Whole):
                self.told(self.role, "NoFrame", {"octets": found.octets.hex(), "reason": found.reason}, now)
                continue
            entry = self._dialogue.entry(
                found.payload_type, found.payload, t=self._unix(now), number=self._number, sender=sender
            )
            other = self._last.get(SECC if sender == EVCC else EVCC)
            self._last[sender] = now
            latency = None if other is None else round((now - other) * 1000.0, 3)
            state = self._states.get(self.role, "")
            self._last_t = now
            self._add(message_line(entry, role=self.role, state=state, latency_ms=latency), now)

    def state(self, role: str, state: str, now: float) -> None:
        """A role entered a state."""
        self._states[role] = state
        self._add(session_line(self._unix(now), role, state, "StateEntered", {"state": state}), now)

    def told(self, role: str, name: str, what: Any, now: float) -> None:
        """News, an event or a decision of a session; ``name`` is its class."""
        self._add(session_line(self._unix(now), role, self._states.get(role, ""), name, what), now)

    def ended(self, role: str, summary: Mapping[str, Any], now: float) -> None:
        """What came of the session, as JSON values; the last one is what the report begins with."""
        self._summary = dict(summary)
        self.told(role, "SessionResult", self._summary, now)
        self._do(self._conclude)

    def concluded(self, summary: Mapping[str, Any]) -> None:
        """The same of a run with both ends, without a line."""
        self._summary = dict(summary)
        self._do(self._conclude)

    def _conclude(self) -> None:
        text = msgspec.json.format(msgspec.json.encode(self._summary, enc_hook=str), indent=2)
        write_whole(self.folder / SUMMARY, text + b"\n", durable=False)

    # -- what passes on the wire
    # ------------------------------------------------------------------------------

    def secret(self, line: str) -> None:
        """A line of the TLS key log: it stands before the packets that wait."""
        if not self._warned:
            self._warned = True
            path = self.folder / CAPTURE
            _log.warning("TLS secrets are written to %s: whoever has it can read the traffic", path)
        self._capture.secret(line)

    def discovery(
        self, vehicle: Endpoint, station: Endpoint, request: bytes, answer: bytes, now: float
    ) -> None:
        """A request of the discovery that was answered."""
        self._capture.datagram(vehicle, station, request, now)
        self._capture.datagram(station, vehicle, answer, now)

    def opened(self, vehicle: Endpoint, station: Endpoint, now: float) -> None:
        """A connection stands."""
        self._connect()
        self._capture.open(vehicle, station, now)

    def passed(self, from_vehicle: bool, data: bytes, now: float) -> None:
        """Octets of the connection as they are on the wire: TLS records, or V2GTP where there is no TLS."""
        self._capture.data(from_vehicle, data, now)
        if self._capture.waiting > _WRITE_FROM:
            self.flush(now)

    def closed(self, from_vehicle: bool, reset: bool, now: float) -> None:
        """One side ended its direction, or dropped the connection."""
        (self._capture.reset if reset else self._capture.finish)(from_vehicle, now)

    # -- files
    # ------------------------------------------------------------------------------------------------

    def flush(self, now: float) -> None:
        """Write what waits. Not between the packet with which a handshake goes on and its secrets:
        those have to stand before it."""
        if self._pending:
            data = bytes(self._pending)
            self._pending.clear()
            self._write(self._lines, data)
        self._write(self._packets, self._capture.take())
        if now - self._looked >= _LOOK_S:
            self._looked = now
            self._do(self._look)

    def close(self, failure: str = "") -> None:
        """The last of it, the report, and no more. ``failure``: why there is no result."""
        if self._closed:
            return
        self._closed = True
        self.flush(self._looked + _LOOK_S)
        self._do(lambda: self._report(failure))
        for file in (self._lines, self._packets):
            with suppress(OSError):
                file.close()

    def give_up(self, why: str) -> None:
        """Nothing more is written: what there is ends with a line that says so, if that can be written."""
        if self.failed or self._closed:
            return
        self._write(self._lines, bytes(self._pending))
        self._pending.clear()
        t = self._unix(self._last_t)
        self._write(self._lines, session_line(t, self.role, "", "RecordingEnded", {"reason": why}))
        self._fail(why)

    def _report(self, failure: str) -> None:
        if self._number > _MOST_FOR_A_PAGE:
            return
        # The same page that the command makes of the folder. What judges a session
        # is not loaded while one runs.
        from iso15118.trace.report.files import report_of_folder
        from iso15118.trace.report.page import page

        text = page(report_of_folder(self.folder, failure=failure))
        write_whole(self.folder / REPORT, text.encode(), durable=False)

    def _look(self) -> None:
        if self._lines.removed or self._packets.removed or not os.path.lexists(self.folder / LINES):
            raise FileNotFoundError(2, "somebody removed or renamed it")

    def _unix(self, now: float) -> float:
        return round(self._epoch + now, 6)

    def _add(self, line: bytes, now: float) -> None:
        if not self._prompt:
            self._pending += line
            if len(self._pending) > _WRITE_FROM:
                self.flush(now)
            return
        self._write(self._lines, line)

    def _write(self, file: OutputFile, data: bytes) -> None:
        if data:
            self._do(lambda: file.write(data))

    def _do(self, step: Callable[[], None]) -> None:
        if self.failed:
            return
        try:
            step()
        except OSError as error:
            self._fail(error.strerror or type(error).__name__)
        except Exception as error:  # a fault of ours, or a value that nobody thought of: the session goes on
            _log.exception("the recording of a session failed")
            self._fail(f"{type(error).__name__}: {error}")

    def _fail(self, why: str) -> None:
        self.failed = why
        _log.error(
            "the session is recorded no further in %s: %s; the session itself goes on", self.folder, why
        )
        if self._given_up is not None:
            self._given_up(why)


def endpoint(host: str, port: int, *, station: bool) -> Endpoint:
    """An end of a connection as sockets name it; an address without its interface. Raises ValueError."""
    return Endpoint(IPv6Address(host.partition("%")[0]), port, station)
