"""A reading that comes late, behind one that was measured after it: it is dropped everywhere. And no
contactors close by a value that has the time of a younger one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.connector.inlets import Inlet, InletArbiter
from iso15118.evcc import EvccConfig, EvccSession
from iso15118.messages import din, iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing
from iso15118.secc import SeccConfig
from iso15118.secc.din.sequence import State as DinState
from iso15118.secc.iso2.sequence import State as Iso2State
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.checks import taken_at
from iso15118.session.coupling import VehiclePosition
from iso15118.session.supervision import Reaction, Rule, SupervisionLimits
from tests.connector.test_basic_stops import flowing
from tests.connector.test_basic_stops import vehicle as basic_vehicle
from tests.evcc import station as of_iso20
from tests.evcc.din import station as of_din
from tests.evcc.iso2 import station as of_iso2
from tests.evcc.pad import PadHost
from tests.evcc.station import VEHICLE, battery
from tests.evcc.test_outlet import CHARGER
from tests.secc.din.vehicle import Drive as DinDrive
from tests.secc.iso2.vehicle import Drive as Iso2Drive
from tests.secc.test_facts import NOW
from tests.secc.test_hardware_books import Books
from tests.secc.vehicle import STATION, Drive, held_back

WARNS = SupervisionLimits(stale_reaction=Reaction.WARN)


@pytest.mark.parametrize(
    ("at", "taken"),
    [(None, 10.0), (12.0, 10.0), (10.0, 10.0), (9.5, 9.5), (9.0, 9.0), (8.999, None), (-1e9, None)],
)
def test_which_reading_is_taken(at: float | None, taken: float | None) -> None:
    assert taken_at(at, 10.0, 9.0) == taken


def test_one_of_now_is_taken_by_a_clock_that_went_back() -> None:
    assert taken_at(None, 10.0, 11.0) == 10.0


# -- contactors


STATIONS: dict[str, tuple[Any, Any, Any, dict[str, Any], Any]] = {
    "din": (DinDrive, din.PreChargeReq, din.PowerDeliveryReq, {}, DinState.PRE_CHARGE),
    "iso2": (Iso2Drive, iso2.PreChargeReq, iso2.PowerDeliveryReq, {}, Iso2State.PRE_CHARGE),
    "iso20": (
        Drive,
        dc.DCPreChargeReq,
        cm.PowerDeliveryReq,
        {"ev_processing": Processing.Ongoing},
        State.DC_PRE_CHARGE,
    ),
}


class PreCharging:
    """A station in pre-charge, in any edition; its output shows nothing by itself."""

    def __init__(self, edition: str, supervision: SupervisionLimits | None = None) -> None:
        make, self._pre_charge, self._power, going_on, state = STATIONS[edition]
        made = SeccConfig(supervision=supervision or SupervisionLimits(), editions=(edition,))
        self.drive: Any = make(config=made)
        self.book = self.drive.book
        self.drive.to(state)
        self.book._watch = None  # the monitor follows readings by their order
        self.drive.send(self._pre_charge, **going_on)
        self.drive.output = None
        self.book.wait(0.2)
        self.target_v = self.drive.session._facts.precharge_target_v

    def shows(self, volts: float, at: float | None = None) -> None:
        self.book.tell(ev.PowerMeasured(volts, 0.0, at))

    def closes(self) -> bool:
        self.drive.send(self._pre_charge)
        self.drive.send(self._power)
        closes = any(isinstance(one, act.CloseContactors) for one in self.book.actions)
        if not closes:
            held_back(self.drive, None)
        return closes or any(isinstance(one, act.CloseContactors) for one in self.book.actions)


@pytest.mark.parametrize("edition", STATIONS)
def test_a_station_closes_by_its_newest_reading(edition: str) -> None:
    for late_s in (0.001, 30.0):
        rig = PreCharging(edition)
        now = rig.book.now
        rig.shows(0.0, now)
        rig.shows(rig.target_v, now - late_s)
        assert rig.drive.session._facts.measured.voltage_v == 0.0
        assert rig.drive.session._facts.measured_at == now
        assert not rig.closes()
        # ISO 15118-2 waits for a reading that fits for longer than one is young.
        broken = Rule.STALE_READINGS if edition == "iso2" else Rule.CONTACTOR_VOLTAGE
        assert rig.drive.session.ended.rule == broken.value
    rig = PreCharging(edition)
    rig.shows(rig.target_v)
    rig.shows(0.0, rig.book.now - 0.1)
    assert rig.closes(), "nor does an old one keep them open"


@pytest.mark.parametrize("edition", STATIONS)
@pytest.mark.parametrize(
    ("age_s", "limits", "closes"),
    [
        (0.9, WARNS, True),
        (1.1, WARNS, False),
        (1.1, SupervisionLimits(stale_s=2.0), True),
        (4.0, SupervisionLimits(stale_s=None), True),
        (4.0, SupervisionLimits(off=(Rule.STALE_READINGS,)), True),
    ],
)
def test_a_station_closes_by_a_reading_that_is_young_enough(
    edition: str, age_s: float, limits: SupervisionLimits, closes: bool
) -> None:
    """Whatever the rule that watches live hardware has told before: a warning makes nothing younger."""
    rig = PreCharging(edition, limits)
    rig.shows(rig.target_v)
    measured_at = rig.book.now
    rig.book.now += age_s
    rig.drive.session.handle_timeout(rig.book.now)
    assert rig.closes() is closes
    assert rig.drive.session._facts.measured_at == measured_at
    if not closes:
        assert rig.drive.session.ended.rule == Rule.STALE_READINGS.value


VEHICLES: list[Any] = [of_iso20, of_iso2, of_din]


def in_pre_charge(hand: Any, **settings: Any) -> Any:
    edition = {of_iso20: "iso20", of_iso2: "iso2", of_din: "din"}[hand]
    host = hand.Host(config=EvccConfig(editions=(edition,), **settings))
    host.to("DC_PreCharge" if hand is of_iso20 else "PreCharge")
    host.book._watch = None
    host.shown[:] = []
    return host


def closed(host: Any) -> bool:
    host.answer()
    return any(isinstance(one, act.CloseContactors) for one in host.book.actions)


@pytest.mark.parametrize("hand", VEHICLES, ids=["iso20", "iso2", "din"])
def test_a_vehicle_closes_by_its_newest_readings(hand: Any) -> None:
    host = in_pre_charge(hand)
    now = host.book.now
    host.tell(hand.battery())
    host.tell(ev.InletMeasured(0.0, 0.0, at=now))
    host.tell(ev.InletMeasured(hand.BATTERY_V, 0.0, at=now - 30.0))
    assert not closed(host)
    host = in_pre_charge(hand)
    now = host.book.now
    host.tell(ev.InletMeasured(hand.BATTERY_V, 0.0, at=now))
    host.tell(hand.battery(voltage_v=hand.BATTERY_V - 100.0, at=now))
    host.tell(hand.battery(at=now - 0.1))
    assert not closed(host)


@pytest.mark.parametrize("hand", VEHICLES, ids=["iso20", "iso2", "din"])
def test_that_contactors_were_told_to_close_before_makes_no_reading_younger(hand: Any) -> None:
    host = in_pre_charge(hand)
    host.tell(hand.battery())
    host.tell(ev.InletMeasured(hand.BATTERY_V))
    supervisor, measured_at = host.session._supervisor, host.book.now
    host.book.now += 1.5
    supervisor.told(True, host.book.now)
    assert supervisor.fresh_until == host.book.now + 1.0, "one is waited for anew"
    assert (supervisor.inlet_at, supervisor.battery_at) == (measured_at, measured_at)
    assert not closed(host)


# -- every reading of a station


@pytest.mark.parametrize(
    ("has", "reading", "kept"),
    [
        ("dc", lambda value, at: ev.PowerMeasured(value, 0.0, at), lambda facts: facts.measured.voltage_v),
        (
            "ac",
            lambda value, at: ev.AcMeasured(voltage_v=(value,) * 3, at=at),
            lambda facts: facts.ac_measured.voltage_v[0],
        ),
        ("pad", lambda value, at: ev.PadMeasured(power_w=value, at=at), lambda facts: facts.pad.power_w),
    ],
)
def test_a_station_keeps_the_newest_reading(has: str, reading: Any, kept: Any) -> None:
    rig = Books(has)
    for value, at, wanted in (
        (1.0, -5.0, 1.0),
        (2.0, -6.0, 1.0),
        (3.0, -5.0, 3.0),
        (4.0, None, 4.0),
        (5.0, -0.1, 4.0),
    ):
        rig.books.measured(reading(value, None if at is None else NOW + at))
        assert kept(rig.facts) == wanted
    supervisor: Any = {"dc": rig.books.supervisor, "ac": rig.books.ac, "pad": rig.books.pad}[has]
    assert supervisor.sampled_at == NOW
    if has == "dc":
        assert (supervisor.voltage_v, rig.facts.measured_at) == (4.0, NOW)


@pytest.mark.parametrize(
    ("has", "first", "reading"),
    [
        ("dc", act.SetPower(400.0, 10.0, 4000.0), lambda at: ev.PowerMeasured(2000.0, 900.0, at)),
        ("pad", act.SetPad(500.0), lambda at: ev.PadMeasured(power_w=99_000.0, at=at)),
    ],
)
def test_an_old_reading_is_judged_by_no_rule_and_makes_none_younger(
    has: str, first: Any, reading: Any
) -> None:
    rig = Books(has)
    rig.keep(first)
    quiet = ev.PowerMeasured(390.0, 10.0) if has == "dc" else ev.PadMeasured(power_w=400.0)
    rig.books.measured(quiet)
    for _ in range(40):
        rig.facts.now += 0.05
        assert rig.books.measured(reading(NOW - 1.0)) is None
    stale = rig.books.stale()
    assert stale is not None
    assert (stale.rule, stale.since) == (Rule.STALE_READINGS, NOW)
    assert stale.value == pytest.approx(2.0)


def powered() -> Books:
    rig = Books("dc", limits=STATION)
    rig.keep(act.SetPower(400.0, 10.0, 4000.0))
    rig.books.measured(ev.PowerMeasured(390.0, 10.0))
    return rig


def later(rig: Books, seconds: float) -> None:
    rig.facts.now += seconds
    rig.books.measured(ev.PowerMeasured(390.0, 10.0))


def test_a_second_voltage_that_is_old_is_not_compared_with_one_of_now() -> None:
    rig = powered()
    for _ in range(30):
        later(rig, 0.05)
        assert rig.books.further(ev.SecondVoltageMeasured(0.0, rig.facts.now - 1.1)) is None
    rig, found = powered(), []
    for _ in range(30):
        later(rig, 0.05)
        found.append(rig.books.further(ev.SecondVoltageMeasured(0.0, rig.facts.now)))
        # One that agrees, and is older, does not end what the newer one shows.
        assert rig.books.further(ev.SecondVoltageMeasured(390.0, rig.facts.now - 0.01)) is None
    assert [one.rule for one in found if one is not None] == [Rule.SENSORS_DISAGREE]


@pytest.mark.parametrize(("before_s", "compared"), [(1.0, True), (1.0625, False)])
def test_a_second_voltage_counts_until_it_is_stale(before_s: float, compared: bool) -> None:
    assert SupervisionLimits().stale_s == 1.0
    rig, found = powered(), []
    for _ in range(40):
        later(rig, 0.0625)
        found.append(rig.books.further(ev.SecondVoltageMeasured(0.0, rig.facts.now - before_s)))
    assert (Rule.SENSORS_DISAGREE in {one.rule for one in found if one is not None}) is compared


def test_a_second_voltage_is_not_compared_with_an_old_one_of_the_output() -> None:
    rig = powered()
    rig.facts.now += 1.1
    rig.books.supervisor.live_from(rig.facts.now)
    assert rig.books.further(ev.SecondVoltageMeasured(0.0)) is None
    rig.facts.now += 0.5
    assert rig.books.further(ev.SecondVoltageMeasured(0.0)) is None


def test_an_insulation_that_was_good_before_does_not_end_one_that_is_bad() -> None:
    rig, found = powered(), []
    for _ in range(30):
        rig.facts.now += 0.05
        found.append(rig.books.further(ev.InsulationMeasured(90_000.0, at=rig.facts.now)))
        assert rig.books.further(ev.InsulationMeasured(1e6, at=rig.facts.now - 0.01)) is None
    assert {one.rule for one in found if one is not None} == {Rule.INSULATION}


def test_a_station_keeps_the_newest_place_of_the_vehicle() -> None:
    drive = Drive()
    there, elsewhere = (
        VehiclePosition(x_cm=x, y_cm=0.0, window_x_cm=9.0, window_y_cm=9.0, in_position=True, associated=True)
        for x in (1.0, 2.0)
    )
    drive.book.now = 10.0
    drive.book.tell(ev.VehiclePositionMeasured(there, 9.0))
    drive.book.tell(ev.VehiclePositionMeasured(elsewhere, 8.0))
    facts = drive.session._facts
    assert (facts.position, facts.position_at) == (there, 9.0)


# -- every reading of a vehicle


def test_a_vehicle_keeps_the_newest_readings() -> None:
    session = EvccSession(EvccConfig(), VEHICLE, battery(soc=1.0, at=4.0), charger=CHARGER)
    talk = session._talk
    session.handle(battery(soc=2.0, at=3.0), 5.0)
    assert talk.battery.soc == 1.0, "that of the beginning is newer"
    session.handle(ev.Connected(secure=True), 5.0)
    session.handle(battery(soc=2.0, at=3.9), 5.0)
    assert talk.battery.soc == 1.0
    for at, wanted in ((8.0, 8.0), (7.0, 8.0), (9.0, 9.0), (8.9, 9.0)):
        session.handle(ev.InletMeasured(at, at=at), 10.0)
        session.handle(ev.AcMeasured(voltage_v=(at,) * 3, at=at), 10.0)
        session.handle(battery(soc=at, at=at), 10.0)
        assert (talk.inlet.voltage_v, talk.supervisor.voltage_v, talk.supervisor.inlet_at) == (wanted,) * 3
        assert (talk.charger_measured.voltage_v[0], talk.battery.soc) == (wanted, wanted)
        assert talk.supervisor.battery_at == wanted
    host = PadHost()
    host.book.now = 10.0
    for at, wanted in ((8.0, 8.0), (7.0, 8.0)):
        host.tell(ev.ReceiverMeasured(power_w=at, at=at))
        assert host.session._talk.receiver.power_w == wanted  # type: ignore[union-attr]


def test_an_old_report_of_the_battery_is_judged_by_no_rule() -> None:
    session = EvccSession(EvccConfig(), VEHICLE, battery())
    session.handle(battery(maximum_voltage_v=900.0, at=9.0), 10.0)
    session.handle(battery(maximum_voltage_v=100.0, at=8.0), 10.0)
    assert session._supervisor._battery_v == 900.0


def test_the_vehicles_own_count_of_energy_takes_no_time_twice() -> None:
    session = EvccSession(EvccConfig(), VEHICLE, battery(), charger=CHARGER)
    talk = session._talk
    talk.counts_energy = True
    for at in (0.0, 3600.0, 1800.0, 3600.0):
        session.handle(ev.AcMeasured(power_w=(1000.0, 0.0, 0.0), at=at), 3600.0)
        session.handle(ev.InletMeasured(100.0, 10.0, at=at), 3600.0)
    assert talk.meter._charged_wh == pytest.approx(2000.0)


# -- basic charging, and several inlets


def test_basic_charging_keeps_the_newest_reading() -> None:
    end = basic_vehicle()
    end.tell(flowing(10.0))
    session, known = end.session, end.session._measured
    session.handle(replace(flowing(0.0), at=end.now - 1.0), end.now)
    assert session._measured == known


def test_an_arbiter_keeps_the_newest_current_of_an_inlet() -> None:
    inlets = [Inlet(name=name, maximum_current_a=500.0, maximum_power_w=4e5) for name in ("one", "two")]
    arbiter = InletArbiter(inlets)
    for current, at in ((100.0, 5.0), (0.0, 4.9), (math.nan, 6.0)):
        arbiter.measured("one", current, at)
    assert arbiter._fresh("one", 5.5) == 100.0
