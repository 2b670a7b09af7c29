"""What a vehicle of ISO 15118-2 declares and tells of a charge, at its edges: a charger that can do less for
now, phases that differ, and what is left of a battery that wants nothing.

The functions are called with a conversation of a session that has just begun; no message is exchanged.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.ac import NOTHING, each
from iso15118.energy.schedule import Schedule
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso2 import ac, ac_parameters, dc_parameters, parameters, pause
from iso15118.evcc.iso2.plan import ChosenSchedule, Plan
from iso15118.evcc.iso2.receipt import answer_meter
from iso15118.messages import iso2
from iso15118.messages.physical import quantity
from iso15118.session import actions as act
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.actions import PriceTrust
from iso15118.session.services import ServiceID
from tests.evcc.hand import Hand
from tests.evcc.iso2.contracts import held
from tests.evcc.iso2.station import SESSION_ID, Host, ac_offer, battery, schedules

MODE = iso2.EnergyTransferMode
CHARGER = AcVehicleLimits.of(current_a=16.0)


def talk_of(charger: AcVehicleLimits | None = CHARGER, cells: Any = None) -> Conversation:
    talk = Host(charger=charger).session._talk
    talk.battery, talk.session_id = battery(**(cells or {})), SESSION_ID
    talk.outbox.clear()
    return talk


def plan_of(mode: iso2.EnergyTransferMode = MODE.AC_three_phase_core) -> Plan:
    power = Schedule.of(0.0, [(3600.0, 1e6)])
    plan = Plan(mode=mode, schedule=ChosenSchedule(tuple_id=3, power=power, read_at=0.0))
    plan.ac.phases, plan.ac.most_a = 3, 32.0
    return plan


def test_a_battery_that_takes_nothing_lets_no_watt_through_a_charger_without_a_minimum() -> None:
    talk, plan = talk_of(AcVehicleLimits.of(current_a=16.0, minimum_a=0.0)), plan_of()
    for battery_w, takes in ((0.0, NOTHING), (-1.0, NOTHING), (3.0, each(1.0, 3))):
        talk.battery = battery(maximum_charge_power_w=battery_w)
        assert ac._bounds(talk, plan).power_w == pytest.approx(takes)


def test_the_least_of_a_charger_is_that_of_the_phase_that_needs_most() -> None:
    uneven = replace(CHARGER, minimum_charge_power_w=(500.0, 1_200.0, 800.0))
    plan = plan_of()
    assert ac._least_w(uneven, plan) == 1_200.0
    plan.ac.phases = 1
    assert ac._least_w(uneven, plan) == 500.0


def test_what_a_charger_declared_holds_though_it_can_do_less_for_now() -> None:
    """It may do all of it again; the station is told once."""
    talk, plan = talk_of(), plan_of()
    talk.charger_now = replace(CHARGER, maximum_current_a=each(10.0, 3), maximum_voltage_v=200.0)
    said = ac_parameters.ac_parameter(talk, plan, None, 0.0)
    assert (quantity(said.ev_max_current), quantity(said.ev_max_voltage)) == (16.0, CHARGER.maximum_voltage_v)
    ac_parameters.take_ac_offer(talk, plan, ac_offer(16.0, 230.0))
    assert (plan.ac.nominal_v, talk.outbox) == (230.0, [])
    assert ac_parameters.ac_power_w(talk, plan) == pytest.approx(3 * 10.0 * 230.0)


def test_a_full_battery_is_one_of_a_hundred_percent() -> None:
    said = dc_parameters.dc_parameter(talk_of(), plan_of(MODE.DC_extended), None, 0.0)
    assert (said.full_soc, said.bulk_soc) == (100, 80)


@pytest.mark.parametrize(
    ("lacks_wh", "planned_wh"), [(20_000.0, 20_000.0), (0.25, 0.25), (0.0, 0.0), (-5.0, 0.0)]
)
def test_the_schedule_that_was_taken_is_told_with_what_is_planned(lacks_wh: float, planned_wh: float) -> None:
    host = Host().to("ChargeParameterDiscovery")
    host.battery(energy_to_target_wh=lacks_wh)
    host.answer(sa_schedules=schedules((5, [(0, 50_000.0)], 3600), (7, [(0, 40_000.0)], 3600)))
    (told,) = [one for one in host.news if isinstance(one, act.ScheduleChosen)]
    assert (told.planned_wh, told.trust, told.offered) == (planned_wh, PriceTrust.NONE, 2)
    assert told.schedule_id in (5, 7)


@pytest.mark.parametrize(
    ("mode", "service"), [(MODE.AC_three_phase_core, ServiceID.AC), (MODE.DC_extended, ServiceID.DC)]
)
@pytest.mark.parametrize(("lacks_wh", "kept_wh"), [(20_000.0, 20_000.0), (0.0, 0.0), (-5.0, 0.0)])
def test_a_ticket_says_what_is_still_wanted(
    mode: iso2.EnergyTransferMode, service: ServiceID, lacks_wh: float, kept_wh: float
) -> None:
    talk = talk_of(cells={"energy_to_target_wh": lacks_wh})
    talk.now, talk.departure_at = 10.0, 100.0
    ticket = pause.keep(talk, plan_of(mode))
    assert ticket is not None
    assert (ticket.service, ticket.energy_wh) == (service, kept_wh)
    assert ticket.iso2 is not None
    assert (ticket.iso2.mode, ticket.iso2.tuple_id) == (mode.value, 3)
    assert (ticket.departure_at, ticket.paused_at) == (100.0 + talk.epoch, 10.0 + talk.epoch)


@pytest.mark.parametrize(
    ("plain", "has", "signs"), [(False, True, True), (True, True, False), (False, False, False)]
)
def test_a_receipt_is_given_with_a_contract_over_tls(plain: bool, has: bool, signs: bool) -> None:
    talk = Host(contracts=held("contract-0")).session._talk
    assert talk.contracts is not None
    (contract,) = talk.contracts.usable(edition="iso2", unix_time=talk.clock)
    talk.plain, talk.contract = plain, contract if has else None
    wanted: Any = Host().response(
        iso2.CurrentDemandRes, meter_info=iso2.MeterInfo(meter_id="M", meter_reading=7), receipt_required=True
    )
    hand = Hand(talk, answer_meter(talk, plan_of(MODE.DC_extended), wanted))
    assert (not hand.over) is signs  # the key is waited for
    assert ("receipt" in talk.noted) is not signs


@pytest.mark.parametrize(
    ("finished", "has", "notification", "told"),
    [
        (True, True, iso2.EVSENotification.StopCharging, True),
        (False, True, iso2.EVSENotification.StopCharging, False),
        (True, False, iso2.EVSENotification.StopCharging, False),
        (True, True, iso2.EVSENotification.None_, False),
    ],
)
def test_a_stop_is_told_by_its_message_where_schedules_and_a_notification_are_there(
    finished: bool, has: bool, notification: iso2.EVSENotification, told: bool
) -> None:
    """EVSE_Shutdown without a notification is left as well."""
    talk, plan = talk_of(), Plan(mode=MODE.DC_extended)
    hand = Hand(talk, parameters.charge_parameters(talk, plan))
    host = Host()
    offer: Any = host.response(iso2.ChargeParameterDiscoveryRes)
    status = replace(
        offer.evse_charge_parameter.dc_evse_status,
        evse_notification=notification,
        evse_status_code=iso2.DCEVSEStatusCode.EVSE_Shutdown,
    )
    processing = iso2.EVSEProcessing
    hand.answer(
        host.message(
            replace(
                offer,
                evse_processing=processing.Finished if finished else processing.Ongoing,
                sa_schedules=offer.sa_schedules if has else None,
                evse_charge_parameter=replace(offer.evse_charge_parameter, dc_evse_status=status),
            )
        )
    )
    assert hand.left is not None
    assert plan.stop_told is told
