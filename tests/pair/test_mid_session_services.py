"""A mind that is changed in mid-session, in the services that are not plain DC or AC: energy resources, a
pantograph, a pad. Whole sessions of both roles, under the monitor."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from iso15118.evcc.acdp_settings import AcdpEvccSettings
from iso15118.evcc.config import Renegotiation
from iso15118.evcc.iso20 import mid_session, script, setup
from iso15118.messages.iso20 import acdp
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
TURNS = [
    pytest.param(*family, asked_by, form, id=f"{family[0].name}-{asked_by}-{form.name}")
    for number, family in enumerate(FAMILIES)
    for asked_by, form in zip(("evcc", "secc"), list(Renegotiation)[:: 1 if number % 2 else -1], strict=True)
]
"""Each family in both forms, and asked for by either side."""
families = pytest.mark.parametrize(("service", "mode"), FAMILIES, ids=lambda one: one.name)
OF_SERVICE = {
    ServiceID.AC_DER_IEC: script.AC_DER_IEC,
    ServiceID.AC_DER_SAE: script.AC_DER_SAE,
    ServiceID.DC_ACDP: script.ACDP,
    ServiceID.DC_ACDP_BPT: script.ACDP,
    ServiceID.WPT: script.WPT,
}
ONCE = ("DC_CableCheck", "ACDP_Connect", "WPT_Pairing", "WPT_AlignmentCheck")
"""States that a change of mind leads to no second time."""


def flows_w(watched: Watched) -> float:
    """What the station gives now, as a magnitude."""
    circuit: Any = watched.rig.station.circuit
    if hasattr(circuit, "sends_w"):
        return float(circuit.sends_w)
    if hasattr(circuit, "power_w"):
        return abs(float(sum(circuit.power_w)))
    return abs(float(circuit.current_a * circuit.outlet_v))


def ended(watched: Watched) -> None:
    """The driver has seen enough: nothing is odd about the end."""
    watched.rig.tell_evcc(ev.StopRequested("enough"))
    watched.charged()


def once(watched: Watched) -> list[str]:
    return [state for state in watched.rig.secc.states if state in ONCE]


@pytest.mark.parametrize(("service", "mode", "asked_by", "form"), TURNS)
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
    for role in ("secc", "evcc"):
        assert watched.of(act.ScheduleRenegotiated, role) == [act.ScheduleRenegotiated(beside, True)], role
    assert len(watched.said(cm.ScheduleExchangeReq)) == 2
    assert ("ScheduleRenegotiation" in rig.secc.states) is not beside
    assert once(watched) == before
    if asked_by == "secc":
        assert watched.of(act.EvseNotified)[0].notification == "ScheduleRenegotiation"
    turns = [
        now for who, one, now in watched.messages if who == "evcc" and "ChargeLoopReq" in type(one).__name__
    ]
    assert (max(after - before for before, after in pairwise(turns)) < 0.3) is beside
    ended(watched)


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
    rig.let_pass(60.0)
    assert not rig.done
    assert rig.loops > loops + 150
    assert flows_w(watched) < 50.0
    tell = rig.tell_evcc if left_by == "evcc" else rig.tell_secc
    tell(ev.StandbyRequested("now", wanted=False))
    rig.let_pass(10.0)
    assert watched.of(act.StandbyChanged)[2:] == [act.StandbyChanged(False)] * 2
    if left_by == "secc":
        assert act.EvseNotified("ExitStandby", 10.0) in watched.of(act.EvseNotified)
    assert flows_w(watched) > 1000.0
    assert once(watched) == before
    ended(watched)


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
    watched.to(40)
    ended(watched)
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


@pytest.mark.parametrize("delay_s", [0.0, 0.05])
def test_a_device_goes_home_before_another_service_is_chosen(delay_s: float) -> None:
    """With the old choice ends what goes on beside it: no station waits for a status while a service is
    chosen, and the vehicle asks for one every twentieth of a second."""
    settings = AcdpEvccSettings(status_every_s=0.05)
    watched = make(
        ServiceID.DC_ACDP,
        SCHEDULED,
        secc={"service_renegotiation": True},
        evcc={"acdp": settings},
        delay_s=delay_s,
    ).to(5)
    watched.rig.tell_evcc(ev.ServiceRenegotiationRequested("another one"))
    watched.rig.run(until=lambda: len(watched.said(cm.ServiceSelectionRes)) == 2)
    assert watched.rig.secc.ended is None
    said = [type(one) for who, one, _ in watched.messages if who == "evcc"]
    assert said.count(acdp.ACDPDisconnectReq) >= 1
    anew = len(said) - said[::-1].index(cm.SessionStopReq)
    assert acdp.ACDPSystemStatusReq not in said[anew:]
    assert not watched.rig.evcc._talk.held
    watched.rig.run(until=lambda: said.count(acdp.ACDPConnectReq) < len(watched.said(acdp.ACDPConnectReq)))
    ended(watched)


# -- limits and charge parameters, changed


def held_back(watched: Watched, share: float) -> None:
    """The station can give this share of what it is."""
    rig = watched.rig
    station: Any = rig.station
    full = rig.__dict__.setdefault("full", _limits(station))
    station.derate(
        msgspec.structs.replace(
            full,
            **{
                name: tuple(share * one for one in value) if isinstance(value, tuple) else share * value
                for name in full.__struct_fields__
                if name.startswith("maximum_") and name.endswith(("power_w", "current_a"))
                for value in (getattr(full, name),)
            },
        ),
        rig.now,
    )
    rig.hear_station()


def _limits(station: Any) -> Any:
    return station.pad_limits or station.ac_limits or station.limits


@families
def test_limits_that_fall_hold_at_once_and_those_that_rise_again_are_used(
    service: ServiceID, mode: ControlMode
) -> None:
    """In Scheduled mode by another schedule that the station asks for, or within the one that there is."""
    watched = make(service, mode, secc={"schedule_renegotiation_s": 5.0}).to(20)
    rig = watched.rig
    rig.let_pass(10.0)
    before = flows_w(watched)
    held_back(watched, 0.3)
    rig.let_pass(4.0)
    assert 0.1 * before < flows_w(watched) <= 0.7 * before
    held_back(watched, 1.0)
    rig.let_pass(30.0)
    assert flows_w(watched) > 0.9 * before
    ended(watched)


def lower(talk: Any) -> None:
    """The vehicle takes half of what it declared."""
    limits: Any
    for field in ("limits", "charger", "receiver_limits"):
        limits = getattr(talk, field)
        names = () if limits is None else ("maximum_charge_power_w", "maximum_power_w")
        changes = {}
        for name in names:
            value = getattr(limits, name, None)
            if value is not None:
                half = value / 2.0 if not isinstance(value, tuple) else tuple(one / 2.0 for one in value)
                changes[name] = (
                    min(half, 100e3) if field == "limits" else half
                )  # a bus takes more than a station has
        if changes:
            setattr(talk, field, msgspec.structs.replace(limits, **changes))
    if talk.charger is not None:
        talk.charger_now = talk.charger


def offered(message: Any) -> Any:
    """What it says, but for the moment at which it was said."""
    mode: Any = getattr(message, "ac_cpd_res_energy_transfer_mode", None)
    if hasattr(mode, "evse_update_time"):
        mode = msgspec.structs.replace(mode, evse_update_time=0)
        message = msgspec.structs.replace(message, ac_cpd_res_energy_transfer_mode=mode)
    return msgspec.structs.replace(message, header=None)


@families
@pytest.mark.parametrize("form", list(Renegotiation), ids=lambda one: one.name)
def test_charge_parameters_are_said_again_and_the_lower_ones_hold(
    service: ServiceID, mode: ControlMode, form: Renegotiation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The offer is told as it stands, a grid code whole."""
    watched = make(service, mode, evcc={"renegotiation": form}).to(20)
    rig = watched.rig
    rig.let_pass(10.0)
    before = flows_w(watched)
    family = OF_SERVICE[service]
    real = setup.schedule

    async def anew(talk: Any, plan: Any) -> bool:
        lower(rig.evcc._talk)
        await family.charge_parameters(talk, plan)
        return await real(talk, plan)

    monkeypatch.setattr(mid_session, "schedule", anew)
    rig.tell_evcc(ev.ScheduleRenegotiationRequested("less than before"))
    rig.let_pass(20.0)
    assert watched.of(act.ScheduleRenegotiated, "evcc") == [
        act.ScheduleRenegotiated(form is Renegotiation.BESIDE, True)
    ]
    first, second = (
        message
        for sender, message, _ in watched.messages
        if sender == "secc" and "ChargeParameterDiscoveryRes" in type(message).__name__
    )
    assert offered(second) == offered(first)
    assert 0.1 * before < flows_w(watched) <= 0.55 * before
    ended(watched)


def test_another_coil_than_the_one_that_was_paired_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = make(ServiceID.WPT, SCHEDULED).to(20)
    rig = watched.rig
    real = setup.schedule

    async def anew(talk: Any, plan: Any) -> bool:
        talk.receiver_limits = msgspec.structs.replace(talk.receiver_limits, maximum_clearance_mm=200.0)
        await script.WPT.charge_parameters(talk, plan)
        return await real(talk, plan)

    monkeypatch.setattr(mid_session, "schedule", anew)
    rig.tell_evcc(ev.ScheduleRenegotiationRequested("another coil"))
    rig.run()
    assert rig.secc.ended is not None
    assert rig.secc.ended.reason is EndReason.PARAMETERS_NOT_ACCEPTED
    assert "another coil" in rig.secc.ended.detail
    assert flows_w(watched) == 0.0
