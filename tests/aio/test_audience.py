"""Who is told what happens in a session, and cannot keep it from going on."""

from __future__ import annotations

from typing import Any

from iso15118.aio.audience import Audience


def test_who_answers_everything_with_something_new_is_told_the_rest_later() -> None:
    heard: list[int] = []

    def answers(now: float, what: Any) -> None:
        heard.append(what)
        audience.note(now, what + 1)
        assert audience.show() is False  # from within itself it does nothing

    audience = Audience(answers, None)
    audience.note(0.0, 0)
    assert audience.show() is True
    assert heard == list(range(16))
    assert audience.waiting == [(0.0, 16)]


def test_what_listeners_bring_along_is_told_at_once_and_in_order() -> None:
    heard: list[int] = []

    def answers(now: float, what: Any) -> None:
        heard.append(what)
        if what < 3:
            audience.note(now, what + 10)

    audience = Audience(answers, None)
    for what in (0, 1):
        audience.note(0.0, what)
    assert audience.show() is False
    assert heard == [0, 1, 10, 11]
