"""Limits of either side and what an inverter or a coupler can do: the last value that is taken, the
first that is refused, and by which name.

Limits have a short way that only looks whether all is in order; it may never take what the long one refuses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.energy.sae_functions import SaeFunction
from iso15118.errors import ConfigError
from iso15118.ranges import MOST
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.couplers import COUPLERS, MCS_CONNECTORS, carried, through
from iso15118.session.der import GridCondition, InverterAbilities, check_inverter
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.services import ServiceID
from iso15118.session.wireless import PadLimits, ReceiverLimits

NAN, INF = math.nan, math.inf


def held(make: Callable[[Any], object], name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        make(value)
    for value in bad:
        with pytest.raises(ConfigError) as error:
            make(value)
        assert re.match(re.escape(name) + r"\b", str(error.value)), (value, str(error.value))


def with_one(kind: Any, name: str, **others: Any) -> Callable[[Any], object]:
    """Makes one of ``kind`` with a value for this field."""
    return lambda value: kind(**(others | {name: value}))


# -- of a DC output and an inlet

PAIRS = ("charge_power_w", "charge_current_a", "voltage_v", "discharge_power_w", "discharge_current_a")
BOTH = [StationLimits, VehicleLimits]


def dc(kind: Any, **changes: Any) -> Any:
    fields: dict[str, Any] = {f"maximum_{what}": 500.0 for what in PAIRS}
    return kind(**(fields | changes))


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("what", PAIRS)
def test_a_limit_is_a_number_from_0_on(kind: Any, what: str) -> None:
    held(
        lambda it: dc(kind, **{f"maximum_{what}": it}),
        f"maximum_{what}",
        [0.0, 0, 0.5, 1, MOST],
        [-0.5, -1, math.nextafter(MOST, INF), NAN, INF, "1", None, True],
    )


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("what", PAIRS)
@pytest.mark.parametrize("whole", [False, True])
def test_a_minimum_is_at_most_its_maximum(kind: Any, what: str, whole: bool) -> None:
    """Whole numbers go the long way, floats the short one."""
    most = 400 if whole else 400.0
    held(
        lambda it: dc(kind, **{f"maximum_{what}": most, f"minimum_{what}": it}),
        f"minimum_{what}",
        [0.0, 399.5, 400.0, 400],
        [400.5, 401, -0.5, NAN],
    )


@pytest.mark.parametrize("value", [-0.5, NAN, INF, "1", True])
def test_a_ramp_is_a_limit_too(value: Any) -> None:
    held(
        lambda it: dc(StationLimits, power_ramp_w_per_s=it),
        "power_ramp_w_per_s",
        [None, 0.0, 1, 5e4],
        [value],
    )
    with pytest.raises(ConfigError, match="maximum_voltage_v"):
        dc(StationLimits, power_ramp_w_per_s=1.0, maximum_voltage_v=value)


@pytest.mark.parametrize("what", PAIRS)
def test_a_ramp_lets_no_minimum_by(what: str) -> None:
    with pytest.raises(ConfigError, match=f"minimum_{what}"):
        dc(StationLimits, power_ramp_w_per_s=1.0, **{f"minimum_{what}": 500.5})


# -- of an outlet and an on-board charger

PHASED = ("maximum_charge_power_w", "minimum_charge_power_w", "maximum_discharge_power_w")
AC = [AcStationLimits, AcVehicleLimits]


def ac(kind: Any, **changes: Any) -> Any:
    fields: dict[str, Any] = {
        "maximum_current_a": (32.0, 32.0, 32.0),
        "maximum_charge_power_w": (7000.0, 7000.0, 7000.0),
        "minimum_charge_power_w": (1000.0, 1000.0, 1000.0),
        "maximum_discharge_power_w": (5000.0, 5000.0, 5000.0),
    }
    return kind(**(fields | changes))


@pytest.mark.parametrize("kind", AC)
@pytest.mark.parametrize("name", ["maximum_current_a", "maximum_charge_power_w", "maximum_discharge_power_w"])
def test_a_limit_of_three_phases_has_three_numbers(kind: Any, name: str) -> None:
    nine = (9000.0, 9000.0, 9000.0)
    bad: list[Any] = [nine[:2], (*nine, 1.0), list(nine), 9.0, None]
    bad += [(9000.0, 9000.0, value) for value in (-0.5, NAN, INF, "1", True)]
    held(lambda it: ac(kind, **{name: it}), name, [nine, (9000.0, 9000, 9500.0)], bad)


@pytest.mark.parametrize("kind", AC)
@pytest.mark.parametrize("which", [1, 2])
def test_with_one_phase_nothing_is_said_of_the_others(kind: Any, which: int) -> None:
    phases = [32.0, 0.0, 0.0]
    one: dict[str, Any] = dict.fromkeys(PHASED, (1000.0, 0.0, 0.0))
    ac(kind, phases=1, **one, maximum_current_a=tuple(phases))
    phases[which] = 0.5
    with pytest.raises(ConfigError, match="maximum_current_a"):
        ac(kind, phases=1, **one, maximum_current_a=tuple(phases))


@pytest.mark.parametrize("kind", AC)
def test_phases_and_minima(kind: Any) -> None:
    held(lambda it: ac(kind, phases=it), "phases", [3], [0, 2, 4, 3.0, True, None, "3"])
    for name, most in (("charge_power_w", 7000.0), ("discharge_power_w", 5000.0)):
        for good in (0.0, most):
            ac(kind, **{f"minimum_{name}": (0.0, good, 0.0)})
        with pytest.raises(ConfigError, match=f"minimum_{name}"):
            ac(kind, **{f"minimum_{name}": (0.0, most + 0.5, 0.0)})


def test_the_grid_behind_an_outlet() -> None:
    def outlet(name: str) -> Callable[[Any], object]:
        return lambda it: ac(AcStationLimits, **{name: it})

    held(outlet("nominal_voltage_v"), "nominal_voltage_v", [50.0, 1000.0, 230], [49.9, 1000.1, NAN, None])
    held(outlet("nominal_frequency_hz"), "nominal_frequency_hz", [45.0, 65.0, 50], [44.9, 65.1, NAN, None])
    for name in ("maximum_asymmetry_w", "power_ramp_percent_per_min"):
        held(outlet(name), name, [None, 0.0, 0, 0.5, 1e3], [-0.5, NAN, INF, "1", True])


@pytest.mark.parametrize("phases", [1, 3])
def test_the_short_way_to_limits_of_an_outlet(phases: int) -> None:
    def each(watts: float) -> tuple[float, float, float]:
        return (watts, watts, watts) if phases == 3 else (watts, 0.0, 0.0)

    made = AcStationLimits.of(
        current_a=16.0, phases=phases, nominal_voltage_v=200.0, discharge_a=10.0, minimum_a=6.0
    )
    assert made.maximum_current_a == each(16.0)
    assert made.maximum_charge_power_w == each(3200.0)
    assert made.maximum_discharge_power_w == each(2000.0)
    assert made.minimum_charge_power_w == made.minimum_discharge_power_w == each(1200.0)
    back = AcStationLimits.of(
        current_a=5.0, phases=phases, nominal_voltage_v=200.0, discharge_a=20.0, minimum_a=6.0
    )
    assert back.maximum_current_a == each(20.0)
    assert back.minimum_charge_power_w == each(1000.0)
    assert back.minimum_discharge_power_w == each(1200.0)
    none = AcStationLimits.of(current_a=16.0, phases=phases)
    assert not none.bidirectional
    assert none.minimum_discharge_power_w == none.minimum_charge_power_w == (0.0, 0.0, 0.0)


# -- of an inverter


def inverter(**changes: Any) -> InverterAbilities:
    return InverterAbilities(**({"apparent_va": 11e3, "reactive_var": 5e3} | changes))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("iec_functions", [0, 1], [-1, 2**32, 1.0, True, None]),
        ("sae_functions", [0, 1, int(SaeFunction.VOLT_VAR), 2**32 - 1], [-1, 2**32, 1.0, True, None]),
        ("apparent_va", [0.0, 0, 0.5, 1e9], [-0.5, 1.1e9, NAN, INF, "1", None]),
        ("reactive_var", [0.0, 0, 0.5, 1e9], [-0.5, 1.1e9, NAN, INF, "1", None]),
        ("nominal_v", [1.0, 1, 2000.0], [0.9, 2000.1, NAN, None]),
        ("maximum_v", [1.0, 2000.0], [0.9, 2000.1, NAN]),
        ("minimum_v", [1.0, 2000.0], [0.9, 2000.1, NAN]),
        ("over_excited_factor", [0.0, 1.0, 0.5], [-0.1, 1.1, NAN]),
        ("under_excited_factor", [0.0, 1.0, 0.5], [-0.1, 1.1, NAN]),
        ("hardware", ["", "1"], [1, None]),
        ("normal_category", ["A", "B"], ["C", "", None]),
        ("usable_wh", [0, 1, 2**32 - 1], [-1, 2**32, 1.0, True]),
        ("certified_at", [0, 1, 2**32 - 1], [-1, 2**32, 1.0, True]),
    ],
)
def test_what_an_inverter_may_declare(name: str, good: list[Any], bad: list[Any]) -> None:
    held(lambda it: inverter(**{name: it}), name, good, bad)


@pytest.mark.parametrize("name", ["software", "manufacturer", "model", "serial_number"])
def test_texts_of_an_inverter(name: str) -> None:
    held(lambda it: inverter(**{name: it}), name, ["1", "x" * 40], ["", 1, None, "x" * 81])


@pytest.mark.parametrize("name", ["hardware", "software"])
def test_the_longest_text_of_an_inverter(name: str) -> None:
    """One more than what fits is refused, whatever that is."""
    longest = max(length for length in range(1, 200) if _fits(name, length))
    assert all(_fits(name, length) for length in range(1, longest + 1))
    with pytest.raises(ConfigError, match=f"1 to {longest} characters"):
        inverter(**{name: "x" * (longest + 1)})


def _fits(name: str, length: int) -> bool:
    try:
        inverter(**{name: "x" * length})
    except ConfigError:
        return False
    return True


def test_categories_are_both_looked_at() -> None:
    for category in ("I", "II", "III"):
        inverter(abnormal_category=category)
    for other in ("IV", "", None):
        with pytest.raises(ConfigError, match="abnormal_category is none"):
            inverter(abnormal_category=other)


def test_what_an_inverter_sees_of_the_grid() -> None:
    held(lambda it: GridCondition(events=it), "events", [0, 1, 255], [-1, 256, 1.0, True, None])
    for name in ("in_service", "connected"):
        held(with_one(GridCondition, name), name, [True, False], [0, 1, None, "yes"])
    check_inverter(None)
    check_inverter(inverter())
    with pytest.raises(ConfigError, match="str is no InverterAbilities"):
        check_inverter("all of it")


# -- over a pad


def test_limits_over_a_pad() -> None:
    names = ("minimum_power_w", "maximum_power_w", "maximum_coil_a", "minimum_coil_a")
    for name in (*names, "maximum_clearance_mm", "minimum_clearance_mm"):
        fields: dict[str, Any] = {"maximum_power_w": 11e3}
        with pytest.raises(ConfigError, match=name):
            PadLimits(**(fields | {name: -0.5}))
    held(lambda it: PadLimits(maximum_power_w=it), "maximum_power_w", [0.0, 0, 1e9], [1.1e9, NAN, "1", True])
    for what, most in (("coil_a", 75.0), ("clearance_mm", 250.0), ("power_w", 11e3)):
        name = f"minimum_{what}"
        held(with_one(PadLimits, name, maximum_power_w=11e3), name, [0.0, most], [most + 0.5])
    held(
        lambda it: ReceiverLimits(maximum_power_w=7e3, minimum_clearance_mm=it),
        "minimum_clearance_mm",
        [0.0, 210.0],
        [210.5, -0.5],
    )
    held(
        lambda it: ReceiverLimits(maximum_power_w=7e3, local_control=it),
        "local_control",
        [True, False],
        [0, 1, None],
    )


@pytest.mark.parametrize(
    ("power_w", "number"),
    [(0.0, 1), (3700.0, 1), (3700.5, 2), (7700.0, 2), (7700.5, 3), (11_100.0, 3), (11_100.5, 4), (22e3, 4)],
)
def test_the_class_of_a_pad(power_w: float, number: int) -> None:
    assert PadLimits(maximum_power_w=power_w).power_class == number


# -- of couplers

MEGAWATT = (ServiceID.MCS, ServiceID.MCS_BPT)


def test_of_several_couplers_the_best_of_each_counts() -> None:
    best = carried(MEGAWATT, (1, 2, 3))
    assert best is not None
    assert best.maximum_voltage_v == COUPLERS["chaoji"].maximum_voltage_v == 1500.0
    assert best.maximum_current_a == COUPLERS["mcs"].maximum_current_a == 3000.0
    assert best.maximum_power_w == COUPLERS["mcs"].maximum_power_w == 3_750_000.0
    assert best.connector == 1
    assert best.name == "mcs, chaoji, ultra-chaoji"
    for connector, one in MCS_CONNECTORS.items():
        assert carried(MEGAWATT[:1], (connector,)) == one


def test_where_nothing_is_known_of_a_coupler_nothing_is_bounded() -> None:
    limits = dc(StationLimits, maximum_charge_current_a=4000.0)
    for services, connectors in (
        ((), (1,)),
        (MEGAWATT, ()),
        (MEGAWATT, (99,)),
        ((ServiceID.DC,), (1,)),
        ((*MEGAWATT, ServiceID.DC), (1,)),
    ):
        assert carried(services, connectors) is None
        assert through(services, connectors[0] if connectors else None, limits) is limits
    assert through(MEGAWATT, 1, limits).maximum_charge_current_a == 3000.0
