"""An energy resource and value-added services over the network stack: the inverter's port is brought its
functions, and fails safely."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.aio import EvccClient, SeccServer
from iso15118.aio.ports.inverter import abilities_of, grid_code_of
from iso15118.aio.ports.value_added import services_of, tell_selected, wanted_of
from iso15118.energy.grid_functions import DsoSetPoint, IecGridCode
from iso15118.errors import ConfigError, HardwareError
from iso15118.evcc import EvccConfig
from iso15118.secc import SeccConfig
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.actions import EndReason, ServicesSelected
from iso15118.session.der import GridCondition, InverterAbilities
from iso15118.session.service_ports import check_services
from iso15118.session.services import ControlMode, ServiceID
from iso15118.session.value_added import WantedService, internet
from iso15118.simulation import (
    AcCircuit,
    Battery,
    SimulatedAcStation,
    SimulatedAcVehicle,
    SimulatedInverter,
    european,
    north_american,
)
from iso15118.simulation.ac_ports import AcStationPorts, AcVehiclePorts
from iso15118.testing import SafetyMonitor
from tests.aio.test_ac import AcSite, charging, until
from tests.pair.ac_rig import PACK

DER_SERVICES = (ServiceID.AC_DER_IEC, ServiceID.AC_DER_SAE)


class DerSite(AcSite):
    """The same with an inverter, and a site with a grid code."""

    def __init__(self, service: ServiceID, *, time_scale: float = 60.0) -> None:
        super().__init__(ServiceID.AC, time_scale=time_scale)
        outlet = AcStationLimits.of(current_a=32.0, discharge_a=32.0)
        car = AcVehicleLimits.of(current_a=16.0, discharge_a=16.0)
        circuit = AcCircuit(time_scale=time_scale)
        code = european() if service is ServiceID.AC_DER_IEC else north_american(230.0, 50.0)
        self.station = SimulatedAcStation(circuit, outlet, grid_code=code)
        self.inverter = SimulatedInverter(car)
        self.vehicle = SimulatedAcVehicle(circuit, self.inverter, Battery(**PACK))
        self.secc = SeccConfig(services=DER_SERVICES, allow_plaintext=True)
        self.evcc = EvccConfig(
            services=(service,),
            control_modes=(ControlMode.DYNAMIC,),
            allow_plaintext=True,
            target_soc=42,
            minimum_soc=10,
        )
        self.monitor = SafetyMonitor(self.secc, None, outlet=outlet, charger=car)
        self._station = AcStationPorts(self.station, asyncio.sleep, self.clock)
        self._vehicle = AcVehiclePorts(self.vehicle, asyncio.sleep, self.clock)


@pytest.mark.parametrize("service", DER_SERVICES)
async def test_a_whole_session_brings_the_inverter_its_functions(service: ServiceID) -> None:
    site = DerSite(service, time_scale=120.0)
    seen: list[Any] = []

    async def look(site: AcSite, server: SeccServer, client: EvccClient) -> None:
        await charging(site)
        seen.append(site.inverter.followed)  # type: ignore[attr-defined]

    await site.run(look)
    for result in site.results:
        assert result.ended.reason is EndReason.STOPPED_BY_EV, result
        assert result.safe, result.faults
    assert isinstance(seen[0], IecGridCode) is (service is ServiceID.AC_DER_IEC)
    assert site.inverter.followed is None, "told that the session is over"


async def test_a_set_point_that_the_energy_manager_pushes_reaches_the_inverter() -> None:
    site = DerSite(ServiceID.AC_DER_IEC, time_scale=1.0)
    wanted = DsoSetPoint(reactive_var=-1_500.0)

    async def push(site: AcSite, server: SeccServer, client: EvccClient) -> None:
        await charging(site)
        server.tell(ev.DsoSetPointChanged(wanted))
        await until(lambda: site.inverter.set_point == wanted)  # type: ignore[attr-defined]
        client.stop("seen")

    await site.run(push)
    assert [result.ended.reason for result in site.results] == [EndReason.STOPPED_BY_EV] * 2


async def test_an_inverter_that_does_not_take_its_functions_ends_the_session_safely() -> None:
    site = DerSite(ServiceID.AC_DER_IEC, time_scale=1.0)

    async def spoil(site: AcSite, server: SeccServer, client: EvccClient) -> None:
        await charging(site)
        site.vehicle.faults.raises("follow_grid", HardwareError("bus"))
        server.tell(ev.DsoSetPointChanged(DsoSetPoint(reactive_var=900.0)))

    await site.run(spoil)
    mine = site.results[1]
    assert mine.ended.reason is EndReason.HARDWARE_FAULT
    assert "inverter" in mine.ended.detail
    assert not any(site.station.circuit.power_w)


# -- what the ports say ------------------------------------------------------------------------------------


class _Said:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (
            lambda value: grid_code_of(_Said(energy=_Said(grid_code=value))),  # type: ignore[arg-type]
            european(),
            ("european", 3, object()),
        ),
        (
            lambda value: services_of(_Said(value_added=_Said(services=value))),  # type: ignore[arg-type]
            (internet(),),
            (3, ("internet",)),
        ),
        (
            lambda value: wanted_of(_Said(value_added=_Said(wanted=value))),  # type: ignore[arg-type]
            (WantedService(id=65),),
            (3, (internet(),)),
        ),
    ],
    ids=["grid code", "services", "wanted"],
)
def test_what_makes_no_sense_is_as_if_there_were_none(
    read: Callable[[Any], Any], good: Any, bad: tuple[Any, ...]
) -> None:
    assert read(good) == good
    for value in bad:
        assert not read(value)


def test_an_inverter_that_does_not_say_what_it_can_is_an_error() -> None:
    made = InverterAbilities(apparent_va=1.0, reactive_var=1.0)
    assert abilities_of(_Said(inverter=_Said(abilities=made))) == made  # type: ignore[arg-type]
    for value in (None, 3, GridCondition()):
        with pytest.raises(HardwareError, match=r"inverter\.abilities"):
            abilities_of(_Said(inverter=_Said(abilities=value)))  # type: ignore[arg-type]


def test_a_provider_is_told_what_was_chosen_if_it_wants_to_know() -> None:
    heard: list[Any] = []
    news = ServicesSelected(((65, 4),))
    tell_selected(_Said(value_added=_Said(selected=heard.append)), news)  # type: ignore[arg-type]
    tell_selected(_Said(value_added=_Said()), news)  # type: ignore[arg-type]
    tell_selected(_Said(value_added=None), news)  # type: ignore[arg-type]
    tell_selected(_Said(value_added=_Said(selected=None)), news)  # type: ignore[arg-type]
    assert heard == [((65, 4),)]


async def test_a_service_of_an_energy_resource_needs_its_ports() -> None:
    site, plain = DerSite(ServiceID.AC_DER_IEC), AcSite(ServiceID.AC_BPT)
    check_services(("iso20",), DER_SERVICES, site._station.bundle())
    check_services(("iso20",), DER_SERVICES, site._vehicle.bundle())
    for bundle, port in ((plain._station.bundle(), "grid_code"), (plain._vehicle.bundle(), "inverter")):
        with pytest.raises(ConfigError, match=port):
            check_services(("iso20",), DER_SERVICES, bundle)
