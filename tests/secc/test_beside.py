"""A schedule renegotiation beside the charge loop, as the station sees it: what is legal, when it holds,
and that the loop goes on."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing
from iso15118.messages.values import floor_rational, rational, si
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.beside import PARAMETERS, TABLE, Beside
from iso15118.secc.iso20.sequence import State
from iso15118.secc.renegotiation_settings import RenegotiationSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, ScheduleRenegotiated
from iso15118.session.services import ControlMode, ServiceID
from tests.secc.vehicle import ALL_SERVICES, BATTERY_V, REQUESTS, STATION, VEHICLE, Drive

PROGRESS = [(progress, Processing.Finished) for progress in cm.ChargeProgress] + [
    (cm.ChargeProgress.Start, Processing.Ongoing)
]
START = {"charge_progress": cm.ChargeProgress.Start}


class LoopDrive(Drive):
    """A vehicle in the charge loop that also talks beside it."""

    def beside(self, kind: type, **changes: Any) -> Any:
        """Send such a request beside the loop; the answer, which comes beside it too."""
        if self.output is not None:
            self.book.tell(self.output)
        self.book.tell(ev.MessageReceived(self.request(kind, **changes), beside=True))
        sent = [action for action in self.book.actions if isinstance(action, act.Send)]
        assert all(action.beside for action in sent)
        return sent[0].message if sent else None

    def loop(self, **changes: Any) -> Any:
        self.measure(BATTERY_V, 100.0)
        response = self.send(dc.DCChargeLoopReq, **changes)
        assert response.response_code.value == "OK"
        assert self.session.state == "DC_ChargeLoop"
        return response

    def waits(self) -> Beside:
        attempt = self.context.attempt
        return Beside.IDLE if attempt is None else attempt.waits_for

    def news(self, kind: type) -> list[Any]:
        return [one for one in self.book.actions if isinstance(one, kind)]


def looping(mode: ControlMode = ControlMode.SCHEDULED, **settings: Any) -> LoopDrive:
    config = SeccConfig(services=ALL_SERVICES, renegotiation=RenegotiationSettings(**settings))
    drive = LoopDrive(ServiceID.DC_BPT, mode, config=config)
    drive.to(State.DC_CHARGE_LOOP)
    drive.loop()
    return drive


def at(waits_for: Beside) -> LoopDrive:
    drive = looping()
    if waits_for is Beside.SCHEDULE_EXCHANGE:
        drive.beside(dc.DCChargeParameterDiscoveryReq)
    elif waits_for is Beside.POWER_DELIVERY:
        drive.beside(cm.ScheduleExchangeReq)
    assert drive.waits() is waits_for
    return drive


def key_of(kind: type, progress: cm.ChargeProgress, processing: Processing) -> Any:
    if kind is dc.DCChargeParameterDiscoveryReq:
        return PARAMETERS
    if kind is not cm.PowerDeliveryReq:
        return kind
    ongoing = processing is Processing.Ongoing and progress is not cm.ChargeProgress.Stop
    return kind, Processing.Ongoing if ongoing else progress


CELLS = [
    (waits_for, kind, progress, processing)
    for waits_for in Beside
    for kind in REQUESTS
    if kind is not cm.MeteringConfirmationReq  # it has a stream of its own, see test_plug_and_charge.py
    for progress, processing in (PROGRESS if kind is cm.PowerDeliveryReq else PROGRESS[:1])
]
# Written without looking at the table: what is legal beside the loop, and what is waited for then.
LEGAL = {
    ("IDLE", "charge parameters"): "SCHEDULE_EXCHANGE",
    ("IDLE", "ScheduleExchangeReq"): "POWER_DELIVERY",
    ("SCHEDULE_EXCHANGE", "charge parameters"): "SCHEDULE_EXCHANGE",
    ("SCHEDULE_EXCHANGE", "ScheduleExchangeReq"): "POWER_DELIVERY",
    ("POWER_DELIVERY", "charge parameters"): "SCHEDULE_EXCHANGE",
    ("POWER_DELIVERY", "ScheduleExchangeReq"): "POWER_DELIVERY",
    ("POWER_DELIVERY", "Start"): "IDLE",
    ("POWER_DELIVERY", "ScheduleRenegotiation"): "IDLE",
    ("POWER_DELIVERY", "Ongoing"): "POWER_DELIVERY",
}


def short(key: Any) -> str:
    if isinstance(key, tuple):
        return str(key[1].value)
    return key if isinstance(key, str) else key.__name__


def test_the_table_says_what_is_listed_here() -> None:
    keys = {(state.name, short(key)) for state, rows in TABLE.items() for key in rows}
    assert keys == set(LEGAL)


@pytest.mark.parametrize(
    ("waits_for", "kind", "progress", "processing"),
    CELLS,
    ids=lambda one: getattr(one, "name", getattr(one, "__name__", str(one))),
)
def test_every_request_beside_the_loop(
    waits_for: Beside, kind: type, progress: cm.ChargeProgress, processing: Processing
) -> None:
    """The main conversation stays in the loop, whatever is legal; the rest is refused, hardware first."""
    drive = at(waits_for)
    changes = (
        {"charge_progress": progress, "ev_processing": processing} if kind is cm.PowerDeliveryReq else {}
    )
    response = drive.beside(kind, **changes)
    following = LEGAL.get((waits_for.name, short(key_of(kind, progress, processing))))
    if following is None:
        assert response.response_code.value == "FAILED_SequenceError"
        drive.book.ends(EndReason.SEQUENCE_ERROR)
        assert not drive.session.energized
        return
    assert response.response_code.value == "OK"
    assert drive.waits().name == following
    drive.loop()


@pytest.mark.parametrize(
    "state", [s for s in State if s.value in ("ScheduleExchange", "DC_PreCharge", "SessionStop")]
)
@pytest.mark.parametrize(
    "kind", [cm.ScheduleExchangeReq, cm.PowerDeliveryReq, dc.DCChargeParameterDiscoveryReq]
)
def test_outside_of_the_loop_there_is_nothing_beside_it(state: State, kind: type) -> None:
    drive = LoopDrive(ServiceID.DC)
    drive.to(state)
    assert drive.beside(kind).response_code.value == "FAILED_SequenceError"
    drive.book.ends(EndReason.SEQUENCE_ERROR)
    assert not drive.session.energized


@pytest.mark.parametrize("kind", [cm.ScheduleExchangeReq, dc.DCChargeParameterDiscoveryReq])
def test_a_foreign_session_is_unknown_there_too(kind: type) -> None:
    drive = looping()
    drive.session_id = b"\xff" * 8
    assert drive.beside(kind).response_code.value == "FAILED_UnknownSession"
    drive.book.ends(EndReason.UNKNOWN_SESSION)


def profile(drive: Drive, watts: float, seconds: int = 3600) -> cm.EVPowerProfile:
    return cm.EVPowerProfile(
        time_anchor=1_790_000_000 + int(drive.book.now),
        evppt_control_mode=cm.ScheduledEVPPTControlMode(selected_schedule_tuple_id=1),
        ev_power_profile_entries=cm.EVPowerProfileEntryList(
            ev_power_profile_entry=(cm.PowerScheduleEntry(duration=seconds, power=floor_rational(watts)),)
        ),
    )


def test_what_is_agreed_on_beside_the_loop_holds_with_the_last_answer_and_not_before() -> None:
    drive = looping()
    was = drive.context.schedule
    drive.book.tell(ev.SetPointChanged(100_000.0))
    offered = drive.beside(cm.ScheduleExchangeReq)
    entries = offered.se_res_control_mode.schedule_tuple[0].charging_schedule.power_schedule
    assert si(entries.power_schedule_entries.power_schedule_entry[0].power) == 100_000.0
    drive.loop()
    assert drive.context.schedule is was
    assert (
        drive.beside(cm.PowerDeliveryReq, ev_power_profile=profile(drive, 50_000.0)).response_code.value
        == "OK"
    )
    (told,) = drive.news(ScheduleRenegotiated)
    assert told == ScheduleRenegotiated(beside=True, agreed=True)
    assert drive.context.schedule is not was
    assert drive.context.profile is not None
    drive.loop()


def test_the_supply_follows_a_lower_schedule_before_the_answer_says_so() -> None:
    drive = looping()
    drive.loop(cl_req_control_mode=drive.scheduled(current_a=400.0))
    (before,) = drive.news(act.SetPower)
    assert before.power_w * 1.0 > 100_000.0
    drive.book.tell(ev.SetPointChanged(100_000.0))
    drive.beside(cm.ScheduleExchangeReq)
    drive.book.tell(ev.SetPointChanged(None))
    assert drive.news(act.SetPower)[0].power_w > 100_000.0  # by the old schedule, which still holds
    drive.beside(cm.PowerDeliveryReq)
    kinds = [type(action) for action in drive.book.actions]
    assert kinds.index(act.SetPower) < kinds.index(act.Send)
    assert drive.news(act.SetPower)[0].power_w <= 100_000.0


def test_a_profile_that_leaves_the_new_schedule_ends_the_session() -> None:
    drive = looping()
    drive.book.tell(ev.SetPointChanged(100_000.0))
    drive.beside(cm.ScheduleExchangeReq)
    response = drive.beside(cm.PowerDeliveryReq, ev_power_profile=profile(drive, 200_000.0))
    assert response.response_code.value == "FAILED_EVPowerProfileInvalid"
    drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)
    assert not drive.session.energized


def test_a_station_without_it_says_so_and_the_loop_goes_on() -> None:
    drive = looping(beside_the_loop=False)
    was = drive.context.schedule
    response = drive.beside(cm.ScheduleExchangeReq)
    assert response.response_code.value == "WARNING_ScheduleRenegotiationFailed"
    drive.loop()
    assert drive.context.schedule is was
    # With the power at rest it may.
    assert drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    assert drive.send(cm.ScheduleExchangeReq).response_code.value == "OK"


def test_a_station_that_wants_an_end_agrees_on_nothing_more() -> None:
    drive = looping()
    drive.beside(cm.ScheduleExchangeReq)
    drive.book.tell(ev.StopRequested("the shop closes"))
    response = drive.beside(cm.PowerDeliveryReq)
    assert response.response_code.value == "WARNING_ScheduleRenegotiationFailed"
    assert drive.news(ScheduleRenegotiated) == [
        ScheduleRenegotiated(beside=True, agreed=False, reason="the shop closes")
    ]
    status = drive.loop().evse_status
    assert status.evse_notification.value == "Terminate"


@pytest.mark.parametrize("late", [False, True])
def test_a_vehicle_is_waited_for_so_long_and_no_longer(late: bool) -> None:
    drive = looping(silence_s=2.0)
    drive.beside(cm.ScheduleExchangeReq)
    for _ in range(8 if late else 7):  # the loop goes on meanwhile
        drive.book.wait(0.25)
        drive.loop()
    told = drive.news(ScheduleRenegotiated)
    assert [one.agreed for one in told] == ([False] if late else [])
    if late:
        response = drive.beside(cm.PowerDeliveryReq)
        assert response.response_code.value == "FAILED_SequenceError"
    else:
        assert drive.beside(cm.PowerDeliveryReq).response_code.value == "OK"


@pytest.mark.parametrize("progress", [cm.ChargeProgress.Stop, cm.ChargeProgress.ScheduleRenegotiation])
def test_leaving_the_loop_gives_the_attempt_up(progress: cm.ChargeProgress) -> None:
    """Also where a vehicle turns to the other way, because nobody answered it beside the loop."""
    drive = looping()
    drive.beside(cm.ScheduleExchangeReq)
    drive.send(cm.PowerDeliveryReq, charge_progress=progress)
    (told,) = drive.news(ScheduleRenegotiated)
    assert not told.agreed
    assert drive.context.attempt is None


def test_an_attempt_that_began_while_the_power_is_taken_away_is_given_up_too() -> None:
    """Otherwise it would hold after another choice of service, whose schedule is another one."""
    drive = looping()
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)  # contactors have to open first
    drive.beside(cm.ScheduleExchangeReq)
    assert drive.waits() is Beside.POWER_DELIVERY
    drive.book.tell(ev.ContactorsChanged(False))
    drive.measure(0.0)
    drive.send(dc.DCWeldingDetectionReq)
    (told,) = drive.news(ScheduleRenegotiated)
    assert told.agreed is False
    assert drive.waits() is Beside.IDLE


def test_a_second_schedule_exchange_on_the_main_stream_is_out_of_sequence() -> None:
    drive = looping()
    drive.beside(cm.ScheduleExchangeReq)
    assert drive.send(cm.ScheduleExchangeReq).response_code.value == "FAILED_SequenceError"
    drive.book.ends(EndReason.SEQUENCE_ERROR)


def test_beside_the_loop_nothing_prolongs_the_time_that_the_loop_has() -> None:
    drive = looping()
    drive.book.wait(0.4)
    drive.beside(cm.ScheduleExchangeReq)
    drive.book.wait(0.099)
    assert drive.session.ended is None
    drive.book.wait(0.002)
    drive.book.ends(EndReason.TIMEOUT)


def test_an_emergency_is_told_beside_the_loop_if_that_is_where_the_vehicle_asks() -> None:
    drive = looping()
    drive.book.tell(ev.EmergencyShutdown("smoke"))
    response = drive.beside(cm.ScheduleExchangeReq)
    assert response.response_code.value == "FAILED"
    drive.book.ends(EndReason.EMERGENCY)


@pytest.mark.parametrize("kind", [cm.ScheduleExchangeReq, cm.PowerDeliveryReq])
def test_dynamic_mode_says_its_needs_anew_there(kind: type) -> None:
    drive = looping(ControlMode.DYNAMIC)
    response = drive.beside(cm.ScheduleExchangeReq)
    assert isinstance(response.se_res_control_mode, cm.DynamicSEResControlMode)
    assert drive.news(act.ChargingNeeds)
    if kind is cm.PowerDeliveryReq:
        assert drive.beside(cm.PowerDeliveryReq).response_code.value == "OK"
        assert drive.waits() is Beside.IDLE
    drive.loop()


# -- charge parameters said again


def test_less_holds_at_once_and_more_with_the_new_schedule() -> None:
    drive = looping()
    less = drive.cpd_mode(ev_maximum_charge_current=rational(50.0), ev_maximum_charge_power=rational(1e6))
    drive.beside(dc.DCChargeParameterDiscoveryReq, dc_cpd_req_energy_transfer_mode=less)
    assert drive.news(act.SetPower)[0].current_a == 50.0
    more = drive.cpd_mode(ev_maximum_charge_current=rational(1400.0))
    drive.beside(dc.DCChargeParameterDiscoveryReq, dc_cpd_req_energy_transfer_mode=more)
    drive.loop(cl_req_control_mode=drive.scheduled(current_a=90.0))
    assert drive.session._facts.vehicle.maximum_charge_current_a == 50.0  # type: ignore[union-attr]
    drive.beside(cm.ScheduleExchangeReq)
    drive.beside(cm.PowerDeliveryReq)
    assert drive.session._facts.vehicle.maximum_charge_current_a == 1400.0  # type: ignore[union-attr]
    assert drive.news(act.SetPower)[0].current_a == 90.0


@pytest.mark.parametrize("beside", [True, False])
def test_the_voltage_that_the_cable_was_checked_for_is_never_raised(beside: bool) -> None:
    drive = looping()
    higher = drive.cpd_mode(ev_maximum_voltage=rational(1200.0))
    if beside:
        drive.beside(dc.DCChargeParameterDiscoveryReq, dc_cpd_req_energy_transfer_mode=higher)
        drive.beside(cm.ScheduleExchangeReq)
        drive.beside(cm.PowerDeliveryReq)
    else:
        drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
        drive.send(dc.DCChargeParameterDiscoveryReq, dc_cpd_req_energy_transfer_mode=higher)
        drive.send(cm.ScheduleExchangeReq)
        drive.send(cm.PowerDeliveryReq)
    assert drive.session._facts.vehicle.maximum_voltage_v == VEHICLE.maximum_voltage_v  # type: ignore[union-attr]
    drive.loop()


def test_charge_parameters_said_again_at_rest_hold_at_once() -> None:
    drive = looping()
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    less = drive.cpd_mode(ev_maximum_charge_current=rational(60.0))
    response = drive.send(dc.DCChargeParameterDiscoveryReq, dc_cpd_req_energy_transfer_mode=less)
    assert (
        si(response.dc_cpd_res_energy_transfer_mode.evse_maximum_charge_current)
        == STATION.maximum_charge_current_a
    )
    assert drive.session.state == "ScheduleRenegotiation"
    drive.send(cm.ScheduleExchangeReq)
    drive.send(cm.PowerDeliveryReq)
    drive.loop()
    assert drive.news(act.SetPower)[0].current_a == 60.0


@pytest.mark.parametrize("beside", [True, False])
def test_charge_parameters_of_another_service_end_the_session(beside: bool) -> None:
    drive = looping()
    plain = Drive(ServiceID.DC)
    if not beside:
        drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    send = drive.beside if beside else drive.send
    response = send(dc.DCChargeParameterDiscoveryReq, dc_cpd_req_energy_transfer_mode=plain.cpd_mode())
    assert response.response_code.value == "FAILED_WrongChargeParameter"
    drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)
