"""Wishes that an older edition has no words for: each is told once, and nothing of it
is left to be waited for.

They are withdrawn in the turn of the charge loop that finds them.
"""

from __future__ import annotations

import pytest

from iso15118.evcc.unsaid import withdraw
from iso15118.session import actions as act
from tests.evcc.station import Host


@pytest.mark.parametrize("renegotiates", [True, False])
def test_what_cannot_be_said_is_withdrawn_and_told_once(renegotiates: bool) -> None:
    talk = Host().session._talk
    talk.outbox.clear()
    for _ in range(2):
        talk.standby_wanted, talk.service_wanted, talk.schedule_wanted = True, "another", "cheaper"
        withdraw(talk, "DIN 70121", renegotiates=renegotiates)
        assert talk.standby_wanted is False
        assert talk.service_wanted == ""
        assert talk.schedule_wanted == ("cheaper" if renegotiates else "")
    told = [one.name for one in talk.outbox if isinstance(one, act.PeerDeviates)]
    of_schedules = [] if renegotiates else ["schedule-renegotiation"]
    assert told == ["standby", "service-renegotiation", *of_schedules]


def test_without_a_wish_nothing_is_told() -> None:
    talk = Host().session._talk
    talk.outbox.clear()
    withdraw(talk, "DIN 70121", renegotiates=False)
    assert talk.outbox == []
