"""What a vehicle of ISO 15118-2 asks for and says, function by function: current, limits, needs, negotiation,
envelope and the charger.

The functions are called with a conversation of a session that has just begun; no message is exchanged.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.schedule import Schedule
from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso2 import dc_parameters, delivery, demand, parameters, schedules
from iso15118.evcc.iso2.plan import ChosenSchedule, Plan
from iso15118.evcc.iso2.script import Iso2
from iso15118.messages import app, iso2
from iso15118.messages.physical import amperes, quantity, volts, watts
from iso15118.session import actions as act
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.limits import StationLimits
from iso15118.session.services import ServiceID
from iso15118.session.ticket import EvccTicket, Iso2Choice
from tests.evcc.iso2.station import SESSION_ID, Host, battery, offer

MODE = iso2.EnergyTransferMode
CHARGER = AcVehicleLimits.of(current_a=16.0)
OFFER = StationLimits(
    maximum_charge_power_w=100_000.0,
    maximum_charge_current_a=250.0,
    minimum_charge_current_a=5.0,
    maximum_voltage_v=900.0,
    minimum_voltage_v=200.0,
)


def talk_of(cells: Any = None, limits: Any = None, **settings: Any) -> Conversation:
    talk = Host(**settings).session._talk
    talk.battery = battery(**(cells or {}))
    talk.limits = replace(talk.limits, **(limits or {}))
    talk.outbox.clear()
    return talk


def chosen(*powers: tuple[float, float], number: int = 1, price: Schedule | None = None) -> ChosenSchedule:
    return ChosenSchedule(tuple_id=number, power=Schedule.of(0.0, powers), price=price, read_at=0.0)


def plan_of(**station: float) -> Plan:
    made = replace(OFFER, **({"minimum_charge_current_a": 0.0} | station))
    return Plan(offer=made, station=made, schedule=chosen((3600.0, 200_000.0)))


def asked_a(talk: Conversation, plan: Plan) -> float:
    return quantity(demand.demand(talk, plan, winding_down=False).ev_target_current)


def noted(talk: Conversation) -> bool:
    return any(isinstance(one, act.PeerDeviates) for one in talk.outbox)


# -- current -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "station", "current_a"),
    [
        ({}, {}, 250.0),
        ({"target_current_a": 90.0}, {}, 90.0),
        ({"maximum_charge_power_w": 40_000.0}, {}, 100.0),
        ({"maximum_charge_power_w": 40_000.0}, {"minimum_charge_current_a": 100.0}, 100.0),
        ({"maximum_charge_power_w": 40_000.0}, {"minimum_charge_current_a": 100.1}, 0.0),
        ({"target_voltage_v": 440.0, "maximum_voltage_v": 400.0}, {"minimum_voltage_v": 410.0}, 0.0),
        ({"target_voltage_v": 400.0, "maximum_voltage_v": 440.0}, {"minimum_voltage_v": 410.0}, 0.0),
        ({"target_voltage_v": 420.0, "maximum_voltage_v": 430.0}, {"minimum_voltage_v": 410.0}, 250.0),
        ({"voltage_v": 0.0, "maximum_charge_power_w": 100.0}, {}, 100.0),
        ({"voltage_v": 0.5, "maximum_charge_power_w": 100.0}, {}, 100.0),
    ],
)
def test_the_current_that_is_asked_for(
    cells: dict[str, float], station: dict[str, float], current_a: float
) -> None:
    talk, plan = talk_of(cells), plan_of(**station)
    assert asked_a(talk, plan) == current_a
    assert quantity(demand.demand(talk, plan, winding_down=True).ev_target_current) == 0.0


@pytest.mark.parametrize(
    ("own_a", "station_a", "current_a"),
    [(6.93, 0.0, 0.0), (0.0, 6.93, 0.0), (7.0, 0.0, 0.0), (5.0, 4.0, 6.9), (4.0, 5.0, 6.9), (6.9, 6.9, 6.9)],
)
def test_what_is_left_after_rounding_is_no_less_than_either_side_can_do(
    own_a: float, station_a: float, current_a: float
) -> None:
    talk = talk_of({"target_current_a": 6.95}, {"minimum_charge_current_a": own_a})
    assert asked_a(talk, plan_of(minimum_charge_current_a=station_a)) == current_a


@pytest.mark.parametrize(
    ("lacks_wh", "current_a", "seconds"),
    [
        (40_000.0, 0.0, None),
        (40_000.0, 100.0, 3_600.0),
        (-1.0, 100.0, 0.0),
        (1e6, 0.1, 30 * 86_400.0),
        (0.5, 0.1, 45.0),
        (0.01, 0.002, 45.0),
    ],
)
def test_how_long_it_takes(lacks_wh: float, current_a: float, seconds: float | None) -> None:
    assert demand._remaining_s(talk_of({"energy_to_maximum_wh": lacks_wh}), current_a) == seconds


@pytest.mark.parametrize(
    ("own_a", "own_w", "station_a", "cells", "below"),
    [
        (0.0, 0.0, 0.0, {"target_current_a": 0.0}, False),
        (0.5, 0.0, 0.0, {"target_current_a": 0.4}, True),
        (0.0, 0.0, 0.5, {"target_current_a": 0.4}, True),
        (0.0, 0.5, 0.0, {"maximum_charge_power_w": 0.4}, True),
        (0.0, 210.0, 0.0, {"target_current_a": 0.5}, True),
        (5.0, 210.0, 6.0, {"target_current_a": 6.0}, False),
        (5.0, 210.0, 6.0, {"target_current_a": 5.9}, True),
        (5.0, 210.0, 6.0, {"maximum_charge_current_a": 5.9}, True),
    ],
)
def test_less_than_the_least_of_either_side(
    own_a: float, own_w: float, station_a: float, cells: dict[str, float], below: bool
) -> None:
    talk = talk_of(cells, {"minimum_charge_current_a": own_a, "minimum_charge_power_w": own_w})
    assert demand.below_minimum(talk, plan_of(minimum_charge_current_a=station_a)) is below


# -- the station's limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "changed", "odd"),
    [
        ({"evse_maximum_power_limit": watts(50_000.0)}, {"maximum_charge_power_w": 50_000.0}, False),
        ({"evse_maximum_power_limit": watts(-1.0)}, {"maximum_charge_power_w": 0.0}, True),
        ({"evse_maximum_power_limit": watts(0.0)}, {"maximum_charge_power_w": 0.0}, False),
        ({"evse_maximum_current_limit": amperes(5.0)}, {"maximum_charge_current_a": 5.0}, False),
        (
            {"evse_maximum_current_limit": amperes(4.9)},
            {"maximum_charge_current_a": 0.0, "minimum_charge_current_a": 0.0},
            False,
        ),
        (
            {"evse_maximum_voltage_limit": volts(150.0)},
            {"maximum_voltage_v": 150.0, "minimum_voltage_v": 150.0},
            False,
        ),
    ],
)
def test_a_limit_of_the_loop_holds_until_the_next_one(
    fields: dict[str, Any], changed: dict[str, float], odd: bool
) -> None:
    talk, plan = talk_of(), Plan(offer=OFFER, station=OFFER)
    full = {
        "evse_maximum_power_limit": watts(100_000.0),
        "evse_maximum_current_limit": amperes(250.0),
        "evse_maximum_voltage_limit": volts(900.0),
    }
    host = Host()
    for said in (fields, {}, full):
        demand.take_limits(talk, plan, host.response(iso2.CurrentDemandRes, **said))
        assert plan.station == (OFFER if said is full else replace(OFFER, **changed))
    assert noted(talk) is odd


@pytest.mark.parametrize(
    ("changes", "expected", "odd"),
    [
        ({}, {"maximum_charge_current_a": 300.0, "minimum_voltage_v": 150.0}, False),
        ({"evse_minimum_current_limit": amperes(-1.0)}, {"minimum_charge_current_a": 0.0}, True),
        ({"evse_maximum_power_limit": watts(-1.0)}, {"maximum_charge_power_w": 0.0}, True),
        ({"evse_minimum_current_limit": amperes(300.0)}, {"minimum_charge_current_a": 300.0}, False),
        ({"evse_minimum_current_limit": amperes(301.0)}, {"minimum_charge_current_a": 300.0}, True),
        ({"evse_minimum_voltage_limit": volts(921.0)}, {"minimum_voltage_v": 920.0}, True),
    ],
)
def test_an_offer_that_contradicts_itself_is_taken_and_noted(
    changes: dict[str, Any], expected: dict[str, float], odd: bool
) -> None:
    talk, plan = talk_of(), Plan()
    dc_parameters.take_dc_offer(talk, plan, offer(**changes))
    assert plan.offer is plan.station
    assert {name: getattr(plan.offer, name) for name in expected} == expected
    assert noted(talk) is odd


@pytest.mark.parametrize(("own_a", "refused"), [(0.0, False), (0.5, True), (5.0, False)])
def test_a_vehicle_that_takes_no_current_at_all_is_not_refused_for_it(own_a: float, refused: bool) -> None:
    talk = talk_of(limits={"maximum_charge_current_a": own_a})
    plan = plan_of(minimum_charge_current_a=5.0)
    if refused:
        with pytest.raises(Leave, match="minimum current"):
            dc_parameters.check_dc(talk, plan)
    else:
        dc_parameters.check_dc(talk, plan)


@pytest.mark.parametrize(
    ("station", "cells", "why"),
    [
        ({"minimum_voltage_v": 470.0}, {}, ""),
        ({"minimum_voltage_v": 470.1}, {}, "minimum voltage"),
        ({"maximum_charge_current_a": 500.0, "minimum_charge_current_a": 400.0}, {}, ""),
        ({"maximum_charge_current_a": 500.0, "minimum_charge_current_a": 400.1}, {}, "minimum current"),
        ({}, {"voltage_v": 900.0}, ""),
        ({}, {"voltage_v": 900.1}, "cannot reach"),
    ],
)
def test_whether_the_two_can_charge_at_all(
    station: dict[str, float], cells: dict[str, float], why: str
) -> None:
    talk, plan = talk_of(cells), plan_of(**station)
    if not why:
        dc_parameters.check_dc(talk, plan)
        return
    with pytest.raises(Leave, match=why):
        dc_parameters.check_dc(talk, plan)


# -- needs and negotiation ---------------------------------------------------------------------------------


def ticket(energy_wh: float | None) -> EvccTicket:
    choice = Iso2Choice(mode="DC_extended", tuple_id=2)
    return EvccTicket(
        edition="iso2",
        session_id=SESSION_ID,
        evccid="00",
        secure=False,
        service=ServiceID.DC,
        iso2=choice,
        energy_wh=energy_wh,
        paused_at=0.0,
    )


@pytest.mark.parametrize(
    ("lacks_wh", "paused_wh", "asked_wh"),
    [
        (100.2, None, 101.0),
        (100.0, None, 100.0),
        (-5.0, None, 0.0),
        (100.2, 50.0, 50.0),
        (100.2, 500.0, 101.0),
    ],
)
def test_a_session_that_goes_on_wants_no_more_than_before(
    lacks_wh: float, paused_wh: float | None, asked_wh: float
) -> None:
    plan = Plan(resumed=None if paused_wh is None else ticket(paused_wh))
    assert parameters._energy(talk_of({"energy_to_target_wh": lacks_wh}), plan) == asked_wh


@pytest.mark.parametrize(
    ("plan", "settings", "wish", "now", "due"),
    [
        ({}, {}, "", 100.0, False),
        ({"renegotiate": True}, {}, "", 100.0, True),
        ({"renegotiate": True, "negotiated_at": 95.0}, {}, "", 100.0, True),
        ({"renegotiate": True, "negotiated_at": 95.1}, {}, "", 100.0, False),
        ({"renegotiate": True, "negotiations": 2}, {"iso2": {"most_renegotiations": 3}}, "", 100.0, True),
        ({"renegotiate": True, "negotiations": 3}, {"iso2": {"most_renegotiations": 3}}, "", 100.0, False),
        ({"negotiations": 3}, {"iso2": {"most_renegotiations": 3}}, "driver", 100.0, True),
        ({}, {}, "driver", 100.0, True),
        ({"negotiated_at": 99.0}, {}, "driver", 100.0, False),
        ({}, {}, "", 3_599.0, False),
        ({}, {}, "", 3_600.0, True),
        ({"negotiated_at": 3_300.0}, {}, "", 3_600.0, True),
        ({"negotiated_at": 3_301.0}, {}, "", 3_600.0, False),
        ({}, {"schedule_renegotiation_s": 0.0}, "", 3_600.0, False),
        ({}, {"schedule_renegotiation_s": 0.5}, "", 3_600.0, True),
    ],
    ids=str,
)
def test_when_another_negotiation_begins(
    plan: dict[str, Any], settings: dict[str, Any], wish: str, now: float, due: bool
) -> None:
    talk = talk_of(**settings)
    talk.now, talk.schedule_wanted = now, wish
    made = Plan(schedule=chosen((3600.0, 1_000.0)), **plan)
    assert delivery.negotiation_due(talk, made) is due


def test_a_driver_who_changes_his_mind_wants_another_schedule_once() -> None:
    talk, plan = talk_of(), Plan()
    talk.needs_changed = True
    assert delivery.negotiation_due(talk, plan)
    assert (talk.needs_changed, talk.schedule_wanted) == (False, "the driver changed his mind")


def test_a_schedule_allows_no_more_than_was_told_and_nothing_when_it_is_over() -> None:
    plan = Plan(schedule=chosen((10.0, 5_000.0)), profile=Schedule.of(0.0, [(10.0, 4_000.0)]))
    assert [plan.scheduled_power_w(now) for now in (0.0, 9.9, 10.0)] == [4_000.0, 4_000.0, 0.0]
    assert [plan.schedule_over(now) for now in (9.9, 10.0)] == [False, True]
    assert (Plan().scheduled_power_w(0.0), Plan().schedule_over(0.0)) == (0.0, False)
    assert (Plan().tuple_id, plan.tuple_id) == (1, 1)


# -- the envelope ------------------------------------------------------------------------------------------


def test_what_is_plainly_right_is_seen_at_once_and_nothing_else() -> None:
    own, code = Iso2(), iso2.ResponseCode

    def answer(body: Any, session_id: bytes = SESSION_ID) -> iso2.V2GMessage:
        header = iso2.MessageHeader(session_id=session_id)
        return iso2.V2GMessage(header=header, body=iso2.Body(body_element=body))

    good = iso2.SessionStopRes(response_code=code.OK)
    assert own.plain(answer(good), SESSION_ID) is iso2.SessionStopRes
    assert own.plain(answer(iso2.SessionStopRes(response_code=code.FAILED)), SESSION_ID) is None
    assert own.plain(answer(good, bytes(8)), bytes(8)) is None
    assert own.plain(answer(good, b"\1" * 8), SESSION_ID) is None
    request = iso2.SessionStopReq(charging_session=iso2.ChargingSession.Terminate)
    foreign = app.SupportedAppProtocolRes(response_code=app.ResponseCode.OK_SuccessfulNegotiation)
    for other in (answer(request), foreign):
        assert own.plain(other, SESSION_ID) is None
        assert own.read(other) is None


# -- schedules ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("powers_w", "departs", "taken"),
    [
        ((1_000.0, 50_000.0), None, 2),
        ((50_000.0, 60_000.0), None, 1),
        ((19_999.0, 60_000.0), None, 1),
        ((19_998.0, 60_000.0), None, 2),
        ((1_000.0, 900.0), None, 1),
        ((30_000.0, 50_000.0), 1_800.0, 2),
    ],
)
def test_the_first_schedule_that_gives_enough_until_departure(
    powers_w: tuple[float, ...], departs: float | None, taken: int
) -> None:
    talk = talk_of({"energy_to_target_wh": 20_000.0})
    talk.departure_at = departs
    offers = [chosen((3600.0, power), number=number) for number, power in enumerate(powers_w, start=1)]
    assert schedules.choose_schedule(talk, Plan(), offers, 100_000.0).tuple_id == taken
