"""What a station's server says of its sessions: the one that runs, those that are over, those that paused."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from iso15118.secc import SeccSession

from .results import SessionResult
from .service import ServiceState

if TYPE_CHECKING:
    from iso15118.session.ticket import SeccTicket

    from .driver import Session
    from .heartbeat import Heartbeat
    from .lifecycle import Lifecycle
    from .secc_sessions import SeccSessions

__all__ = ["SeccReadings"]


class SeccReadings:
    """The readings of ``SeccServer``."""

    sessions: SeccSessions
    _life: Lifecycle

    @property
    def state(self) -> ServiceState:
        """Whether it serves. IN_SESSION until the hardware of a session is safe, also if it is
        to go out of service then. CLOSED when ``close`` is over, and not before: until then the hardware may
        not be safe."""
        if self._life.closed:
            return ServiceState.CLOSED
        if self.sessions.busy:
            return ServiceState.IN_SESSION
        return ServiceState.OUT_OF_SERVICE if self.out_of_service_because else ServiceState.AVAILABLE

    @property
    def out_of_service_because(self) -> str:
        """Why nobody is served; empty if somebody can be."""
        return self.sessions.service.reason or ("the server is being closed" if self._life.closing else "")

    def may_invite(self) -> bool:
        """A session could begin now: it is in service, and none runs."""
        return self.state is ServiceState.AVAILABLE

    @property
    def session(self) -> SeccSession | None:
        """The session that runs now; to look at, not to touch."""
        session = self.any_session
        return session if isinstance(session, SeccSession) else None

    @property
    def any_session(self) -> Session | None:
        """The same, and without messages as well."""
        driver = self.sessions.driver
        return driver.session if driver is not None and not driver.over else None

    @property
    def ends_within_s(self) -> float:
        """How long the end may take from now, in s: of the session that runs, or of unsafe hardware."""
        return self.sessions.ends_within_s

    @property
    def results(self) -> deque[SessionResult]:
        """The last sessions, the newest at the end."""
        return self.sessions.results

    @property
    def tickets(self) -> deque[SeccTicket]:
        """Sessions that were paused here and can be gone on with, the newest at the
        end; clear it to forget them."""
        return self.sessions.tickets

    @property
    def finished(self) -> int:
        """How many sessions have come to their end."""
        return self.sessions.finished

    @property
    def heartbeat(self) -> Heartbeat:
        """Whether this server is able to make its hardware safe; to be read from any thread."""
        return self.sessions.heartbeat

    async def wait_finished(self, count: int) -> SessionResult:
        """Wait until ``count`` sessions in all have come to their end; gives the one that was the
        ``count``-th. So who counts gets every result once, up to the 256 that are kept; they are kept beyond
        ``close``. Raises ``MisuseError`` for an older one, where the server was never opened, and in another
        event loop than that of a server which is open."""
        self._life.need_begun()
        self._life.need_its_loop("wait_finished")
        return await self.sessions.wait_finished(count)
