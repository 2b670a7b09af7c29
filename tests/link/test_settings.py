"""Settings of SLAC: what cannot work is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.link.slac.settings import KeyAcceptance, SlacSettings, SlacTiming


@pytest.mark.parametrize("name", SlacTiming.__struct_fields__)
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), True, "1"])
def test_durations_are_finite_and_above_0(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"slac_timing\.{name}"):
        SlacTiming(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("c_match_mnbc", 9),
        ("c_vald_toggles", 4),
        ("c_evse_match_parallel", 0),
        ("c_ev_match_retry", 1.5),
        ("direct_limit", float("nan")),
        ("direct_limit", 90.0),
        ("margin", -1.0),
        ("modem", b"short"),
        ("amplitude_map", bytes([16])),
        ("amplitude_map", bytes(2987)),
    ],
)
def test_counts_and_choices_have_their_ranges(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=r"slac\."):
        SlacSettings(**{name: value})


def test_what_each_acceptance_accepts() -> None:
    accepted = {a.name: [result for result in range(256) if a.accepts(result)] for a in KeyAcceptance}
    assert accepted == {"MODEM_COMPAT": [1], "HPGP": [0], "EITHER": [0, 1]}
