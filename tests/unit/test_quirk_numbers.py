"""How many quirks there may be, of how many names; and the phases of an AC reading together."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.evcc.quirks import StationQuirk
from iso15118.secc import SeccConfig
from iso15118.secc.quirks import VehicleQuirk
from iso15118.session.events import AcMeasured

OF_A_STATION: dict[str, Any] = {"like": "abb"}


@pytest.mark.parametrize("count", [1, 2, 100])
def test_a_quirk_is_about_1_to_100_names(count: int) -> None:
    names = tuple(f"A{number}" for number in range(count))
    assert StationQuirk(evse_id=names, **OF_A_STATION).evse_id == names
    assert VehicleQuirk(evccid=names, time_stamp_unit=EvccConfig().time_stamp_unit).evccid == names


@pytest.mark.parametrize("names", [(), ("A",) * 101, ("-",), ("A", "")], ids=len)
def test_a_quirk_about_nobody_or_about_too_many_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"evse_id.*whom it is about is not said"):
        StationQuirk(evse_id=names, **OF_A_STATION)
    with pytest.raises(ConfigError, match=r"evccid.*whom it is about is not said"):
        VehicleQuirk(evccid=names, time_stamp_unit=EvccConfig().time_stamp_unit)


def test_a_role_has_at_most_100_quirks() -> None:
    station = StationQuirk(evse_id=("DE*ABC",), **OF_A_STATION)
    vehicle = VehicleQuirk(evccid=("00:7D:FA",), time_stamp_unit=EvccConfig().time_stamp_unit)
    assert len(EvccConfig(quirks=(station,) * 100).quirks) == 100
    assert len(SeccConfig(quirks=(vehicle,) * 100).quirks) == 100
    with pytest.raises(ConfigError, match=r"quirks: there are 101"):
        EvccConfig(quirks=(station,) * 101)
    with pytest.raises(ConfigError, match=r"quirks: there are 101"):
        SeccConfig(quirks=(vehicle,) * 101)


def test_powers_of_all_phases_are_their_sum() -> None:
    reading = AcMeasured(power_w=(1.0, 20.0, -300.0), reactive_var=(4.0, -50.0, 600.0))
    assert reading.total_w == -279.0
    assert reading.total_var == 554.0
