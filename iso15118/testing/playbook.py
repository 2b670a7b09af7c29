"""Conversations as tests: say what one session is told and what it must answer, and read the difference when
it does otherwise.

A playbook drives a single session (either role) with events and compares the actions with what was expected,
in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from iso15118.session import actions as act
from iso15118.session.events import Event, MessageReceived

__all__ = ["Playbook", "PlaybookError", "Session"]


class Session(Protocol):
    """The outer contract of both roles."""

    def handle(self, event: Event, now: float) -> list[act.Action]: ...

    def handle_timeout(self, now: float) -> list[act.Action]: ...

    @property
    def deadline(self) -> float | None: ...

    @property
    def state(self) -> str: ...


class PlaybookError(AssertionError):
    """The conversation went another way; the message shows the whole of it."""


class Playbook:
    """One session and the conversation with it so far. ``watch`` sees every call, as
    ``SafetyMonitor.secc`` does. ``sample`` gives the measurements that a driver would make now; the
    session is told them before each timer."""

    def __init__(
        self,
        session: Session,
        *,
        now: float = 0.0,
        watch: Callable[[Event | None, list[act.Action], float], list[act.Action]] | None = None,
        sample: Callable[[], Sequence[Event]] = tuple,
    ) -> None:
        self.session = session
        self.now = now
        self.actions: list[act.Action] = []
        """What the last call asked for."""
        self._watch = watch
        self._sample = sample
        self._lines: list[str] = []

    def tell(self, event: Event) -> Playbook:
        """Hand over an event."""
        self._lines.append(f"{self.now:9.3f} >> {_short(event)}")
        self._take(event, self.session.handle(event, self.now))
        return self

    def receive(self, message: Any) -> Playbook:
        """Hand over a message of the peer."""
        return self.tell(MessageReceived(message))

    def wait(self, seconds: float) -> Playbook:
        """Let time pass; timers that fall into it fire at their moment."""
        until = self.now + seconds
        gathered: list[act.Action] = []
        while (deadline := self.session.deadline) is not None and deadline <= until:
            self.now = max(deadline, self.now)
            for event in self._sample():
                self._take(event, self.session.handle(event, self.now))
                gathered += self.actions
            self._lines.append(f"{self.now:9.3f} >> timer")
            self._take(None, self.session.handle_timeout(self.now))
            gathered += self.actions
        self.now, self.actions = until, gathered
        return self

    def sends(self, kind: type, code: str | None = None) -> Any:
        """The last call must have sent one message of this class (with this response code); returns it."""
        sent = [action.message for action in self.actions if isinstance(action, act.Send)]
        if len(sent) != 1 or type(sent[0]) is not kind:
            self._differs(f"one {kind.__name__}", [type(message).__name__ for message in sent])
        if code is not None and sent[0].response_code.value != code:
            self._differs(f"{kind.__name__} {code}", sent[0].response_code.value)
        return sent[0]

    def does(self, *kinds: type) -> list[act.Action]:
        """The last call must have asked for exactly these hardware actions, in this order; returns them."""
        done = [action for action in self.actions if isinstance(action, act.HardwareAction)]
        if [type(action) for action in done] != list(kinds):
            self._differs([kind.__name__ for kind in kinds], [type(action).__name__ for action in done])
        return list(done)

    def waits_for(self, state: str) -> Playbook:
        """The session must be in this state."""
        if self.session.state != state:
            self._differs(f"state {state}", f"state {self.session.state}")
        return self

    def ends(self, reason: act.EndReason) -> Playbook:
        """The last call must have ended the session for this reason."""
        ended = [action.reason for action in self.actions if isinstance(action, act.SessionEnded)]
        if ended != [reason]:
            self._differs(f"end: {reason}", ended)
        return self

    def _take(self, event: Event | None, actions: list[act.Action]) -> None:
        if self._watch is not None:
            self._watch(event, actions, self.now)
        self.actions = actions
        self._lines += [f"{self.now:9.3f} << {_short(action)}" for action in actions]

    def _differs(self, expected: object, found: object) -> None:
        talk = "\n".join(self._lines[-40:])
        raise PlaybookError(f"expected {expected}\nfound    {found}\nthe conversation so far:\n{talk}")


def _short(value: object) -> str:
    message = getattr(value, "message", None)
    if message is None:
        return repr(value)
    code = getattr(message, "response_code", None)
    return f"{type(value).__name__}({type(message).__name__}{' ' + code.value if code is not None else ''})"
