"""Who is told what happens in a session: its observer hears of everything, the application of news,
both when it was dealt with.

What is to be told waits here until the hardware has been asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from iso15118.aio.ports.guard import Callback
from iso15118.session import actions as act
from iso15118.session import events as ev

from .logs import Log

if TYPE_CHECKING:
    from .session_tap import SessionTap

__all__ = ["Audience", "write_down"]

_log = Log(__name__)

_ROUNDS: Final = 16
"""So often what listeners do upon being told is told at once."""
_MOST_WAITING: Final = 10_000
"""More is waiting only for a listener who does more than one thing with each thing that he is told."""


def write_down(news: act.Notify) -> None:
    """What was done otherwise with this peer than the standard or the settings for all
    have it stands in the log."""
    match news:
        case act.QuirkApplied(name, peer, settings):
            _log.info("%s is treated as %s: %s", peer, name, ", ".join(settings))
        case act.PeerDeviates(name, detail):
            _log.info("tolerated (%s): %s", name, detail)


class Audience:
    """``observer`` gets the time and everything that passes, ``news`` every ``Notify``. What they
    raise has no consequence."""

    def __init__(
        self,
        observer: Callable[[float, Any], None] | None,
        news: Callable[[act.Notify], None] | None,
    ) -> None:
        self.observer = Callback("the observer of the session", observer)
        self._news = Callback("the application, told of news of the session,", news)
        self.waiting: list[tuple[float, Any]] = []
        """What is to be told, with its time."""
        self._showing = False
        self._tap: SessionTap | None = None
        self._record = Callback("the recording of the session", None)
        self.there = observer is not None or news is not None
        """Somebody is to be told at all."""
        self.sees_all = observer is not None
        """There is an observer."""
        self.records = False
        """The session is recorded: what it was told counts, also where it did nothing upon it."""

    def record(self, tap: SessionTap, now: float) -> None:
        """The session, which begins now, is recorded there."""
        self._tap, self._record = tap, Callback("the recording of the session", tap.heard)
        self.there = self.records = True
        Callback("the recording of the session", tap.session_began)(now)

    def recorded(self, result: Any, now: float) -> None:
        """What came of the session, for its recording."""
        if self._tap is not None:
            Callback("the recording of the session", self._tap.finished)(result, now)

    def note(self, now: float, what: Any) -> None:
        """This happened at ``now``."""
        if (self.sees_all and self.observer) or self._record:
            self.waiting.append((now, what))

    def note_turn(self, now: float, event: ev.Event | None, actions: list[act.Action]) -> None:
        """The session answered to ``event`` (None: a timer) with these actions. A message
        was noted when it came in."""
        if self.sees_all and self.observer:
            if event is not None and type(event) is not ev.MessageReceived:
                self.waiting.append((now, event))
            self.waiting += [(now, action) for action in actions]
        elif self._record:
            if event is not None and type(event) is not ev.MessageReceived:
                self.waiting.append((now, event))
            self.waiting += [(now, action) for action in actions if type(action) is not act.Send]
        elif self._news:
            for action in actions:
                if isinstance(action, act.Notify):
                    self.waiting.append((now, action))

    def show(self) -> bool:
        """Tell it all, in order, with what that brings along. From within itself it does nothing, and who
        answers everything with something new is heard ``_ROUNDS`` times: True if there is more to tell."""
        if self._showing:
            return False
        self._showing = True
        try:
            for _ in range(_ROUNDS):
                waiting, self.waiting = self.waiting, []
                for now, what in waiting:
                    if len(self.waiting) > _MOST_WAITING:
                        self._drop_a_listener()
                    self.observer(now, what)
                    self._record(now, what)
                    if isinstance(what, act.Notify):
                        self._news(what)
                if not self.waiting:
                    break
        finally:
            self._showing = False
        return bool(self.waiting)

    def _drop_a_listener(self) -> None:
        """Somebody answers everything with more: nobody else would ever have a turn."""
        if self.observer:
            self.observer, self.sees_all, who = Callback("", None), False, "the observer"
        elif self._news:
            self._news, who = Callback("", None), "the application, told of news"
        else:
            return
        _log.error("%s of the session answers everything with more, and is not called any more", who)
