"""Every message of every captured vehicle of DIN 70121 is answered with OK by our station,
under the safety monitor."""

from __future__ import annotations

import pytest

from tests.exi.reference import needs_vectors
from tests.secc.din.replay import captures, replay

pytestmark = needs_vectors


def test_no_captured_vehicle_is_refused() -> None:
    sessions = captures(("Req", "SessionStop"))
    outcomes = [(one.name, outcome) for one in sessions for outcome in replay(one)]
    assert len(sessions) >= 30
    assert len(outcomes) >= 140
    refused = [(name, one) for name, one in outcomes if not one.answer.startswith("OK")]
    assert refused == []
    # Nothing but a goodbye has ended a session.
    assert {one.said for _, one in outcomes if one.state == "Ended"} == {"SessionStop"}


@pytest.mark.parametrize(
    "make", ["tesla-3-din", "spi_ioniq", "DIN_DC_DS5366_Josev", "westpark_alpi_charge_ok"]
)
def test_a_vehicle_of_which_all_phases_were_captured_charges_to_the_end(make: str) -> None:
    (session,) = (
        one for one in captures(("Req", "SessionStop")) if make in one.name and len(one.messages) > 8
    )
    outcomes = replay(session)
    assert "CurrentDemand" in {one.state for one in outcomes}
    assert outcomes[-1].why.startswith("STOPPED_BY_EV")
