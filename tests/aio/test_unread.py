"""When the heartbeat stops for readings that are missing: behind the session's own rule, and by no other
figure than its settings have."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.unread import unread
from iso15118.session.supervision import Rule, SupervisionLimits

NOW = 100.0
ENDED = object()


def driver(*, live: bool = True, age_s: float = 0.0, until: float | None = None, ended: Any = None) -> Any:
    hardware = SimpleNamespace(live=live, measured_at=NOW - age_s)
    session = None if until is None else SimpleNamespace(readings_until=until, ended=ended)
    return SimpleNamespace(hardware=hardware, session=session)


@pytest.mark.parametrize(
    ("late_s", "why"), [(-10.0, ""), (0.0, ""), (0.5, ""), (0.51, "no reading for 1.5 s"), (2.0, "no reading for 3.0 s")]
)  # fmt: skip
def test_a_session_has_its_time_to_act_on_readings_that_are_missing(late_s: float, why: str) -> None:
    assert unread(driver(until=NOW - late_s), SupervisionLimits(), NOW) == why


def test_what_counts_is_what_is_live_in_the_session() -> None:
    """The reading of a side that nobody uses may be of any age here: it stopped the heart, and firmware
    opened under the current of the other side."""
    assert unread(driver(age_s=1000.0, until=NOW + 1.0), SupervisionLimits(), NOW) == ""
    assert unread(driver(age_s=1000.0, until=math.inf), SupervisionLimits(), NOW) == ""


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize(
    ("age_s", "stale_s", "missing"), [(1.4, 1.0, False), (1.6, 1.0, True), (3.4, 3.0, False), (3.6, 3.0, True)]
)  # fmt: skip
def test_behind_its_end_any_reading_counts(age_s: float, stale_s: float, missing: bool, ended: bool) -> None:
    leaving = driver(age_s=age_s, until=NOW + 1000.0 if ended else None, ended=ENDED)
    assert bool(unread(leaving, SupervisionLimits(stale_s=stale_s), NOW)) is missing


@pytest.mark.parametrize(
    "limits", [SupervisionLimits(stale_s=None), SupervisionLimits(off=(Rule.STALE_READINGS,))]
)
@pytest.mark.parametrize("until", [None, math.inf])
def test_a_rule_that_is_off_is_off_here_too(limits: SupervisionLimits, until: float | None) -> None:
    assert unread(driver(age_s=1000.0, until=until), limits, NOW) == ""


def test_hardware_that_rests_or_is_not_there_needs_no_reading() -> None:
    assert unread(driver(live=False, age_s=1000.0), SupervisionLimits(), NOW) == ""
    assert unread(SimpleNamespace(hardware=None, session=None), SupervisionLimits(), NOW) == ""  # type: ignore[arg-type]
