"""What goes on beside the script on a stream of its own: a request now and then, its answer, and silence.

``ACDP_SystemStatus`` is such an exchange.
"""

from __future__ import annotations

from typing import Any

from iso15118.evcc.conversation import EndSession, SideStream
from iso15118.evcc.edition import Reading
from iso15118.evcc.funnel import Funnel
from iso15118.session import actions as act
from iso15118.session.actions import Action, EndReason
from iso15118.timing import Timer

__all__ = ["SideStreams"]


class SideStreams(Funnel):
    """A vehicle's session with one of these."""

    _stream: SideStream | None = None
    _stream_heard_at = 0.0
    _asked_beside: type | None = None
    """The response that is awaited there."""

    def _take_outbox(self) -> list[Action]:
        raise NotImplementedError

    def _heard_beside(self, reading: Reading, message: Any) -> list[Action]:
        """The answer on the stream that goes on beside the script; it may come when that is over."""
        talk, self._asked_beside = self._talk, None
        if reading.session_id != talk.session_id:
            return self._end(
                EndReason.UNKNOWN_SESSION, "an answer with another session id", cause="session-id-changed"
            )
        if reading.failed:
            return self._end(EndReason.REFUSED, f"{reading.kind.__name__}: {reading.code}")
        side = talk.side
        if side is None:
            return []
        try:
            side.hear(message)
        except EndSession as over:
            return self._end(over.reason, over.detail, rule=over.rule, cause=over.cause)
        self._stream_heard_at = talk.now
        self.timers.set(Timer.SYSTEM_STATUS, talk.now + side.every_s)
        return self._take_outbox()

    def _keep_stream(self) -> None:
        """The stream beside the script begins and ends with what the script says."""
        side, talk = self._talk.side, self._talk
        if side is self._stream:
            return
        self._stream = side
        if side is None:
            self.timers.clear(Timer.SYSTEM_STATUS)
            return
        self._stream_heard_at = talk.now
        self.timers.set(Timer.SYSTEM_STATUS, talk.now)

    def _next_beside(self) -> list[Action]:
        """It is time to ask, or the answer did not come."""
        side, talk = self._talk.side, self._talk
        if side is None:
            return []
        if self._asked_beside is None:
            self._asked_beside = side.response_type
            self.timers.set(Timer.SYSTEM_STATUS, self._stream_heard_at + side.silence_s)
            return [act.Send(side.ask())]
        if talk.now < self._stream_heard_at + side.silence_s:
            self.timers.set(Timer.SYSTEM_STATUS, self._stream_heard_at + side.silence_s)
            return []
        side.lost()
        return self._take_outbox()
