"""Whether a connector serves: the state that an application sees, and the four kinds of reason
for which it is out of service.

An alarm that somebody told holds until somebody clears it; hardware that does not show
itself safe holds until it does, a heartbeat line that takes no beat until it takes one, and an output of the
basic signalling that cannot be shown until it can.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from iso15118.aio.ports.guard import Callback, brief
from iso15118.session import events as ev

from .logs import Log

if TYPE_CHECKING:
    from iso15118.aio.ports.inbox import Inbox

__all__ = ["Service", "ServiceState"]

_log = Log(__name__)


class ServiceState(Enum):
    """What ``SeccServer.state`` and ``EvccClient.state`` say."""

    CLOSED = "closed"
    AVAILABLE = "available"
    IN_SESSION = "in session"
    OUT_OF_SERVICE = "out of service"


class Service:
    """Out of service or not, and why. ``changed`` is called, with the reason or an
    empty text, when that changes. ``inbox``: an alarm that waits there for somebody to hear it counts."""

    def __init__(self, changed: Callback, inbox: Inbox) -> None:
        self._changed, self._inbox = changed, inbox
        self._told = ""
        self._unsafe = ""
        self._line = ""
        self._outputs = ""
        self._shown = ""

    @property
    def reason(self) -> str:
        """Why nobody is served; empty if somebody can be. What was told comes first."""
        return self._told or self._waiting or self._unsafe or self._line or self._outputs

    @property
    def _waiting(self) -> str:
        alarm = self._inbox.alarm
        return "" if alarm is None else _words(alarm)

    @property
    def unsafe(self) -> str:
        """Why the hardware does not show itself safe; empty if it does."""
        return self._unsafe

    def tell(self, reason: str) -> None:
        """An alarm, or a wish of the application: holds until ``clear``. The first reason stays."""
        self._told = self._told or ("" if reason is None else brief(reason)) or "no reason given"
        self._say()

    def alarm(self, event: ev.Event) -> None:
        """A fault or an emergency was told while no session runs."""
        self.tell(_words(event))

    def clear(self) -> None:
        """The alarm is over, whoever has heard it. Hardware that is not safe, and a line of the heartbeat
        that fails, keep it out of service all the same."""
        self._told, self._inbox.alarm = "", None
        self._say()

    def hardware(self, trouble: str) -> None:
        """What keeps the hardware from being safe now; empty if nothing does."""
        self._unsafe = trouble
        self._say()

    def line(self, trouble: str) -> None:
        """Why the firmware hears no heartbeat, and so keeps the contactors open; empty if it does."""
        self._line = trouble
        self._say()

    def outputs(self, trouble: str) -> None:
        """Why the basic signalling does not show what it is to show; empty if it does."""
        self._outputs = trouble
        self._say()

    def _say(self) -> None:
        reason = self.reason
        if reason == self._shown:
            return
        before, self._shown = self._shown, reason
        self._changed(reason)
        if reason:
            _log.error("out of service: %s", reason)
        else:
            _log.warning("back in service, after: %s", before)


def _words(alarm: ev.Event) -> str:
    what = alarm.port if isinstance(alarm, ev.HardwareFault) else "emergency"
    return brief(f"{what}: {getattr(alarm, 'reason', '')}")
