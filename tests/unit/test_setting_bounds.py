"""Settings of both roles at the bounds of what makes sense: just inside they are taken, just outside they are refused by name."""

from __future__ import annotations

import math
from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.evcc.config import Identification
from iso15118.secc import SeccConfig
from iso15118.session.services import SERVICES, ControlMode, ServiceID
from iso15118.timing import Timing

BELOW_MILLION, BELOW_BILLION = math.nextafter(1e6, 0.0), math.nextafter(1e9, 0.0)
TINY = 5e-324
"""The least number above zero."""
BOTH = (ControlMode.SCHEDULED, ControlMode.DYNAMIC)

Bounds = dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]]
STATION: Bounds = {
    "evse_id": (("x", "x" * 255), ("", "x" * 256)),
    "authorization_pause_s": ((0.0, 0, 60.0), (-0.1, 60.1, "5", True, math.nan)),
    "authorization_attempts": ((1, 1000), (0, 1001)),
    "metering_confirmation_s": ((0.0, BELOW_MILLION), (-0.1, 1e6)),
    "pause_validity_s": ((TINY, BELOW_BILLION), (0.0, 1e9)),
    "overvoltage_v": ((0.0, 100.0), (-0.1, 100.1)),
    "control_modes": ((BOTH, BOTH[:1]), ((),)),
    "services": (((ServiceID.DC,),), ((), (ServiceID.DC, ServiceID.DC), (ServiceID.AC,))),
}
_POSITIVE: tuple[str, ...] = ("precharge_tolerance_v", "precharge_current_a", "stop_delay_s")
_POSITIVE += ("meter_age_s", "profile_warning_s", "profile_failure_s")
_NOT_NEGATIVE = ("schedule_overrun_s", "schedule_renegotiation_s", "power_tolerance_w", "profile_tolerance_w")
STATION |= dict.fromkeys(_POSITIVE, ((TINY, BELOW_MILLION), (0.0, 1e6)))
STATION |= dict.fromkeys(_NOT_NEGATIVE, ((0.0, BELOW_BILLION), (-0.1, 1e9)))
LOOP_S = Timing().sequence_timeout_loop
VEHICLE: Bounds = {
    "evccid": (("x", "x" * 255), ("", "x" * 256)),
    "control_modes": ((BOTH, BOTH[:1]), ((), BOTH[:1] * 2)),
    "identification": (
        (tuple(Identification), tuple(Identification)[:1]),
        ((), tuple(Identification)[:1] * 2),
    ),
    "services": (((ServiceID.DC,),), ((), (ServiceID.AC,))),
    "contract_attempts": ((1, 100), (0, 101)),
    "maximum_contracts": ((1, 255), (0, 256)),
    "pause_validity_s": ((TINY, BELOW_BILLION), (0.0, 1e9)),
    "departure_time_s": ((None, 0, 2**32 - 1), (-1, 2**32)),
    "meter_info_every": ((0, 1), (-1,)),
    "loop_interval_s": ((None, 0.0, math.nextafter(LOOP_S, 0.0)), (-0.1, LOOP_S)),
    "meter_tolerance_percent": ((0.0, 100.0), (-0.1, 100.1)),
    "poll_interval_s": ((0.0, Timing().sequence_performance), (-0.1, Timing().sequence_performance + 0.1)),
    "least_energy_wh": ((0.0, BELOW_MILLION), (-0.1, 1e6)),
    "minimum_soc": ((0, 80), (-1, 101)),
    "target_soc": ((20, 100), (-1, 101)),
}
VEHICLE |= dict.fromkeys(("meter_tolerance_wh", "meter_delay_s"), ((0.0, BELOW_MILLION), (-0.1, 1e6)))
VEHICLE |= dict.fromkeys(("no_power_s", "below_minimum_s"), ((TINY, BELOW_BILLION), (0.0, 1e9)))
VEHICLE |= {
    key: ((0.0, math.nextafter(1e4, 0.0)), (-0.1, 1e4))
    for key in ("precharge_tolerance_v", "welding_voltage_v", "welding_detection_s")
}


@pytest.mark.parametrize(
    ("make", "key", "bounds"),
    [
        *((SeccConfig, key, bounds) for key, bounds in STATION.items()),
        *((EvccConfig, key, bounds) for key, bounds in VEHICLE.items()),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", ""),
)
def test_a_setting_at_its_bounds(
    make: Any, key: str, bounds: tuple[tuple[Any, ...], tuple[Any, ...]]
) -> None:
    taken, refused = bounds
    more = {"target_soc": 80} if key == "minimum_soc" else {"minimum_soc": 20} if key == "target_soc" else {}
    for value in taken:
        assert getattr(make(**more, **{key: value}), key) == value
    for value in refused:
        with pytest.raises(ConfigError) as told:
            make(**more, **{key: value})
        assert told.value.key == key


def test_a_minimum_of_charge_is_no_more_than_the_target() -> None:
    assert EvccConfig(minimum_soc=80, target_soc=80).minimum_soc == 80
    with pytest.raises(ConfigError, match="minimum_soc"):
        EvccConfig(minimum_soc=81, target_soc=80)


def test_the_connector_is_one_of_the_service() -> None:
    for service in (ServiceID.DC, ServiceID.MCS):
        legal = SERVICES[service].connectors
        for connector in legal:
            config = SeccConfig(services=(service,), connector=connector)
            assert {one.connector for one in config.parameter_sets(service)} == {connector}
        with pytest.raises(ConfigError, match="connector"):
            SeccConfig(services=(service,), connector=max(legal) + 1)
    assert {one.connector for one in SeccConfig().parameter_sets(ServiceID.DC)} == {2}
    assert {one.connector for one in SeccConfig().parameter_sets(ServiceID.MCS)} == {1}
    assert [one.control_mode for one in SeccConfig(control_modes=BOTH[1:]).parameter_sets(ServiceID.DC)] == [
        BOTH[1]
    ]


def test_the_old_name_of_the_control_modes_is_said_where_it_is_used() -> None:
    with pytest.warns(DeprecationWarning, match="use control_modes") as told:
        assert EvccConfig(control_mode=BOTH[1]).control_modes == (BOTH[1],)
    assert told[0].filename == __file__
