"""What a vehicle asks again and again beside its conversation: when the next request is due, and how long
silence is borne.

A session of a vehicle is told the time by hand; what it asks for there is a word of the test.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig, EvccSession
from iso15118.evcc.conversation import EndSession, SideStream
from iso15118.evcc.edition import Reading
from iso15118.session import actions as act
from iso15118.session.actions import EndReason
from tests.evcc.station import SESSION_ID, VEHICLE, battery

BEGAN, EVERY_S, SILENCE_S = 100.0, 1.0, 5.0


class Beside:
    """A session in which such a stream begins at ``BEGAN``."""

    def __init__(self, **changes: Any) -> None:
        self.heard: list[Any] = []
        self.lost = 0
        self.session = EvccSession(EvccConfig(), VEHICLE, battery())
        self.talk = self.session._talk
        self.talk.now, self.talk.session_id = BEGAN, SESSION_ID
        self.begin(**changes)

    def begin(self, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "response_type": str,
            "every_s": EVERY_S,
            "silence_s": SILENCE_S,
            "ask": lambda: "how are you?",
            "hear": self.heard.append,
            "lost": self._lose,
        }
        self.talk.side = SideStream(**(fields | changes))
        self.session._keep_stream()

    def end(self) -> None:
        self.talk.side = None
        self.session._keep_stream()

    def _lose(self) -> None:
        self.lost += 1

    def due(self, after_s: float) -> list[act.Action]:
        """What is done at the deadline, which is so long after the beginning."""
        assert self.session.deadline == pytest.approx(BEGAN + after_s)
        return self.session.handle_timeout(BEGAN + after_s)

    def answer(
        self, after_s: float, *, failed: bool = False, session_id: bytes = SESSION_ID
    ) -> list[act.Action]:
        self.talk.now = BEGAN + after_s
        return self.session._heard_beside(Reading(str, "code", failed, session_id), "well")


ASKS = [act.Send("how are you?")]


def test_the_next_request_follows_so_long_behind_the_last_answer() -> None:
    beside = Beside()
    assert beside.due(0.0) == ASKS
    assert beside.answer(0.25) == []
    assert beside.due(1.25) == ASKS
    assert beside.answer(3.0) == []
    assert beside.due(4.0) == ASKS
    assert beside.heard == ["well", "well"]
    assert beside.lost == 0


def test_silence_is_counted_from_the_last_answer_and_told_once() -> None:
    beside = Beside()
    beside.due(0.0)
    beside.answer(0.25)
    beside.due(1.25)
    assert beside.due(5.25) == []
    assert beside.lost == 1
    assert beside.session.deadline is None
    beside.answer(6.0)  # it may come after all
    assert beside.due(7.0) == ASKS


def test_without_any_answer_silence_is_counted_from_the_beginning() -> None:
    beside = Beside()
    beside.due(0.0)
    assert beside.due(5.0) == []
    assert beside.lost == 1


def test_a_stream_that_has_ended_asks_no_more_and_still_hears_who_answers() -> None:
    beside = Beside()
    beside.due(0.0)
    beside.end()
    assert beside.session.deadline is None
    assert beside.answer(0.25) == []
    assert beside.session.deadline is None
    assert beside.heard == []
    assert beside.session.ended is None


def test_a_stream_that_begins_before_the_old_answer_came_has_all_of_its_silence() -> None:
    beside = Beside()
    beside.due(0.0)
    beside.end()
    beside.talk.now = BEGAN + 4.0
    beside.begin()
    assert beside.due(4.0) == []  # one question at a time
    assert beside.lost == 0
    assert beside.due(9.0) == []
    assert beside.lost == 1


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"failed": True}, EndReason.REFUSED),
        ({"session_id": bytes(8)}, EndReason.UNKNOWN_SESSION),
        ({}, EndReason.EMERGENCY),
    ],
    ids=str,
)
def test_an_answer_may_end_the_session(how: dict[str, Any], reason: EndReason) -> None:
    def hear(message: Any) -> None:
        raise EndSession(EndReason.EMERGENCY, "pulled", cause="peer-emergency")

    beside = Beside(hear=hear)
    beside.due(0.0)
    actions = beside.answer(0.5, **how)
    assert beside.session.ended is not None
    assert beside.session.ended.reason is reason
    assert beside.session.ended in actions
    assert beside.session.deadline is None
