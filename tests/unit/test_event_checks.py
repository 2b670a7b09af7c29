"""Events, readings and limits at the edge of what makes sense, and the limits of two together."""

from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec.structs import force_setattr, replace

from iso15118.errors import ConfigError
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.checks import check_event, is_battery, is_reading, text, what_went_wrong
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.services import SERVICES, ServiceID, parameter_sets
from tests.evcc.station import battery
from tests.secc.vehicle import STATION

NAN, INF = float("nan"), float("inf")


class Odd:
    """Raises whatever is done with it."""

    def _raise(self, *_: object) -> bool:
        raise ZeroDivisionError

    __le__ = __ge__ = __add__ = __radd__ = __float__ = __str__ = _raise  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Odd()"  # the same in every process that collects tests


# -- readings


@pytest.mark.parametrize(
    ("reading", "good"),
    [
        ((2000.0, 5000.0, None), True),
        ((-2000.0, -5000.0, 0.0), True),
        ((0, 0, 1), True),
        ((2000.1, 0.0, None), False),
        ((-2000.1, 0.0, None), False),
        ((0.0, 5000.1, None), False),
        ((0.0, -5000.1, None), False),
        ((NAN, 0.0, None), False),
        ((0.0, NAN, None), False),
        ((0.0, 0.0, INF), False),
        (("0", 0.0, None), False),
        ((0.0, None, None), False),
        ((0.0, 0.0, "now"), False),
        ((Odd(), 0.0, None), False),
    ],
    ids=lambda given: str(given).split(" at 0x")[0],
)
def test_what_is_a_reading(reading: tuple[Any, Any, Any], good: bool) -> None:
    assert is_reading(*reading) is good


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"complete": True, "inlet_hot": True, "at": 1.0}, True),
        ({"soc": NAN}, False),
        ({"maximum_voltage_v": INF}, False),
        ({"soc": "half"}, False),
        ({"soc": Odd()}, False),
        ({"complete": "no"}, False),
        ({"inlet_hot": "no"}, False),
        ({"at": NAN}, False),
        ({"at": "now"}, False),
    ],
    ids=lambda given: str(given).split(" at 0x")[0],
)
def test_what_a_battery_may_say(changes: dict[str, Any], good: bool) -> None:
    assert is_battery(battery(**changes)) is good


# -- events of the application


def meter(**changes: Any) -> ev.MeterRead:
    fields: dict[str, Any] = {"meter_id": "M1", "charged_wh": 0.0, "discharged_wh": 0.0}
    return ev.MeterRead(**(fields | changes))


@pytest.mark.parametrize(
    "event",
    [
        meter(charged_wh=1e15, discharged_wh=1e15, signature=b"s"),
        meter(charged_wh=1, signature=None),
        ev.SetPointChanged(None),
        ev.SetPointChanged(-1e15),
        ev.SetPointChanged(1e15),
        ev.LimitsChanged(STATION),
        ev.LimitsChanged(replace(STATION, power_ramp_w_per_s=1e15, minimum_voltage_v=0.0)),
    ],
    ids=lambda given: str(given).split(" at 0x")[0],
)
def test_events_that_are_taken(event: ev.Event) -> None:
    check_event(event)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (meter(charged_wh=-1.0), "MeterRead.charged_wh: -1.0 is not possible .a finite number, 0 or more.$"),
        (meter(discharged_wh=1.1e15), "MeterRead.discharged_wh: .*.a finite number, 0 or more.$"),
        (meter(charged_wh=None), "MeterRead.charged_wh: None"),
        (meter(charged_wh=True), "MeterRead.charged_wh: True"),
        (meter(signature="s"), "MeterRead.signature: 's'"),
        (ev.SetPointChanged(1.1e15), "SetPointChanged.power_w: .*.a finite number or None.$"),
        (ev.SetPointChanged(NAN), "SetPointChanged.power_w"),
        (ev.LimitsChanged(None), "LimitsChanged.limits"),  # type: ignore[arg-type]
        pytest.param(object(), "object is no event", id="an object"),
    ],
    ids=lambda given: str(given).split(" at 0x")[0],
)
def test_events_that_are_refused(event: Any, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_event(event)
    assert re.search(words, str(refused.value)), str(refused.value)


# -- words


def test_words_that_are_none() -> None:
    assert text("x" * 300) == "x" * 300
    assert len(text("x" * 400)) == 300
    assert text(Odd()) == "(Odd)"
    assert what_went_wrong(ValueError("so")) == "ValueError: so"
    assert what_went_wrong(ValueError(Odd())) == "ValueError"
    assert len(what_went_wrong(ValueError("x" * 400))) == 300


# -- limits


def limits(**changes: float | None) -> StationLimits:
    fields: dict[str, Any] = {
        "maximum_charge_power_w": 100e3,
        "maximum_charge_current_a": 200.0,
        "maximum_voltage_v": 900.0,
    }
    return StationLimits(**(fields | changes))


def test_what_two_limits_allow_together() -> None:
    one = limits(minimum_charge_power_w=1e3, minimum_voltage_v=200.0, maximum_discharge_power_w=5e3)
    other = limits(maximum_charge_power_w=50e3, maximum_charge_current_a=300.0, minimum_charge_power_w=2e3)
    both = limits(maximum_charge_power_w=50e3, minimum_charge_power_w=2e3, minimum_voltage_v=200.0)
    assert one.within(other) == other.within(one) == both


def test_a_minimum_above_the_common_maximum_gives_way_to_it() -> None:
    one, other = limits(minimum_charge_power_w=60e3), limits(maximum_charge_power_w=50e3)
    assert one.within(other) == limits(maximum_charge_power_w=50e3, minimum_charge_power_w=50e3)


def test_a_ramp_that_only_one_names_counts_and_of_two_the_slower() -> None:
    none, slow, fast = limits(), limits(power_ramp_w_per_s=1e3), limits(power_ramp_w_per_s=2e3)
    assert none.within(none).power_ramp_w_per_s is None
    assert none.within(fast).power_ramp_w_per_s == fast.within(none).power_ramp_w_per_s == 2e3
    assert slow.within(fast).power_ramp_w_per_s == fast.within(slow).power_ramp_w_per_s == 1e3


@pytest.mark.parametrize(("power_w", "current_a"), [(0.0, 0.0), (1e3, 0.0), (0.0, 10.0), (0.5, 0.5)])
def test_both_ways_needs_power_and_current(power_w: float, current_a: float) -> None:
    more: dict[str, Any] = {"maximum_discharge_power_w": power_w, "maximum_discharge_current_a": current_a}
    assert limits(**more).bidirectional is (power_w > 0.0 < current_a)
    vehicle = VehicleLimits(
        maximum_charge_power_w=1.0, maximum_charge_current_a=1.0, maximum_voltage_v=500.0, **more
    )
    assert vehicle.bidirectional is (power_w > 0.0 < current_a)


@pytest.mark.parametrize(
    ("current_a", "discharging", "back"),
    [(0.0, False, False), (0.0, True, True), (-0.5, False, True), (1.0, False, False)],
)
def test_which_way_power_is_asked_for(current_a: float, discharging: bool, back: bool) -> None:
    assert act.SetPower(800.0, current_a, 1e3, discharging).takes_back is back


@pytest.mark.parametrize("field", STATION.__struct_fields__)
def test_limits_that_got_past_their_constructor_are_named(field: str) -> None:
    for value in (NAN, -1.0, "much", *((None,) if field != "power_ramp_w_per_s" else ())):
        odd = replace(STATION)
        force_setattr(odd, field, value)
        with pytest.raises(ConfigError, match=rf"LimitsChanged\.limits\.{field}"):
            check_event(ev.LimitsChanged(odd))


# -- what a station offers


@pytest.mark.parametrize("service", [ServiceID.DC, ServiceID.DC_BPT, ServiceID.MCS, ServiceID.MCS_BPT])
def test_only_a_service_both_ways_has_a_channel_and_a_generator(service: ServiceID) -> None:
    for number, one in enumerate(parameter_sets(SERVICES[service], connector=2), 1):
        both = "BPT" in service.name
        assert one.id == number
        assert (one.bpt_channel is not None) is (one.generator_mode is not None) is both
