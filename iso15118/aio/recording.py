"""Recordings of sessions on real sockets: what passes is handed to a thread of its own, and only
that one ever waits for a disk.

A full disk, a slow one, or a folder that somebody removed costs the recording, which is said once, and
neither the session nor the loop.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from iso15118.errors import ConfigError, MisuseError
from iso15118.files import make_folder
from iso15118.sdp import Answer
from iso15118.trace.packets import Endpoint

from .arguments import check_arguments
from .logs import Log
from .net.tap import Ear
from .session_tap import HANDSHAKE_S, ITEM, SessionTap, Slot

if TYPE_CHECKING:
    from types import TracebackType

    from iso15118.sdp import Ignored, Origin
    from iso15118.trace.recording import SessionRecord

    from .net.stream import MessageStream

__all__ = ["Recorder", "SharedRecorder"]

_log = Log(__name__)

_MOST_WAITING: Final = 16 << 20
"""Octets that may wait to be written."""
_CLOSES_S: Final = 2.0
_SECRETS_KEPT: Final = 64
_ANSWERS_KEPT: Final = 16
_FOLDERS_KEPT: Final = 256


class Recorder:
    """Records every session of a ``SeccServer`` or an ``EvccClient`` in a folder of its own in
    ``directory``, which is made: ``secc-0001``, ``secc-0002`` ... and ``evcc-0001`` ...; what is there is
    never overwritten (docs/session-folder.md).

    Give ``secret`` to the ``TlsContext`` as ``keylog``: with it the capture decrypts itself, and whoever has
    the folder can read the traffic; without it the capture stays closed, and the messages are in
    ``session.jsonl`` alone. Close it when the server or the client is closed; use it with ``with``. Raises
    ``ConfigError`` for a directory that cannot be made.
    """

    def __init__(self, directory: Path | str, *, most_waiting: int = _MOST_WAITING) -> None:
        check_arguments(most_waiting=most_waiting)
        self.directory = Path(directory)
        self.folders: deque[Path] = deque(maxlen=_FOLDERS_KEPT)
        """Of the sessions so far, the newest at the end."""
        self.failed = ""
        """Why the last recording that failed did; empty if none has."""
        try:
            make_folder(self.directory, durable=False)
            if not self.directory.is_dir():
                raise NotADirectoryError(20, "is no folder")
            if not os.access(self.directory, os.W_OK | os.X_OK):
                raise PermissionError(13, "cannot be written to")
        except OSError as error:
            raise ConfigError(
                "record", f"{directory}: {error.strerror}", "a folder that can be written to"
            ) from error
        self._most = most_waiting
        self._given = self._taken = 0  # octets, by the loops and by the thread
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[Slot | None, Callable[[], object], int]] = queue.SimpleQueue()
        self._slots: set[Slot] = set()
        self._waits: set[Slot] = set()
        self._known: dict[str, list[SessionTap]] = {}
        self._answers: deque[tuple[str, Any]] = deque(maxlen=_ANSWERS_KEPT)
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="iso15118 recording", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    # -- for whoever makes connections
    # ------------------------------------------------------------------------

    def streams(self, connection: Callable[..., MessageStream], role: str) -> Callable[..., MessageStream]:
        """The same connections, recorded."""

        def make(*arguments: Any, **options: Any) -> MessageStream:
            stream = connection(*arguments, **options)
            if stream.ear is not None:
                raise MisuseError("this connection has a listener already: it cannot be recorded as well")
            stream.ear = Ear(SessionTap(self, role))
            return stream

        return make

    def bare(self, role: str) -> Ear:
        """For a session without a connection, which says nothing by messages."""
        return Ear(SessionTap(self, role, alone=True))

    def slot(self, role: str) -> Slot:
        """Where a session goes."""
        return Slot(self, role)

    def secret(self, line: str) -> None:
        """A line of the TLS key log; it goes to the connection that it belongs to."""
        words = line.split()
        for tap in self._known.get(words[1].lower(), ()) if len(words) == 3 else ():
            tap.secret(line)

    def heard_asking(self, origin: Origin, outcome: Answer | Ignored, sdp_port: int) -> None:
        """A request of the discovery came in: one that was answered stands in the capture of
        the session that follows."""
        if not isinstance(outcome, Answer):
            return
        ends = (
            Endpoint(origin.address, origin.port, station=False),
            Endpoint(outcome.response.address, sdp_port, station=True),
        )
        now = asyncio.get_running_loop().time()
        self._answers.append((str(origin.address), (*ends, outcome.asked, outcome.data, now)))

    def asked_by(self, host: str) -> Any:
        """The last one of this vehicle, once: those before it led to no session."""
        found = None
        for one in tuple(self._answers):
            if one[0] == host:
                found = one[1]
                self._answers.remove(one)
        return found

    def knows(self, random: str, tap: SessionTap) -> None:
        """Whose secrets those of this ClientHello are."""
        # Both ends of a connection may be in this process.
        self._known.setdefault(random, []).append(tap)
        while len(self._known) > _SECRETS_KEPT:
            del self._known[next(iter(self._known))]

    def forget(self, random: str, tap: SessionTap) -> None:
        """The connection is over."""
        taps = self._known.get(random, [])
        if tap in taps:
            taps.remove(tap)
        if not taps:
            self._known.pop(random, None)

    # -- the thread
    # -------------------------------------------------------------------------------------------

    def put(self, slot: Slot, what: Callable[[], object], octets: int) -> None:
        """Have this done when its turn comes. What there is too much of ends the recording of its session."""
        if self._closed:
            return
        if self._count(octets) > self._most and not slot.failed:
            slot.fail("the disk is too slow")
            self._queue.put((slot, lambda: self._too_slow(slot), octets))
            return
        self._queue.put((slot, what, octets))

    def _count(self, octets: int) -> int:
        """One more item waits; gives what waits now."""
        with self._lock:  # held for an addition: sessions of several loops may share a recorder
            self._given += octets + ITEM
            return self._given - self._taken

    def _too_slow(self, slot: Slot) -> None:
        if slot.record is not None:
            slot.record.give_up("the disk is too slow")

    def _work(self) -> None:
        while True:
            try:
                slot, what, octets = self._queue.get(timeout=HANDSHAKE_S if self._waits else None)
            except queue.Empty:
                for waiting in self._waits:
                    waiting.held_until = 0.0
                self._flush()
                continue
            if slot is None:
                what()
                return
            try:
                what()
                if slot.record is not None:
                    self._slots.add(slot)
            except Exception as error:
                slot.fail(f"{type(error).__name__}: {error}")
                _log.error("the recording of a session failed", error=error)
            self._taken += octets + ITEM
            self._waits.add(slot)
            if self._queue.empty():
                self._flush()

    def _flush(self) -> None:
        self._waits = {slot for slot in self._waits if not slot.flush()}

    def end(self, slot: Slot) -> None:
        """No more of this session."""
        self._waits.discard(slot)
        self._slots.discard(slot)
        if slot.record is not None:
            slot.record.close()
            slot.record = None

    # -- the end
    # ----------------------------------------------------------------------------------------------

    def flush(self, timeout_s: float = _CLOSES_S) -> bool:
        """Wait until what was told so far is written. False if that takes longer than ``timeout_s``."""
        if self._closed:
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        done = threading.Event()

        def write() -> None:
            self._flush()
            done.set()

        self._count(0)
        self._queue.put((Slot(self, ""), write, 0))
        return done.wait(timeout_s)

    def close(self, timeout_s: float = _CLOSES_S) -> bool:
        """Write what there is, and no more; for ``timeout_s`` at most. False if it takes longer:
        then the last of it is lost."""
        if not self._closed:
            self._closed = True
            atexit.unregister(self.close)
            self._queue.put((None, self._end_all, 0))
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            _log.error("the recording in %s is not whole: the disk is too slow", self.directory)
        return not self._thread.is_alive()

    def _end_all(self) -> None:
        for slot in tuple(self._slots):
            if slot.record is not None:
                slot.record.close("the program ended before the session did")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SharedRecorder(Recorder):
    """All sessions of a run in one folder, which ``record`` has made already; it is
    closed by whoever made it."""

    def __init__(self, record: SessionRecord) -> None:
        super().__init__(record.folder)
        self._shared = Slot(self, record.role)
        self._shared.record = record

    def slot(self, role: str) -> Slot:
        """The one that there is."""
        return self._shared

    def do(self, what: Callable[[SessionRecord], object], now: float) -> None:
        """Have this done to the record, by the thread."""
        slot = self._shared
        if not slot.failed:
            self.put(slot, lambda: slot.do(what, now), 0)

    def end(self, slot: Slot) -> None:
        """A session is over; others may follow."""
