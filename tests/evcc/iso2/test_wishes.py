"""What the vehicle wants itself, told at every await point: to stop, to pause, to leave; and how
a paused session goes on."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.messages.physical import quantity
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.ticket import EvccTicket
from tests.evcc.iso2.station import BATTERY_V, CODE, SESSION_ID, STATES, Host, charge_service, schedules

BEFORE_POWER = STATES[: STATES.index("PowerDelivery")]
BEFORE_CHECK = STATES[: STATES.index("CableCheck")]


def progresses(host: Host) -> list[str]:
    return [body.charge_progress.value for body in host.of(iso2.PowerDeliveryReq)]


def said(host: Host) -> list[str]:
    return [body.charging_session.value for body in host.of(iso2.SessionStopReq)]


@pytest.mark.parametrize("state", STATES)
def test_a_wish_to_stop_is_followed_from_every_state(state: str) -> None:
    host = Host().to(state)
    host.tell(ev.StopRequested("enough"))
    assert host.ended is None
    ended = host.finish()
    assert ended.reason is EndReason.STOPPED_BY_EV
    assert host.watch.told_closed is False
    assert said(host) == ["Terminate"]
    if state in BEFORE_POWER:
        assert progresses(host) == []
        assert host.watch.closings == 0
        assert ended.detail == "enough"
    else:
        assert progresses(host) == ["Start", "Stop"]
    if state in BEFORE_POWER[1:]:
        # One answer is waited for, and then the session is told to end.
        assert [type(body) for body in host.sent[-2:]][1] is iso2.SessionStopReq


@pytest.mark.parametrize("state", STATES)
def test_a_wish_to_pause_is_followed_where_the_standard_has_a_pause(state: str) -> None:
    host = Host().to(state)
    host.tell(ev.PauseRequested("later"))
    ended = host.finish()
    if state == "SessionStop":
        assert ended.reason is EndReason.STOPPED_BY_EV  # it had said Terminate by then
        assert host.session.ticket is None
        return
    assert ended.reason is EndReason.PAUSED
    assert said(host) == ["Pause"]
    assert progresses(host) == (["Stop"] if state in BEFORE_CHECK else ["Start", "Stop"])
    ticket = host.session.ticket
    assert ticket is not None
    assert (ticket.edition, ticket.session_id) == ("iso2", SESSION_ID)
    assert EvccTicket.from_bytes(ticket.to_bytes()) == ticket


def test_a_wish_to_stop_outweighs_one_to_pause() -> None:
    host = Host().to("CurrentDemand", 2)
    host.tell(ev.PauseRequested("later"))
    host.tell(ev.StopRequested("now"))
    assert host.finish().reason is EndReason.STOPPED_BY_EV
    assert said(host) == ["Terminate"]
    assert host.session.ticket is None


def test_a_pause_that_the_station_does_not_grant_leaves_no_ticket() -> None:
    host = Host().to("CurrentDemand", 2)
    host.tell(ev.PauseRequested("later"))
    while not host.of(iso2.SessionStopReq):
        host.step()
    host.answer(response_code=CODE.FAILED)
    host.book.ends(EndReason.REFUSED)
    assert host.session.ticket is None


def paused(**settings: Any) -> EvccTicket:
    """A session that was paused in mid-charge at 30 s, by a vehicle that leaves in an hour."""
    host = Host(departure_time_s=3600, **settings).to("CurrentDemand", 2)
    host.wait(0.1)
    host.tell(ev.PauseRequested("later"))
    host.finish()
    ticket = host.session.ticket
    assert ticket is not None
    return ticket


def test_a_session_that_goes_on_asks_for_less() -> None:
    ticket = paused()
    host = Host(resume=ticket, now=600.0, departure_time_s=3600)
    host.to("SessionSetup")
    assert host.messages[-1].header.session_id == SESSION_ID
    host.answer(response_code=CODE.OK_OldSessionJoined)
    host.to("ChargeParameterDiscovery")
    asked = host.request.ev_charge_parameter
    assert 2990 <= asked.departure_time <= 3000
    assert quantity(asked.ev_energy_request) <= 20_000.0
    host.battery(energy_to_target_wh=60_000.0)  # whatever the battery says meanwhile
    host.answer(evse_processing=iso2.EVSEProcessing.Ongoing, sa_schedules=None)
    host.wait(0.1)
    assert quantity(host.request.ev_charge_parameter.ev_energy_request) <= 20_000.0


def test_the_schedule_of_the_paused_session_is_taken_again() -> None:
    ticket = paused()
    host = Host(resume=ticket, now=600.0).to("SessionSetup")
    host.answer(response_code=CODE.OK_OldSessionJoined)
    host.to("ChargeParameterDiscovery")
    host.answer(sa_schedules=schedules((7, [(0, 100_000.0)], 86_400), (1, [(0, 50_000.0)], 86_400)))
    host.to("PowerDelivery")
    assert host.request.sa_schedule_tuple_id == 1


@pytest.mark.parametrize("code", [CODE.OK_NewSessionEstablished, CODE.OK], ids=lambda code: code.value)
def test_a_station_that_does_not_know_the_session_gets_a_new_one(code: iso2.ResponseCode) -> None:
    host = Host(resume=paused(), now=600.0, session_id=b"\x09" * 8, departure_time_s=3600)
    host.to("SessionSetup")
    host.answer(response_code=code)
    assert host.session.session_id == b"\x09" * 8
    host.to("ChargeParameterDiscovery")
    assert host.request.ev_charge_parameter.departure_time == 3600 - round(host.book.now - 600.0)
    host.full()
    host.finish()


@pytest.mark.parametrize("shown", [False, True], ids=["not shown", "not known"])
def test_a_session_is_joined_where_it_was_shown_and_the_station_knows_it(shown: bool) -> None:
    """The id alone says nothing, and neither does the code."""
    ticket = paused()
    host = Host(resume=ticket, now=600.0 if shown else 100_000.0, departure_time_s=3600).to("SessionSetup")
    host.session_id = SESSION_ID if shown else b"\x09" * 8
    host.answer(response_code=CODE.OK_NewSessionEstablished if shown else CODE.OK_OldSessionJoined)
    host.to("ChargeParameterDiscovery")
    assert host.request.ev_charge_parameter.departure_time > 3500


def test_a_joined_session_with_another_id_is_none() -> None:
    host = Host(resume=paused(), now=600.0, session_id=b"\x09" * 8).to("SessionSetup")
    host.answer(response_code=CODE.OK_OldSessionJoined)
    host.book.ends(EndReason.UNKNOWN_SESSION)


@pytest.mark.parametrize(
    "changes",
    [
        {"payment_option_list": iso2.PaymentOptionList(payment_option=(iso2.PaymentOption.Contract,))},
        {"charge_service": charge_service(iso2.EnergyTransferMode.DC_core)},
    ],
    ids=["payment", "mode"],
)
def test_a_station_that_offers_something_else_than_before_is_left(changes: dict[str, Any]) -> None:
    modes = (iso2.EnergyTransferMode.DC_extended, iso2.EnergyTransferMode.DC_core)
    host = Host(resume=paused(), now=600.0, iso2={"energy_transfer_modes": modes}).to("SessionSetup")
    host.answer(response_code=CODE.OK_OldSessionJoined)
    host.answer(**changes)
    assert host.finish().reason in (EndReason.AUTHORIZATION_FAILED, EndReason.PARAMETERS_NOT_ACCEPTED)


@pytest.mark.parametrize(
    ("now", "settings"),
    [
        (100_000.0, {}),  # more than a day
        (600.0, {"iso2": {"evccid": b"\x02\x00\x00\x00\x00\x02"}}),
        (600.0, {"iso2": {"energy_transfer_modes": (iso2.EnergyTransferMode.DC_core,)}}),
    ],
    ids=["expired", "another vehicle", "another mode"],
)
def test_a_ticket_that_does_not_fit_is_not_shown(now: float, settings: dict[str, Any]) -> None:
    host = Host(resume=paused(), now=now, **settings).to("SessionSetup")
    assert host.messages[-1].header.session_id == bytes(8)


def test_departure_ends_the_charge() -> None:
    host = Host(departure_time_s=60).to("CurrentDemand", 2)
    began = host.book.now
    host.measure(BATTERY_V, 200.0)
    for _ in range(2000):
        if progresses(host)[-1] == "Stop":
            break
        if host.book.now >= 60.0:
            host.measure(BATTERY_V, 0.0)
        host.step()
    assert 60.0 - 0.2 <= host.book.now < 61.0
    assert began < 60.0
    assert host.finish().detail == "departure"


def test_the_vehicle_does_not_wait_for_power_for_ever() -> None:
    host = Host(no_power_s=30.0).to("CurrentDemand", 2)
    began = host.book.now
    while progresses(host)[-1] == "Start":
        host.step()
    assert 29.0 <= host.book.now - began <= 31.5
    assert "no power" in host.finish().detail


def test_what_is_not_allowed_in_the_states_before_power_is_never_said() -> None:
    """SessionStop alone leaves them; PowerDelivery is not legal there in every station."""
    for state in ("CableCheck", "PreCharge"):
        host = Host().to(state)
        host.tell(ev.StopRequested("enough"))
        host.answer()
        assert isinstance(host.request, iso2.SessionStopReq)
        opened = [one for one in host.hardware if isinstance(one, act.OpenContactors)]
        assert [one.urgency for one in opened] == [act.Urgency.ORDERLY]
