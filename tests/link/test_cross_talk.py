"""Two vehicles and two stations that hear each other: everybody finds its own partner, by attenuation
or by toggles of the pilot."""

from __future__ import annotations

import pytest

from iso15118.link.primitives import LinkState, Pilot, SetPilot, ShowState
from iso15118.link.slac.attenuation import Answer, Finding, average, choose
from iso15118.link.slac.events import SendFrame
from iso15118.link.slac.frames import mmtype_in
from iso15118.link.slac.messages import MmType, ValidateCnf, ValidateResult
from iso15118.link.slac.settings import SlacSettings, ValidationPolicy
from iso15118.session.events import SignalState
from iso15118.simulation.link_bench import LinkBench
from iso15118.simulation.modem import PowerLine

from .rig import CAR, CAR2, EVSE, EVSE2, add_station, add_vehicle


class Park:
    """Two bays. ``own_db`` within a bay, ``across_db`` between them."""

    def __init__(
        self,
        own_db: float,
        across_db: float,
        *,
        seed: int = 0,
        settings: SlacSettings | None = None,
        loss: float = 0.0,
    ) -> None:
        self.own_db, self.across_db = own_db, across_db
        self.bench = LinkBench(PowerLine(seed=seed, loss=loss))
        self.stations = [add_station(self.bench, mac, settings=settings) for mac in (EVSE, EVSE2)]
        self.cars = [add_vehicle(self.bench, mac, settings=settings) for mac in (CAR, CAR2)]
        for car, station in ((0, 1), (1, 0)):
            one, other = self.cars[car].modem, self.stations[station].modem
            assert one is not None
            assert other is not None
            self.bench.line.couple(one, other, across_db)
        self.bench.run(1.0)

    def plug_in(self, number: int) -> None:
        self.bench.plug_in(self.cars[number], self.stations[number], self.own_db)

    def partners_found(self) -> bool:
        return all(end.ready for end in (*self.cars, *self.stations))

    def assert_own_partners(self) -> None:
        for car, station in zip(self.cars, self.stations, strict=True):
            assert car.machine.peer == station.machine.mac  # type: ignore[attr-defined]
            assert station.machine.peer == car.machine.mac  # type: ignore[attr-defined]


@pytest.mark.parametrize("apart_s", [0.0, 0.003, 0.05, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_two_vehicles_find_their_own_stations_by_attenuation(apart_s: float, seed: int) -> None:
    park = Park(15.0, 30.0, seed=seed)
    park.plug_in(0)
    park.bench.run(apart_s)
    park.plug_in(1)
    assert park.bench.run(20.0, park.partners_found), park.bench.notes()
    park.assert_own_partners()


def test_a_station_without_a_vehicle_does_not_answer() -> None:
    park = Park(15.0, 16.0)
    park.plug_in(0)
    assert park.bench.run(5.0, lambda: park.cars[0].ready and park.stations[0].ready)
    assert [kind for _, who, kind in park.bench.frames() if who == "EVSE2" and kind != "SetKeyReq"] == []
    assert park.stations[1].machine.state is LinkState.UNMATCHED


def test_the_station_that_was_not_chosen_takes_its_own_vehicle_later() -> None:
    park = Park(15.0, 30.0)
    # The second station is occupied by somebody who does not speak; it answers the neighbour's vehicle.
    assert park.stations[1].plug is not None
    park.stations[1].plug.plug_in()
    park.plug_in(0)
    assert park.bench.run(5.0, lambda: park.cars[0].ready)
    assert "AttenCharInd" in [kind for _, who, kind in park.bench.frames() if who == "EVSE2"]
    assert park.cars[0].machine.peer == EVSE  # type: ignore[attr-defined]
    park.bench.run(12.0)
    assert park.stations[1].machine.state is LinkState.MATCHING
    assert not park.stations[1].ready
    park.bench.unplug(park.cars[1], park.stations[1])
    park.bench.run(1.0)
    park.plug_in(1)
    assert park.bench.run(5.0, park.partners_found)
    park.assert_own_partners()


@pytest.mark.parametrize("seed", range(5))
def test_where_attenuation_cannot_tell_toggles_of_the_pilot_do(seed: int) -> None:
    park = Park(20.0, 20.0, seed=seed)
    # Both stations have a vehicle; only the first one speaks now.
    assert park.stations[1].plug is not None
    park.stations[1].plug.plug_in()
    park.plug_in(0)
    assert park.bench.run(20.0, lambda: park.cars[0].ready), park.bench.notes()
    assert park.cars[0].machine.peer == EVSE  # type: ignore[attr-defined]
    counts = [
        (who, a.frame.message.toggle_num)
        for _, who, a in park.bench.journal
        if isinstance(a, SendFrame)
        and isinstance(a.frame.message, ValidateCnf)
        and a.frame.message.result is ValidateResult.SUCCESS
    ]
    assert any(who == "EVSE1" and count > 0 for who, count in counts)
    assert all(count == 0 for who, count in counts if who == "EVSE2")
    shown = [a.state.value for _, _, a in park.bench.journal if isinstance(a, ShowState)]
    assert shown[-1] == "B"
    assert len(shown) % 2 == 0


@pytest.mark.parametrize("apart_s", [2.5, 4.0])
@pytest.mark.parametrize("seed", range(3))
def test_two_vehicles_with_perfect_cross_talk_one_after_the_other(seed: int, apart_s: float) -> None:
    park = Park(20.0, 20.0, seed=seed)
    assert park.stations[1].plug is not None
    park.stations[1].plug.plug_in()
    park.plug_in(0)
    park.bench.run(apart_s)
    park.plug_in(1)
    assert park.bench.run(60.0, park.partners_found), park.bench.notes()
    park.assert_own_partners()


@pytest.mark.parametrize("seed", range(3))
def test_two_vehicles_that_toggle_at_the_same_moment_are_not_stuck(seed: int) -> None:
    # Who partners whom is beyond what toggles can tell when both pilots toggle alike, so
    # only the links are asked for.
    park = Park(20.0, 20.0, seed=seed)
    park.plug_in(0)
    park.plug_in(1)
    assert park.bench.run(120.0, park.partners_found), park.bench.notes()


def test_a_station_that_needs_no_validation_is_believed() -> None:
    park = Park(50.0, 70.0, settings=SlacSettings(validation=ValidationPolicy.NOT_REQUIRED))
    park.plug_in(0)
    assert park.bench.run(10.0, lambda: park.cars[0].ready)
    assert SignalState.C not in [a.state for _, _, a in park.bench.journal if isinstance(a, ShowState)]


def test_a_station_that_declines_validation_is_not_taken() -> None:
    park = Park(50.0, 70.0, settings=SlacSettings(validation=ValidationPolicy.DECLINED))
    park.plug_in(0)
    park.bench.run(30.0)
    assert not park.cars[0].ready
    assert any("declined the validation" in note for note in park.bench.notes())
    assert park.cars[0].machine.state is LinkState.UNMATCHED
    pilots = [a.pilot for _, who, a in park.bench.journal if who == "EVSE1" and isinstance(a, SetPilot)]
    assert pilots[:2] == [Pilot.STEADY, Pilot.FIVE_PERCENT]


@pytest.mark.parametrize("seed", range(10))
def test_on_a_lossy_line_validation_keeps_a_vehicle_from_the_wrong_station(seed: int) -> None:
    park = Park(15.0, 30.0, seed=seed, loss=0.1, settings=SlacSettings(always_validate=True))
    assert park.stations[1].plug is not None
    park.stations[1].plug.plug_in()
    park.plug_in(0)
    assert park.bench.run(60.0, lambda: park.cars[0].ready and park.stations[0].ready), park.bench.notes()
    assert park.cars[0].machine.peer == EVSE  # type: ignore[attr-defined]


def test_a_station_whose_announcement_is_lost_may_still_be_chosen() -> None:
    park = Park(15.0, 30.0)
    assert park.stations[1].plug is not None
    park.stations[1].plug.plug_in()
    own = park.stations[0].modem
    park.bench.line.interference = lambda data, sender, receiver: (
        ()
        if sender is own and mmtype_in(data) == MmType.SLAC_PARM_CNF
        else (0.005 if sender is own else 0.0,)
    )
    park.plug_in(0)
    assert park.bench.run(2.0, lambda: park.cars[0].ready)
    assert park.cars[0].machine.peer == EVSE  # type: ignore[attr-defined]


def test_a_station_that_announced_itself_and_fell_silent_makes_the_choice_doubtful() -> None:
    park = Park(15.0, 30.0)
    assert park.stations[1].plug is not None
    park.stations[1].plug.plug_in()
    own = park.stations[0].modem
    lost = iter(range(3))
    park.bench.line.interference = lambda data, sender, receiver: (
        ()
        if sender is own and mmtype_in(data) == MmType.ATTEN_CHAR_IND and next(lost, None) is not None
        else (0.0,)
    )
    park.plug_in(0)
    assert park.bench.run(20.0, lambda: park.cars[0].ready)
    assert any("did not answer: validation decides" in note for note in park.bench.notes())
    assert park.cars[0].machine.peer == EVSE  # type: ignore[attr-defined]


# -- the choice itself


def chosen(*decibels: float, **settings: float) -> tuple[Finding, list[float]]:
    answers = [Answer(bytes([index] * 6), value) for index, value in enumerate(decibels)]
    choice = choose(answers, SlacSettings(**settings))  # type: ignore[arg-type]
    return choice.finding, [answer.attenuation for answer in choice.candidates]


def test_the_choice_at_its_limits() -> None:
    assert chosen() == (Finding.NOT_FOUND, [])
    assert chosen(40.0) == (Finding.FOUND, [40.0])
    assert chosen(40.01) == (Finding.POTENTIALLY_FOUND, [40.01])
    assert chosen(80.0) == (Finding.POTENTIALLY_FOUND, [80.0])
    assert chosen(80.01) == (Finding.NOT_FOUND, [])
    assert chosen(31.3, 25.8) == (Finding.FOUND, [25.8])
    assert chosen(20.0, 23.0) == (Finding.FOUND, [20.0])
    assert chosen(22.99, 20.0) == (Finding.POTENTIALLY_FOUND, [20.0, 22.99])
    assert chosen(22.99, 20.0, margin=0.0) == (Finding.FOUND, [20.0])
    assert chosen(18.0, direct_limit=10.0, indirect_limit=20.0) == (Finding.POTENTIALLY_FOUND, [18.0])


def test_a_station_averages_downwards_group_by_group() -> None:
    profiles = [bytes([10] * 58), bytes([11] * 58)]
    assert average(profiles) == bytes([10] * 58)
    assert average(profiles, 3.0) == bytes([7] * 58)
    assert average(profiles, 30.0) == bytes(58)
