"""A bus under a pantograph: whole sessions, places of positioning, pause, and whatever can fail on
either side, under the monitor."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from iso15118.evcc.acdp_settings import AcdpEvccSettings
from iso15118.messages.iso20 import acdp
from iso15118.secc.acdp_settings import AcdpSeccSettings
from iso15118.session.actions import EndReason
from iso15118.session.coupling import DevicePosition, MobilityStatus, PositioningPlace
from iso15118.session.events import (
    EmergencyShutdown,
    HardwareFault,
    PauseRequested,
    StopRequested,
    TransportLoss,
)
from iso15118.session.services import ControlMode, ServiceID
from iso15118.simulation import PantographStation, PantographVehicle
from iso15118.simulation.faults import PANTOGRAPH_STATION_CALLS, PANTOGRAPH_VEHICLE_CALLS
from iso15118.testing import Pair
from tests.pair.acdp_rig import SERVICES, pantograph_pair

HOME = DevicePosition.HOME


def station_of(pair: Pair) -> PantographStation:
    assert isinstance(pair.station, PantographStation)
    return pair.station


def vehicle_of(pair: Pair) -> PantographVehicle:
    assert isinstance(pair.vehicle, PantographVehicle)
    return pair.vehicle


def settle(pair: Pair) -> None:
    """What follows an end: contactors fall, the device goes home, the lock is let go."""
    pair.let_pass(10.0)
    for _ in range(20):  # as a driver does: both ends are looked at for a while
        pair._measure_secc()
        pair._measure_evcc()
        pair.let_pass(0.5)


def is_safe(pair: Pair) -> None:
    """Nothing flows and nothing is joined."""
    settle(pair)
    station = station_of(pair)
    assert not station.outlet.closed
    assert abs(station.circuit.current_a) < 1.0
    assert station.lowered_live == 0
    assert station.device is HOME


@pytest.mark.parametrize("mode", list(ControlMode), ids=lambda mode: mode.name)
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_whole_session(service: ServiceID, mode: ControlMode) -> None:
    told: Counter[str] = Counter()
    pair = pantograph_pair(
        service, mode, on_message=lambda _, message, __: told.update([type(message).__name__])
    )
    pair.run()
    assert (pair.secc.ended.reason, pair.evcc.ended.reason) == (EndReason.STOPPED_BY_EV,) * 2  # type: ignore[union-attr]
    assert pair.vehicle.battery.complete
    charged, stored = pair.station.meter.charged_wh, pair.vehicle.battery.charged_wh
    assert charged == pytest.approx(stored, rel=1e-3)
    assert charged > 4900.0
    assert told["ACDPVehiclePositioningReq"] > 10
    assert told["ACDPConnectReq"] > 10
    assert told["ACDPDisconnectReq"] > 10
    assert told["ACDPSystemStatusReq"] == told["ACDPSystemStatusRes"] > 10
    is_safe(pair)
    assert not vehicle_of(pair).mobility.immobilized
    order = [
        "ACDP_VehiclePositioning",
        "AuthorizationSetup",
        "ScheduleExchange",
        "ACDP_Connect",
        "DC_CableCheck",
    ]
    order += ["DC_ChargeLoop", "DC_WeldingDetection", "ACDP_Disconnect", "SessionStop"]
    places = [list(pair.evcc.states).index(state) for state in order]
    assert places == sorted(places)


def test_energy_is_given_back_under_a_pantograph() -> None:
    pair = pantograph_pair(ServiceID.DC_ACDP_BPT, discharge_wh=500.0)
    pair.run()
    given, taken = pair.station.meter.discharged_wh, pair.vehicle.battery.discharged_wh
    assert given == pytest.approx(taken, rel=1e-3)
    assert given > 490.0
    is_safe(pair)


@pytest.mark.parametrize("place", list(PositioningPlace), ids=lambda place: place.name)
def test_positioning_in_either_place(place: PositioningPlace) -> None:
    pair = pantograph_pair(
        evcc={"acdp": AcdpEvccSettings(positioning=place)},
        secc={"acdp": AcdpSeccSettings(positioning=(place,))},
    )
    pair.run()
    assert pair.evcc.ended.reason is EndReason.STOPPED_BY_EV  # type: ignore[union-attr]
    states = list(pair.evcc.states)
    first = states.index("ACDP_VehiclePositioning") < states.index("AuthorizationSetup")
    assert first is (place is PositioningPlace.BEFORE_AUTHORIZATION)


def test_both_sides_read_the_mobility_status_the_other_way_round() -> None:
    other = MobilityStatus.CAN_MOVE
    pair = pantograph_pair(
        evcc={"acdp": AcdpEvccSettings(mobility_status=other)},
        secc={"acdp": AcdpSeccSettings(mobility_status=other)},
    )
    pair.run()
    assert pair.vehicle.battery.complete


def test_a_bus_that_overshoots_is_not_connected() -> None:
    pair = pantograph_pair(
        bay={"start_cm": (80.0, 300.0)}
    )  # it stands beside the window, and says that it finds its place
    pair.run()
    assert pair.evcc.ended.reason is EndReason.COUPLING_FAILED  # type: ignore[union-attr]
    assert station_of(pair).device is HOME


def test_a_bus_that_finds_its_place_itself_and_does_not_is_refused() -> None:
    pair = pantograph_pair(bay={"start_cm": (80.0, 300.0)}, evcc={"acdp": AcdpEvccSettings(finds_place=True)})
    pair.run()
    assert pair.secc.ended.reason is EndReason.COUPLING_FAILED  # type: ignore[union-attr]
    assert station_of(pair).device is HOME


def test_another_vehicle_in_the_bay_is_refused_by_its_code() -> None:
    pair = pantograph_pair()
    station_of(pair).bay.associated = False
    pair.run()
    assert "FAILED_AssociationError" in pair.evcc.ended.detail  # type: ignore[union-attr]
    is_safe(pair)


def at(pair: Pair, state: str) -> None:
    pair.run(until=lambda: pair.secc.state == state)
    assert pair.secc.state == state


STATES = [
    "SessionSetup",
    "AuthorizationSetup",
    "ServiceSelection",
    "ACDP_Connect",
    "DC_CableCheck",
    "DC_PreCharge",
    "DC_ChargeLoop",
    "DC_WeldingDetection",
    "ACDP_Disconnect",
]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("how", [TransportLoss.RESET, TransportLoss.LINK_DOWN], ids=lambda how: how.name)
def test_a_connection_that_breaks_in_any_state(state: str, how: TransportLoss) -> None:
    pair = pantograph_pair()
    at(pair, state)
    held = vehicle_of(pair).mobility.immobilized
    pair.cut(how)
    pair.run()
    is_safe(pair)
    # The vehicle cannot know whether the device is up: it stays where it is.
    assert vehicle_of(pair).mobility.immobilized is (held or state in ("ACDP_Connect",))


@pytest.mark.parametrize("state", STATES[1:])
@pytest.mark.parametrize("who", ["secc", "evcc"])
@pytest.mark.parametrize("what", ["stop", "emergency", "fault"])
def test_a_wish_or_a_fault_in_any_state(state: str, who: str, what: str) -> None:
    pair = pantograph_pair()
    at(pair, state)
    event: Any = {
        "stop": StopRequested("enough"),
        "emergency": EmergencyShutdown("pressed"),
        "fault": HardwareFault("some port", "failed"),
    }[what]
    (pair.tell_secc if who == "secc" else pair.tell_evcc)(event)
    pair.run()
    is_safe(pair)
    if what == "stop":
        assert pair.evcc.ended.reason in (  # type: ignore[union-attr]
            EndReason.STOPPED_BY_EV,
            EndReason.STOPPED_BY_STATION,
            EndReason.REFUSED,
        )


CALLS = [
    call
    for call in PANTOGRAPH_STATION_CALLS
    if call not in ("authorize_contract", "certificate_installation", "limits")
]


@pytest.mark.parametrize("fault", ["raises", "never"])
@pytest.mark.parametrize("call", CALLS)
def test_every_port_of_the_station_may_fail(call: str, fault: str) -> None:
    pair = pantograph_pair()
    getattr(station_of(pair).faults, fault)(call, times=float("inf") if call != "stop_power" else 1)
    pair.run(max_s=2000.0)
    settle(pair)
    assert abs(station_of(pair).circuit.current_a) < 1.0
    assert station_of(pair).lowered_live == 0
    if call == "open_contactors":  # a contactor that stays closed keeps the device where it is
        assert not station_of(pair).outlet.closed or station_of(pair).device is DevicePosition.END_POSITION
    elif call not in ("disconnect_device", "read_meter", "authorize", "present"):
        assert station_of(pair).device is HOME


@pytest.mark.parametrize("fault", ["raises", "never"])
@pytest.mark.parametrize("call", [call for call in PANTOGRAPH_VEHICLE_CALLS if call != "store_contract"])
def test_every_port_of_the_vehicle_may_fail(call: str, fault: str) -> None:
    pair = pantograph_pair()
    getattr(vehicle_of(pair).faults, fault)(call)
    if (call, fault) == ("battery", "never"):
        pair.run(max_s=2000.0, until=lambda: pair.now > 600.0)  # a gauge that stands still: somebody ends it
        pair.tell_evcc(StopRequested("long enough"))
    pair.run(max_s=2000.0)
    if (
        call == "open_contactors"
    ):  # with the battery on the contacts the device stays down, and the vehicle stays
        settle(pair)
        assert station_of(pair).device is DevicePosition.END_POSITION
        assert vehicle_of(pair).mobility.immobilized
        assert not pair.evcc.ended.reason.orderly  # type: ignore[union-attr]
        return
    is_safe(pair)
    if call == "immobilize":
        assert pair.evcc.ended.reason in (EndReason.COUPLING_FAILED, EndReason.HARDWARE_FAULT)  # type: ignore[union-attr]


@pytest.mark.parametrize("state", ["DC_CableCheck", "DC_PreCharge", "DC_ChargeLoop"])
def test_a_contact_that_is_lost(state: str) -> None:
    pair = pantograph_pair()
    at(pair, state)
    pair.let_pass(0.3)
    station_of(pair).slip(pair.now)
    pair.run()
    is_safe(pair)
    assert not pair.secc.ended.reason.orderly  # type: ignore[union-attr]


def test_a_device_that_jams_on_its_way_down() -> None:
    pair = pantograph_pair()
    station_of(pair).jams = True
    pair.run()
    assert pair.secc.ended.reason is EndReason.COUPLING_FAILED  # type: ignore[union-attr]


def test_a_device_that_jams_on_its_way_up_keeps_the_vehicle_where_it_is() -> None:
    pair = pantograph_pair()
    at(pair, "ACDP_Disconnect")
    station_of(pair).jams = True
    pair.run()
    assert pair.secc.ended.reason is EndReason.HARDWARE_FAULT  # type: ignore[union-attr]
    pair.let_pass(60.0)
    assert vehicle_of(pair).mobility.immobilized


@pytest.mark.parametrize("state", ["ACDP_Connect", "DC_CableCheck", "DC_ChargeLoop", "DC_WeldingDetection"])
def test_a_lock_that_gives_way(state: str) -> None:
    pair = pantograph_pair()
    at(pair, state)
    pair.let_pass(0.5 if state != "DC_WeldingDetection" else 0.0)
    vehicle_of(pair).roll(pair.now)
    pair.run()
    assert pair.evcc.ended.reason is EndReason.EMERGENCY  # type: ignore[union-attr]
    is_safe(pair)


@pytest.mark.parametrize("silent", ["secc", "evcc"])
def test_a_status_stream_that_falls_silent_ends_in_order(silent: str) -> None:
    names = {"secc": "ACDPSystemStatusRes", "evcc": "ACDPSystemStatusReq"}
    begun: list[float] = []

    def swallow(who: str, message: object, now: float) -> bool:
        if type(message).__name__ == names[silent] and who == silent:
            begun.append(now)
            return len(begun) < 12
        return True

    pair = pantograph_pair(on_message=swallow, battery={"target_soc": 70.0})
    pair.run()
    assert not pair.vehicle.battery.complete
    assert pair.evcc.ended.reason.orderly  # type: ignore[union-attr]
    assert pair.now - begun[11] < 70.0
    is_safe(pair)


def test_a_pause_with_the_bus_in_its_place() -> None:
    first = pantograph_pair()
    at(first, "DC_ChargeLoop")
    first.let_pass(5.0)
    first.tell_evcc(PauseRequested("a break"))
    first.run()
    assert first.secc.ended.reason is EndReason.PAUSED  # type: ignore[union-attr]
    ticket, kept = first.secc.ticket, first.evcc.ticket
    assert ticket is not None
    assert kept is not None
    is_safe(first)
    second = Pair(
        first.secc.config,
        first.evcc.config,
        first.station,
        first.vehicle,
        now=first.now + 600.0,
        paused=(ticket,),
        resume=kept,
    )
    second.run(max_s=1e6)
    assert "Authorization" not in second.evcc.states
    assert "ACDP_VehiclePositioning" in second.evcc.states  # once more: it may have been moved
    assert second.vehicle.battery.complete
    is_safe(second)


def test_a_station_that_reports_an_emergency_on_the_status_stream() -> None:
    pair = pantograph_pair()
    at(pair, "DC_ChargeLoop")
    pair.let_pass(1.0)
    shut = acdp.ACDPSystemStatusRes(
        header=_header(pair),
        response_code=_ok(),
        evse_mechanical_charging_device_status=acdp.MechanicalChargingDeviceStatus.EndPosition,
        evse_ready_to_charge=False,
        evse_isolation_status=acdp.IsolationStatus.Safe,
        evse_disabled=False,
        evse_utility_interrupt_event=False,
        evse_emergency_shutdown=True,
        evse_malfunction=False,
        ev_in_charge_position=True,
        ev_association_status=True,
    )
    seen: list[object] = []

    def replaced(who: str, message: object, now: float) -> bool:
        if type(message) is acdp.ACDPSystemStatusRes and not seen:
            seen.append(message)
            pair.to_evcc.send(shut, now)
            return False
        return True

    pair._on_message = replaced
    pair.run()
    assert pair.evcc.ended.reason is EndReason.EMERGENCY  # type: ignore[union-attr]
    is_safe(pair)


def _header(pair: Pair) -> Any:
    from iso15118.messages.iso20.common_types import MessageHeader

    return MessageHeader(session_id=pair.secc.session_id, time_stamp=1_790_000_000)


def _ok() -> Any:
    from iso15118.messages.iso20.common_types import ResponseCode

    return ResponseCode.OK


def test_positioning_that_never_ends_is_left_in_time() -> None:
    pair = pantograph_pair(bay={"start_cm": (80.0, 300.0)})
    pair.run()
    assert 290.0 < pair.now < 310.0


@pytest.mark.parametrize("seed", range(60))
def test_a_walk_of_events_at_any_moment(seed: int) -> None:
    """Events of every kind at random moments of a session: whatever comes, the device is up in the end."""
    rng = random.Random(seed)
    service, mode = rng.choice(SERVICES), rng.choice(list(ControlMode))
    pair = pantograph_pair(service, mode, delay_s=rng.choice((0.0, 0.003, 0.05)))
    pair.start()
    for _ in range(rng.randint(1, 4)):
        if pair.done:
            break
        until = pair.now + rng.choice((0.05, 1.0, 6.0, 15.0, 25.0, 40.0))
        pair.run(until=lambda until=until: pair.now >= until)  # type: ignore[misc]
        station, vehicle = station_of(pair), vehicle_of(pair)
        match rng.randrange(9):
            case 0:
                pair.tell_secc(StopRequested("walk"))
            case 1:
                pair.tell_evcc(StopRequested("walk"))
            case 2:
                pair.tell_evcc(PauseRequested("walk"))
            case 3 if station.device is DevicePosition.END_POSITION:
                station.slip(pair.now)
            case 4:
                vehicle.roll(pair.now)
            case 5:
                pair.cut(rng.choice(list(TransportLoss)))
            case 6:
                pair.tell_secc(EmergencyShutdown("walk"))
            case 7:
                station.bay.move_to(rng.uniform(-90.0, 90.0), rng.uniform(-90.0, 90.0))
            case 8:
                station.faults.raises(
                    rng.choice(("connect_device", "position", "present", "set_power")), times=1
                )
    pair.run(max_s=5000.0)
    is_safe(pair)


def test_ongoing_of_the_station_is_borne_for_a_minute() -> None:
    pair = pantograph_pair(station_options={"moving_s": 54.0})
    pair.run()
    assert pair.vehicle.battery.complete
