"""How urgent an end is that comes under power: a table of what is told, in each edition and in both roles.

An emergency takes current and contactors away in the same turn; what a side wants ends with a ramp, and
nothing that is asked for up to the end of the session is more urgent than that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from iso15118.messages import din, iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.secc.din.sequence import State as DinState
from iso15118.secc.iso2.sequence import State as Iso2State
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from tests.evcc import station as of_iso20
from tests.evcc.din import station as of_din
from tests.evcc.iso2 import station as of_iso2
from tests.secc.din.vehicle import Drive as DinDrive
from tests.secc.iso2.vehicle import Drive as Iso2Drive
from tests.secc.vehicle import BATTERY_V, Drive

LOST = ev.TransportLost(ev.TransportLoss.RESET)
ALARM, FAULT = ev.EmergencyShutdown("button"), ev.HardwareFault("power", "hot")
STOP, PAUSE = ev.StopRequested("closing time"), ev.PauseRequested("cheaper at night")

STATIONS: dict[str, tuple[Callable[[], Any], Any, type, type, dict[str, Any], type]] = {
    # the drive and its charge loop: state and request; how the vehicle stops, and takes its leave
    "iso20": (
        Drive,
        State.DC_CHARGE_LOOP,
        dc.DCChargeLoopReq,
        cm.PowerDeliveryReq,
        {"charge_progress": cm.ChargeProgress.Stop},
        cm.SessionStopReq,
    ),
    "iso2": (
        Iso2Drive,
        Iso2State.CURRENT_DEMAND,
        iso2.CurrentDemandReq,
        iso2.PowerDeliveryReq,
        {"charge_progress": iso2.ChargeProgress.Stop},
        iso2.SessionStopReq,
    ),
    "din": (
        DinDrive,
        DinState.CURRENT_DEMAND,
        din.CurrentDemandReq,
        din.PowerDeliveryReq,
        {"ready_to_charge_state": False},
        din.SessionStop,
    ),
}
VEHICLES: dict[str, tuple[Callable[[], Any], str, float]] = {
    "iso20": (of_iso20.Host, "DC_ChargeLoop", of_iso20.BATTERY_V),
    "iso2": (of_iso2.Host, "CurrentDemand", of_iso2.BATTERY_V),
    "din": (of_din.Host, "CurrentDemand", of_din.BATTERY_V),
}
URGENCIES = [
    ("secc", "iso20", ALARM, Urgency.EMERGENCY, EndReason.EMERGENCY),
    ("secc", "iso20", FAULT, Urgency.EMERGENCY, EndReason.HARDWARE_FAULT),
    ("secc", "iso20", LOST, Urgency.EMERGENCY, EndReason.PEER_VANISHED),
    ("secc", "iso20", STOP, Urgency.ORDERLY, EndReason.STOPPED_BY_STATION),
    ("secc", "iso20", PAUSE, Urgency.ORDERLY, EndReason.STOPPED_BY_EV),
    ("secc", "iso2", ALARM, Urgency.EMERGENCY, EndReason.EMERGENCY),
    ("secc", "iso2", FAULT, Urgency.EMERGENCY, EndReason.HARDWARE_FAULT),
    ("secc", "iso2", LOST, Urgency.EMERGENCY, EndReason.PEER_VANISHED),
    ("secc", "iso2", STOP, Urgency.ORDERLY, EndReason.STOPPED_BY_STATION),
    ("secc", "din", ALARM, Urgency.EMERGENCY, EndReason.EMERGENCY),
    ("secc", "din", FAULT, Urgency.EMERGENCY, EndReason.HARDWARE_FAULT),
    ("secc", "din", LOST, Urgency.EMERGENCY, EndReason.PEER_VANISHED),
    ("secc", "din", STOP, Urgency.ORDERLY, EndReason.STOPPED_BY_STATION),
    ("evcc", "iso20", ALARM, Urgency.EMERGENCY, EndReason.EMERGENCY),
    ("evcc", "iso20", FAULT, Urgency.EMERGENCY, EndReason.HARDWARE_FAULT),
    ("evcc", "iso20", LOST, Urgency.EMERGENCY, EndReason.PEER_VANISHED),
    ("evcc", "iso20", STOP, Urgency.ORDERLY, EndReason.STOPPED_BY_EV),
    ("evcc", "iso20", PAUSE, Urgency.ORDERLY, EndReason.PAUSED),
    ("evcc", "iso2", ALARM, Urgency.EMERGENCY, EndReason.EMERGENCY),
    ("evcc", "iso2", FAULT, Urgency.EMERGENCY, EndReason.HARDWARE_FAULT),
    ("evcc", "iso2", LOST, Urgency.EMERGENCY, EndReason.PEER_VANISHED),
    ("evcc", "iso2", STOP, Urgency.ORDERLY, EndReason.STOPPED_BY_EV),
    ("evcc", "iso2", PAUSE, Urgency.ORDERLY, EndReason.PAUSED),
    ("evcc", "din", ALARM, Urgency.EMERGENCY, EndReason.EMERGENCY),
    ("evcc", "din", FAULT, Urgency.EMERGENCY, EndReason.HARDWARE_FAULT),
    ("evcc", "din", LOST, Urgency.EMERGENCY, EndReason.PEER_VANISHED),
    ("evcc", "din", STOP, Urgency.ORDERLY, EndReason.STOPPED_BY_EV),
]
"""Role and edition, what is told under power, how urgent all of its end is, and why the session ended."""


def asked(actions: list[act.Action]) -> list[tuple[type, Urgency]]:
    """What was asked of current and contactors."""
    return [
        (type(one), one.urgency) for one in actions if isinstance(one, act.StopPower | act.OpenContactors)
    ]


def listening(session: Any) -> list[act.Action]:
    """All that this session asks for from now on."""
    heard: list[act.Action] = []

    def noted(call: Callable[..., list[act.Action]]) -> Callable[..., list[act.Action]]:
        def through(*given: Any) -> list[act.Action]:
            actions = call(*given)
            heard.extend(actions)
            return actions

        return through

    session.handle, session.handle_timeout = noted(session.handle), noted(session.handle_timeout)
    return heard


def station_told(edition: str, event: ev.Event) -> tuple[Any, list[act.Action], list[act.Action]]:
    """The session of a station under power that is told this; what it asks for at once, and up to the end,
    with a vehicle that does what it is asked to do."""
    make, state, loop, stop, stopping, leave = STATIONS[edition]
    drive = make().to(state)
    volts = BATTERY_V if edition == "iso20" else VEHICLES[edition][2]
    drive.send(loop)
    drive.measure(volts, 60.0)
    assert drive.session.energized
    heard = listening(drive.session)
    drive.book.tell(event)
    at_once = list(heard)
    if drive.session.ended is None:
        drive.send(loop)
    if drive.session.ended is None:
        drive.measure(volts, 3.0)
        drive.send(stop, **stopping)
        drive.book.tell(ev.ContactorsChanged(False))
        drive.measure(0.0)
        drive.send(leave)
    return drive.session, at_once, heard


def vehicle_told(edition: str, event: ev.Event) -> tuple[Any, list[act.Action], list[act.Action]]:
    """The same for a vehicle, whose station answers in the ordinary way."""
    make, state, volts = VEHICLES[edition]
    host = make().to(state, 3)
    host.measure(volts, 60.0)
    assert host.session.energized
    heard = listening(host.session)
    host.tell(event)
    at_once = list(heard)
    if host.session.ended is None:
        host.measure(volts, 3.0)
    for _ in range(200):
        if host.session.ended is None:
            host.step()
    return host.session, at_once, heard


@pytest.mark.parametrize(
    ("role", "edition", "event", "urgency", "reason"),
    URGENCIES,
    ids=[f"{role}-{edition}-{type(event).__name__}" for role, edition, event, _, _ in URGENCIES],
)
def test_an_emergency_is_one_at_once_and_what_a_side_wants_is_a_ramp_to_its_end(
    role: str, edition: str, event: ev.Event, urgency: Urgency, reason: EndReason
) -> None:
    session, at_once, heard = (station_told if role == "secc" else vehicle_told)(edition, event)
    assert session.ended is not None
    assert session.ended.reason is reason
    both = [(act.StopPower, urgency), (act.OpenContactors, urgency)]
    assert asked(at_once)[:2] == (both if urgency is Urgency.EMERGENCY else [])
    assert asked(heard)[:2] == both
    assert {how for _, how in asked(heard)} == {urgency}
