"""How long an audience that answers everything with more is listened to: so many rounds at once, and not at
all once too much waits for it."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.aio.audience import Audience

ROUNDS, MOST = 16, 10_000


def test_who_answers_everything_with_something_new_is_heard_sixteen_times_at_once() -> None:
    """Then others have a turn; the rest is told when it is asked again."""
    heard: list[int] = []

    def observer(now: float, what: Any) -> None:
        heard.append(what)
        if what < ROUNDS + 3:
            audience.note(now, what + 1)

    audience = Audience(observer, None)
    audience.note(0.0, 1)
    assert audience.show() is True
    assert heard == list(range(1, ROUNDS + 1))
    assert audience.show() is False
    assert heard == list(range(1, ROUNDS + 4))


@pytest.mark.parametrize(("more", "stays"), [(MOST, True), (MOST + 1, False)])
def test_an_observer_is_heard_no_more_once_more_than_ten_thousand_wait_for_it(more: int, stays: bool) -> None:
    """What only an observer needs is not gathered any more either."""
    heard: list[Any] = []

    def observer(now: float, what: Any) -> None:
        heard.append(what)
        if what == "first":
            audience.waiting += [(now, "more")] * more

    audience = Audience(observer, None)
    audience.note(0.0, "first")
    audience.note(0.0, "second")
    audience.show()
    assert heard[:2] == (["first", "second"] if stays else ["first"])
    assert len(heard) == (MOST + 2 if stays else 1)
    assert audience.sees_all is stays
