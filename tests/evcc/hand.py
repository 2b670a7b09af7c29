"""A piece of a vehicle's script driven by hand: each of its steps is looked at, and answered as the
test says.

There is no session around it: nothing is made safe, and no clock runs but the one that the test sets.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from iso15118.evcc.conversation import Conversation, Exchange, Leave, Until

__all__ = ["Hand"]


class Hand:
    """One coroutine of a script at work in a conversation."""

    def __init__(self, talk: Conversation, script: Coroutine[Any, Any, Any]) -> None:
        self.talk = talk
        self.left: Exception | None = None
        """How it broke off."""
        self.over = False
        self.result: Any = None
        """What it gave."""
        self._script = script
        self._step: Any = None
        self._run(None)

    def _run(self, value: Any) -> None:
        try:
            self._step = self._script.send(value)
        except StopIteration as done:
            self.over, self.result, self._step = True, done.value, None
        except Exception as error:
            self.over, self.left, self._step = True, error, None

    @property
    def request(self) -> Any:
        """The request that waits for an answer; None: it waits for something else."""
        return self._step.request if isinstance(self._step, Exchange) else None

    @property
    def deadline(self) -> float | None:
        """Until when it waits for the hardware, or pauses."""
        return self._step.deadline if isinstance(self._step, Until) else None

    def answer(self, response: Any) -> Hand:
        """The request that waits is answered; a pause behind it is over at once."""
        if not isinstance(self._step, Exchange):
            raise AssertionError(f"nothing waits for {type(response).__name__}")
        self._run(response)
        return self

    def go_on(self) -> Hand:
        """What is waited for has happened, or its time is over."""
        if not isinstance(self._step, Until):
            raise AssertionError("it does not wait")
        ready = self._step.is_ready()
        if not ready:
            self.talk.now = max(self.talk.now, self._step.deadline)
        self._run(ready)
        return self

    def why(self) -> str:
        """The words with which it left."""
        return self.left.detail if isinstance(self.left, Leave) else str(self.left or "")
