"""Whole sessions over real TCP, mutual TLS and discovery on ``::1``, with simulated hardware on both ends."""

from __future__ import annotations

import pytest

from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from iso15118.simulation import Battery, EnergyPlan

from .site import Plant, evcc_config, in_turn, secc_config, site

SECC_STATES = [
    "Connecting",
    "supportedAppProtocol",
    "SessionSetup",
    "AuthorizationSetup",
    "Authorization",
    "ServiceDiscovery",
    "ServiceDetail",
    "ServiceSelection",
    "DC_ChargeParameterDiscovery",
    "ScheduleExchange",
    "DC_CableCheck",
    "DC_PreCharge",
    "PowerDelivery",
    "DC_ChargeLoop",
    "DC_WeldingDetection",
    "SessionStop",
    "Ended",
]
EVCC_STATES = [*SECC_STATES[:14], "PowerDelivery", *SECC_STATES[14:]]


@pytest.mark.parametrize(
    "service",
    [ServiceID.DC, ServiceID.DC_BPT, ServiceID.MCS, ServiceID.MCS_BPT],
    ids=lambda service: service.name.lower(),
)
async def test_a_vehicle_is_found_trusted_and_charged(service: ServiceID) -> None:
    await in_turn(ControlMode, lambda mode: found_trusted_and_charged(service, mode))


async def found_trusted_and_charged(service: ServiceID, mode: ControlMode) -> None:
    # Complete is within 5e-5 of the capacity of the target: a large pack that is nearly there.
    battery = Battery(capacity_wh=100e6, soc=79.988, target_soc=80.0)
    bidirectional = service in (ServiceID.DC_BPT, ServiceID.MCS_BPT)
    plan = EnergyPlan(3000.0, turn=0.3) if bidirectional else None
    plant = Plant(kind="mcs-gen1", battery=battery, plan=plan)
    config = secc_config(services=(service,))
    async with site(plant, config=config) as here:
        client = here.client(config=evcc_config(services=(service,), control_modes=(mode,)))
        mine = await client.run()
        theirs = await here.server.wait_finished(1)
        assert [watcher.seen > 100 for watcher in here.watchers] == [True, True]
    for result in (mine, theirs):
        assert result.ended.reason is EndReason.STOPPED_BY_EV, result
        assert result.safe
        assert not result.faults
        assert result.tls is not None
        assert result.tls.version == "TLSv1.3"
        assert result.tls.client_certificate
        assert result.charge_loops > 5
        assert result.exchanges >= result.charge_loops + 15
        assert 0.0 < result.transfer_seconds <= result.finished - result.started
        assert 50.0 < result.peak_power_kw <= 1000.1
        assert result.peak_current_a <= 1500.1
        assert result.maximum_voltage_v <= 1250.0
    assert mine.session_id == theirs.session_id != bytes(8)
    assert theirs.evccid == client.config.evccid
    assert list(theirs.states) == SECC_STATES
    assert list(mine.states) == EVCC_STATES
    assert theirs.charged_wh is not None
    assert theirs.discharged_wh is not None
    assert theirs.charged_wh == pytest.approx(battery.charged_wh, rel=1e-6)
    assert theirs.discharged_wh == pytest.approx(battery.discharged_wh, rel=1e-6)
    assert theirs.charged_wh > 6_000.0
    assert (theirs.discharged_wh > 2900.0) is bidirectional


async def test_sessions_follow_one_another_on_one_server() -> None:
    async with site() as here:
        ids = {(await here.charge()).session_id for _ in range(3)}
        assert len(ids) == 3
        assert here.server.finished == 3
        assert len(here.server.results) == 3
