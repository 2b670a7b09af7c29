"""The one way out of a vehicle's session: what it makes safe, what it says was the reason, and what it hears
of its own hardware on the way.

Each reason is told as what came first; each reading counts from the moment at which it was taken.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.energy.ac import NOTHING
from iso15118.energy.grid_functions import IecGridCode
from iso15118.evcc import EvccConfig, EvccSession
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits, ChargerBounds
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.events import SignalState
from iso15118.session.services import ControlMode, ServiceID
from iso15118.timing import Timer, Timing
from tests.evcc.iso2.station import Host as Iso2Host
from tests.evcc.pad import PadHost, charging
from tests.evcc.station import BATTERY_V, VEHICLE, Host, battery
from tests.pair.contracts import held, issued

CHARGER = AcVehicleLimits.of(current_a=16.0)
EMERGENCY, ORDERLY = Urgency.EMERGENCY, Urgency.ORDERLY
OFF = [act.StopPower, act.SignalReady, act.OpenContactors]


def ended(host: Any) -> act.SessionEnded:
    over: act.SessionEnded | None = host.session.ended
    assert over is not None
    return over


def readings_at(session: EvccSession) -> tuple[float, float]:
    """When inlet and battery were last read, as the supervision has it."""
    supervisor = session._talk.supervisor
    return supervisor.inlet_at, supervisor.battery_at


# -- safe first --------------------------------------------------------------------------------------------


def test_whatever_ends_it_takes_everything_back_though_nothing_was_asked_for() -> None:
    host = Host().to("ServiceDiscovery")
    host.tell(ev.TransportLost(ev.TransportLoss.RESET))
    host.book.does(*OFF)
    assert not any(isinstance(one, act.CloseTransport) for one in host.book.actions)


def test_an_end_in_order_takes_everything_back_as_well_though_nothing_was_asked_for() -> None:
    session = Host().session
    actions = session._end(EndReason.STOPPED_BY_EV, "driver")
    assert actions[:3] == [
        act.StopPower(ORDERLY),
        act.SignalReady(False),
        act.OpenContactors(ORDERLY, "driver"),
    ]


def test_a_charger_and_a_coil_that_were_told_to_take_are_under_power_until_they_are_told_to_stop() -> None:
    hosts: list[tuple[Any, str]] = [(Iso2Host(charger=CHARGER), "ChargingStatus")]
    hosts += [(PadHost(), "WPT_ChargeLoop"), (Host(), "DC_ChargeLoop")]
    for one, state in hosts:
        before = one.session.energized
        one.to(state)
        assert (before, one.session.energized) == (False, True)
        one.tell(ev.EmergencyShutdown("button"))
        one.book.does(*OFF)
        assert one.book.actions[0] == act.StopPower(EMERGENCY)
        assert not one.session.energized
        assert ended(one).reason is EndReason.EMERGENCY


def test_no_ramp_is_asked_for_behind_a_stop_at_once() -> None:
    """A charger that takes nothing any more would begin it from what it was told last."""
    session = Host().session
    told = [act.StopPower(EMERGENCY), act.OpenContactors(EMERGENCY, "the button")]
    session._book([act.CloseContactors(100.0), *told])
    for _ in range(2):
        behind: list[act.Action] = [act.StopPower(ORDERLY), act.OpenContactors(ORDERLY, "the end")]
        session._book(behind)
        assert behind == [act.StopPower(EMERGENCY), act.OpenContactors(EMERGENCY, "the end")]
    power: list[act.Action] = [
        act.CloseContactors(100.0),
        act.SetCharger(ChargerBounds(phases=1, power_w=NOTHING, current_a=NOTHING)),
        act.SetReceiver(1000.0),
    ]
    for one in power:
        session._book([*told, one])
        behind = [act.StopPower(ORDERLY), act.OpenContactors(ORDERLY, "the end")]
        session._book(behind)
        assert behind == [act.StopPower(ORDERLY), act.OpenContactors(ORDERLY, "the end")]


def test_what_goes_on_taking_after_an_emergency_is_told_to_stop_again() -> None:
    wall, pad = Iso2Host(charger=CHARGER).to("ChargingStatus", 3), charging()
    wall.draw(16.0)
    for host in (wall, pad):
        host.tell(ev.EmergencyShutdown("button"))
        began, warned = host.book.now, False
        while not warned:
            host.book.now += 0.1
            wall.draw(16.0) if host is wall else pad.receives(9_000.0)
            warned = any(isinstance(one, act.SupervisionWarning) for one in host.book.actions)
            assert host.book.now < began + 3.0
        assert host.book.now > began + 1.0
        host.book.does(*OFF)


def test_an_inverter_that_follows_a_grid_code_is_told_to_leave_it_and_no_other() -> None:
    for code in (IecGridCode(), None):
        host = Host().to("ServiceDiscovery")
        host.session._book([act.FollowGrid(code)])
        host.tell(ev.TransportLost(ev.TransportLoss.RESET))
        told = [one for one in host.book.actions if isinstance(one, act.FollowGrid)]
        assert told == ([] if code is None else [act.FollowGrid(None)])


def test_a_vehicle_with_a_charger_as_well_watches_the_inlet_while_it_charges_at_that() -> None:
    config = EvccConfig(services=(ServiceID.DC,), control_modes=(ControlMode.SCHEDULED,))
    host = Host(config=config)
    host.session = EvccSession(config, VEHICLE, battery(), epoch=1.79e9, charger=CHARGER)
    host.book.session = host.session
    host.book.now = 0.0
    host.tell(ev.Connected(secure=True))
    host.to("DC_ChargeLoop")
    assert host.session._talk.ac_supervisor is not None
    host.measure(BATTERY_V)
    assert host.session._fresh_until == host.session._supervisor.fresh_until
    host.shown.clear()
    last = host.book.now
    while host.session.ended is None:
        host.session.handle(ev.AcMeasured(), host.book.now)
        host.answer() if host.waiting else host.wait(0.1)
        assert host.book.now < last + 3.0
    assert ended(host).reason is EndReason.HARDWARE_FAULT
    assert host.book.now == pytest.approx(last + 1.0, abs=0.2)


# -- the control pilot and the contactors ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "apart", "cause"),
    [
        (SignalState.A, False, "unplugged"),
        (SignalState.E, False, "pilot-fault"),
        (SignalState.F, False, "pilot-fault"),
        (SignalState.B, False, None),
        (SignalState.C, False, None),
        (SignalState.A, True, None),
        (SignalState.B, True, None),
        (SignalState.E, True, "pilot-fault"),
        (SignalState.F, True, "pilot-fault"),
    ],
    ids=str,
)
def test_what_the_control_pilot_comes_to(state: SignalState, apart: bool, cause: str | None) -> None:
    host = Host().to("ServiceDiscovery")
    host.session._talk.apart = apart  # a connection device is on its way
    host.tell(ev.SignalChanged(state))
    if cause is None:
        assert host.session.ended is None
    else:
        over = ended(host)
        assert (over.reason, over.cause) == (EndReason.SIGNAL_LOST, cause)


@pytest.mark.parametrize("under_device", [True, False])
def test_before_anything_was_agreed_on_a_device_has_not_reached_the_vehicle(under_device: bool) -> None:
    """State A of the control pilot is as it should be then; on a cable it is a plug that was pulled."""
    mobility = ev.MobilityChanged(stands=True, immobilized=False) if under_device else None
    session = EvccSession(EvccConfig(services=(ServiceID.DC_ACDP,)), VEHICLE, battery(), mobility=mobility)
    session.handle(ev.SignalChanged(SignalState.A), 1.0)
    assert (session.ended is None) is under_device


def test_a_contact_that_is_lost_under_power_ends_it_though_a_device_may_leave() -> None:
    host = Host().to("DC_ChargeLoop")
    host.session._talk.apart = True
    host.tell(ev.SignalChanged(SignalState.A))
    assert ended(host).cause == "unplugged"


def test_contactors_that_do_what_nobody_asked_for_are_told_apart() -> None:
    host = Host().to("ServiceDiscovery")
    host.tell(ev.ContactorsChanged(True))
    assert ended(host).cause == "contactors-unasked"
    host = Host().to("DC_ChargeLoop")
    host.tell(ev.ContactorsChanged(False))
    assert ended(host).cause == "contactors-opened"
    host = Host().to("DC_ChargeLoop")
    host.battery(energy_to_target_wh=0.0, complete=True)
    host.to("PowerDelivery").answer()
    assert not host.session.energized
    host.tell(ev.ContactorsChanged(True))
    assert ended(host).cause == "contactors-not-opened"


# -- readings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "taken"), [(None, 10.0), (8.0, 8.0), (10.0, 10.0), (12.0, 10.0)])
def test_a_reading_counts_from_when_it_was_taken_and_none_is_of_tomorrow(
    at: float | None, taken: float
) -> None:
    config = EvccConfig(services=(ServiceID.DC, ServiceID.AC))
    session = EvccSession(config, VEHICLE, battery(), charger=CHARGER)
    session.handle(ev.InletMeasured(0.0, at=at), 10.0)
    session.handle(battery(at=at), 10.0)
    session.handle(ev.AcMeasured(at=at), 10.0)
    assert readings_at(session) == (taken, taken)
    assert session._talk.ac_supervisor is not None
    assert session._talk.ac_supervisor.sampled_at == taken
    host = PadHost()
    host.book.now = 10.0
    host.tell(ev.ReceiverMeasured(at=at))
    assert host.session._talk.wireless_supervisor is not None
    assert host.session._talk.wireless_supervisor.sampled_at == taken


@pytest.mark.parametrize(("at", "taken"), [(None, 100.0), (95.0, 95.0), (100.0, 100.0), (100.5, 100.0)])
def test_the_battery_that_a_session_is_given_counts_from_when_it_was_measured(
    at: float | None, taken: float
) -> None:
    session = EvccSession(EvccConfig(), VEHICLE, battery(at=at))
    session.handle(ev.Connected(secure=True), 100.0)
    assert readings_at(session)[1] == taken
    session = EvccSession(EvccConfig(), VEHICLE, battery(at=at))
    session.handle(battery(), 99.0)  # told since
    session.handle(ev.Connected(secure=True), 100.0)
    assert readings_at(session)[1] == 99.0


def test_what_belongs_behind_a_request_comes_before_what_its_answer_leads_to() -> None:
    """And its timer runs no more."""
    host = Iso2Host(charger=CHARGER).to("PowerDelivery")
    waits = host.session.timers.deadline_of(Timer.CONTROL_PILOT)
    assert waits == pytest.approx(host.book.now + 0.1)
    host.answer()
    told = [one for one in host.book.actions if isinstance(one, act.HardwareAction | act.Send)]
    assert [type(one) for one in told] == [act.SignalReady, act.SetCharger, act.Send]
    assert told[0] == act.SignalReady(True)
    assert host.session.timers.deadline_of(Timer.CONTROL_PILOT) is None


def test_energy_is_counted_for_whoever_may_have_to_sign_a_reading() -> None:
    for contracts in (None, held(issued("ed448"), "contract-0").present):
        host = Host(contracts=contracts)
        for second in range(0, 3601, 600):
            host.book.now = float(second)
            host.tell(ev.InletMeasured(400.0, 1.0))
            host.tell(ev.InletMeasured(400.0, 1.0, at=float(second)))
        counted = host.session._talk.meter._charged_wh
        assert counted == (0.0 if contracts is None else pytest.approx(400.0))


def test_power_of_a_charger_is_counted_too() -> None:
    host = Iso2Host(charger=CHARGER, contracts=held(issued("ed448"), "contract-0").present)
    for second in (0.0, 3600.0):
        host.book.now = second
        host.tell(ev.AcMeasured(power_w=(1_000.0, 0.0, 0.0)))
    assert host.session._talk.meter._charged_wh == pytest.approx(1_000.0)


def test_what_flows_through_a_charger_is_counted_beside_an_inlet_that_shows_nothing() -> None:
    host = Iso2Host(charger=CHARGER, contracts=held(issued("ed448"), "contract-0").present)
    for second in (0.0, 3600.0):
        host.book.now = second
        host.tell(ev.InletMeasured(0.0))
        host.tell(ev.InletMeasured(0.0, at=second))
        host.tell(ev.AcMeasured(power_w=(1_000.0, 0.0, 0.0)))
    assert host.session._talk.meter._charged_wh == pytest.approx(1_000.0)


# -- which reason ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "event", "detail", "cause"),
    [
        (
            "Authorization",
            ResponseCode.FAILED,
            "AuthorizationRes: FAILED; before that: the contract is unknown",
            "authorization-refused-by-station",
        ),
        ("ServiceDiscovery", ResponseCode.FAILED, "ServiceDiscoveryRes: FAILED", ""),
        ("Authorization", ev.HardwareFault("lock", "stuck"), "lock: stuck", ""),
        (
            "Authorization",
            None,
            "no answer to Authorization; before that: the contract is unknown",
            "message-timeout",
        ),
        ("ServiceDiscovery", None, "no answer to ServiceDiscovery", "message-timeout"),
    ],
    ids=str,
)
def test_what_was_refused_before_is_told_where_it_explains_the_end(
    state: str, event: Any, detail: str, cause: str
) -> None:
    host = Host().to(state)
    host.session._talk.refusals.append("the contract is unknown")
    if isinstance(event, ResponseCode):
        host.answer(response_code=event)
    elif event is None:
        host.wait(Timing().message_timeout + 1.0)
    else:
        host.tell(event)
    over = ended(host)
    assert (over.detail, over.cause) == (detail, cause)


@pytest.mark.parametrize(("refused", "told"), [(True, "DE8AA1"), (False, "")])
def test_only_a_refusal_sets_the_contract_aside_that_was_shown(refused: bool, told: str) -> None:
    host = Host().to("Authorization")
    host.session._talk.shown = "DE8AA1"
    if refused:
        host.answer(response_code=ResponseCode.FAILED)
    else:
        host.tell(ev.Undecodable("noise"))
    assert host.session.refused_contract == told
    assert bool(host.session.refusals) is refused


def test_why_the_vehicle_left_is_worth_more_than_how_the_station_took_it() -> None:
    host = Host().to("DC_CableCheck")
    host.tell(ev.StopRequested("driver"))
    host.answer()
    host.answer(response_code=ResponseCode.FAILED)
    over = ended(host)
    assert over.reason is EndReason.REFUSED  # an order of the driver is no failure to be kept
    host = Host().to("DC_ChargeParameterDiscovery")
    host.session._talk.battery = battery(voltage_v=2_000.0)
    host.answer()
    host.answer(response_code=ResponseCode.FAILED)
    over = ended(host)
    assert over.reason is EndReason.PARAMETERS_NOT_ACCEPTED
    assert over.detail == "the station cannot reach the battery's voltage; then SessionStopRes: FAILED"


# -- wishes and the drive ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "was", "now", "ends"),
    [
        (True, True, False, True),
        (True, True, True, False),
        (True, False, False, False),
        (False, True, False, False),
        (False, False, True, False),
    ],
)
def test_a_drive_that_is_let_go_under_a_device_ends_it(held: bool, was: bool, now: bool, ends: bool) -> None:
    host = Host().to("ServiceDiscovery")
    talk = host.session._talk
    talk.held, talk.locked = held, was
    host.tell(ev.MobilityChanged(stands=True, immobilized=now))
    assert talk.locked is now
    assert (host.session.ended is not None) is ends
    if ends:
        assert (ended(host).reason, ended(host).cause) == (EndReason.EMERGENCY, "vehicle-may-move")


def test_the_first_reason_of_a_wish_is_kept() -> None:
    host = Host().to("ServiceDiscovery")
    talk = host.session._talk
    for reason, schedule, service in (
        ("", "another schedule is wanted", "another service is wanted"),
        ("later", "another schedule is wanted", "another service is wanted"),
    ):
        host.tell(ev.ScheduleRenegotiationRequested(reason))
        host.tell(ev.ServiceRenegotiationRequested(reason))
        assert (talk.schedule_wanted, talk.service_wanted) == (schedule, service)
    talk.schedule_wanted = talk.service_wanted = ""
    host.tell(ev.ScheduleRenegotiationRequested("cheaper"))
    host.tell(ev.ServiceRenegotiationRequested("faster"))
    assert (talk.schedule_wanted, talk.service_wanted) == ("cheaper", "faster")
