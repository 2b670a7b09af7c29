"""A pantograph and a pad over a real connection on ``::1``, with the asynchronous ports of both
ends, and what fails of them."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.aio.run import Both, run_both
from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.secc import SeccConfig
from iso15118.session import ports
from iso15118.session.coupling import DevicePosition
from iso15118.session.events import EmergencyShutdown
from iso15118.session.service_ports import check_services
from iso15118.session.services import ServiceID
from iso15118.session.wireless import PadLimits, ReceiverLimits
from iso15118.simulation import (
    Battery,
    Bay,
    DcCircuit,
    PantographStation,
    PantographVehicle,
    WirelessCircuit,
    WirelessStation,
    WirelessVehicle,
    preset,
)
from tests.pair.wpt_rig import CAR

_SCALE = 60.0


def both(
    service: ServiceID, station: Any, vehicle: Any, *, emergency_after_s: float | None = None, spoil: str = ""
) -> tuple[Both, list[float]]:
    """One session between the two; the vehicle may be told of an emergency some time
    after energy began to flow."""
    told: list[float] = []
    since: list[float] = []

    def meddle(now: float, tell: Any) -> None:
        if emergency_after_s is None or told:
            return
        if abs(station.circuit.current_a) > 1.0:
            since.append(now)
        if since and now - since[0] > emergency_after_s:
            told.append(now)
            if spoil:
                station.faults.raises(spoil)
            else:
                tell(EmergencyShutdown("pressed"))

    result = run_both(
        SeccConfig(services=(service,), allow_plaintext=True),
        EvccConfig(
            services=(service,),
            allow_plaintext=True,
            target_soc=42,
            minimum_soc=10,
            loop_interval_s=0.01,
            poll_interval_s=0.01,
        ),
        lambda sleep, clock: (station.ports(sleep, clock), vehicle.ports(sleep, clock)),
        tls=None,
        at_most_s=60.0,
        meddle=meddle,
    )
    return result, told


def pantograph() -> tuple[PantographStation, PantographVehicle]:
    circuit = DcCircuit(time_scale=_SCALE, loop_s=0.05)
    bay = Bay(circuit)
    station = PantographStation(circuit, preset("pantograph"), bay)
    cells = Battery(capacity_wh=100e3, soc=40.0, target_soc=42.0, minimum_soc=10.0)
    return station, PantographVehicle(circuit, bay, cells)


def over_a_pad() -> tuple[WirelessStation, WirelessVehicle]:
    circuit = WirelessCircuit(time_scale=_SCALE, loop_s=0.05)
    station = WirelessStation(circuit, PadLimits(maximum_power_w=11_000.0))
    cells = Battery(**({"capacity_wh": 5e3, "soc": 40.0, "target_soc": 42.0} | CAR))
    vehicle = WirelessVehicle(
        circuit, ReceiverLimits(maximum_power_w=11_000.0), cells, reads=lambda: station.id_code
    )
    return station, vehicle


def test_a_session_under_a_pantograph() -> None:
    station, vehicle = pantograph()
    result, _ = both(ServiceID.DC_ACDP, station, vehicle)
    assert result.evcc.ended.reason.orderly
    assert result.secc.safe
    assert result.evcc.safe
    assert vehicle.battery.complete
    assert station.device is DevicePosition.HOME
    assert station.lowered_live == 0


def test_an_emergency_under_a_pantograph_has_it_retracted_before_the_station_is_done() -> None:
    station, vehicle = pantograph()
    result, told = both(ServiceID.DC_ACDP, station, vehicle, emergency_after_s=0.1)
    assert told
    assert not result.evcc.ended.reason.orderly
    assert result.secc.safe
    assert station.device is DevicePosition.HOME
    assert station.lowered_live == 0
    assert vehicle.mobility.immobilized  # nobody told it that the device is up


@pytest.mark.parametrize("call", ["connect_device", "disconnect_device"])
def test_ports_of_the_device_that_fail_end_the_session_safely(call: str) -> None:
    station, vehicle = pantograph()
    station.faults.raises(call, times=1 if call == "disconnect_device" else float("inf"))
    result, _ = both(ServiceID.DC_ACDP, station, vehicle)
    assert result.secc.ended.reason.orderly is False
    assert not station.outlet.closed
    assert station.device is DevicePosition.HOME
    assert station.lowered_live == 0


def test_a_lock_that_fails_is_no_charge() -> None:
    station, vehicle = pantograph()
    vehicle.faults.raises("immobilize")
    result, _ = both(ServiceID.DC_ACDP, station, vehicle)
    assert not result.evcc.ended.reason.orderly
    assert station.device is DevicePosition.HOME


def test_a_session_over_a_pad() -> None:
    station, vehicle = over_a_pad()
    result, _ = both(ServiceID.WPT, station, vehicle)
    assert result.evcc.ended.reason.orderly
    assert result.secc.safe
    assert result.evcc.safe
    assert vehicle.battery.complete
    assert station.circuit.sends_w == 0.0
    for one in (result.secc, result.evcc):  # power that comes without a wire flows as well
        assert one.energy_from is not None
        assert one.transfer_seconds > 0.0
        assert one.peak_power_kw == pytest.approx(11.0, rel=0.01)
    assert result.evcc.maximum_voltage_v > 300.0


def test_an_emergency_over_a_pad() -> None:
    station, vehicle = over_a_pad()
    result, told = both(ServiceID.WPT, station, vehicle, emergency_after_s=0.05)
    assert told
    assert not result.evcc.ended.reason.orderly
    assert result.secc.safe
    assert station.circuit.sends_w == 0.0


def test_a_sensor_of_the_place_that_fails_under_power_ends_the_session_safely() -> None:
    station, vehicle = pantograph()
    result, told = both(ServiceID.DC_ACDP, station, vehicle, emergency_after_s=0.05, spoil="position")
    assert told
    assert not result.secc.ended.reason.orderly
    assert station.device is DevicePosition.HOME
    assert station.lowered_live == 0


def test_a_pad_that_cannot_be_set_ends_the_session_safely() -> None:
    station, vehicle = over_a_pad()
    station.faults.raises("set_pad")
    result, _ = both(ServiceID.WPT, station, vehicle)
    assert not result.evcc.ended.reason.orderly
    assert station.circuit.sends_w == 0.0


def test_a_pad_that_cannot_be_measured_under_power_ends_the_session_safely() -> None:
    station, vehicle = over_a_pad()
    result, told = both(ServiceID.WPT, station, vehicle, emergency_after_s=0.05, spoil="pad")
    assert told
    assert not result.evcc.ended.reason.orderly
    assert station.circuit.sends_w == 0.0


@pytest.mark.parametrize("service", [ServiceID.DC_ACDP, ServiceID.DC_ACDP_BPT, ServiceID.WPT])
def test_a_service_without_its_ports_is_named(service: ServiceID) -> None:
    bare = object.__new__(ports.Station)
    for field in ports.Station.__dataclass_fields__:
        object.__setattr__(bare, field, None)
    with pytest.raises(ConfigError, match="services"):
        check_services(("iso20",), (service,), bare)
