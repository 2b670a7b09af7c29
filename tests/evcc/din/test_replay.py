"""Every answer of every captured station of DIN 70121 is understood by our vehicle,
under the safety monitor."""

from __future__ import annotations

import pytest

from tests.evcc.din.replay import replay
from tests.exi.reference import needs_vectors
from tests.secc.din.replay import captures

pytestmark = needs_vectors

BROKEN_OFF = {
    "pub-0143",  # a Compleo that says EVSE_EmergencyShutdown with the code OK
    "pub-0203",  # a simulated station that says EVSE_Shutdown in pre-charge
}
"""Answers with the code OK after which the vehicle leaves at once."""


def test_the_vehicle_goes_on_with_every_answer_that_is_no_refusal() -> None:
    sessions = captures(("Res",))
    assert len(sessions) >= 30
    outcomes = [one for session in sessions for one in replay(session)]
    assert len(outcomes) >= 140
    left = set()
    for one in outcomes:
        away = one.state == "Ended" or one.asked in ("SessionStop", "PowerDeliveryReq")
        if one.code.startswith("FAILED"):
            assert away, one
        elif away and one.said_to_it and one.said not in ("SessionStopRes", "WeldingDetectionRes"):
            left.add(one.vector)
    assert left == BROKEN_OFF


@pytest.mark.parametrize("station", ["tesla-3-din", "DIN_DC_DS5366_Josev", "spi_ioniq_alpi"])
def test_a_station_of_which_all_phases_were_captured_charges_the_vehicle_to_the_end(station: str) -> None:
    (session,) = (one for one in captures(("Res",)) if station in one.name)
    outcomes = replay(session)
    assert "CurrentDemand" in {one.state for one in outcomes}
    ended = next(one for one in outcomes if one.state == "Ended")
    assert ended.said == "SessionStopRes"
    assert ended.why == "STOPPED_BY_EV"


def test_a_station_that_refuses_welding_detection_has_charged_all_the_same() -> None:
    (session,) = (
        one for one in captures(("Res",)) if "westpark_alpi_charge_ok" in one.name and len(one.messages) > 8
    )
    last = replay(session)[-1]
    assert (last.said, last.code, last.asked) == ("WeldingDetectionRes", "FAILED", "SessionStop")
    assert last.notes == ("without-weldingdetection",)
