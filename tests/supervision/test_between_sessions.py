"""Between sessions: each quantity at its bounds, each way of a current by its own figure, and what is seen
across a session."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.session.events import PowerMeasured
from iso15118.session.supervision import IdleSupervisor, Rule, SupervisionLimits
from tests.supervision.test_numbers import FAULT, kind


@pytest.mark.parametrize(
    ("measured", "closed", "rule", "seconds"),
    [
        (PowerMeasured(0.0, 0.0), True, Rule.CONTACTOR_LEVEL, 0.3),
        (PowerMeasured(0.0, -5.1), False, Rule.CURRENT_WITHOUT_PERMISSION, 1.0),
        (PowerMeasured(float("nan"), 0.0), False, Rule.VOLTAGE_AFTER_END, 5.0),
        (PowerMeasured(60.1, 0.0), False, Rule.VOLTAGE_AFTER_END, 5.0),
        (None, True, Rule.CONTACTOR_LEVEL, 0.3),
    ],
)
def test_between_sessions(measured: PowerMeasured | None, closed: bool, rule: Rule, seconds: float) -> None:
    idle = IdleSupervisor(SupervisionLimits())
    for second in range(10):
        assert idle.look(PowerMeasured(60.0, 5.0), False, float(second)) is None
    assert idle.look(measured, closed, 10.0) is None
    assert idle.look(measured, closed, 10.0 + seconds - 0.001) is None
    for now in (10.0 + seconds, 100.0, 1000.0):
        found = idle.look(measured, closed, now)
        assert kind(found) == (rule, FAULT)
        assert found is not None
        assert rule is not Rule.CONTACTOR_LEVEL or (found.value, found.limit) == (1.0, 0.0)
    assert idle.look(PowerMeasured(0.0, 0.0), False, 1001.0) is None
    off = IdleSupervisor(SupervisionLimits(off=(rule,)))
    for second in range(20):
        assert off.look(measured, closed, float(second)) is None


@pytest.mark.parametrize(
    ("direct_a", "alternating_a", "coil_w", "settings", "found"),
    [
        (5.0, 1.0, 50.0, {}, None),
        (5.01, 0.0, 0.0, {}, (5.01, 5.0)),
        (0.0, 1.01, 0.0, {}, (1.01, 1.0)),
        (0.0, 0.0, 50.1, {}, (50.1, 50.0)),
        (-200.0, 0.0, 0.0, {"ac_no_current_a": None}, (200.0, 5.0)),
        (15.0, 15.0, 0.0, {"ac_no_current_a": 16.0}, (15.0, 5.0)),
        (0.0, 15.0, 0.0, {"no_current_a": 16.0}, (15.0, 1.0)),
        (15.0, 15.0, 0.0, {"no_current_a": 16.0, "ac_no_current_a": None}, None),
        (0.0, 15.0, 0.0, {"no_current_a": None}, (15.0, 1.0)),
        (0.0, 0.0, 800.0, {"ac_no_current_a": 16.0}, (800.0, 50.0)),
        (200.0, 200.0, 200.0, {"off": (Rule.CURRENT_WITHOUT_PERMISSION,)}, None),
    ],
)
def test_between_sessions_each_way_of_a_current_has_its_own_figure(
    direct_a: float,
    alternating_a: float,
    coil_w: float,
    settings: dict[str, Any],
    found: tuple[float, float] | None,
) -> None:
    idle = IdleSupervisor(SupervisionLimits(**settings))
    for now in (0.0, 1.0):
        shown = PowerMeasured(0.0, direct_a)
        finding = idle.look(shown, False, now, alternating_a=alternating_a, coil_w=coil_w)
    assert (None if finding is None else (finding.value, finding.limit)) == found
    assert finding is None or finding.rule is Rule.CURRENT_WITHOUT_PERMISSION


def test_between_sessions_what_was_seen_before_a_session_proves_nothing_behind_it() -> None:
    """An output that is discharged behind each of two sessions was not under voltage from one to the other,
    whoever looks: one that begins anew, or one that did not look for a while."""
    for begins in (True, False):
        idle = IdleSupervisor(SupervisionLimits())
        live, dead = PowerMeasured(350.0, 0.0), PowerMeasured(0.0, 0.0)
        assert idle.look(live, False, 1.0) is None
        if begins:
            idle.begin()
        assert [idle.look(live, False, at) for at in (6.01, 7.0, 11.0)] == [None] * 3
        assert kind(idle.look(live, False, 11.01))[0] is Rule.VOLTAGE_AFTER_END
        idle.begin()
        assert idle.look(live, False, 12.0) is None, "nor does a finding last"
        assert idle.look(dead, False, 13.0) is None


def test_between_sessions_a_finding_lasts_until_it_is_seen_to_be_over() -> None:
    idle = IdleSupervisor(SupervisionLimits())
    live = PowerMeasured(350.0, 0.0)
    assert [idle.look(live, False, at) is None for at in (0.0, 5.0, 60.0)] == [True, False, False]
    assert idle.look(PowerMeasured(0.0, 0.0), False, 61.0) is None


@pytest.mark.parametrize("limits", [{"contactor_s": None}, {"off": (Rule.CONTACTOR_LEVEL,)}], ids=str)
def test_a_level_that_nobody_wants_judged_is_none(limits: dict[str, Any]) -> None:
    idle = IdleSupervisor(SupervisionLimits(**limits))
    assert [idle.look(None, True, now) for now in (0.0, 1.0, 2.0)] == [None] * 3


def test_what_is_no_number_breaks_no_rule_that_is_off() -> None:
    rule = Rule.VOLTAGE_AFTER_END
    idle = IdleSupervisor(SupervisionLimits(off=(rule, Rule.CURRENT_WITHOUT_PERMISSION)))
    nan = float("nan")
    for now in range(20):
        assert idle.look(PowerMeasured(nan, nan), False, now, alternating_a=nan, coil_w=nan) is None


def test_what_is_not_named_flows_not() -> None:
    idle = IdleSupervisor(SupervisionLimits(ac_no_current_a=0.1))
    for now in range(20):
        assert idle.look(None, False, float(now)) is None
