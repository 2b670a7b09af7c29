"""What a program puts in the wrong place when it makes a session, a server or a client, or tells one
something, is named with the remedy.

A message that names neither field nor remedy costs whoever reads it an hour.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118 import EvccClient, EvccConfig, EvccSession, SeccConfig, SeccServer, SeccSession, StationLimits
from iso15118.errors import ConfigError
from iso15118.session.actions import SessionEnded
from iso15118.session.events import Connected, MeterRead, PowerMeasured

LIMITS = StationLimits(maximum_charge_power_w=1e5, maximum_charge_current_a=200.0, maximum_voltage_v=900.0)
ANY: Any = object()


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: SeccSession(ANY, LIMITS), "config"),
        (lambda: SeccSession(SeccConfig(), ANY), "limits"),
        (lambda: EvccSession(ANY, ANY, ANY), "config"),
        (lambda: EvccSession(EvccConfig(), ANY, ANY), "limits"),
        (lambda: SeccServer(SeccConfig(allow_plaintext=True), ANY, "lo"), "station"),
        (lambda: EvccClient(EvccConfig(allow_plaintext=True), ANY, "lo"), "vehicle"),
    ],
)
def test_an_argument_of_another_class_is_named(make: Any, key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make()
    assert refused.value.key == key
    assert refused.value.hint.startswith("iso15118.")


@pytest.mark.parametrize("value", ["150000", None, [1.0]])
def test_a_limit_that_is_no_number_is_named(value: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        StationLimits(maximum_charge_power_w=value, maximum_charge_current_a=1.0, maximum_voltage_v=1.0)
    assert refused.value.key == "maximum_charge_power_w"


def test_a_reading_that_is_no_number_is_named_without_a_made_up_value() -> None:
    session = SeccSession(SeccConfig(), LIMITS)
    session.handle(Connected(secure=True), 0.0)
    ended = [
        one for one in session.handle(PowerMeasured(float("nan"), 0.0), 0.1) if isinstance(one, SessionEnded)
    ]
    assert [one.detail for one in ended] == [
        "unusable-readings: a field of PowerMeasured is no finite number"
    ]


def test_what_is_below_the_least_is_told_the_least() -> None:
    session = SeccSession(SeccConfig(), LIMITS)
    with pytest.raises(ConfigError, match="0 or more"):
        session.handle(MeterRead("meter", -1.0), 0.0)


@pytest.mark.parametrize("field", ["charged_wh", "discharged_wh"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 2e15, True, "5", None])
def test_a_meter_s_counter_that_is_none_is_named(field: str, value: Any) -> None:
    session = SeccSession(SeccConfig(), LIMITS)
    with pytest.raises(ConfigError) as refused:
        session.handle(replace(MeterRead("meter", 1.0, 1.0), **{field: value}), 0.0)
    assert refused.value.key == f"MeterRead.{field}"


def test_a_meter_may_count_in_whole_numbers() -> None:
    session = SeccSession(SeccConfig(), LIMITS)
    for reading in (MeterRead("meter", 1), MeterRead("meter", 1.0, 2), MeterRead("meter", 1e15, 0)):
        assert session.handle(reading, 0.0) == []
