"""Tests as a charger or vehicle team would write them: everything comes from the plugin's fixtures."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address

import pytest

from iso15118 import EndReason, EvccConfig, ServiceID
from iso15118.aio.background import BackgroundStation, BackgroundVehicle
from iso15118.loopback import LoopbackSummary
from iso15118.scenario import Expect, Outcome, Step, When
from iso15118.sdp import Security
from iso15118.session.events import StopRequested
from iso15118.testing import Pair


@pytest.mark.requirement("V2G20-1643")
def test_a_truck_is_charged_in_virtual_time(v2g_pair: Callable[..., Pair]) -> None:
    pair = v2g_pair(service="mcs", battery_kwh=100.0, soc_start=20.0, soc_target=40.0)
    pair.run(until=lambda: pair.loops >= 20)
    pair.tell_secc(StopRequested("the depot closes"))
    pair.run()
    assert pair.evcc.ended is not None
    assert pair.evcc.ended.reason is EndReason.STOPPED_BY_STATION


def test_a_car_is_charged_over_tls(v2g_loopback: Callable[..., LoopbackSummary]) -> None:
    summary = v2g_loopback(service="dc", battery_kwh=50.0, soc_start=20.0, soc_target=30.0)
    assert summary.result == "ok"
    assert summary.tls is not None
    assert summary.tls.version == "TLSv1.3"


@pytest.mark.requirement("V2G20-459", "V2G20-460")
@pytest.mark.parametrize("fault", ["wrong-session-id", "truncated-exi", "reset", "silence"])
def test_a_faulty_station_is_left(v2g_scenario: Callable[..., Outcome], fault: str) -> None:
    step = Step(side="secc", do="wire", wire=fault, message="DCChargeLoopRes", nth=10, until=When(ended=True))
    outcome = v2g_scenario(
        step, expect=Expect(never=("DCWeldingDetectionReq",)), service="dc", battery_kwh=50.0
    )
    assert outcome.ends["evcc"].reason != "STOPPED_BY_EV"


def test_my_vehicle_meets_a_station(
    v2g_station: Callable[..., BackgroundStation], v2g_vehicle: Callable[..., BackgroundVehicle]
) -> None:
    """In place of ``v2g_vehicle`` stands whatever is under test: the address and the
    ports are all that it needs."""
    station = v2g_station(preset="ccs2", time_scale=200.0)
    settings = EvccConfig(services=(ServiceID.DC,), target_soc=30)
    vehicle = v2g_vehicle(settings, battery_kwh=50.0, soc=20.0, time_scale=200.0)
    where: tuple[IPv6Address, int] = (station.address, station.ports[Security.TLS])
    seen_by_vehicle = vehicle.run(where)
    assert seen_by_vehicle.safe
    assert seen_by_vehicle.ended.reason is EndReason.STOPPED_BY_EV
    assert station.wait_finished().ended.reason is EndReason.STOPPED_BY_EV
