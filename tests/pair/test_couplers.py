"""Couplers of MCS by their Connector parameter: offered and taken where they fit, refused where they do not,
and never given too much."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.messages.iso20 import common_messages as cm
from iso15118.secc import SeccConfig
from iso15118.session.actions import EndReason
from iso15118.session.couplers import COUPLERS, carried
from iso15118.session.services import ServiceID
from iso15118.simulation import Battery, DcCircuit, SimulatedStation, SimulatedVehicle, StationPreset, preset
from iso15118.testing import Pair

BEYOND = replace(
    preset("mcs-max"),
    limits=replace(
        preset("mcs-max").limits,
        maximum_voltage_v=1600.0,
        maximum_charge_current_a=4000.0,
        maximum_charge_power_w=5_000_000.0,
    ),
)
"""Hardware that could do more than any coupler carries."""


def pair(
    connector: int | None, connectors: tuple[int, ...], kind: StationPreset = BEYOND, **vehicle: float
) -> tuple[Pair, list[object]]:
    circuit = DcCircuit(time_scale=20.0)
    battery = Battery(
        **{
            "soc": 76.0,
            "target_soc": 80.0,
            "maximum_charge_current_a": 4000.0,
            "maximum_charge_power_w": 5_000_000.0,
        }
        | vehicle
    )
    said: list[object] = []
    made = Pair(
        SeccConfig(services=(ServiceID.MCS,), connector=connector),
        EvccConfig(services=(ServiceID.MCS,), connectors=connectors),
        SimulatedStation(circuit, kind),
        SimulatedVehicle(circuit, battery),
        on_message=lambda sender, message, now: said.append(message),
    )
    made.run()
    return made, said


def offered(said: list[object]) -> set[int]:
    (detail,) = [one for one in said if isinstance(one, cm.ServiceDetailRes)]
    return {
        parameter.int_value
        for one in detail.service_parameter_list.parameter_set
        for parameter in one.parameter
        if parameter.name == "Connector" and parameter.int_value is not None
    }


@pytest.mark.parametrize("name", COUPLERS)
def test_a_coupler_is_offered_and_taken_and_carries_no_more_than_it_may(name: str) -> None:
    coupler = COUPLERS[name]
    made, said = pair(coupler.connector, (coupler.connector,))
    assert offered(said) == {coupler.connector}
    assert made.evcc.ended is not None
    assert made.evcc.ended.reason is EndReason.STOPPED_BY_EV
    for message in said:
        mode = getattr(message, "dc_cpd_res_energy_transfer_mode", None) or getattr(
            message, "dc_cpd_req_energy_transfer_mode", None
        )
        if mode is not None:
            side = "evse" if hasattr(mode, "evse_maximum_voltage") else "ev"
            for field, most in (
                ("voltage", coupler.maximum_voltage_v),
                ("charge_current", coupler.maximum_current_a),
                ("charge_power", coupler.maximum_power_w),
            ):
                value = getattr(mode, f"{side}_maximum_{field}")
                assert value.value * 10.0**value.exponent <= most
    record = made.station.circuit.record
    assert 0.4 * coupler.maximum_current_a < record.peak_current_a <= coupler.maximum_current_a * 1.001
    assert record.peak_power_w <= coupler.maximum_power_w * 1.001


@pytest.mark.parametrize(("station", "inlet"), [(2, 1), (1, 2), (3, 2), (None, 3), (7, 6)])
def test_an_inlet_that_does_not_fit_takes_nothing(station: int | None, inlet: int) -> None:
    made, said = pair(station, (inlet,))
    assert made.evcc.ended is not None
    assert made.evcc.ended.reason is EndReason.PARAMETERS_NOT_ACCEPTED
    assert f"with connector {inlet}" in made.evcc.ended.detail
    assert not any(isinstance(one, cm.ServiceSelectionReq) for one in said)
    assert made.station.circuit.record.peak_current_a == 0.0


def test_an_inlet_of_two_couplers_takes_either_and_one_that_says_none_takes_any() -> None:
    for station in (1, 2, 5):
        for inlet in ((), (5, 2, 1)):
            made, _ = pair(station, inlet)
            assert made.evcc.ended is not None
            assert made.evcc.ended.reason is EndReason.STOPPED_BY_EV


def test_chaoji_reaches_a_battery_that_mcs_does_not() -> None:
    high: dict[str, Any] = {"empty_v": 1300.0, "full_v": 1400.0}
    made, _ = pair(2, (2,), preset("chaoji"), **high)
    assert made.evcc.ended is not None
    assert made.evcc.ended.reason is EndReason.STOPPED_BY_EV
    assert made.station.circuit.record.maximum_voltage_v > 1300.0
    refused, _ = pair(1, (), **high)  # the same hardware could do 1600 V, the coupler cannot
    assert refused.evcc.ended is not None
    assert refused.evcc.ended.reason is EndReason.PARAMETERS_NOT_ACCEPTED
    assert "cannot reach the battery's voltage" in refused.evcc.ended.detail


def test_what_the_limits_become_later_is_carried_by_the_coupler_too() -> None:
    assert carried((ServiceID.MCS,), (2,)) is not None
    coupler = COUPLERS["chaoji"]
    limits = coupler.of_station(BEYOND.limits)
    assert (limits.maximum_voltage_v, limits.maximum_charge_current_a) == (1500.0, 800.0)
    assert coupler.of_station(preset("ccs2").limits).maximum_charge_current_a == 500.0
    assert carried((ServiceID.DC,), (2,)) is None  # Extended, of which nothing is known here
    assert carried((ServiceID.MCS,), ()) is None


def test_connectors_that_a_service_does_not_have_are_refused() -> None:
    with pytest.raises(ConfigError, match="DC has none of 5"):
        EvccConfig(services=(ServiceID.DC,), connectors=(5,))
    with pytest.raises(ConfigError, match="connectors"):
        EvccConfig(services=(ServiceID.MCS,), connectors=(2, 2))
