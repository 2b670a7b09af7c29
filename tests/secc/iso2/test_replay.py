"""Vehicles of public captures against our station: real cars are served to the end, others stop only at
what our station cannot know.

The captures are not part of this project; without them nothing is tested here, and pytest says so.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.secc.iso2.replies import RESPONSES
from tests.exi.reference import needs_vectors
from tests.secc.iso2.replay import Outcome, captured, replay
from tests.secc.iso2.vehicle import Drive

CARS = ("audi-dc-iso2.pcap", "vw-ac-iso2.pcap", "porsche-taycan-4s-driverside", "porsche-taycan-4s-otherside")
CANNOT_KNOW = {
    "FAILED_ServiceIDInvalid",  # a service of the vehicle's own station
    "FAILED_TariffSelectionInvalid",  # a schedule of its own station
    "FAILED_CertChainError",  # roots that nobody here has
    "FAILED_NoCertificateAvailable",  # a provisioning service that nobody here has
}


@needs_vectors
def test_real_cars_are_served_to_the_end() -> None:
    outcomes = {name: replay(name, requests) for name, requests in captured()}
    of_cars = {car: [one for name, one in outcomes.items() if f"trace-logs/{car}" in name] for car in CARS}
    assert {
        car: [(one.whole, one.left_out, one.code) for one in found] for car, found in of_cars.items()
    } == {car: [(True, 0, "OK")] for car in CARS}
    assert len(outcomes) >= 30


@needs_vectors
def test_the_others_stop_only_at_what_our_station_cannot_know() -> None:
    for name, requests in captured():
        one = replay(name, requests)
        assert one.safe, name
        assert one.whole or one.code in CANNOT_KNOW, (name, one.code, one.why)


def test_a_capture_with_gaps_is_filled_in_and_one_that_makes_no_sense_is_not_whole() -> None:
    """The replay itself, with requests of our own: it has to see a failure where there is one."""

    def said(kind: type, **changes: Any) -> iso2.V2GMessage:
        return Drive().request(kind, **changes)

    whole: Outcome = replay(
        "gaps",
        [said(iso2.PaymentServiceSelectionReq), said(iso2.CurrentDemandReq), said(iso2.SessionStopReq)],
    )
    assert (whole.whole, whole.taken, whole.code) == (True, 3, "OK")
    assert whole.filled == 7
    broken = replay("broken", [said(iso2.ServiceDetailReq, service_id=99), said(iso2.SessionStopReq)])
    assert (broken.whole, broken.taken, broken.code) == (False, 0, "FAILED_ServiceIDInvalid")
    assert broken.safe
    assert len(RESPONSES) == 17


@pytest.mark.parametrize("kind", [iso2.SessionSetupReq, iso2.ServiceDiscoveryReq])
def test_what_has_no_place_of_its_own_is_left_out(kind: type) -> None:
    late = replay("late", [Drive().request(iso2.CableCheckReq), Drive().request(kind)])
    assert (late.taken, late.left_out) == (1, 1)
