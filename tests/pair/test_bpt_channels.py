"""Charging and discharging over channels of their own, in whole sessions: which one is chosen, when it
changes, and that nothing flows over the other one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118.evcc.config import Renegotiation
from iso15118.messages.iso20 import common_messages as cm
from iso15118.secc.iso20.context import Context
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import BptChannel, ControlMode, ParameterSet, ServiceID
from tests.pair.ac_rig import ac_pair
from tests.pair.test_parameter_sets import with_value
from tests.pair.watched import DYNAMIC, SCHEDULED, Watched, make

CASES = [
    (ServiceID.DC_BPT, SCHEDULED),
    (ServiceID.MCS_BPT, SCHEDULED),
    (ServiceID.DC_ACDP_BPT, SCHEDULED),
    (ServiceID.AC_BPT, SCHEDULED),
    (ServiceID.AC_BPT, DYNAMIC),
    (ServiceID.AC_DER_IEC, SCHEDULED),
    (ServiceID.AC_DER_IEC, DYNAMIC),
    (ServiceID.AC_DER_SAE, SCHEDULED),
    (ServiceID.AC_DER_SAE, DYNAMIC),
]
cases = pytest.mark.parametrize(("service", "mode"), CASES, ids=lambda one: one.name)
CHARGE, DISCHARGE = cm.ChannelSelection.Charge, cm.ChannelSelection.Discharge
NOISE_W = 100.0


def offer_separate_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The station offers no others."""
    real = Context.parameter_sets

    def separate(ctx: Context, service: ServiceID) -> tuple[ParameterSet, ...]:
        return tuple(
            one if one.bpt_channel is None else msgspec.structs.replace(one, bpt_channel=BptChannel.SEPARATED)
            for one in real(ctx, service)
        )

    monkeypatch.setattr(Context, "parameter_sets", separate)


def power_w(watched: Watched) -> float:
    """To the vehicle; negative: from it."""
    station: Any = watched.rig.station
    read = station.measure(watched.rig.now)
    return float(read.total_w if hasattr(read, "total_w") else read.voltage_v * read.current_a)


def chosen(watched: Watched) -> list[Any]:
    return [
        one.bpt_channel_selection
        for one in watched.said(cm.PowerDeliveryReq)
        if one.charge_progress is cm.ChargeProgress.Start
    ]


def to_the_end(watched: Watched) -> float:
    """The least power that there was; none of it flowed over the other channel."""
    least = 0.0

    def look() -> bool:
        nonlocal least
        power = power_w(watched)
        least = min(least, power)
        if (channels := chosen(watched)) and channels[-1] is not None:
            wrong = -power if channels[-1] is CHARGE else power
            assert wrong < NOISE_W, (channels[-1], power)
        return False

    watched.rig.run(until=look)
    watched.charged()
    return least


@cases
def test_a_direction_that_changes_is_said_first(
    service: ServiceID, mode: ControlMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ends know of the channels."""
    offer_separate_channels(monkeypatch)
    watched = make(service, mode, discharge_wh=200.0)
    assert to_the_end(watched) < -1_000.0
    assert chosen(watched) == [CHARGE, DISCHARGE, CHARGE]
    assert watched.of(act.PeerDeviates) == []
    assert watched.of(act.SupervisionWarning) == []


@cases
def test_a_station_that_holds_nobody_to_it(service: ServiceID, mode: ControlMode) -> None:
    """It offers them, and takes whatever flows."""

    def meddle(sender: str, message: Any, now: float) -> bool | None:
        watched.messages.append((sender, message, now))
        if sender != "secc" or not isinstance(message, cm.ServiceDetailRes):
            return None
        two = cm.Parameter(name="BPTChannel", int_value=2)
        watched.rig.to_evcc.send(with_value(message, "BPTChannel", two), now)
        return False

    watched = make(service, mode, discharge_wh=200.0)
    watched.rig._on_message = meddle
    assert to_the_end(watched) < -1_000.0
    assert chosen(watched) == [CHARGE, DISCHARGE, CHARGE]


@pytest.mark.parametrize("service", [ServiceID.DC_BPT, ServiceID.AC_BPT], ids=lambda one: one.name)
def test_without_separate_channels_none_is_named(service: ServiceID) -> None:
    watched = make(service, SCHEDULED, discharge_wh=200.0)
    assert to_the_end(watched) < -1_000.0
    assert chosen(watched) == [None]


@pytest.mark.parametrize(
    "service", [ServiceID.DC_BPT, ServiceID.MCS_BPT, ServiceID.DC_ACDP_BPT], ids=lambda one: one.name
)
def test_where_the_station_sets_the_current_a_vehicle_leaves_them_alone(
    service: ServiceID, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_separate_channels(monkeypatch)
    watched = make(service, DYNAMIC)
    watched.rig.run()
    assert watched.rig.loops == 0
    assert watched.rig.evcc.ended is not None
    assert watched.rig.evcc.ended.reason is EndReason.PARAMETERS_NOT_ACCEPTED


@pytest.mark.parametrize("form", list(Renegotiation), ids=lambda one: one.name)
@pytest.mark.parametrize("service", [ServiceID.DC_BPT, ServiceID.AC_BPT], ids=lambda one: one.name)
def test_another_schedule_keeps_the_channel(
    service: ServiceID, form: Renegotiation, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_separate_channels(monkeypatch)
    watched = make(service, SCHEDULED, discharge_wh=200.0, evcc={"renegotiation": form})
    watched.rig.run(until=lambda: power_w(watched) < -1_000.0)
    watched.rig.tell_evcc(ev.ScheduleRenegotiationRequested("test"))
    to_the_end(watched)
    beside = form is Renegotiation.BESIDE
    assert watched.of(act.ScheduleRenegotiated, "evcc")[0] == act.ScheduleRenegotiated(beside, True)
    assert chosen(watched)[:3] == [CHARGE, DISCHARGE, DISCHARGE]
    assert chosen(watched)[-1] is CHARGE


def test_a_paused_session_goes_on_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    offer_separate_channels(monkeypatch)
    first = make(ServiceID.AC_BPT, SCHEDULED).to(20)
    first.rig.tell_evcc(ev.PauseRequested("later"))
    first.rig.run()
    tickets = first.rig.secc.ticket, first.rig.evcc.ticket
    assert None not in tickets
    again = Watched(
        ac_pair, ServiceID.AC_BPT, SCHEDULED, paused=tickets[:1], resume=tickets[1], now=first.rig.now + 60.0
    )
    again.charged()
    assert again.said(cm.ServiceSelectionReq) == []
    assert chosen(again) == [CHARGE]


@pytest.mark.parametrize("service", [ServiceID.DC_BPT, ServiceID.AC_BPT], ids=lambda one: one.name)
def test_a_vehicle_that_names_no_channel_is_let_charge_only(
    service: ServiceID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgets(sender: str, message: Any, now: float) -> bool | None:
        if sender != "evcc" or not isinstance(message, cm.PowerDeliveryReq):
            return None
        if message.bpt_channel_selection is None:
            return None
        watched.rig.to_secc.send(msgspec.structs.replace(message, bpt_channel_selection=None), now)
        return False

    offer_separate_channels(monkeypatch)
    watched = make(service, SCHEDULED, discharge_wh=200.0)
    watched.rig._on_message = forgets
    gave: list[float] = []

    def look() -> bool:
        gave.append(power_w(watched))
        return watched.rig.now > 900.0

    watched.rig.run(until=look)
    assert max(gave) > 1_000.0
    assert min(gave) > -NOISE_W or service is ServiceID.AC_BPT  # a charger of its own is only watched
    assert [one.name for one in watched.of(act.PeerDeviates, "secc")] == ["bpt-channel"]
    if service is ServiceID.AC_BPT:
        assert watched.rig.secc.ended is not None
        assert not watched.rig.secc.ended.reason.orderly


@pytest.mark.parametrize(
    "service", [ServiceID.AC_BPT, ServiceID.AC_DER_IEC, ServiceID.DC_BPT], ids=lambda one: one.name
)
def test_the_old_bounds_do_not_outlive_their_channel(
    service: ServiceID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the answer, and not with a request that may never come."""
    offer_separate_channels(monkeypatch)
    watched = make(service, SCHEDULED).to(20)
    rig = watched.rig
    assert power_w(watched) > 1_000.0
    start = watched.said(cm.PowerDeliveryReq)[0]
    asked = rig.secc.handle(
        ev.MessageReceived(msgspec.structs.replace(start, bpt_channel_selection=DISCHARGE)), rig.now
    )
    (bounds,) = [one for one in asked if isinstance(one, act.SetPower | act.SetAcPower)]
    if isinstance(bounds, act.SetPower):
        assert bounds.current_a == 0.0
    else:
        assert bounds.bounds.charge_w == (0.0, 0.0, 0.0)
