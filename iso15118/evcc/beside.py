"""A second, short script that runs beside the one of the session, on a stream of its own: the
two do not wait for each other.

Whoever is silent there loses that attempt and nothing else; a refusal ends the
session, as it does everywhere.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from iso15118.session.actions import Action, EndReason, Send
from iso15118.timing import Timer, TimerTable

from .conversation import Bound, Conversation, EndSession, Exchange, Leave, Step, Until

if TYPE_CHECKING:
    from .edition import Reading

__all__ = ["Aside", "SideScript"]


class Aside(Conversation):
    """The session's conversation as the second script sees it: the same in all but how long the script
    may go on with what it does."""

    def __init__(self, talk: Conversation) -> None:
        object.__setattr__(self, "_talk", talk)
        object.__setattr__(self, "bound", None)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_talk"), name)

    def __setattr__(self, name: str, value: Bound | None) -> None:
        if name == "bound":
            object.__setattr__(self, name, value)
        else:
            setattr(self._talk, name, value)


class SideScript:
    """Runs one such script at a time. What it asks for on its way stands in the outbox of
    the conversation, as always."""

    def __init__(self, talk: Conversation, timers: TimerTable) -> None:
        self._talk, self._timers = talk, timers
        self._script: Coroutine[Step, Any, None] | None = None
        self._step: Step | None = None
        self._owed: type | None = None
        """The response to the last request, which the station still owes, whether it is waited for or not."""

    def look(self) -> list[Action]:
        """Begin the script that the conversation has been given, if any; drop the one
        that runs, if that is wanted."""
        talk = self._talk
        if talk.drop_aside:
            talk.drop_aside = False
            self.close()
        talk.aside_free = self._script is None and self._owed is None
        script, talk.aside = talk.aside, None
        if script is None:
            return []
        if not talk.aside_free:
            script.close()
            return []
        self._script = script
        return self._run()

    def close(self) -> None:
        """Nobody goes on with it."""
        script, self._script, self._step = self._script, None, None
        self._timers.clear(Timer.BESIDE)
        if script is not None:
            with suppress(Exception):  # it is over in any case
                script.close()
        self._talk.aside_free = self._owed is None

    def due(self) -> list[Action]:
        """Its timer fired: a pause is over, or an answer did not come."""
        if isinstance(self._step, Exchange):
            kind = self._step.response_type.__name__
            return self._run(error=Leave(EndReason.TIMEOUT, f"no {kind} beside the loop"))
        return self._run()

    def answered(self, message: Any, reading: Reading) -> list[Action]:
        """A response came on the stream. Raises ``EndSession`` for one that nobody
        asked for, and for a refusal."""
        if reading.session_id != self._talk.session_id:
            raise EndSession(EndReason.UNKNOWN_SESSION, "an answer with another session id")
        if reading.kind is not self._owed:
            raise EndSession(
                EndReason.SEQUENCE_ERROR, f"{reading.kind.__name__} beside the loop without a request"
            )
        self._owed = None
        if reading.failed:
            raise EndSession(EndReason.REFUSED, f"{reading.kind.__name__}: {reading.code}")
        if not isinstance(self._step, Exchange):
            self._talk.aside_free = self._script is None
            return []  # too late
        self._timers.clear(Timer.BESIDE)
        return self._run(message)

    def _run(self, value: Any = None, error: Leave | None = None) -> list[Action]:
        script = self._script
        if script is None:
            return []
        self._step = None
        try:
            step = script.send(value) if error is None else script.throw(error)
        except StopIteration:
            self._script = None
            self._talk.aside_free = self._owed is None
            return []
        self._step = step
        now = self._talk.now
        if isinstance(step, Until):
            self._timers.set(Timer.BESIDE, step.deadline)
            return []
        self._owed = step.response_type
        self._timers.set(Timer.BESIDE, now + step.timeout)
        return [Send(step.request, beside=True)]
