"""A mind that is changed in mid-session, in whole sessions of both roles: renegotiations, standby, needs,
pause, under the monitor."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from iso15118.evcc.config import Renegotiation
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import EvseNotification
from iso15118.secc.renegotiation_settings import RenegotiationSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from tests.pair.watched import BESIDE, DYNAMIC, SCHEDULED, make

FAMILIES = [
    (ServiceID.DC, SCHEDULED),
    (ServiceID.MCS_BPT, DYNAMIC),
    (ServiceID.AC, SCHEDULED),
    (ServiceID.AC_BPT, DYNAMIC),
]
families = pytest.mark.parametrize(("service", "mode"), FAMILIES, ids=lambda one: one.name)


@families
@pytest.mark.parametrize("asked_by", ["evcc", "secc"])
@pytest.mark.parametrize("form", list(Renegotiation), ids=lambda one: one.name)
def test_another_schedule_is_agreed_on(
    service: ServiceID, mode: ControlMode, asked_by: str, form: Renegotiation
) -> None:
    """Contactors stay closed throughout, and no cable check is made; beside the loop it goes on, at least one
    turn between two messages."""
    watched = make(service, mode, evcc={"renegotiation": form}, delay_s=0.05).to(20)
    rig = watched.rig
    checks = [kind for kind in rig.secc.states if kind == "DC_CableCheck"]
    tell = rig.tell_evcc if asked_by == "evcc" else rig.tell_secc
    tell(ev.ScheduleRenegotiationRequested("a better price"))
    beside = form is Renegotiation.BESIDE
    watched.to(60)
    for role in ("secc", "evcc"):
        assert watched.of(act.ScheduleRenegotiated, role) == [act.ScheduleRenegotiated(beside, True)], role
    assert len(watched.said(cm.ScheduleExchangeReq)) == 2
    assert ("ScheduleRenegotiation" in rig.secc.states) is not beside
    assert [kind for kind in rig.secc.states if kind == "DC_CableCheck"] == checks
    if asked_by == "secc":
        assert watched.of(act.EvseNotified)[0].notification == "ScheduleRenegotiation"
        assert watched.of(act.EvseNotified)[0].max_delay_s == 30.0
    turns = [
        now for who, one, now in watched.messages if who == "evcc" and "ChargeLoopReq" in type(one).__name__
    ]
    longest = max(after - before for before, after in pairwise(turns))
    assert (longest < 0.26) is beside, longest
    watched.charged()


def test_a_station_that_answers_nothing_beside_the_loop_loses_the_attempt_and_no_more() -> None:
    """After 2 s the vehicle turns to the other way; the answer that comes too late is nobody's."""
    held: list[Any] = []

    def swallow(sender: str, message: Any, now: float) -> bool | None:
        if (
            sender == "secc"
            and isinstance(message, cm.ScheduleExchangeRes)
            and watched.rig.loops > 10
            and not held
        ):
            held.append(message)
            return False
        return None

    watched = make(ServiceID.DC, SCHEDULED, evcc=BESIDE)
    watched.rig._on_message = swallow
    watched.to(20)
    began = watched.rig.now
    watched.rig.tell_evcc(ev.ScheduleRenegotiationRequested("test"))
    watched.rig.run(until=lambda: bool(watched.of(act.ScheduleRenegotiated, "evcc")))
    assert held
    assert watched.rig.now == pytest.approx(began + 2.0, abs=0.3)
    assert watched.of(act.ScheduleRenegotiated, "evcc")[0].reason == "no ScheduleExchangeRes beside the loop"
    watched.rig.run(until=lambda: len(watched.of(act.ScheduleRenegotiated, "evcc")) == 2)
    assert watched.of(act.ScheduleRenegotiated, "evcc")[1] == act.ScheduleRenegotiated(False, True)
    assert watched.rig.now < began + 3.5
    watched.rig.to_evcc.send(held[0], watched.rig.now, beside=True)
    watched.to(80).charged()


def test_a_station_without_the_stream_says_so_and_is_asked_the_other_way() -> None:
    station = {"renegotiation": RenegotiationSettings(beside_the_loop=False)}
    watched = make(ServiceID.DC, SCHEDULED, evcc=BESIDE, secc=station).to(20)
    watched.rig.tell_evcc(ev.ScheduleRenegotiationRequested("test"))
    watched.to(60)
    assert [one.beside for one in watched.of(act.ScheduleRenegotiated, "evcc")] == [True, False]
    assert [one.agreed for one in watched.of(act.ScheduleRenegotiated, "evcc")] == [False, True]
    watched.charged()


@pytest.mark.parametrize("ending", ["stop", "pause", "secc-stop"])
def test_an_attempt_beside_the_loop_keeps_nobody_from_leaving(ending: str) -> None:
    watched = make(ServiceID.DC, SCHEDULED, evcc=BESIDE, delay_s=0.05).to(20)
    rig = watched.rig
    rig.tell_evcc(ev.ScheduleRenegotiationRequested("test"))
    rig.run(until=lambda: len(watched.said(cm.ScheduleExchangeReq)) == 2)
    match ending:
        case "stop":
            rig.tell_evcc(ev.StopRequested("enough"))
        case "pause":
            rig.tell_evcc(ev.PauseRequested("later"))
        case _:
            rig.tell_secc(ev.StopRequested("the shop closes"))
    rig.run()
    assert rig.secc.ended is not None
    assert rig.secc.ended.reason.orderly, rig.secc.ended
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason.orderly, rig.evcc.ended


@families
@pytest.mark.parametrize("asked_by", ["evcc", "secc"])
def test_a_service_is_chosen_anew_in_the_same_session(
    service: ServiceID, mode: ControlMode, asked_by: str
) -> None:
    watched = make(service, mode, secc={"service_renegotiation": True}).to(20)
    rig = watched.rig
    session_id = rig.secc.session_id
    tell = rig.tell_evcc if asked_by == "evcc" else rig.tell_secc
    tell(ev.ServiceRenegotiationRequested("another power"))
    rig.run(until=lambda: len(watched.said(cm.ServiceSelectionReq)) == 2)
    assert rig.secc.session_id == rig.evcc.session_id == session_id
    if asked_by == "secc":
        assert watched.of(act.EvseNotified)[0] == act.EvseNotified("ServiceRenegotiation", 10.0)
    watched.to(rig.loops + 20).charged()
    assert len(watched.said(cm.AuthorizationReq)) == len({id(m) for m in watched.said(cm.AuthorizationReq)})
    states = rig.secc.states
    assert states.count("ServiceDiscovery") == 2
    assert states.count("Authorization") == 1
    for role in ("secc", "evcc"):
        assert len(watched.of(act.ServiceRenegotiated, role)) == 1


@pytest.mark.parametrize("how", list(ev.TransportLoss), ids=lambda one: one.name)
def test_a_vehicle_that_hangs_up_instead_has_ended_in_order(how: ev.TransportLoss) -> None:
    watched = make(ServiceID.DC, SCHEDULED, secc={"service_renegotiation": True}).to(20)
    rig = watched.rig
    rig.tell_evcc(ev.ServiceRenegotiationRequested("another power"))
    rig.run(until=lambda: bool(watched.of(act.ServiceRenegotiated, "secc")))
    rig.tell_secc(ev.TransportLost(how))
    assert rig.secc.ended is not None
    assert rig.secc.ended.reason is EndReason.STOPPED_BY_EV
    rig.let_pass(3.0)
    assert not rig.station.outlet.closed


def test_a_vehicle_may_want_another_service_than_before() -> None:
    watched = make(ServiceID.DC, SCHEDULED, secc={"service_renegotiation": True}).to(20)
    watched.rig.tell_evcc(ev.ServiceRenegotiationRequested("give some back", (ServiceID.DC_BPT,)))
    watched.rig.run(until=lambda: len(watched.said(cm.ServiceSelectionReq)) == 2)
    chosen = [one.selected_energy_transfer_service.service_id for one in watched.said(cm.ServiceSelectionReq)]
    assert chosen == [ServiceID.DC, ServiceID.DC_BPT]
    watched.charged()


def test_where_the_station_does_not_support_it_the_vehicle_charges_on() -> None:
    watched = make(ServiceID.DC, SCHEDULED).to(20)
    watched.rig.tell_evcc(ev.ServiceRenegotiationRequested("test"))
    watched.charged()
    assert len(watched.said(cm.ServiceSelectionReq)) == 1
    assert [one.name for one in watched.of(act.PeerDeviates, "evcc")] == ["service-renegotiation"]


def test_a_vehicle_that_does_not_renegotiate_ends_the_session() -> None:
    watched = make(
        ServiceID.DC, SCHEDULED, secc={"service_renegotiation": True}, evcc={"service_renegotiation": False}
    ).to(20)
    watched.rig.tell_secc(ev.ServiceRenegotiationRequested("test"))
    watched.rig.run()
    assert watched.rig.evcc.ended is not None
    assert watched.rig.evcc.ended.reason is EndReason.STOPPED_BY_STATION


def test_a_station_that_asks_for_another_service_for_ever_is_left() -> None:
    watched = make(
        ServiceID.DC, SCHEDULED, secc={"service_renegotiation": True}, battery={"capacity_wh": 400e3}
    )
    rig = watched.rig
    rig.run(until=lambda: rig.loops >= 5)
    for _ in range(12):
        loops = rig.loops
        if rig.done:
            break
        rig.tell_secc(ev.ServiceRenegotiationRequested("again"))
        rig.run(until=lambda: rig.done or rig.loops >= loops + 40)  # noqa: B023 - of this turn
    rig.run()
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.STOPPED_BY_STATION
    assert len(watched.of(act.ServiceRenegotiated, "evcc")) == 10


@families
@pytest.mark.parametrize("left_by", ["evcc", "secc"])
def test_standby_and_on_again(service: ServiceID, mode: ControlMode, left_by: str) -> None:
    """Nothing flows, the contactors stay closed, the loop goes on for a quarter of an hour."""
    watched = make(service, mode).to(20)
    rig = watched.rig
    rig.tell_evcc(ev.StandbyRequested("not now"))
    rig.let_pass(5.0)
    assert watched.of(act.StandbyChanged) == [act.StandbyChanged(True)] * 2
    loops, transfer = rig.loops, rig.transfer_s
    rig.let_pass(900.0)
    assert not rig.done
    assert rig.loops > loops + 3000
    assert rig.transfer_s == pytest.approx(transfer, abs=0.1)
    assert rig.station.outlet.closed
    tell = rig.tell_evcc if left_by == "evcc" else rig.tell_secc
    tell(ev.StandbyRequested("now", wanted=False))
    rig.let_pass(10.0)
    assert watched.of(act.StandbyChanged)[2:] == [act.StandbyChanged(False)] * 2
    if left_by == "secc":
        assert act.EvseNotified("ExitStandby", 10.0) in watched.of(act.EvseNotified)
    watched.charged()
    assert rig.transfer_s > transfer + 5.0


@pytest.mark.parametrize("wish", ["stop", "pause", "schedule"])
def test_standby_is_left_by_stop_and_renegotiation(wish: str) -> None:
    watched = make(ServiceID.DC, SCHEDULED).to(20)
    rig = watched.rig
    rig.tell_evcc(ev.StandbyRequested("not now"))
    rig.let_pass(5.0)
    match wish:
        case "stop":
            rig.tell_evcc(ev.StopRequested("enough"))
        case "pause":
            rig.tell_evcc(ev.PauseRequested("later"))
        case _:
            rig.tell_evcc(ev.ScheduleRenegotiationRequested("cheap power"))
    rig.run()
    assert rig.secc.ended is not None
    expected = EndReason.PAUSED if wish == "pause" else EndReason.STOPPED_BY_EV
    assert rig.secc.ended.reason is expected
    assert watched.of(act.StandbyChanged, "secc")[-1] == act.StandbyChanged(False)
    goes_on = wish == "schedule"
    assert watched.of(act.StandbyChanged, "evcc")[-1] == act.StandbyChanged(not goes_on)


def test_where_standby_is_not_let_the_loop_goes_on() -> None:
    watched = make(ServiceID.DC, SCHEDULED, secc={"renegotiation": RenegotiationSettings(standby=False)}).to(
        20
    )
    watched.rig.tell_evcc(ev.StandbyRequested("not now"))
    watched.charged()
    codes = [one.response_code.value for one in watched.said(cm.PowerDeliveryRes)]
    assert codes == ["OK", "WARNING_StandbyNotAllowed", "OK"]
    assert [one.name for one in watched.of(act.PeerDeviates, "evcc")] == ["standby"]


# -- what the station wants before the loop, and ends


@pytest.mark.parametrize("service", [ServiceID.DC, ServiceID.AC], ids=lambda one: one.name)
@pytest.mark.parametrize("follows", [True, False])
def test_go_to_pause(service: ServiceID, follows: bool) -> None:
    watched = make(service, SCHEDULED, evcc={"pause_if_asked": follows})
    rig = watched.rig
    rig.run(until=lambda: rig.secc.state == "ScheduleExchange")
    rig.tell_secc(ev.PauseRequested("no power before eight"))
    rig.run(until=lambda: bool(watched.said(cm.ScheduleExchangeRes)))
    assert watched.said(cm.ScheduleExchangeRes)[0].go_to_pause is True
    rig.run()
    assert rig.secc.ended is not None
    assert rig.evcc.ended is not None
    if follows:
        assert rig.secc.ended.reason is rig.evcc.ended.reason is EndReason.PAUSED
        assert rig.secc.ticket is not None
        assert rig.loops == 0
    else:
        assert rig.loops > 0  # it may start all the same


@pytest.mark.parametrize("form", list(Renegotiation), ids=lambda one: one.name)
@pytest.mark.parametrize("follows", [True, False])
@pytest.mark.parametrize("service", [ServiceID.DC, ServiceID.AC], ids=lambda one: one.name)
def test_go_to_pause_with_another_schedule(service: ServiceID, form: Renegotiation, follows: bool) -> None:
    def adds(sender: str, message: Any, now: float) -> bool | None:
        if sender != "secc" or not isinstance(message, cm.ScheduleExchangeRes) or watched.rig.loops < 10:
            return None
        said.append(msgspec.structs.replace(message, go_to_pause=True))
        watched.rig.to_evcc.send(said[-1], now, beside=form is Renegotiation.BESIDE)
        return False

    said: list[cm.ScheduleExchangeRes] = []
    watched = make(service, SCHEDULED, evcc={"renegotiation": form, "pause_if_asked": follows}).to(20)
    watched.rig._on_message = adds
    watched.rig.tell_evcc(ev.ScheduleRenegotiationRequested("test"))
    watched.rig.run()
    assert len(said) == 1
    secc, evcc = watched.rig.secc.ended, watched.rig.evcc.ended
    assert secc is not None
    assert evcc is not None
    expected = EndReason.PAUSED if follows else EndReason.STOPPED_BY_EV
    assert secc.reason is evcc.reason is expected
    assert (watched.rig.secc.ticket is not None) is follows


def test_why_the_vehicle_leaves_is_told() -> None:
    watched = make(ServiceID.DC, SCHEDULED).to(20)
    watched.rig.tell_evcc(ev.StopRequested("the driver is back"))
    watched.rig.run()
    assert watched.of(act.VehicleLeaves) == [act.VehicleLeaves("STOPPED_BY_EV", "the driver is back")]


# -- delays and precedence


def test_delays_count_down_and_the_most_urgent_is_told_first() -> None:
    """A vehicle that follows nothing: pause, service and schedule are told one after the other, each
    for its time, then the end."""
    watched = make(
        ServiceID.DC, SCHEDULED, secc={"service_renegotiation": True}, battery={"capacity_wh": 400e3}
    )
    rig = watched.rig
    rig.run(until=lambda: rig.loops >= 10)
    statuses: list[tuple[float, EvseNotification, int]] = []
    stop_after = [False]

    def deafen(sender: str, message: Any, now: float) -> bool | None:
        status = getattr(message, "evse_status", None)
        if sender != "secc" or status is None:
            return None
        statuses.append((now, status.evse_notification, status.notification_max_delay))
        if stop_after[0]:
            return None
        rig.to_evcc.send(msgspec.structs.replace(message, evse_status=None), now)
        return False

    rig._on_message = deafen
    rig.tell_secc(ev.ScheduleRenegotiationRequested("a"))
    rig.tell_secc(ev.ServiceRenegotiationRequested("b"))
    rig.tell_secc(ev.PauseRequested("c"))
    rig.let_pass(130.0)
    order = list(dict.fromkeys(what.value for _, what, _ in statuses))
    assert order == ["Pause", "ServiceRenegotiation", "ScheduleRenegotiation"]
    for what, longest in (("Pause", 60), ("ServiceRenegotiation", 10), ("ScheduleRenegotiation", 30)):
        delays = [delay for _, one, delay in statuses if one.value == what]
        assert delays[0] in (longest - 1, longest)
        assert delays == sorted(delays, reverse=True)
        assert delays[-1] <= 1
    ignored = [
        one for one in watched.of(act.SupervisionWarning, "secc") if one.rule == "notification-ignored"
    ]
    assert len(ignored) == 1
    assert [one.agreed for one in watched.of(act.ScheduleRenegotiated, "secc")] == [False]
    stop_after[0] = True
    rig.tell_secc(ev.StopRequested("d"))
    rig.run()
    assert statuses[-1][1] is EvseNotification.Terminate
    assert rig.secc.ended is not None
    assert rig.secc.ended.reason is EndReason.STOPPED_BY_STATION


def test_a_vehicle_that_does_not_leave_standby_is_asked_to_end() -> None:
    watched = make(ServiceID.DC, SCHEDULED).to(20)
    rig = watched.rig
    rig.tell_evcc(ev.StandbyRequested("not now"))
    rig.let_pass(3.0)
    began = rig.now
    hold = rig.evcc._talk

    def deafen(sender: str, message: Any, now: float) -> None:
        if sender == "secc":
            hold.standby_wanted = True

    rig._on_message = deafen
    rig.tell_secc(ev.StandbyRequested("now", wanted=False))
    original = ev.StandbyRequested("stay")

    def stay() -> bool:
        if not rig.done and rig.now < began + 11.0:
            rig.tell_evcc(original)
        return False

    rig.run(until=stay)
    assert rig.secc.ended is not None
    assert rig.secc.ended.reason in (EndReason.STOPPED_BY_STATION, EndReason.STOPPED_BY_EV)
