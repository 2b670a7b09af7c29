"""The detail of a session that ended for want of a contract: as many words as fit, and how many contracts
had no room.

What the station is told of it is in ``tests.pair``.
"""

from __future__ import annotations

import pytest

from iso15118.evcc.no_contract import leave_without_contract
from tests.evcc.station import Host

LONGEST = 300


@pytest.mark.parametrize(
    ("each", "detail"),
    [
        (10, "{a}; {b}; {c}; way out"),
        (100, "{a}; {b}; and 1 more; way out"),
        (150, "{a}; and 2 more; way out"),
        (290, "and 3 more; way out"),
    ],
)
def test_as_many_contracts_are_named_as_there_is_room_for(each: int, detail: str) -> None:
    talk = Host().session._talk
    named = {one: one * each for one in "abc"}
    talk.set_aside = (*named.values(), "way out")
    leave = leave_without_contract(talk)
    assert leave.detail == detail.format(**named)
    assert len(leave.detail) <= LONGEST


@pytest.mark.parametrize("more", [0, 1])
def test_a_detail_has_three_hundred_characters_at_most(more: int) -> None:
    talk = Host().session._talk
    only = "a" * (LONGEST - len("; way out") + more)
    talk.set_aside = only, "way out"
    leave = leave_without_contract(talk)
    assert leave.detail == ("and 1 more; way out" if more else f"{only}; way out")
    talk.set_aside = ("b" * (LONGEST + more),)
    assert leave_without_contract(talk).detail == "b" * LONGEST


def test_the_station_hears_of_refusals_as_much_as_fits() -> None:
    talk = Host().session._talk
    talk.refusals = ["c" * (LONGEST + 1)]
    assert leave_without_contract(talk).told == "c" * LONGEST
