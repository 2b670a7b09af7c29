"""Settings of the vehicle for ISO 15118-2: what is refused, by name, and what is shown in files."""

from __future__ import annotations

import math
from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.evcc.iso2.settings import Iso2EvccSettings
from iso15118.messages.iso2 import EnergyTransferMode
from iso15118.timing import Iso2Timing

DC = EnergyTransferMode.DC_extended


@pytest.mark.parametrize(
    ("key", "taken", "refused"),
    [
        ("evccid", (bytes(6),), (b"", bytes(5), bytes(8), "020000000001")),
        ("energy_transfer_modes", ((DC,),), ((), (DC, DC))),
        ("maximum_schedule_entries", (1, 65_535), (0, 65_536, 1.5, True)),
        ("loop_interval_s", (0.0, 0, 40.0), (-0.1, 40.1, math.nan, "1")),
        ("ac_loop_interval_s", (0.0, 40.0), (-0.1, 40.1)),
        ("precharge_current_a", (0.0, 2.0), (-0.1, 2.1)),
        ("voltage_headroom_v", (0.0, 100.0), (-0.1, 100.1)),
        ("renegotiation_interval_s", (0.0, 3600.0), (-0.1, 3600.1)),
        ("most_renegotiations", (0, 100_000), (-1, 100_001, 1.5)),
        ("contract_update_days", (0.0, 3650.0), (-0.1, 3650.1, math.inf)),
    ],
)
def test_a_setting_at_its_bounds(key: str, taken: tuple[Any, ...], refused: tuple[Any, ...]) -> None:
    for value in taken:
        assert getattr(Iso2EvccSettings(**{key: value}), key) == value
    for value in refused:
        with pytest.raises(ConfigError, match=f"iso2.{key}"):
            Iso2EvccSettings(**{key: value})


def test_an_interval_follows_the_time_that_a_request_may_take() -> None:
    timing = Iso2Timing(sequence_performance=0.15)
    assert Iso2EvccSettings(timing=timing, ac_loop_interval_s=0.15).ac_loop_interval_s == 0.15
    with pytest.raises(ConfigError, match=r"iso2\.ac_loop_interval_s"):
        Iso2EvccSettings(timing=timing)


@pytest.mark.parametrize("editions", [(), ("iso2", "iso2"), ("iso3",), ("ISO2",)])
def test_editions_that_are_none(editions: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="editions"):
        EvccConfig(editions=editions)
