"""The books that a station keeps on its hardware: what is asked of it, by when readings have to come, and of
which of its three outputs they are.

The books are called as they are, with facts and a table of timers, and no session around them.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from iso15118.secc import SeccConfig
from iso15118.secc.facts import Facts
from iso15118.secc.hardware import HardwareBooks, bounds_change
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcBounds
from iso15118.session.actions import Urgency
from iso15118.session.limits import NO_DC_OUTPUT
from iso15118.session.supervision import Rule, SupervisionLimits
from iso15118.timing import Timer, TimerTable, Timing
from tests.secc.test_facts import NOW, OUTLET, PAD
from tests.secc.vehicle import STATION

THREE = AcBounds(phases=3, charge_a=(16.0,) * 3, charge_w=(3680.0,) * 3)
EMERGENCY, ORDERLY = Urgency.EMERGENCY, Urgency.ORDERLY
CLOSE = act.CloseContactors(NOW + 1.4)


class Books:
    """Books of a station that has the outputs named, and what they are kept with."""

    def __init__(self, *has: str, off: tuple[Rule, ...] = (), **known: Any) -> None:
        config = SeccConfig(supervision=SupervisionLimits(off=off))
        limits = STATION if "dc" in has else NO_DC_OUTPUT
        self.facts = Facts(
            config=config,
            timing=Timing(),
            hardware=limits,
            capabilities=limits,
            ac_hardware=OUTLET if "ac" in has else None,
            pad_hardware=PAD if "pad" in has else None,
            now=NOW,
            **known,
        )
        self.timers = TimerTable()
        self.books = HardwareBooks(config, self.facts, self.timers)

    def keep(self, *actions: act.Action) -> None:
        assert self.books.keep(actions) == list(actions), "they are handed on as they are"


# -- stops


def test_no_ramp_is_asked_for_behind_a_stop_at_once() -> None:
    """A supply that gives nothing any more would begin it from what it was told last."""
    rig = Books("dc")
    at_once = [act.StopPower(EMERGENCY), act.OpenContactors(EMERGENCY, "the button")]
    rig.keep(CLOSE, *at_once)
    behind = act.StopPower(ORDERLY), act.OpenContactors(ORDERLY, "PowerDelivery stop")
    told = [act.StopPower(EMERGENCY), act.OpenContactors(EMERGENCY, "PowerDelivery stop")]
    for _ in range(2):
        assert rig.books.keep(behind) == told
    rig.keep(act.SetPower(400.0, 10.0, 4000.0))
    rig.keep(*behind)  # which is a stop of its own


# -- other bounds


@pytest.mark.parametrize(
    ("asked", "bounds", "other", "action"),
    [
        ("power", (400.0, 10.0, 4000.0, False), (400.0, 9.0, 4000.0, False), act.SetPower),
        ("ac_power", THREE, AcBounds(phases=3), act.SetAcPower),
        ("pad_power", 5000.0, 0.0, act.SetPad),
    ],
)
def test_other_bounds_are_asked_for_only_where_others_hold(
    asked: str, bounds: Any, other: Any, action: type
) -> None:
    facts = Books("dc", "ac", "pad").facts
    assert bounds_change(facts, bounds) == (), "nothing was asked for: nothing may flow"
    setattr(facts, asked, bounds)
    assert bounds_change(facts, bounds) == ()
    assert [type(one) for one in bounds_change(facts, other)] == [action]
    assert bounds_change(facts, None) == ()


# -- which output is alive


def _fresh(books: HardwareBooks) -> tuple[float, ...]:
    """Until when a reading of the live output, and of each, is young enough."""
    return (
        books.fresh_until,
        books.supervisor.fresh_until,
        math.inf if books.ac is None else books.ac.fresh_until,
        math.inf if books.pad is None else books.pad.fresh_until,
    )


@pytest.mark.parametrize(
    ("first", "live", "what"),
    [
        (CLOSE, 1, "without a reading,"),
        (act.SetPower(400.0, 10.0, 4000.0, False), 1, "without a reading,"),
        (act.SetAcPower(THREE), 2, "without a reading of AC,"),
        (act.SetPad(500.0), 3, "without a reading of the coil,"),
    ],
    ids=["contactors", "DC", "AC", "pad"],
)
def test_readings_are_waited_for_of_the_output_that_is_alive_and_of_no_other(
    first: act.Action, live: int, what: str
) -> None:
    """A station with all three: each has a second, whatever is measured of the others."""
    rig = Books("dc", "ac", "pad")
    assert _fresh(rig.books) == (math.inf,) * 4
    rig.keep(first)
    rig.facts.now = NOW + 0.5
    if first is not CLOSE:
        rig.keep(CLOSE)
    expected = [math.inf] * 4
    expected[0] = expected[live] = NOW + 1.0
    assert _fresh(rig.books) == tuple(expected)
    rig.facts.now = NOW + 0.999
    assert rig.books.stale() is None
    rig.facts.now = NOW + 1.0
    stale = rig.books.stale()
    assert stale is not None
    assert stale.rule is Rule.STALE_READINGS
    assert what in stale.detail


@pytest.mark.parametrize(
    ("has", "first", "reading", "live"),
    [
        ("dc", CLOSE, ev.PowerMeasured, 1),
        ("ac", act.SetAcPower(THREE), ev.AcMeasured, 2),
        ("pad", act.SetPad(500.0), ev.PadMeasured, 3),
    ],
)
@pytest.mark.parametrize(("at", "taken"), [(None, 0.5), (0.2, 0.2), (0.5, 0.5), (0.9, 0.5)])
def test_a_reading_counts_from_when_it_was_taken_and_not_from_the_future(
    has: str, first: act.Action, reading: Any, live: int, at: float | None, taken: float
) -> None:
    rig = Books(has)
    rig.keep(first)
    rig.facts.now = NOW + 0.5
    values = {"voltage_v": 0.0, "current_a": 0.0} if has == "dc" else {}
    event = reading(**values, at=None if at is None else NOW + at)
    assert rig.books.measured(event) is None
    assert rig.books.fresh_until == pytest.approx(NOW + taken + 1.0)
    assert _fresh(rig.books)[live] == rig.books.fresh_until
    if has == "dc":
        assert rig.facts.measured_at == pytest.approx(NOW + taken)


def test_what_opens_and_closes_again_does_not_wait_for_readings_of_another_output() -> None:
    """An outlet and a pad that come alive once more; there may be no sensor of a DC output at all."""
    for has, first in (("ac", act.SetAcPower(THREE)), ("pad", act.SetPad(500.0))):
        rig = Books("dc", has)
        rig.keep(first, act.StopPower(ORDERLY), act.OpenContactors(ORDERLY, "a pause"))
        assert (rig.facts.energized, rig.facts.told_safe) == (False, True)
        rig.keep(CLOSE)
        assert (rig.facts.energized, rig.facts.told_safe) == (True, False)
        assert rig.books.supervisor.fresh_until == math.inf


# -- a stop


@pytest.mark.parametrize(("urgency", "hold_s"), [(ORDERLY, 3.0), (EMERGENCY, 1.0)])
@pytest.mark.parametrize("has", ["ac", "pad"])
def test_a_stop_of_an_outlet_or_a_pad_is_watched_from_when_it_was_asked_for(
    has: str, urgency: Urgency, hold_s: float
) -> None:
    rig = Books(has)
    rig.keep(act.SetAcPower(THREE) if has == "ac" else act.SetPad(5000.0))
    rig.keep(act.StopPower(urgency))
    assert rig.facts.ac_power is None
    assert rig.facts.pad_power is None
    flows = (
        ev.AcMeasured(voltage_v=(230.0,) * 3, current_a=(10.0,) * 3, power_w=(2300.0,) * 3)
        if has == "ac"
        else ev.PadMeasured(power_w=4000.0)
    )
    found: dict[float, Rule] = {}
    for tenths in range(60):
        rig.facts.now = NOW + 0.1 * tenths
        finding = rig.books.measured(flows)
        if finding is not None:
            found.setdefault(round(0.1 * tenths, 1), finding.rule)
    first = min(found)
    assert found[first] is Rule.CURRENT_WITHOUT_PERMISSION
    assert hold_s <= first <= hold_s + 0.2


def test_a_stop_takes_back_whatever_was_asked_for() -> None:
    rig = Books("dc")
    rig.keep(act.PreCharge(400.0, 2.0), act.SetPower(400.0, 10.0, 4000.0, True))
    assert (rig.facts.precharging, rig.facts.power) == (True, (400.0, 10.0, 4000.0, True))
    rig.keep(act.StopPower(ORDERLY))
    assert (rig.facts.precharging, rig.facts.power) == (False, None)
    assert rig.facts.energized, "contactors are another matter"


@pytest.mark.parametrize(("ok", "awaited"), [(None, False), (True, True), (False, True)])
def test_a_cable_check_that_is_stopped_before_it_was_over_is_no_longer_awaited(
    ok: bool | None, awaited: bool
) -> None:
    rig = Books("dc")
    rig.keep(act.StartCableCheck(500.0, NOW + 38.0, 100_000.0, 1))
    assert rig.facts.cable_check_awaited
    rig.facts.cable_check_ok = ok
    rig.keep(act.StopPower(ORDERLY))
    assert rig.facts.cable_check_awaited is awaited


# -- timers


@pytest.mark.parametrize(
    ("signal", "waits"),
    [(None, False), (ev.SignalState.B, True), (ev.SignalState.C, False), (ev.SignalState.D, False)],
)
def test_a_cable_check_waits_for_state_c_where_it_does_not_show_yet(
    signal: ev.SignalState | None, waits: bool
) -> None:
    rig = Books("dc", signal=signal)
    rig.keep(act.StartCableCheck(500.0, NOW + 38.0, 100_000.0, 1))
    assert rig.timers.deadline_of(Timer.CABLE_CHECK) == NOW + 38.0
    assert rig.timers.deadline_of(Timer.CONTROL_PILOT) == (NOW + 0.25 if waits else None)


def test_pre_charge_has_its_time_once() -> None:
    """Another target gains none, and neither does one that was taken back in between."""
    rig = Books("dc")
    rig.keep(act.PreCharge(400.0, 2.0))
    assert rig.timers.deadline_of(Timer.PRE_CHARGE) == NOW + 8.0
    for seconds in (1.0, 2.0):
        rig.facts.now = NOW + seconds
        rig.keep(act.PreCharge(400.0 + seconds, 2.0))
        assert rig.timers.deadline_of(Timer.PRE_CHARGE) == NOW + 8.0
        rig.keep(act.StopPower(ORDERLY))
    rig.timers.clear(Timer.PRE_CHARGE)
    rig.keep(act.PreCharge(400.0, 2.0))
    assert rig.timers.deadline_of(Timer.PRE_CHARGE) == NOW + 2.0 + 8.0
    rig.timers.clear(Timer.PRE_CHARGE)
    rig.keep(act.PreCharge(399.0, 2.0))
    assert Timer.PRE_CHARGE not in rig.timers, "it goes on, and its phase has another time"


@pytest.mark.parametrize("kind", [act.ConnectDevice, act.DisconnectDevice])
def test_a_device_has_its_time_to_be_where_it_was_told_to_be(kind: Any) -> None:
    rig = Books("dc")
    rig.keep(kind(NOW + 55.0))
    assert rig.facts.device_down is (kind is act.ConnectDevice)
    assert rig.facts.device_deadline == rig.timers.deadline_of(Timer.CONNECTION_DEVICE) == NOW + 55.0


# -- what comes alive


@pytest.mark.parametrize(
    ("has", "asks", "reading"),
    [
        ("dc", act.SetPower(400.0, 10.0, 4000.0), ev.PowerMeasured(0.0, 0.0)),
        ("ac", act.SetAcPower(THREE), ev.AcMeasured()),
        ("pad", act.SetPad(500.0), ev.PadMeasured(power_w=0.0)),
    ],
)
def test_an_output_that_comes_alive_again_has_time_to_be_read(
    has: str, asks: act.Action, reading: Any
) -> None:
    rig = Books(has)
    rig.keep(asks)
    assert rig.books.fresh_until == NOW + 1.0
    rig.books.measured(reading)
    rig.keep(act.StopPower(ORDERLY), act.OpenContactors(ORDERLY, "a rest"))
    rig.facts.now = NOW + 60.0
    rig.keep(asks)
    assert rig.books.fresh_until == NOW + 61.0
    assert rig.books.stale() is None
    rig.keep(act.StopPower(ORDERLY))
    rig.facts.now = NOW + 60.9
    rig.keep(asks)
    assert rig.books.fresh_until == NOW + 61.0, "it was alive all the time"


# -- readings that are none


@pytest.mark.parametrize(
    "reading",
    [
        ev.PowerMeasured(math.nan, 0.0),
        ev.PowerMeasured(0.0, math.inf),
        ev.PowerMeasured(0.0, 0.0, at=math.nan),
        ev.AcMeasured(current_a=(0.0, math.nan, 0.0)),
        ev.PadMeasured(power_w=math.nan),
    ],
    ids=["V", "A", "moment", "AC", "pad"],
)
def test_a_reading_that_is_no_number_is_a_fault_and_is_not_kept(reading: Any) -> None:
    rig = Books("dc", "ac", "pad")
    before = (rig.facts.measured, rig.facts.ac_measured, rig.facts.pad)
    found = rig.books.measured(reading)
    assert found is not None
    assert found.rule is Rule.UNUSABLE_READINGS
    assert type(reading).__name__ in found.detail
    assert (rig.facts.measured, rig.facts.ac_measured, rig.facts.pad) == before
    assert Books("dc", "ac", "pad", off=(Rule.UNUSABLE_READINGS,)).books.measured(reading) is None


def test_readings_of_an_outlet_or_a_pad_that_the_station_does_not_have_are_kept_and_not_judged() -> None:
    rig = Books("dc")
    for reading in (ev.AcMeasured(current_a=(99.0,) * 3), ev.PadMeasured(power_w=99_000.0)):
        assert rig.books.measured(reading) is None
    assert rig.facts.ac_measured.current_a == (99.0,) * 3
    assert rig.facts.pad.power_w == 99_000.0
