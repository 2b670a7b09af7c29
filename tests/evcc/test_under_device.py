"""A vehicle under a connection device, piece by piece: its place, the locked drive, the contact, the way home
and the status beside the charge.

The drive is locked from before the device is asked for until it is home; what the station
says cannot change that.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig, EvccSession
from iso15118.evcc.acdp_settings import AcdpEvccSettings
from iso15118.evcc.conversation import Conversation, EndSession
from iso15118.evcc.iso20 import acdp as script
from iso15118.evcc.iso20.plan import Plan
from iso15118.messages.iso20 import acdp
from iso15118.messages.iso20.common_types import MessageHeader, Processing, ResponseCode
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.coupling import MobilityStatus
from iso15118.session.events import SignalState
from iso15118.session.services import ServiceID
from tests.evcc.hand import Hand
from tests.evcc.station import VEHICLE, battery

ONGOING, FINISHED = Processing.Ongoing, Processing.Finished
ELECTRICAL, MECHANICAL = acdp.ElectricalChargingDeviceStatus, acdp.MechanicalChargingDeviceStatus
HEAD: dict[str, Any] = {
    "header": MessageHeader(session_id=bytes(8), time_stamp=0),
    "response_code": ResponseCode.OK,
}


def talk_of(*, stands: bool = True, soc: float = 50.0, **settings: Any) -> Conversation:
    config = EvccConfig(services=(ServiceID.DC_ACDP,), acdp=AcdpEvccSettings(**settings))
    mobility = ev.MobilityChanged(stands=stands, immobilized=False)
    talk = EvccSession(config, VEHICLE, battery(soc=soc), mobility=mobility)._talk
    talk.now = 100.0
    return talk


def done(talk: Conversation) -> list[act.Action]:
    """What was asked for since it was last looked at."""
    found, talk.outbox = list(talk.outbox), []
    return found


def asks_beside(talk: Conversation) -> bool:
    """ACDP_SystemStatus goes on."""
    return talk.side is not None


# -- the place ---------------------------------------------------------------------------------------------


def placed(processing: Processing = FINISHED, **changes: Any) -> acdp.ACDPVehiclePositioningRes:
    fields: dict[str, Any] = {
        "evse_processing": processing,
        "evse_positioning_support": True,
        "ev_relative_x_deviation": 12,
        "ev_relative_y_deviation": -30,
        "contact_window_xc": 10,
        "contact_window_yc": 20,
        "ev_in_charge_position": False,
    }
    return acdp.ACDPVehiclePositioningRes(**(HEAD | fields | changes))


@pytest.mark.parametrize(
    ("stands", "processing", "there"),
    [(True, FINISHED, True), (True, ONGOING, False), (False, FINISHED, False), (None, FINISHED, False)],
)
def test_a_vehicle_is_in_its_place_where_it_stands_and_the_station_sees_it(
    stands: bool | None, processing: Processing, there: bool
) -> None:
    talk, plan = talk_of(stands=bool(stands)), Plan()
    if stands is None:
        talk.mobility = None
    hand = Hand(talk, script.position(talk, plan))
    assert hand.request.ev_mobility_status is bool(stands)
    hand.answer(placed(processing))
    assert (hand.over, plan.positioned) == (there, there)


@pytest.mark.parametrize("says", list(MobilityStatus), ids=lambda one: one.name)
def test_what_the_flag_of_the_mobility_says_is_a_setting(says: MobilityStatus) -> None:
    talk = talk_of(stands=True, mobility_status=says, finds_place=True)
    request = Hand(talk, script.position(talk, Plan())).request
    assert request.ev_mobility_status is (says is MobilityStatus.STANDS)
    assert request.ev_positioning_support is True


def test_a_driver_is_guided_by_what_is_new_and_was_measured() -> None:
    talk = talk_of(stands=False)
    hand = Hand(talk, script.position(talk, Plan()))

    def guided(**changes: Any) -> list[tuple[float, float, bool]]:
        hand.answer(placed(ONGOING, **changes)).go_on()
        places = [one.position for one in done(talk) if isinstance(one, act.GuideVehicle)]
        return [(one.x_cm, one.y_cm, one.in_position) for one in places]

    assert guided(evse_positioning_support=False) == []
    assert guided() == [(12.0, -30.0, False)]
    assert guided() == []
    assert guided(ev_relative_x_deviation=3, ev_in_charge_position=True) == [(3.0, -30.0, True)]
    assert guided(ev_relative_x_deviation=99, evse_positioning_support=False) == []


# -- down --------------------------------------------------------------------------------------------------


def connected(mechanical: str = "EndPosition", processing: Processing = FINISHED) -> acdp.ACDPConnectRes:
    return acdp.ACDPConnectRes(
        **HEAD,
        evse_processing=processing,
        evse_electrical_charging_device_status=ELECTRICAL.State_B,
        evse_mechanical_charging_device_status=MECHANICAL[mechanical],
    )


def connecting(talk: Conversation, plan: Plan) -> Hand:
    """The drive was asked to be locked."""
    plan.positioned = True
    hand = Hand(talk, script.connect(talk, plan))
    assert done(talk) == [act.Immobilize(True)]
    assert hand.deadline == 105.0
    return hand


def test_a_drive_that_is_not_locked_in_time_is_let_go_and_the_device_is_never_asked_for() -> None:
    talk, plan = talk_of(), Plan()
    hand = connecting(talk, plan).go_on()
    assert "not locked in time" in hand.why()
    assert done(talk) == [act.Immobilize(False)]
    assert (talk.held, plan.connecting, talk.side) == (False, False, None)


@pytest.mark.parametrize(
    ("signal", "says"),
    [
        (None, "State_B"),
        (SignalState.A, "State_A"),
        (SignalState.B, "State_B"),
        (SignalState.C, "State_C"),
        (SignalState.D, "State_D"),
        (SignalState.F, "State_A"),
    ],
    ids=str,
)
def test_a_contact_is_one_when_both_sides_feel_it(signal: SignalState | None, says: str) -> None:
    talk, plan = talk_of(), Plan()
    hand = connecting(talk, plan)
    talk.locked = True
    hand.go_on()
    assert (talk.held, plan.connecting, talk.apart) == (True, True, True)
    assert talk.side is not None
    assert hand.request.ev_electrical_charging_device_status is ELECTRICAL.State_A
    hand.answer(connected("Moving", ONGOING)).go_on()
    assert hand.request.ev_electrical_charging_device_status is ELECTRICAL.State_A
    talk.signal = signal
    hand.answer(connected()).go_on() if says == "State_A" else hand.answer(connected())
    assert (hand.over, hand.left) == (says != "State_A", None)
    assert talk.apart is (says == "State_A")
    assert script._electrical(talk, plan) is ELECTRICAL[says]


def test_a_device_that_is_called_connected_and_is_not_in_contact_is_left() -> None:
    talk, plan = talk_of(), Plan()
    hand = connecting(talk, plan)
    talk.locked = True
    hand.go_on().answer(connected("Moving"))
    assert "not in contact" in hand.why()


# -- up ----------------------------------------------------------------------------------------------------


def retracted(mechanical: str, processing: Processing = FINISHED) -> acdp.ACDPDisconnectRes:
    return acdp.ACDPDisconnectRes(
        **HEAD,
        evse_processing=processing,
        evse_electrical_charging_device_status=ELECTRICAL.State_A,
        evse_mechanical_charging_device_status=MECHANICAL[mechanical],
    )


@pytest.mark.parametrize("wish", ["", "driver"])
def test_the_drive_is_let_go_when_the_device_is_home(wish: str) -> None:
    talk, plan = talk_of(), Plan(connecting=True, device_down=True)
    talk.held, talk.apart, talk.stop_wanted = True, False, wish
    talk.side = script._status_stream(talk)
    hand = Hand(talk, script.disconnect(talk, plan))
    assert (talk.apart, plan.connecting, talk.stop_wanted) == (True, False, "")
    assert hand.request.ev_electrical_charging_device_status is ELECTRICAL.State_B
    for mechanical, processing, down in (
        ("EndPosition", ONGOING, True),
        ("Moving", FINISHED, True),
        ("Home", ONGOING, False),
    ):
        hand.answer(retracted(mechanical, processing))
        assert (hand.over, plan.device_down, talk.held, done(talk)) == (False, down, True, [])
        hand.go_on()
    hand.answer(retracted("Home"))
    assert not asks_beside(talk)
    assert (hand.over, talk.held) == (True, False)
    assert done(talk) == [act.Immobilize(False)]
    assert talk.stop_wanted == wish


def test_a_stop_that_is_wanted_meanwhile_is_kept() -> None:
    talk, plan = talk_of(), Plan(connecting=True)
    talk.held = True
    hand = Hand(talk, script.disconnect(talk, plan))
    talk.stop_wanted = "later"
    hand.answer(retracted("Home"))
    assert talk.stop_wanted == "later"


def test_a_device_that_was_never_asked_for_is_not_retracted() -> None:
    talk = talk_of()
    hand = Hand(talk, script.disconnect(talk, Plan()))
    assert (hand.over, done(talk)) == (True, [])


# -- beside the charge -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signal", "told"),
    [(None, None), (SignalState.A, "StateA"), (SignalState.C, "StateC"), (SignalState.E, "StateE")],
    ids=str,
)
@pytest.mark.parametrize(("soc", "percent"), [(-1.0, 0), (0.4, 0), (41.9, 41), (100.0, 100), (103.0, 100)])
def test_what_the_vehicle_says_of_itself(
    signal: SignalState | None, told: str | None, soc: float, percent: int
) -> None:
    talk = talk_of(soc=soc)
    talk.signal, talk.held, talk.locked = signal, True, False
    said = script._status(talk).ev_technical_status
    assert said.evcp_status is (None if told is None else acdp.CpStatus[told])
    assert (said.evsoc, said.ev_timeout) == (percent, False)
    assert (said.ev_ready_to_charge, said.ev_immobilization_request, said.ev_immobilized) == (
        True,
        True,
        False,
    )
    talk.stop_wanted = "driver"
    assert not script._status(talk).ev_technical_status.ev_ready_to_charge


def status(**changes: Any) -> acdp.ACDPSystemStatusRes:
    fields: dict[str, Any] = {
        "evse_mechanical_charging_device_status": MECHANICAL.EndPosition,
        "evse_ready_to_charge": True,
        "evse_isolation_status": acdp.IsolationStatus.Safe,
        "evse_disabled": False,
        "evse_utility_interrupt_event": False,
        "evse_emergency_shutdown": False,
        "evse_malfunction": False,
        "ev_in_charge_position": True,
        "ev_association_status": True,
    }
    return acdp.ACDPSystemStatusRes(**(HEAD | fields | changes))


@pytest.mark.parametrize(
    ("changes", "apart", "reason", "cause"),
    [
        ({}, False, None, ""),
        ({"evse_emergency_shutdown": True}, True, EndReason.EMERGENCY, "peer-emergency"),
        ({"evse_malfunction": True}, True, EndReason.HARDWARE_FAULT, "peer-malfunction"),
        (
            {"evse_isolation_status": acdp.IsolationStatus.Fault},
            False,
            EndReason.HARDWARE_FAULT,
            "insulation-fault-reported",
        ),
        ({"evse_mechanical_charging_device_status": MECHANICAL.Moving}, False, EndReason.HARDWARE_FAULT, ""),
        ({"evse_mechanical_charging_device_status": MECHANICAL.Moving}, True, None, ""),
    ],
    ids=str,
)
def test_a_fault_of_the_station_ends_it_at_once(
    changes: dict[str, Any], apart: bool, reason: EndReason | None, cause: str
) -> None:
    talk = talk_of()
    talk.apart = apart
    if reason is None:
        script._heard(talk, status(**changes))
        assert (talk.stop_wanted, done(talk)) == ("", [])
        return
    with pytest.raises(EndSession) as over:
        script._heard(talk, status(**changes))
    assert (over.value.reason, over.value.cause) == (reason, cause)


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        ("evse_disabled", "the station is disabled"),
        ("evse_utility_interrupt_event", "the station's grid is interrupted"),
    ],
)
def test_what_only_keeps_it_from_charging_ends_it_in_order_and_is_noted(flag: str, why: str) -> None:
    for before in ("", "driver"):
        talk = talk_of()
        talk.apart, talk.stop_wanted = False, before
        script._heard(talk, status(**{flag: True}))
        assert talk.stop_wanted == (before or why)
        assert done(talk) == [act.PeerDeviates("system-status", why)]


def test_silence_ends_it_in_order_and_is_no_deviation() -> None:
    talk = talk_of(status_silence_s=4.0, status_every_s=2.0)
    stream = script._status_stream(talk)
    assert (stream.every_s, stream.silence_s) == (2.0, 4.0)
    stream.lost()
    assert talk.stop_wanted == "no answer to ACDP_SystemStatusReq for 4 s"
    assert done(talk) == []
