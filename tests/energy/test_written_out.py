"""What is written out or kept for speed gives what its plain reading gives: each function beside a reference
that takes one quantity after another and remembers nothing."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from iso15118.energy.dc import LOSS, QUANTITIES, Bounds, PresentLimits, Together, charging, reaches, tightened
from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso20.loop import loop_request
from iso15118.evcc.iso20.plan import Plan
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.messages.values import rational, si
from iso15118.secc.iso20.wire import LoopLimits
from iso15118.session.events import BatteryChanged
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.services import SERVICES, ControlMode, EnergyService

# Few different values, so that some are equal, some cross, and some are beyond everything.
_VALUES = st.sampled_from(
    (0.0, -0.0, 1.0, 5.0, 4000.0, 900.0, 900.5, 1e6, -3.0, 1e15, float("inf"), float("nan"))
)
_LIMITS = st.sampled_from((0.0, 1.0, 5.0, 900.0, 900.5, 4000.0, 1e6))
_NAMES = tuple(f"{side}_{what}" for what in QUANTITIES for side in ("maximum", "minimum"))


@st.composite
def vehicle_limits(draw: st.DrawFn) -> VehicleLimits:
    fields: dict[str, float] = {}
    for what in QUANTITIES:
        least, most = sorted((draw(_LIMITS), draw(_LIMITS)))
        fields[f"minimum_{what}"], fields[f"maximum_{what}"] = least, most
    return VehicleLimits(**fields)


def plainly_tightened(declared: Any, present: dict[str, float]) -> PresentLimits:
    """One quantity after another."""
    now: dict[str, float] = {}
    for what in QUANTITIES:
        most, least = f"maximum_{what}", f"minimum_{what}"
        now[most], now[least] = getattr(declared, most), getattr(declared, least)
        if (value := present.get(most)) is not None and value < now[most]:
            now[most] = max(value, 0.0)
        if (value := present.get(least)) is not None and value > now[least]:
            now[least] = value
        if now[least] > now[most]:
            now[least] = now[most] if what == "voltage_v" else 0.0
            now[most] = now[least]
    return PresentLimits(**now)


@given(declared=vehicle_limits(), present=st.dictionaries(st.sampled_from(_NAMES), _VALUES))
def test_limits_are_tightened_one_by_one(declared: VehicleLimits, present: dict[str, float]) -> None:
    # repr: a minimum may be NaN where the peer's is none of the numbers, and NaN equals nothing
    assert repr(tightened(declared, **present)).replace("-0.0", "0.0") == repr(
        plainly_tightened(declared, present)
    ).replace("-0.0", "0.0")


def plainly_charging(wanted: Bounds, station: Any, vehicle: Any, present_v: float) -> Bounds:
    volts = min(wanted.voltage_v, station.maximum_voltage_v, vehicle.maximum_voltage_v)
    amperes = min(wanted.current_a, station.maximum_charge_current_a, vehicle.maximum_charge_current_a)
    watts = min(wanted.power_w, station.maximum_charge_power_w, vehicle.maximum_charge_power_w)
    least_a = max(station.minimum_charge_current_a, vehicle.minimum_charge_current_a)
    least_w = max(station.minimum_charge_power_w, vehicle.minimum_charge_power_w)
    if volts < station.minimum_voltage_v:
        return Bounds(min(station.minimum_voltage_v, station.maximum_voltage_v), 0.0, 0.0)
    if not reaches(amperes, watts, present_v, least_a, least_w, loss=LOSS):
        return Bounds(volts, 0.0, 0.0)
    return Bounds(volts, amperes, watts)


@given(
    wanted=st.builds(Bounds, _VALUES, _VALUES, _VALUES),
    station=vehicle_limits(),
    vehicle=vehicle_limits(),
    present_v=_VALUES,
)
def test_bounds_of_charging_are_the_least_of_all(
    wanted: Bounds, station: VehicleLimits, vehicle: VehicleLimits, present_v: float
) -> None:
    kept = Together()
    for one, other in ((vehicle, vehicle), (station, vehicle), (station, vehicle), (station, station)):
        assert repr(charging(wanted, kept.of(one, other), present_v, loss=LOSS)) == repr(
            plainly_charging(wanted, one, other, present_v)
        )


# -- limits are checked when they are made

_ANYTHING = st.sampled_from(
    (0.0, 5.0, 900.0, 1e308, -0.0, -1.0, math.nan, math.inf, -math.inf, 5, True, None, "5")
)


def plainly_wrong(limits: dict[str, Any]) -> str:
    """The first field that is no limit, or the first minimum above its maximum; empty if all is in order."""
    for name, value in limits.items():
        if name == "power_ramp_w_per_s" and value is None:
            continue
        if value is True or not (isinstance(value, (float, int)) and 0.0 <= value <= 1e15):
            return name
    for what in QUANTITIES:
        if limits[f"minimum_{what}"] > limits[f"maximum_{what}"]:
            return f"minimum_{what}"
    return ""


@given(
    kind=st.sampled_from((StationLimits, VehicleLimits)),
    odd=st.dictionaries(st.sampled_from((*_NAMES, "power_ramp_w_per_s")), _ANYTHING, max_size=3),
    fill=st.sampled_from((0.0, 900.0, 5)),
)
def test_limits_that_are_none_are_refused_by_name(
    kind: type[StationLimits | VehicleLimits], odd: dict[str, Any], fill: float
) -> None:
    fields = {name: odd.get(name, fill) for name in kind.__struct_fields__ if name != "power_ramp_w_per_s"}
    if kind is StationLimits:
        fields["power_ramp_w_per_s"] = odd.get("power_ramp_w_per_s")
    refused = ""
    try:
        kind(**fields)
    except ConfigError as error:
        refused = error.key
    # The ramp is looked at after the limits and before the pairs, by the reference as well.
    assert refused == plainly_wrong(fields)


# -- limits that a vehicle repeats in the loop

_NUMBERS = st.sampled_from([rational(value) for value in (0.0, 1.0, 5.0, 900.0, 4000.0, 1e6, -3.0)])
_MODES = (
    dc.ScheduledDCCLReqControlMode,
    dc.DynamicDCCLReqControlMode,
    dc.BPTScheduledDCCLReqControlMode,
    dc.BPTDynamicDCCLReqControlMode,
)


@st.composite
def modes(draw: st.DrawFn) -> Any:
    kind = draw(st.sampled_from(_MODES))
    needed = len(kind.__struct_fields__) - len(kind.__struct_defaults__)
    optional = {
        name
        for name, default in zip(kind.__struct_fields__[needed:], kind.__struct_defaults__, strict=True)
        if default is None
    }
    return kind(
        **{
            name: draw(st.none() | _NUMBERS if name in optional else _NUMBERS)
            for name in kind.__struct_fields__
            if name != "departure_time"
        }
    )


def plainly_repeated(mode: Any, declared: VehicleLimits) -> PresentLimits:
    repeated: dict[str, float] = {}
    for name in _NAMES:
        number = getattr(mode, "ev_" + name.removesuffix("_w").removesuffix("_a").removesuffix("_v"), None)
        if isinstance(number, RationalNumber):
            repeated[name] = abs(si(number)) if "discharge" in name else si(number)
    return plainly_tightened(declared, repeated)


@given(turns=st.lists(st.tuples(modes(), vehicle_limits()), min_size=1, max_size=6), again=st.booleans())
def test_limits_that_are_kept_are_those_of_this_turn(
    turns: list[tuple[Any, VehicleLimits]], again: bool
) -> None:
    kept = LoopLimits()
    for mode, declared in turns:
        for _ in range(1 + again):
            assert kept.of(mode, declared) == plainly_repeated(mode, declared)


# -- what a vehicle keeps from one turn to the next


@st.composite
def batteries(draw: st.DrawFn) -> BatteryChanged:
    """Batteries that mostly say what the one before said."""
    number = st.sampled_from((0.0, 5.0, 399.96, 400.0, 800.0, 70_000.0))
    return BatteryChanged(
        soc=draw(st.sampled_from((20.0, 79.5, 80.0))),
        voltage_v=draw(st.sampled_from((0.0, 700.0, 701.5))),
        target_voltage_v=draw(number),
        target_current_a=draw(number),
        maximum_charge_power_w=draw(number),
        maximum_charge_current_a=draw(number),
        maximum_voltage_v=draw(number),
        minimum_voltage_v=0.0,
        energy_to_target_wh=draw(number),
        energy_to_maximum_wh=draw(number),
        energy_to_minimum_wh=-draw(number),
        capacity_wh=80_000.0,
        maximum_discharge_power_w=draw(number),
        maximum_discharge_current_a=draw(number),
    )


@given(
    turns=st.lists(batteries(), min_size=1, max_size=8),
    limits=vehicle_limits(),
    service=st.sampled_from(tuple(SERVICES.values())),
    mode=st.sampled_from(ControlMode),
    asks_w=st.sampled_from((0.0, 3000.0)),
)
def test_a_request_depends_on_the_battery_of_this_turn_only(
    turns: list[BatteryChanged],
    limits: VehicleLimits,
    service: EnergyService,
    mode: ControlMode,
    asks_w: float,
) -> None:
    station = StationLimits(
        maximum_charge_power_w=60_000.0,
        maximum_charge_current_a=500.0,
        maximum_voltage_v=900.0,
        maximum_discharge_power_w=60_000.0,
        maximum_discharge_current_a=500.0,
    )

    def plan() -> Plan:
        return Plan(
            service=service, control_mode=mode, offer=station, station=station, ask_to_discharge_w=asks_w
        )

    talk, kept = Conversation(EvccConfig(allow_discharge=True), limits, turns[0], 1e9), plan()
    for turn, battery in enumerate(turns):
        talk.battery, talk.now = battery, turn * 0.25
        for winding_down in (False, True):
            request = loop_request(talk, kept, False, winding_down=winding_down)
            anew = plan()
            # What is left to wait is told for a while: nobody reads seconds.
            anew.remaining, anew.remaining_at = kept.remaining, kept.remaining_at
            assert request == loop_request(talk, anew, False, winding_down=winding_down)
