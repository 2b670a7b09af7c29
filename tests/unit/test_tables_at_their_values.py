"""Tables and constants by which every session runs, at their own values: what a service may be offered with,
what stands for nothing, and how long a history is."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from msgspec.structs import asdict

from iso15118.energy.price import PriceLevels
from iso15118.errors import ConfigError
from iso15118.evcc.din.plan import Plan
from iso15118.evcc.iso2 import plug_and_charge
from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.secc.funnel import CONNECTED, OVER, Funnel
from iso15118.secc.iso20 import ac_part
from iso15118.secc.session import SeccSession
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.history import MOST_STATES, StateHistory
from iso15118.session.limits import NO_DC_OUTPUT, NO_DC_SIDE, StationLimits, VehicleLimits
from iso15118.session.price_wire import price_element
from iso15118.session.services import SERVICES, EnergyService, ServiceID, ac_parameter_sets
from iso15118.session.value_added import internet, parking_status

DC, AC = (1, 2, 3, 4), (1, 2, 3)
OFFERED = {
    "ac": (AC, 0.0),
    "ac-bpt": (AC, 0.0),
    "ac-der-iec": (AC, 0.0),
    "ac-der-sae": (AC, 0.0),
    "dc": (DC, 100e3),
    "dc-bpt": (DC, 100e3),
    "mcs": ((1, 2, 3, 4, 5, 6, 7), 125e3),
    "mcs-bpt": ((1, 2, 3, 4, 5, 6, 7), 125e3),
    "acdp": (DC, 100e3),
    "acdp-bpt": (DC, 100e3),
    "wpt": ((1,), 0.0),
}
"""Connectors of each service, and the insulation (Ohm) that its cable check asks for."""


NUMBERS: dict[str, dict[str, Any]] = {
    "aio.writer": {"AT_EXIT_S": 1.0, "_MOST_WAITING": 10_000},
    "secc.din.delivery": {"_MOST_A": 2.0},
    "secc.iso2.parameters": {"_HOLD": 0.5},
    "secc.iso2.schedules": {"_LONGEST": 16_777_214, "_MOST_ENTRIES": 1024, "_NOISE_W": 1e-6},
    "secc.iso20.context": {"_READINGS_KEPT": 8},
    "secc.iso20.dc_part": {"_ZERO": RationalNumber(exponent=0, value=0)},
    "secc.iso20.notices": {"_MOST": 65_535},
    "secc.iso20.offers": {"_POINTS": range(12, 1025)},
    "secc.iso20.replies": {"_ZERO": RationalNumber(exponent=0, value=0)},
    "secc.iso20.schedules": {"_POINTS": range(12, 1025)},
    "session.checks": {"_HIGHEST_HZ": 1000.0, "_HIGHEST_COIL_HZ": 1e6},
}
"""How each of them acts is tried elsewhere, by its name or at its edges."""


@pytest.mark.parametrize("module", NUMBERS)
def test_a_number_is_what_it_was(module: str) -> None:
    there = import_module(f"iso15118.{module}")
    assert {name: getattr(there, name) for name in NUMBERS[module]} == NUMBERS[module]


@pytest.mark.parametrize(
    ("call", "left_out"),
    [
        (Funnel._end, {"beside": False}),
        (SeccSession, {"installs": False, "pad_id": 0}),
        (SeccSession._aborted, {"beside": False}),
        (SeccSession._message, {"stream": False}),
        (ac_part._ok, {"stops": False}),
        (plug_and_charge._usable, {"refused": True}),
    ],
    ids=lambda one: getattr(one, "__qualname__", ""),
)
def test_what_a_call_means_that_leaves_it_out(call: Callable[..., Any], left_out: dict[str, Any]) -> None:
    known = {name: one.default for name, one in inspect.signature(call).parameters.items()}
    assert {name: known[name] for name in left_out} == left_out


def test_each_service_has_its_connectors_and_its_insulation() -> None:
    assert {one.name: (one.connectors, one.insulation_threshold_ohm) for one in SERVICES.values()} == OFFERED


@pytest.mark.parametrize("service", list(SERVICES.values()), ids=lambda one: one.name)
def test_a_service_whose_name_says_so_is_bidirectional(service: EnergyService) -> None:
    assert service.bidirectional is ("-" in service.name)


def test_three_phases_are_connector_2_unless_it_is_said() -> None:
    outlet = AcStationLimits.of(current_a=32.0)
    found = [one.connector for one in ac_parameter_sets(SERVICES[ServiceID.AC], outlet)]
    assert (set(found), found[0]) == ({1, 2}, 2)


def test_a_side_without_dc_has_nothing_of_it_and_one_that_has_said_nothing_yet() -> None:
    for one in (NO_DC_OUTPUT, NO_DC_SIDE, Plan().offer, Plan().station):
        limits = {name: value for name, value in asdict(one).items() if name.startswith("maximum_")}
        assert set(limits.values()) == {0.0}
        assert not one.bidirectional


@pytest.mark.parametrize("kind", [StationLimits, VehicleLimits])
def test_a_limit_that_comes_last_is_looked_at_as_well(kind: type[StationLimits | VehicleLimits]) -> None:
    """Those of every field, however many there are."""
    needed = {"maximum_charge_power_w": 1.0, "maximum_charge_current_a": 1.0, "maximum_voltage_v": 1.0}
    for name in kind.__struct_fields__:
        if name.startswith(("maximum_", "minimum_")):
            with pytest.raises(ConfigError, match=name):
                kind(**(needed | {name: float("nan")}))


def test_a_history_keeps_its_first_500_and_its_last_500_states() -> None:
    states = StateHistory()
    for number in range(3_000):
        states.append(str(number))
    assert MOST_STATES == len(states) == 1000
    assert states[499:501] == ["499", "2500"]


def test_variants_of_added_services_that_nobody_chooses() -> None:
    assert internet().free
    assert [dict(one.values)["ParkingStatusType"] for one in parking_status().parameter_sets] == [1, 1]


@pytest.mark.parametrize(("begins", "anchor"), [(1000.9, 1000), (1000.9988, 1000), (1000.9995, 1001)])
def test_prices_begin_at_a_whole_second_downward_but_for_the_noise_of_a_sum(
    begins: float, anchor: int
) -> None:
    levels = PriceLevels(begins=begins, entries=((3600, 1),), levels=1)
    assert price_element(levels, 0.0).time_anchor == anchor


def test_the_first_stage_and_the_last_one() -> None:
    assert CONNECTED.first
    assert CONNECTED.refuses
    assert not OVER.first
    assert not OVER.refuses
