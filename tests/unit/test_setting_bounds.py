"""Settings of both roles at the bounds of what makes sense: just inside they are taken, just outside
they are refused by name."""

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

DAY, YEAR, LEAST_S = 86_400.0, 31_536_000.0, 0.001
BOTH = (ControlMode.SCHEDULED, ControlMode.DYNAMIC)

Bounds = dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]]
STATION: Bounds = {
    "evse_id": (("x", "x" * 255), ("", "x" * 256)),
    "authorization_pause_s": ((0.0, 0, 60.0), (-0.1, 60.1, "5", True, math.nan)),
    "authorization_attempts": ((1, 1000), (0, 1001)),
    "metering_confirmation_s": ((0.0, DAY), (-0.1, DAY + 1.0)),
    "pause_validity_s": ((LEAST_S, YEAR), (0.0, YEAR + 1.0)),
    "overvoltage_v": ((0.0, 100.0), (-0.1, 100.1)),
    "control_modes": ((BOTH, BOTH[:1]), ((),)),
    "services": (((ServiceID.DC,),), ((), (ServiceID.DC, ServiceID.DC), (12,))),
}
STATION |= dict.fromkeys(("precharge_tolerance_v", "precharge_current_a"), ((0.1, 100.0), (0.0, 100.1)))
STATION |= dict.fromkeys(
    ("stop_delay_s", "meter_age_s", "profile_warning_s", "profile_failure_s"),
    ((LEAST_S, DAY), (0.0, DAY + 1.0)),
)
STATION |= dict.fromkeys(("schedule_overrun_s", "schedule_renegotiation_s"), ((0.0, DAY), (-0.1, DAY + 1.0)))
STATION |= dict.fromkeys(("power_tolerance_w", "profile_tolerance_w"), ((0.0, 1e7), (-0.1, 1e7 + 1.0)))
LOOP_S = Timing().sequence_timeout_loop
VEHICLE: Bounds = {
    "evccid": (("x", "x" * 255), ("", "x" * 256)),
    "control_modes": ((BOTH, BOTH[:1]), ((), BOTH[:1] * 2)),
    "identification": (
        (tuple(Identification), tuple(Identification)[:1]),
        ((), tuple(Identification)[:1] * 2),
    ),
    "services": (((ServiceID.DC,),), ((), (12,))),
    "contract_attempts": ((1, 100), (0, 101)),
    "maximum_contracts": ((1, 255), (0, 256)),
    "pause_validity_s": ((LEAST_S, YEAR), (0.0, YEAR + 1.0)),
    "departure_time_s": ((None, 0, 2**32 - 1), (-1, 2**32)),
    "meter_info_every": ((0, 1), (-1,)),
    "loop_interval_s": ((None, 0.0, math.nextafter(LOOP_S, 0.0)), (-0.1, LOOP_S)),
    "meter_tolerance_percent": ((0.0, 100.0), (-0.1, 100.1)),
    "poll_interval_s": ((0.0, Timing().sequence_performance), (-0.1, Timing().sequence_performance + 0.1)),
    "least_energy_wh": ((0.0, 1e6), (-0.1, 1e6 + 1.0)),
    "least_current_a": ((0.0, 100.0), (-0.1, 100.1)),
    "minimum_soc": ((0, 80), (-1, 101)),
    "target_soc": ((20, 100), (-1, 101)),
}
VEHICLE |= {
    "meter_tolerance_wh": ((0.0, 1e6), (-0.1, 1e6 + 1.0)),
    "meter_delay_s": ((0.0, 3600.0), (-0.1, 3600.1)),
    "precharge_tolerance_v": ((0.1, 20.0), (0.0, 20.1)),
    "welding_voltage_v": ((1.0, 120.0), (0.9, 120.1)),
    "welding_detection_s": ((0.0, 3600.0), (-0.1, 3600.1)),
}
VEHICLE |= dict.fromkeys(("no_power_s", "below_minimum_s"), ((LEAST_S, YEAR), (0.0, YEAR + 1.0)))


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
