"""In service or out of it, for a connector or an inlet with a plug: commands that hold also while there is
no server or client behind it.

An interface may have no address before the link is up; an alarm that is told until then must not be lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from iso15118.aio.ports.guard import brief

from .heartbeat import FollowedHeartbeat, Heartbeat
from .service import ServiceState

__all__ = ["Behind", "ServiceCommands"]


class Behind(Protocol):
    """What ``SeccServer`` and ``EvccClient`` have in common."""

    @property
    def heartbeat(self) -> Heartbeat: ...

    @property
    def state(self) -> ServiceState: ...

    @property
    def out_of_service_because(self) -> str: ...

    def out_of_service(self, reason: str) -> None: ...

    def emergency_shutdown(self, reason: str) -> None: ...

    def back_in_service(self) -> None: ...


class ServiceCommands:
    """Passes on what is told to whoever is behind; until somebody is, the first reason to be
    out of service is kept for him.

    ``without``: the state while nobody is. All that is public here can be called from any thread.
    """

    def __init__(self, without: ServiceState) -> None:
        self._without = without
        self._lock = threading.Lock()
        self._behind: Behind | None = None
        self._kept: tuple[Callable[[Behind, Any], object], Any] | None = None
        """The command to repeat to who comes, and its reason."""
        self._heartbeat = FollowedHeartbeat(lambda: None if (it := self._behind) is None else it.heartbeat)

    @property
    def heartbeat(self) -> Heartbeat:
        """Whether the software is able to make the hardware safe: that of the server or client, one object
        however late it comes. It does not beat before."""
        return self._heartbeat

    @property
    def state(self) -> ServiceState:
        """Whether it serves; see ``SeccServer.state`` and ``EvccClient.state``."""
        behind = self._behind
        if behind is not None:
            return behind.state
        kept = self._kept is not None and self._without is not ServiceState.CLOSED
        return ServiceState.OUT_OF_SERVICE if kept else self._without

    @property
    def out_of_service_because(self) -> str:
        """Why nobody is served; empty if somebody can be."""
        behind, kept = self._behind, self._kept
        if behind is not None:
            return behind.out_of_service_because
        if kept is None:
            return ""
        return ("" if kept[1] is None else brief(kept[1])) or "no reason given"

    def out_of_service(self, reason: str) -> None:
        """Begin no session until ``back_in_service``. One that runs goes on."""
        self._tell(lambda behind, why: behind.out_of_service(why), reason)

    def emergency_shutdown(self, reason: str) -> None:
        """Power off now, if a session runs; otherwise it is out of service until ``back_in_service``."""
        self._tell(lambda behind, why: behind.emergency_shutdown(why), reason)

    def back_in_service(self) -> None:
        """What took it out of service is over: an alarm that was told between
        sessions, or ``out_of_service``."""
        with self._lock:
            self._kept, behind = None, self._behind
        if behind is not None:
            behind.back_in_service()

    # -- for who has a server or a client -----------------------------------------------------------------

    def _stands(self, behind: Behind | None) -> None:
        """This one is behind from now on, and hears what was told before; None: it failed to open,
        and another one will come."""
        with self._lock:
            self._behind, kept = behind, self._kept
        if behind is not None and kept is not None:
            command, reason = kept
            command(behind, reason)

    def _tell(self, command: Callable[[Behind, Any], object], reason: Any) -> None:
        with self._lock:
            behind = self._behind
            self._kept = self._kept or (command, reason)
        if behind is not None:
            command(behind, reason)
