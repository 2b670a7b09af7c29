"""The history of a session keeps its beginning and its end, however long it goes on."""

from __future__ import annotations

from iso15118.session.history import MOST_STATES, StateHistory


def test_a_history_is_bounded_and_keeps_its_beginning_and_its_end() -> None:
    states = StateHistory(["Connecting"])
    for number in range(100_000):
        states.append(str(number))
    assert len(states) == MOST_STATES
    assert states[:3] == ["Connecting", "0", "1"]
    assert states[-2:] == ["99998", "99999"]
