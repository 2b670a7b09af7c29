"""Each named fault of the wire, from either side, in memory and over real sockets with TLS:
the ends that it must have."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.scenario import Step
from tests.scenario.rig import TRANSPORTS, ends, told

LOOP = {"secc": "DCChargeLoopRes", "evcc": "DCChargeLoopReq"}
VANISHED = {"PEER_VANISHED", "SIGNAL_LOST", "TIMEOUT"}
"""A side that only saw the other one go: by the connection, the pilot or the
silence, whichever came first."""

ENDS: dict[tuple[str, str], tuple[set[str], set[str]]] = {
    # fault, by whom: ends of the station, ends of the vehicle
    ("drop", "secc"): (VANISHED, {"TIMEOUT"}),
    ("drop", "evcc"): ({"TIMEOUT"}, VANISHED),
    ("delay", "secc"): (VANISHED, {"TIMEOUT"}),
    ("delay", "evcc"): ({"TIMEOUT"}, VANISHED),
    ("duplicate", "secc"): (VANISHED, {"SEQUENCE_ERROR"}),
    ("duplicate", "evcc"): (VANISHED, {"SEQUENCE_ERROR"}),
    ("wrong-session-id", "secc"): (VANISHED, {"UNKNOWN_SESSION"}),
    ("wrong-session-id", "evcc"): ({"UNKNOWN_SESSION"}, {"REFUSED"}),
    ("wrong-sequence", "secc"): (VANISHED, {"SEQUENCE_ERROR"}),
    ("wrong-sequence", "evcc"): (VANISHED | {"SEQUENCE_ERROR"}, {"SEQUENCE_ERROR", "REFUSED"}),
    ("truncated-exi", "secc"): (VANISHED, {"UNDECODABLE"}),
    ("truncated-exi", "evcc"): ({"UNDECODABLE"}, VANISHED),
    ("wrong-payload-type", "secc"): (VANISHED, {"TIMEOUT"}),
    ("wrong-payload-type", "evcc"): ({"TIMEOUT"}, VANISHED),
    ("fin", "secc"): (VANISHED, {"PEER_VANISHED"}),
    ("fin", "evcc"): (VANISHED, VANISHED),
    ("reset", "secc"): (VANISHED, {"PEER_VANISHED"}),
    ("reset", "evcc"): (VANISHED, VANISHED),
    ("alert", "secc"): (VANISHED, {"PEER_VANISHED"}),
    ("alert", "evcc"): (VANISHED, VANISHED),
    ("silence", "secc"): (VANISHED, {"TIMEOUT"}),
    ("silence", "evcc"): ({"TIMEOUT"}, VANISHED),
}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("fault", "side"), ENDS)
def test_a_fault_in_the_loop_ends_both_safely(fault: str, side: Any, transport: str) -> None:
    more = {"seconds": 1.0} if fault == "delay" else {}
    step = Step(side=side, do="wire", wire=fault, message=LOOP[side], nth=15, **more)  # type: ignore[arg-type]
    outcome = told(step, transport=transport)
    station, vehicle = ENDS[fault, side]
    found = ends(outcome)
    assert found["secc"] in station, outcome
    assert found["evcc"] in vehicle, outcome
    assert outcome.verdict == "pass", "nothing was expected, and nothing was unsafe"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_station_that_is_late_within_the_time_is_waited_for(transport: str) -> None:
    late = Step(side="secc", do="wire", wire="delay", message="DCChargeLoopRes", nth=5, times=3, seconds=0.2)
    outcome = told(late, transport=transport)
    assert ends(outcome) == {"secc": "STOPPED_BY_EV", "evcc": "STOPPED_BY_EV"}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("side", ["secc", "evcc"])
def test_numbers_beyond_the_limits_harm_nobody(side: Any, transport: str) -> None:
    """The station of a vehicle that asks for too much keeps to its own limits and the declared ones; the
    simulation would show it."""
    step = Step(side=side, do="wire", wire="limits-ignored", message=LOOP[side], factor=3.0)
    outcome = told(step, transport=transport)
    assert outcome.verdict == "pass", outcome.reasons
    assert outcome.summary is not None
    assert (
        outcome.summary.hardware.beyond_station_limits == outcome.summary.hardware.beyond_vehicle_limits == 0
    )


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_station_that_is_never_ready_is_left_in_time(transport: str) -> None:
    """Over sockets the vehicle waits for its 40 s really."""
    step = Step(side="secc", do="wire", wire="stuck-ongoing", message="DCCableCheckRes")
    outcome = told(step, transport=transport)
    assert ends(outcome)["evcc"] == "CABLE_CHECK_FAILED"
    assert "still not finished after 40 s" in outcome.ends["evcc"].detail
    causes = outcome.ends["secc"].detail.split("; then ")
    assert len(causes) == len(set(causes)), "a cause is told once"


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("message", ["DCPreChargeReq", "PowerDeliveryReq"])
def test_a_vehicle_that_is_never_ready_is_left_as_well(message: str, transport: str) -> None:
    """It lasts as long as the vehicle's own session, which hears no answers, waits for one."""
    outcome = told(Step(side="evcc", do="wire", wire="stuck-ongoing", message=message), transport=transport)
    assert outcome.verdict == "pass", outcome
    assert ends(outcome)["evcc"] == "TIMEOUT"
    assert ends(outcome)["secc"] in VANISHED


LONGER = {("drop", "evcc"), ("delay", "evcc"), ("wrong-payload-type", "evcc"), ("silence", "evcc")}
"""A station of the older editions waits for a request longer than a vehicle for the answer."""


@pytest.mark.parametrize("edition", ["iso2", "din"])
@pytest.mark.parametrize(("fault", "side"), ENDS)
def test_the_older_editions_have_them_as_well(fault: str, side: Any, edition: str) -> None:
    message = {"secc": "CurrentDemandRes", "evcc": "CurrentDemandReq"}[side]
    more = {"seconds": 30.0} if fault == "delay" else {}
    step = Step(side=side, do="wire", wire=fault, message=message, nth=10, **more)  # type: ignore[arg-type]
    outcome = told(step, edition=edition)
    station, vehicle = (VANISHED, VANISHED) if (fault, side) in LONGER else ENDS[fault, side]
    found = ends(outcome)
    assert found["secc"] in station, outcome
    assert found["evcc"] in vehicle, outcome
    assert outcome.verdict == "pass", outcome


@pytest.mark.parametrize("edition", ["iso2", "din"])
@pytest.mark.parametrize(
    ("message", "end"),
    [("CableCheckRes", "CABLE_CHECK_FAILED"), ("ChargeParameterDiscoveryRes", "ONGOING_TOO_LONG")],
)
def test_a_station_of_the_older_editions_that_is_never_ready_is_left(
    message: str, end: str, edition: str
) -> None:
    outcome = told(Step(side="secc", do="wire", wire="stuck-ongoing", message=message), edition=edition)
    assert ends(outcome)["evcc"] == end
    assert outcome.verdict == "pass", outcome


@pytest.mark.parametrize("side", ["secc", "evcc"])
def test_over_tls_of_the_older_edition_too(side: Any) -> None:
    message = {"secc": "CurrentDemandRes", "evcc": "CurrentDemandReq"}[side]
    outcome = told(
        Step(side=side, do="wire", wire="truncated-exi", message=message, nth=10),
        edition="iso2",
        transport="tcp",
    )
    station, vehicle = ENDS["truncated-exi", side]
    assert (ends(outcome)["secc"] in station, ends(outcome)["evcc"] in vehicle) == (True, True), outcome
    assert outcome.summary is not None
    assert outcome.summary.tls is not None


def test_a_fault_that_befell_nothing_decides_nothing() -> None:
    step = Step(side="secc", do="wire", wire="drop", message="DCWeldingDetectionRes", nth=1000)
    outcome = told(step)
    assert outcome.verdict == "inconclusive"
    assert outcome.reasons == ("secc: the fault 'drop' befell no DCWeldingDetectionRes",)
