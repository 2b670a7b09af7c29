"""A second script beside the one of the session: when one may begin, what a late answer is worth, and what
giving it up leaves behind.

It is driven by hand, without a session.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc.beside import Aside, SideScript
from iso15118.evcc.conversation import Bound, Conversation, EndSession, Exchange, Leave, Until
from iso15118.evcc.edition import Reading
from iso15118.session.actions import EndReason, Send
from iso15118.timing import Timer, TimerTable
from tests.evcc.station import SESSION_ID, Host

NOW = 100.0


class Desk:
    """One such script at work: two exchanges with a pause between them."""

    def __init__(self) -> None:
        self.talk: Conversation = Host().session._talk
        self.talk.now, self.talk.session_id = NOW, SESSION_ID
        self.timers = TimerTable()
        self.side = SideScript(self.talk, self.timers)
        self.heard: list[Any] = []

    async def script(self) -> None:
        try:
            self.heard.append(await Exchange("first", str, 2.0, "First"))
            self.heard.append(await Until(self.talk.now + 5.0))
            self.heard.append(await Exchange("second", int, 3.0, "Second"))
        except Leave as leave:
            self.heard.append(leave.detail)
        finally:
            self.heard.append("over")

    def begin(self) -> list[Any]:
        self.talk.aside = self.script()
        return self.side.look()

    def answer(self, kind: type, *, failed: bool = False, session_id: bytes = SESSION_ID) -> list[Any]:
        return self.side.answered(f"a {kind.__name__}", Reading(kind, "code", failed, session_id))

    @property
    def due_at(self) -> float | None:
        return self.timers.deadline_of(Timer.BESIDE)

    def free(self) -> bool:
        """As the script of the session sees it."""
        self.side.look()
        return self.talk.aside_free


def test_from_begin_to_end() -> None:
    desk = Desk()
    assert desk.free()
    assert desk.begin() == [Send("first", beside=True)]
    assert (desk.due_at, desk.free()) == (NOW + 2.0, False)
    assert desk.answer(str) == []
    assert (desk.due_at, desk.free()) == (NOW + 5.0, False)
    desk.talk.now += 5.0
    assert desk.side.due() == [Send("second", beside=True)]
    assert desk.due_at == NOW + 8.0
    assert desk.answer(int) == []
    assert desk.heard == ["a str", None, "a int", "over"]
    assert Timer.BESIDE not in desk.timers
    assert (desk.talk.aside_free, desk.free()) == (True, True)


def test_a_second_one_does_not_begin_while_the_first_runs() -> None:
    desk = Desk()
    desk.begin()
    assert desk.begin() == []
    assert desk.talk.aside is None
    assert desk.answer(str) == []
    assert desk.heard == ["a str"]


def test_one_that_is_dropped_stops_at_once_and_its_answer_is_waited_for() -> None:
    desk = Desk()
    desk.begin()
    desk.talk.drop_aside = True
    assert desk.side.look() == []
    assert not desk.talk.drop_aside
    assert desk.heard == ["over"]
    assert (desk.due_at, desk.talk.aside_free) == (None, False)
    assert desk.begin() == []  # the station still owes an answer
    assert desk.answer(str) == []
    assert (desk.heard, desk.talk.aside_free) == (["over"], True)
    assert desk.begin() == [Send("first", beside=True)]


def test_one_that_is_dropped_in_a_pause_leaves_nothing_behind() -> None:
    desk = Desk()
    desk.begin()
    desk.answer(str)
    desk.side.close()
    assert (desk.due_at, desk.talk.aside_free) == (None, True)
    assert desk.side.due() == []
    assert desk.begin() == [Send("first", beside=True)]


def test_silence_is_told_to_the_script_and_a_late_answer_frees_the_stream() -> None:
    desk = Desk()
    desk.begin()
    desk.talk.now += 2.0
    assert desk.side.due() == []
    assert desk.heard == ["no str beside the loop", "over"]
    assert (desk.talk.aside_free, desk.free()) == (False, False)
    assert desk.answer(str) == []
    assert (desk.talk.aside_free, desk.free()) == (True, True)


def test_an_answer_to_a_script_that_is_in_its_pause_was_not_asked_for() -> None:
    desk = Desk()
    desk.begin()
    desk.answer(str)
    with pytest.raises(EndSession) as over:
        desk.answer(str)
    assert over.value.reason is EndReason.SEQUENCE_ERROR


@pytest.mark.parametrize(
    ("kind", "failed", "session_id", "reason"),
    [
        (str, False, bytes(8), EndReason.UNKNOWN_SESSION),
        (int, False, SESSION_ID, EndReason.SEQUENCE_ERROR),
        (str, True, SESSION_ID, EndReason.REFUSED),
    ],
)
def test_an_answer_that_does_not_belong_ends_the_session(
    kind: type, failed: bool, session_id: bytes, reason: EndReason
) -> None:
    desk = Desk()
    desk.begin()
    with pytest.raises(EndSession) as over:
        desk.answer(kind, failed=failed, session_id=session_id)
    assert over.value.reason is reason


def test_the_two_scripts_share_everything_but_how_long_they_may_go_on() -> None:
    talk = Desk().talk
    aside: Any = Aside(talk)
    mine, theirs = (Bound(1.0, Leave(EndReason.TIMEOUT)) for _ in range(2))
    talk.bound, aside.bound = theirs, mine
    assert (talk.bound is theirs, aside.bound is mine) == (True, True)
    aside.stop_wanted = "driver"
    assert talk.stop_wanted == aside.stop_wanted == "driver"
