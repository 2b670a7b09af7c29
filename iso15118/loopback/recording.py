"""The session folder of a run with both ends in this process: every message as a line of JSON and every
packet as it passes, summary and report at the end.

The folder is asked for by its path, and with it the capture that decrypts itself: the TLS secrets are in
``session.pcapng``, which only the owner may read, and in no other file.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv6Address
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import msgspec

from iso15118.errors import ConfigError
from iso15118.loopback.summary import LoopbackSummary
from iso15118.session.actions import Notify, StateEntered
from iso15118.testing.pair import EPOCH
from iso15118.trace import Endpoint
from iso15118.trace.recording import SessionRecord, only_folder

if TYPE_CHECKING:
    from iso15118.aio.recording import SharedRecorder

__all__ = ["SessionFolder"]

_EV: Final = Endpoint(IPv6Address("fe80::1"), 50000, station=False)
_SE: Final = Endpoint(IPv6Address("fe80::2"), 49152, station=True)
"""Both ends of a link in memory, which has no addresses."""
_MADE_UP: Final = "The run was in memory: addresses and ports are made up too, times are the virtual clock's."
_REAL: Final = "Addresses and ports are those of the run."


class SessionFolder:
    """``session.jsonl``, ``session.pcapng``, ``report.html`` and ``summary.json`` in ``directory``, which is
    made. Use it as a context manager; it is the ``recorder`` of a ``Pair``. A run that fails without a
    summary leaves the other three.

    ``memory``: the run is on a virtual clock, without a network, and nothing waits for the disk but the run
    itself; otherwise ``recorder`` is for the vehicle's end, and a thread writes. ``numbered``: where there is
    a recording, another folder is taken (``directory-2``); without it that is an error. Raises
    ``ConfigError`` if the directory has a recording or cannot be written to.
    """

    def __init__(self, directory: Path, *, memory: bool, numbered: bool = False) -> None:
        self.recorder: SharedRecorder | None = None
        """What records the vehicle's end over sockets; None in memory."""
        self._connected = False
        self._last = 0.0
        epoch = EPOCH if memory else time.time() - time.monotonic()
        try:
            self.directory = only_folder(directory, numbered=numbered)
            self._record = SessionRecord(
                self.directory,
                role="evcc",
                epoch=epoch,
                note=_MADE_UP if memory else _REAL,
                prompt=not memory,
            )
        except OSError as error:
            raise ConfigError(
                "out", f"{directory}: {error.strerror}", "a folder that can be written to"
            ) from error
        if not memory:
            from iso15118.aio.recording import SharedRecorder  # a run in memory has no use for it

            self.recorder = SharedRecorder(self._record)

    def _do(self, what: Callable[[SessionRecord], object], now: float) -> None:
        if self.recorder is not None:
            self.recorder.do(what, now)
        else:
            what(self._record)
            self._last = max(now, self._last)

    # -- what is heard
    # ----------------------------------------------------------------------------------------

    def told(self, role: str, what: Notify, now: float) -> None:
        """News of one end, states entered among them."""
        if type(what) is StateEntered:
            self._do(lambda record: record.state(role, what.state, now), now)
        else:
            self._do(lambda record: record.told(role, type(what).__name__, what, now), now)

    def discovery(
        self, car: tuple[IPv6Address, int], station: tuple[IPv6Address, int], request: bytes, answer: bytes
    ) -> None:
        """A request that was answered, by the clock of the event loop."""
        now = time.monotonic()
        ends = Endpoint(*car, station=False), Endpoint(*station, station=True)
        self._do(lambda record: record.discovery(*ends, request, answer, now), now)

    def link(self, from_vehicle: bool, data: bytes, now: float) -> None:
        """V2GTP on the link in memory."""
        record = self._record
        if not self._connected:
            self._connected = True
            record.opened(_EV, _SE, now)
        record.octets("evcc" if from_vehicle else "secc", data, now)
        record.passed(from_vehicle, data, now)
        self._last = max(now, self._last)

    # -- the end
    # ----------------------------------------------------------------------------------------------

    def conclude(self, summary: LoopbackSummary) -> None:
        """The run is over."""
        told = msgspec.to_builtins(summary)
        self._do(lambda record: record.concluded(told), self._last)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._connected:  # the vehicle closes first
            self._record.closed(True, False, self._last)
            self._record.closed(False, False, self._last)
        failure = "" if error is None else f"{kind.__name__ if kind else ''}: {error}"
        self._do(lambda record: record.close(failure), self._last)
        if self.recorder is not None:
            self.recorder.close(_CLOSES_S)


_CLOSES_S: Final = 30.0
"""Nobody waits but the user, who wants the folder whole."""
