"""The pantograph at its edges: the last moment of a position and of positioning, each precondition of the
device alone, which words name what is missing, and what the station says of itself."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.messages.iso20 import acdp
from iso15118.messages.iso20 import common_messages as cm
from iso15118.secc.iso20 import acdp as device
from iso15118.secc.iso20.pause import why_no_pause
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.coupling import DevicePosition
from tests.secc.pantograph import ELECTRICAL, HERE, PantographDrive

S = State
HOME, MOVING, END = DevicePosition.HOME, DevicePosition.MOVING, DevicePosition.END_POSITION
STOP = {"charge_progress": cm.ChargeProgress.Stop}


@pytest.mark.parametrize(("seconds", "code"), [(300.0, "OK"), (300.01, "FAILED")])
def test_the_last_moment_of_positioning(seconds: float, code: str) -> None:
    drive = PantographDrive().to(S.AUTHORIZATION_SETUP)
    drive.send(acdp.ACDPVehiclePositioningReq, ev_mobility_status=False)
    drive.session.timers.clear_all()
    longest = drive.config.timing.positioning_performance
    drive.book.now += seconds - 300.0 + longest
    answer = drive.send(acdp.ACDPVehiclePositioningReq, ev_mobility_status=False)
    assert answer.response_code.value == code


@pytest.mark.parametrize(("age", "known"), [(1.0, True), (1.001, False)])
def test_the_last_moment_of_a_position(age: float, known: bool) -> None:
    drive = PantographDrive().to(S.AUTHORIZATION_SETUP)
    drive.book.tell(ev.VehiclePositionMeasured(HERE))
    drive.place = None
    drive.book.now += age
    answer = drive.send(acdp.ACDPVehiclePositioningReq)
    assert answer.evse_positioning_support is known
    assert answer.ev_in_charge_position is known


@pytest.mark.parametrize("missing", ["device", "vehicle", "limits", "authorized"])
def test_the_device_does_not_come_down_without(missing: str) -> None:
    drive = PantographDrive().to(S.ACDP_CONNECT)
    setattr(drive.context.facts, missing, None)
    reply: Any = device.connect(drive.request(acdp.ACDPConnectReq), drive.context)
    assert reply.end is EndReason.INTERNAL_ERROR


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (None, "nobody knows where the vehicle stands"),
        (replace(HERE, in_position=False), "the vehicle is not in its place"),
        (replace(HERE, associated=False), "another vehicle stands under the connection device"),
    ],
    ids=["unknown", "off", "another"],
)
def test_the_end_says_what_is_wrong_with_the_place(place: Any, said: str) -> None:
    drive = PantographDrive().to(S.ACDP_CONNECT)
    drive.place = place
    if place is None:
        drive.book.now += 1.1
    drive.send(acdp.ACDPConnectReq)
    assert drive.session.ended is not None
    assert drive.session.ended.detail == said
    assert not any(isinstance(one, act.ConnectDevice) for one in drive.book.actions)


def test_the_status_of_the_vehicle_is_waited_for_while_the_device_is_joined() -> None:
    drive = PantographDrive().to(S.ACDP_CONNECT)

    def heard_at() -> float | None:
        return drive.context.facts.status_heard

    drive.send(acdp.ACDPConnectReq)
    drive.moves(MOVING)
    drive.send(acdp.ACDPConnectReq)
    assert heard_at() is None, "the vehicle does not feel anything yet"
    drive.moves(END)
    drive.book.now += 1.0
    drive.send(acdp.ACDPConnectReq)
    assert heard_at() == drive.book.now
    heard = drive.book.now
    drive.book.now += 1.0
    drive.send(acdp.ACDPDisconnectReq, ev_electrical_charging_device_status=ELECTRICAL.State_B)
    assert heard_at() == heard, "still joined"
    drive.moves(MOVING, HOME)
    drive.send(acdp.ACDPDisconnectReq)
    assert heard_at() is None


@pytest.mark.parametrize("down", [True, False])
def test_who_gives_up_before_power_has_the_device_taken_up_if_it_is_down(down: bool) -> None:
    drive = PantographDrive().to(S.ACDP_CONNECT)
    if down:
        drive.send(acdp.ACDPConnectReq)
    assert drive.send(cm.PowerDeliveryReq, **STOP).response_code.value == "OK"
    assert drive.session.state == (S.ACDP_DISCONNECT if down else S.SESSION_STOP).value


@pytest.mark.parametrize(
    ("position", "down", "pauses"),
    [
        (None, False, True),
        (HOME, False, True),
        (HOME, True, False),
        (MOVING, False, False),
        (END, False, False),
    ],
)
def test_no_pause_unless_the_device_is_home(
    position: DevicePosition | None, down: bool, pauses: bool
) -> None:
    drive = PantographDrive().to(S.SESSION_STOP)
    facts = drive.context.facts
    drive.context.state, facts.plain = S.SESSION_STOP, True
    facts.device, facts.device_down = position, down
    assert why_no_pause(drive.context) == ("" if pauses else "the connection device is not home")


# -- what the station says of itself

READY = {
    "evse_ready_to_charge": True,
    "evse_disabled": False,
    "evse_emergency_shutdown": False,
    "evse_malfunction": False,
    "evse_utility_interrupt_event": False,
    "ev_in_charge_position": True,
    "ev_association_status": True,
}


@pytest.mark.parametrize(
    ("facts", "place", "differs"),
    [
        ({}, HERE, {}),
        ({"stop_wanted": "closing"}, HERE, {"evse_ready_to_charge": False, "evse_disabled": True}),
        (
            {"abort_reason": EndReason.EMERGENCY},
            HERE,
            {"evse_ready_to_charge": False, "evse_emergency_shutdown": True},
        ),
        (
            {"abort_reason": EndReason.HARDWARE_FAULT},
            HERE,
            {"evse_ready_to_charge": False, "evse_malfunction": True},
        ),
        ({"utility_interrupt": True}, HERE, {"evse_utility_interrupt_event": True}),
        ({}, replace(HERE, in_position=False), {"ev_in_charge_position": False}),
        ({}, replace(HERE, associated=False), {"ev_association_status": False}),
        ({}, None, {"ev_in_charge_position": False, "ev_association_status": False}),
    ],
    ids=str,
)
def test_the_status_of_the_station(facts: dict[str, Any], place: Any, differs: dict[str, bool]) -> None:
    drive = PantographDrive().to(S.DC_CABLE_CHECK)
    drive.place = None
    drive.book.now += 5.0
    if place is not None:
        drive.book.tell(ev.VehiclePositionMeasured(place))
    else:
        drive.book.tell(ev.SignalChanged(ev.SignalState.B))
    for name, value in facts.items():
        setattr(drive.context.facts, name, value)
    said = device.neutral_status(drive.context)
    assert {name: said[name] for name in READY} == READY | differs


@pytest.mark.parametrize(("ok", "said"), [(None, "Invalid"), (True, "Safe"), (False, "Fault")])
def test_the_insulation_is_as_the_cable_check_found_it(ok: bool | None, said: str) -> None:
    drive = PantographDrive().to(S.DC_CABLE_CHECK)
    drive.context.facts.cable_check_ok = ok
    assert device.neutral_status(drive.context)["evse_isolation_status"].value == said
