"""A car over a pad: whole sessions, places of positioning, pause, warnings, and whatever can fail on
either side, under the monitor."""

from __future__ import annotations

import random
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.evcc.wpt_settings import WptEvccSettings
from iso15118.secc.wpt_settings import WptSeccSettings
from iso15118.session.actions import EndReason
from iso15118.session.coupling import PositioningPlace
from iso15118.session.events import (
    EmergencyShutdown,
    HardwareFault,
    PauseRequested,
    SetPointChanged,
    StopRequested,
    TransportLoss,
)
from iso15118.session.services import ControlMode
from iso15118.session.wireless import CoilDiagnosis, PadLimits, PairingMethod
from iso15118.simulation import WirelessStation, WirelessVehicle
from iso15118.simulation.faults import PAD_STATION_CALLS, PAD_VEHICLE_CALLS
from iso15118.testing import Pair
from tests.pair.wpt_rig import pad_pair

SMALL = {"capacity_wh": 2e3, "soc": 40.0, "target_soc": 45.0}


def station_of(pair: Pair) -> WirelessStation:
    station: Any = pair.station
    assert isinstance(station, WirelessStation)
    return station


def vehicle_of(pair: Pair) -> WirelessVehicle:
    vehicle: Any = pair.vehicle
    assert isinstance(vehicle, WirelessVehicle)
    return vehicle


def is_safe(pair: Pair) -> None:
    """Nothing is sent any more."""
    pair.let_pass(5.0)
    assert station_of(pair).circuit.sends_w < 50.0


def ends(pair: Pair) -> tuple[EndReason, EndReason]:
    assert pair.secc.ended is not None
    assert pair.evcc.ended is not None
    return pair.secc.ended.reason, pair.evcc.ended.reason


@pytest.mark.parametrize("coupling", [1.0, 0.92])
@pytest.mark.parametrize("mode", list(ControlMode), ids=lambda mode: mode.name)
def test_a_whole_session(mode: ControlMode, coupling: float) -> None:
    pair = pad_pair(mode, circuit={"coupling": coupling})
    pair.run()
    assert ends(pair) == (EndReason.STOPPED_BY_EV,) * 2
    assert pair.vehicle.battery.complete
    circuit = station_of(pair).circuit
    sent, stored = pair.station.meter.charged_wh, pair.vehicle.battery.charged_wh
    assert sent == pytest.approx(stored + circuit.lost_wh, rel=1e-3)
    assert stored == pytest.approx(coupling * sent, rel=0.02)
    assert stored > 950.0
    is_safe(pair)
    order = ["WPT_FinePositioningSetup", "WPT_FinePositioning", "WPT_Pairing", "AuthorizationSetup"]
    order += ["WPT_ChargeParameterDiscovery", "ScheduleExchange", "WPT_AlignmentCheck", "WPT_ChargeLoop"]
    places = [list(pair.evcc.states).index(state) for state in order]
    assert places == sorted(places)


@pytest.mark.parametrize("place", list(PositioningPlace), ids=lambda place: place.name)
def test_positioning_in_either_place(place: PositioningPlace) -> None:
    pair = pad_pair(
        battery=SMALL,
        evcc={"wpt": WptEvccSettings(positioning=place)},
        secc={"wpt": WptSeccSettings(positioning=(place,))},
    )
    pair.run()
    states = list(pair.evcc.states)
    first = states.index("WPT_Pairing") < states.index("AuthorizationSetup")
    assert first is (place is PositioningPlace.BEFORE_AUTHORIZATION)
    assert pair.vehicle.battery.complete


def test_another_pad_is_left_after_three_more_attempts() -> None:
    pair = pad_pair(battery=SMALL)
    vehicle_of(pair).reads = lambda: 99
    pair.run()
    assert EndReason.COUPLING_FAILED in ends(pair)
    assert list(pair.evcc.states).count("WPT_Pairing") == 4
    is_safe(pair)


def test_a_code_that_is_read_the_second_time_will_do() -> None:
    codes = iter([99, 99])
    pair = pad_pair(battery=SMALL)
    vehicle_of(pair).reads = lambda: next(codes, 17)
    pair.run()
    assert pair.vehicle.battery.complete


def test_somebody_outside_confirms_the_pad() -> None:
    outside = (PairingMethod.EXTERNAL_CONFIRMATION,)
    pair = pad_pair(battery=SMALL, evcc={"wpt": WptEvccSettings(pairing_methods=outside)})
    vehicle_of(pair).reads = lambda: None
    pair.run()
    assert pair.vehicle.battery.complete


def test_no_method_in_common() -> None:
    pair = pad_pair(evcc={"wpt": WptEvccSettings(pairing_methods=(PairingMethod.OPTICAL,))})
    pair.run()
    assert ends(pair)[1] is EndReason.PARAMETERS_NOT_ACCEPTED


def test_a_car_that_stops_beside_the_pad() -> None:
    pair = pad_pair(circuit={"bay": {"start_cm": (30.0, 200.0)}})
    pair.run()
    assert ends(pair)[1] is EndReason.COUPLING_FAILED
    assert 290.0 < pair.now < 310.0


def test_a_position_in_which_little_arrives_is_left() -> None:
    pair = pad_pair(circuit={"coupling": 0.2})
    pair.run()
    assert EndReason.COUPLING_FAILED in ends(pair)  # whoever counts first
    assert list(pair.evcc.states).count("WPT_AlignmentCheck") == 4
    is_safe(pair)


def test_a_position_that_is_better_the_second_time() -> None:
    pair = pad_pair(battery=SMALL, circuit={"coupling": 0.2})
    pair.run(until=lambda: list(pair.evcc.states).count("WPT_FinePositioningSetup") == 2)
    station_of(pair).circuit.coupling = 0.95
    pair.run()
    assert pair.vehicle.battery.complete


def at(pair: Pair, state: str) -> None:
    pair.run(until=lambda: pair.secc.state == state)
    assert pair.secc.state == state


@pytest.mark.parametrize("side", ["pad", "coil"])
@pytest.mark.parametrize("state", ["WPT_AlignmentCheck", "WPT_ChargeLoop"])
def test_what_is_wrong_takes_the_power_away(state: str, side: str) -> None:
    pair = pad_pair()
    at(pair, state)
    pair.let_pass(5.0 if state == "WPT_ChargeLoop" else 0.1)
    circuit = station_of(pair).circuit
    if side == "pad":
        circuit.pad_issue = CoilDiagnosis.FOREIGN_OBJECT
    else:
        circuit.coil_issue = CoilDiagnosis.OVERHEATED
    pair.let_pass(1.0)
    assert circuit.sends_w == 0.0
    pair.run()
    is_safe(pair)
    if state == "WPT_ChargeLoop":
        assert all(reason.orderly for reason in ends(pair))
        assert "SessionStop" in pair.secc.states


@pytest.mark.parametrize("seen_by", ["both", "pad", "coil"])
@pytest.mark.parametrize("state", ["WPT_AlignmentCheck", "WPT_ChargeLoop"])
def test_a_car_that_rolls_off_the_pad(state: str, seen_by: str) -> None:
    """Whoever of the two sees it."""
    pair = pad_pair(battery=SMALL | {"target_soc": 80.0})
    station, vehicle = station_of(pair), vehicle_of(pair)
    at(pair, state)
    pair.let_pass(5.0 if state == "WPT_ChargeLoop" else 0.1)
    of_pad, of_coil = station.measure, vehicle.measure
    if seen_by == "coil":
        station.measure = lambda now: replace(of_pad(now), vehicle_here=None)  # type: ignore[method-assign]
    if seen_by == "pad":
        vehicle.measure = lambda now: replace(of_coil(now), in_place=True)  # type: ignore[method-assign]
    assert station.circuit.sends_w > 50.0
    station.circuit.bay.move_to(0.0, 400.0)
    pair.let_pass(1.0)
    assert station.circuit.sends_w == 0.0
    if state == "WPT_AlignmentCheck":
        station.circuit.bay.move_to(0.0, 0.0)  # somebody pushes it back
        pair.run()
        assert pair.vehicle.battery.complete
    else:
        pair.run()
        assert all(reason.orderly for reason in ends(pair))
    is_safe(pair)


def test_less_power_holds_at_once_and_more_again() -> None:
    pair = pad_pair(ControlMode.DYNAMIC)
    at(pair, "WPT_ChargeLoop")
    pair.let_pass(10.0)
    station, circuit = station_of(pair), station_of(pair).circuit
    assert circuit.sends_w > 10_000.0
    station.derate(PadLimits(maximum_power_w=4_000.0), pair.now)
    pair.let_pass(3.0)
    assert circuit.sends_w <= 4_000.0
    pair.tell_secc(SetPointChanged(2_000.0))
    pair.let_pass(3.0)
    assert circuit.sends_w <= 2_000.0
    pair.tell_secc(SetPointChanged(None))
    station.derate(PadLimits(maximum_power_w=11_000.0), pair.now)
    pair.let_pass(5.0)
    assert circuit.sends_w > 10_000.0
    pair.run()
    assert pair.vehicle.battery.complete


def test_a_pause_over_the_pad() -> None:
    first = pad_pair()
    at(first, "WPT_ChargeLoop")
    first.let_pass(20.0)
    first.tell_evcc(PauseRequested("a break"))
    first.run()
    assert ends(first) == (EndReason.PAUSED,) * 2
    ticket = first.secc.ticket
    assert ticket is not None
    second = Pair(
        first.secc.config,
        first.evcc.config,
        first.station,
        first.vehicle,
        now=first.now + 600.0,
        paused=(ticket,),
        resume=first.evcc.ticket,
    )
    second.run(max_s=1e6)
    assert "WPT_Pairing" not in second.evcc.states
    assert "WPT_AlignmentCheck" in second.evcc.states
    assert second.vehicle.battery.complete


STATES = [
    "AuthorizationSetup",
    "WPT_FinePositioning",
    "WPT_Pairing",
    "WPT_ChargeParameterDiscovery",
    "WPT_AlignmentCheck",
    "WPT_ChargeLoop",
]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("what", ["cut", "stop", "stop by station", "emergency", "fault"])
def test_whatever_comes_in_any_state(state: str, what: str) -> None:
    pair = pad_pair()
    at(pair, state)
    pair.let_pass(0.2)
    match what:
        case "cut":
            pair.cut(TransportLoss.RESET)
        case "stop":
            pair.tell_evcc(StopRequested("enough"))
        case "stop by station":
            pair.tell_secc(StopRequested("enough"))
        case "emergency":
            pair.tell_secc(EmergencyShutdown("pressed"))
        case _:
            pair.tell_evcc(HardwareFault("some port", "failed"))
    pair.run()
    is_safe(pair)


SIDES = [
    *(
        ("station", call)
        for call in PAD_STATION_CALLS
        if call not in ("authorize_contract", "certificate_installation", "limits")
    ),
    *(("vehicle", call) for call in PAD_VEHICLE_CALLS if call not in ("store_contract", "use_key")),
]


@pytest.mark.parametrize("fault", ["raises", "never"])
@pytest.mark.parametrize(("side", "call"), SIDES)
def test_every_port_may_fail(side: str, call: str, fault: str) -> None:
    pair = pad_pair(battery=SMALL)
    hardware: Any = station_of(pair) if side == "station" else vehicle_of(pair)
    getattr(hardware.faults, fault)(call)
    pair.run(max_s=4000.0, until=lambda: pair.now > 900.0)
    if not pair.done:  # a gauge that stands still: somebody ends it
        pair.tell_evcc(StopRequested("long enough"))
        pair.run(max_s=4000.0)
    pair.let_pass(20.0)
    if (side, call) != ("station", "stop_power"):
        is_safe(pair)


@pytest.mark.parametrize("seed", range(40))
def test_a_walk_of_events_at_any_moment(seed: int) -> None:
    rng = random.Random(seed)
    pair = pad_pair(rng.choice(list(ControlMode)), delay_s=rng.choice((0.0, 0.003, 0.05)))
    pair.start()
    circuit = station_of(pair).circuit
    for _ in range(rng.randint(1, 4)):
        until = pair.now + rng.choice((0.05, 1.0, 2.0, 5.0, 40.0, 150.0))
        pair.run(until=lambda until=until: pair.now >= until)  # type: ignore[misc]
        match rng.randrange(8):
            case 0:
                pair.tell_secc(StopRequested("walk"))
            case 1:
                pair.tell_evcc(PauseRequested("walk"))
            case 2:
                circuit.pad_issue = rng.choice(list(CoilDiagnosis))
            case 3:
                circuit.coil_issue = rng.choice(list(CoilDiagnosis))
            case 4:
                pair.cut(rng.choice(list(TransportLoss)))
            case 5:
                circuit.bay.move_to(rng.uniform(-30.0, 30.0), 0.0)
            case 6:
                pair.tell_secc(SetPointChanged(rng.choice((None, 0.0, 3_000.0, -5_000.0, 1e6))))
            case 7:
                station_of(pair).derate(PadLimits(maximum_power_w=rng.uniform(0.0, 11_000.0)), pair.now)
    pair.run(max_s=4000.0, until=lambda: pair.now > 1200.0)
    if not pair.done:
        pair.tell_evcc(StopRequested("long enough"))
        pair.run(max_s=4000.0)
    is_safe(pair)


@pytest.mark.parametrize("mode", list(ControlMode), ids=lambda one: one.name)
def test_a_battery_that_takes_less_than_the_pad_can_send_is_not_waited_for(mode: ControlMode) -> None:
    rig = pad_pair(
        mode,
        battery={"maximum_charge_power_w": 2_000.0},
        pad={"minimum_power_w": 3_000.0},
        evcc={"below_minimum_s": 20.0},
    )
    rig.run(until=lambda: rig.loops >= 2)
    began = rig.now
    rig.run()
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.detail == "the battery takes less than the least that can be given"
    assert 19.0 <= rig.now - began <= 40.0
