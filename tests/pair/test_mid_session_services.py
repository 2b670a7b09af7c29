"""A mind that is changed in mid-session, in the services that are not plain DC or AC: energy resources, a pantograph, a pad. Whole sessions
of both roles, under the monitor."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from iso15118.evcc.config import Renegotiation
from iso15118.messages.iso20 import common_messages as cm
from iso15118.secc.renegotiation_settings import RenegotiationSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from tests.pair.watched import DYNAMIC, SCHEDULED, Watched, make

FAMILIES = [
    (ServiceID.AC_DER_IEC, SCHEDULED),
    (ServiceID.AC_DER_SAE, DYNAMIC),
    (ServiceID.DC_ACDP, SCHEDULED),
    (ServiceID.DC_ACDP_BPT, DYNAMIC),
    (ServiceID.WPT, SCHEDULED),
    (ServiceID.WPT, DYNAMIC),
]
families = pytest.mark.parametrize(("service", "mode"), FAMILIES, ids=lambda one: one.name)
ONCE = ("DC_CableCheck", "ACDP_Connect", "WPT_Pairing", "WPT_AlignmentCheck")
"""States that a change of mind leads to no second time."""


def flows_w(watched: Watched) -> float:
    """What the station gives now, as a magnitude."""
    circuit: Any = watched.rig.station.circuit
    if hasattr(circuit, "sends_w"):
        return float(circuit.sends_w)
    if hasattr(circuit, "power_w"):
        return abs(sum(circuit.power_w))
    return abs(float(circuit.current_a * circuit.outlet_v))


def once(watched: Watched) -> list[str]:
    return [state for state in watched.rig.secc.states if state in ONCE]


@families
@pytest.mark.parametrize("asked_by", ["evcc", "secc"])
@pytest.mark.parametrize("form", list(Renegotiation), ids=lambda one: one.name)
def test_another_schedule_is_agreed_on(
    service: ServiceID, mode: ControlMode, asked_by: str, form: Renegotiation
) -> None:
    """Nobody is joined, checked or paired anew; beside the loop it goes on."""
    watched = make(service, mode, evcc={"renegotiation": form}, delay_s=0.05).to(20)
    rig = watched.rig
    before = once(watched)
    tell = rig.tell_evcc if asked_by == "evcc" else rig.tell_secc
    tell(ev.ScheduleRenegotiationRequested("a better price"))
    beside = form is Renegotiation.BESIDE
    watched.to(60)
    assert watched.of(act.ScheduleRenegotiated, "evcc") == [act.ScheduleRenegotiated(beside, True)]
    assert len(watched.said(cm.ScheduleExchangeReq)) == 2
    assert ("ScheduleRenegotiation" in rig.secc.states) is not beside
    assert once(watched) == before
    if asked_by == "secc":
        assert watched.of(act.EvseNotified)[0].notification == "ScheduleRenegotiation"
    turns = [
        now for who, one, now in watched.messages if who == "evcc" and "ChargeLoopReq" in type(one).__name__
    ]
    assert (max(after - before for before, after in pairwise(turns)) < 0.3) is beside
    watched.charged()


@families
@pytest.mark.parametrize("asked_by", ["evcc", "secc"])
def test_a_service_is_chosen_anew_in_the_same_session(
    service: ServiceID, mode: ControlMode, asked_by: str
) -> None:
    watched = make(service, mode, secc={"service_renegotiation": True}).to(20)
    rig = watched.rig
    before = rig.evcc.session_id
    tell = rig.tell_evcc if asked_by == "evcc" else rig.tell_secc
    tell(ev.ServiceRenegotiationRequested("another one"))
    watched.charged()
    assert watched.of(act.ServiceRenegotiated) == [act.ServiceRenegotiated()] * 2
    assert len(watched.said(cm.ServiceSelectionReq)) == 2
    assert len(watched.said(cm.SessionSetupReq)) == 1
    assert rig.evcc.session_id == before
    assert rig.vehicle.battery.complete


@families
@pytest.mark.parametrize("left_by", ["evcc", "secc"])
def test_standby_and_on_again(service: ServiceID, mode: ControlMode, left_by: str) -> None:
    """Nothing flows, and nobody parts; the loop goes on."""
    watched = make(service, mode).to(20)
    rig = watched.rig
    before = once(watched)
    rig.tell_evcc(ev.StandbyRequested("not now"))
    rig.let_pass(5.0)
    assert watched.of(act.StandbyChanged) == [act.StandbyChanged(True)] * 2
    loops = rig.loops
    assert flows_w(watched) < 50.0
    rig.let_pass(120.0)
    assert not rig.done
    assert rig.loops > loops + 300
    assert flows_w(watched) < 50.0
    tell = rig.tell_evcc if left_by == "evcc" else rig.tell_secc
    tell(ev.StandbyRequested("now", wanted=False))
    rig.let_pass(10.0)
    assert watched.of(act.StandbyChanged)[2:] == [act.StandbyChanged(False)] * 2
    if left_by == "secc":
        assert act.EvseNotified("ExitStandby", 10.0) in watched.of(act.EvseNotified)
    assert flows_w(watched) > 1000.0
    assert once(watched) == before
    watched.charged()
    assert rig.vehicle.battery.complete


@families
@pytest.mark.parametrize("wish", ["stop", "pause", "schedule"])
def test_standby_is_left_by_stop_pause_and_renegotiation(
    service: ServiceID, mode: ControlMode, wish: str
) -> None:
    watched = make(service, mode).to(20)
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
    assert rig.secc.ended.reason is (EndReason.PAUSED if wish == "pause" else EndReason.STOPPED_BY_EV)
    assert watched.of(act.StandbyChanged, "secc")[-1] == act.StandbyChanged(False)


@families
def test_where_standby_is_not_let_the_loop_goes_on(service: ServiceID, mode: ControlMode) -> None:
    watched = make(service, mode, secc={"renegotiation": RenegotiationSettings(standby=False)}).to(20)
    watched.rig.tell_evcc(ev.StandbyRequested("not now"))
    watched.charged()
    codes = [one.response_code.value for one in watched.said(cm.PowerDeliveryRes)]
    assert codes == ["OK", "WARNING_StandbyNotAllowed", "OK"]


@families
@pytest.mark.parametrize("asked_by", ["evcc", "secc"])
def test_a_pause_from_the_loop(service: ServiceID, mode: ControlMode, asked_by: str) -> None:
    watched = make(service, mode, evcc={"pause_if_asked": True}).to(20)
    rig = watched.rig
    (rig.tell_evcc if asked_by == "evcc" else rig.tell_secc)(ev.PauseRequested("later"))
    rig.run()
    assert rig.secc.ended is not None
    assert rig.evcc.ended is not None
    assert rig.secc.ended.reason is rig.evcc.ended.reason is EndReason.PAUSED
    assert rig.secc.ticket is not None
    assert rig.evcc.ticket is not None
