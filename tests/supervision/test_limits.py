"""Settings of the supervision that contradict each other, or that switch a rule off without saying so."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118.errors import ConfigError
from iso15118.session.supervision import Rule, SupervisionLimits

STAGES = [
    (Rule.OVER_CURRENT, "over_current_s", "over_current_fault_s"),
    (Rule.VOLTAGE_ABOVE_ASKED, "asked_voltage_stop_s", "asked_voltage_fault_s"),
    (Rule.FROZEN_READINGS, "frozen_warn_s", "frozen_stop_s"),
    (Rule.BATTERY_WANTS_NONE, "battery_stop_s", "battery_fault_s"),
    (Rule.INLET_HOT, "hot_stop_s", "battery_fault_s"),
]


@pytest.mark.parametrize(("rule", "first", "then"), STAGES, ids=[str(rule) for rule, *_ in STAGES])
def test_a_rule_does_first_what_comes_first(rule: Rule, first: str, then: str) -> None:
    """A fault before its orderly stop: one of the two times is a mistake, and both are named."""

    def made(**settings: Any) -> SupervisionLimits:
        quiet: dict[str, Any] = {"battery_stop_s": None, "hot_stop_s": None}
        return SupervisionLimits(**(quiet | settings))

    with pytest.raises(ConfigError, match=rf"supervision\.{first}.*20\.0.*supervision\.{then}.*19\.0"):
        made(**{first: 20.0, then: 19.0})
    for settings in ({first: 20.0, then: 20.0}, {first: 20.0, then: None}):
        assert getattr(made(**settings), first) == 20.0
    assert made(**{first: 20.0, then: 19.0}, off=(rule,)).off == (rule,)


@pytest.mark.parametrize(
    "name", [name for name in SupervisionLimits.__struct_fields__ if name.endswith("_s")]
)
def test_what_lasts_longer_than_a_minute_is_to_be_switched_off_by_name(name: str) -> None:
    if name in (
        "ramp_a_per_s",
        "ramp_full_s",
        "reported_s",
    ):  # a slope and what it is for; one that only warns
        return
    most = 600 if name.startswith("frozen") else 60
    with pytest.raises(ConfigError, match=rf"supervision\.{name}.* to {most}\b"):
        msgspec.structs.replace(SupervisionLimits(), **{name: most + 0.1})


@pytest.mark.parametrize(("stale_s", "gap_s"), [(0.1, 5.0), (1.0, 5.0), (2.0, 10.0), (None, float("inf"))])
def test_a_rule_is_looked_at_anew_after_five_looks_at_least(stale_s: float | None, gap_s: float) -> None:
    assert SupervisionLimits(stale_s=stale_s).gap_s == gap_s
