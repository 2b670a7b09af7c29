"""An AC charge in ISO 15118-2: the offer, the control pilot and the contactor, the loop,
renegotiation, and the end."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.energy.ac import NOTHING
from iso15118.messages import iso2
from iso15118.messages.physical import amperes, quantity, volts, watt_hours
from iso15118.secc.iso2.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcBounds, AcStationLimits
from iso15118.session.actions import EndReason
from iso15118.session.services import ServiceID
from tests.secc.iso2.outlet import ONE, OUTLET, SIGNAL_B, SIGNAL_C, THREE, AcDrive, ac_parameters
from tests.secc.iso2.test_schedules import entries
from tests.secc.iso2.test_settings import DIN, ISO2, NONE, chosen
from tests.secc.iso2.vehicle import configured, dc_parameters, decide, profile, settings

UNEVEN = AcStationLimits(
    phases=3, maximum_current_a=(16.0, 10.0, 13.0), maximum_charge_power_w=(3680.0, 2300.0, 2990.0)
)


def notification(status: iso2.ACEVSEStatus) -> tuple[str, int, bool]:
    return status.evse_notification.value, status.notification_max_delay, status.rcd


def test_a_whole_charge_asks_the_hardware_in_this_order() -> None:
    drive = AcDrive().charging()
    drive.status()
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Stop)
    drive.book.tell(SIGNAL_B)
    drive.book.tell(ev.ContactorsChanged(False))
    assert drive.heard().response_code.value == "OK"
    drive.book.waits_for("SessionStop")
    assert drive.send(iso2.SessionStopReq).response_code.value == "OK"
    drive.book.ends(EndReason.STOPPED_BY_EV)
    steps = [name for name in drive.done if name not in ("ReadMeter", "RequestAuthorization")]
    assert steps[:3] == ["SetAcPower", "CloseContactors", "SetAcPower"]
    assert steps[3:5] == ["StopPower", "OpenContactors"]
    assert set(steps[5:]) <= {"StopPower", "OpenContactors"}


@pytest.mark.parametrize(
    ("outlet", "modes"),
    [(OUTLET, (THREE, ONE)), (AcStationLimits.of(current_a=32.0, phases=1), (ONE,))],
)
def test_what_an_outlet_offers(outlet: AcStationLimits, modes: Any) -> None:
    drive = AcDrive(outlet=outlet).to(State.SERVICE_DISCOVERY)
    found = drive.send(iso2.ServiceDiscoveryReq)
    assert found.charge_service.supported_energy_transfer_mode.energy_transfer_mode == modes


@pytest.mark.parametrize(
    ("outlet", "mode", "current", "power"),
    [
        (OUTLET, THREE, 16.0, 11_040.0),
        (OUTLET, ONE, 16.0, 3_680.0),
        (UNEVEN, THREE, 10.0, 6_900.0),
        (UNEVEN, ONE, 16.0, 3_680.0),
        (AcStationLimits.of(current_a=32.05, nominal_voltage_v=240.0, phases=1), ONE, 32.05, 7_692.0),
    ],
)
def test_the_offer_is_the_least_of_the_phases_and_the_power_exactly_that(
    outlet: AcStationLimits, mode: Any, current: float, power: float
) -> None:
    answer = AcDrive(outlet=outlet).discover(mode)
    offer = answer.evse_charge_parameter
    assert answer.evse_processing is iso2.EVSEProcessing.Finished
    assert quantity(offer.evse_max_current) == current
    assert quantity(offer.evse_nominal_voltage) == outlet.nominal_voltage_v
    assert notification(offer.ac_evse_status) == ("None", 0, False)
    (one,) = answer.sa_schedules.sa_schedule_tuple
    assert entries(one) == [(0, 3600, power)]


def test_a_profile_of_exactly_that_power_is_fine_and_one_watt_more_by_setting() -> None:
    for power, check, fits in (
        (11_040.0, "strict", True),
        (11_041.0, "strict", False),
        (11_041.0, "note", True),
    ):
        drive = AcDrive(settings(profile_check=check))
        drive.discover()
        answer = drive.send(iso2.PowerDeliveryReq, charging_profile=profile((0, power)))
        if fits:
            drive.book.does(act.SetAcPower, act.CloseContactors)
        else:
            assert answer.response_code.value == "FAILED_ChargingProfileInvalid"


@pytest.mark.parametrize(
    ("mode", "parameters", "code"),
    [
        (iso2.EnergyTransferMode.DC_extended, {}, "FAILED_WrongEnergyTransferMode"),
        (THREE, {"ev_max_current": amperes(5.0)}, "FAILED_WrongChargeParameter"),
        (
            THREE,
            {"ev_max_current": amperes(-1.0), "ev_min_current": amperes(-2.0)},
            "FAILED_WrongChargeParameter",
        ),
        (THREE, {"ev_min_current": amperes(-2.0)}, "FAILED_WrongChargeParameter"),
        (
            THREE,
            {"ev_max_current": amperes(0.0), "ev_min_current": amperes(0.0)},
            "FAILED_WrongChargeParameter",
        ),
    ],
)
def test_parameters_that_do_not_fit(mode: Any, parameters: dict[str, Any], code: str) -> None:
    drive = AcDrive()
    answer = drive.discover(mode, **parameters)
    assert answer.response_code.value == code
    drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)


def test_parameters_of_direct_current_at_an_outlet() -> None:
    drive = AcDrive().to(State.CHARGE_PARAMETER_DISCOVERY)
    answer = drive.send(
        iso2.ChargeParameterDiscoveryReq,
        requested_energy_transfer_mode=THREE,
        ev_charge_parameter=dc_parameters(),
    )
    assert answer.response_code.value == "FAILED_WrongChargeParameter"


@pytest.mark.parametrize(
    "parameters",
    [
        {"ev_max_voltage": volts(413.0), "ev_max_current": amperes(350.0), "e_amount": watt_hours(500.0)},
        {"ev_max_voltage": volts(260.0)},
        {"e_amount": watt_hours(-1.0)},
        {"ev_max_current": amperes(20_000.0)},
    ],
    ids=["413 V, 350 A, 500 Wh", "260 V", "negative energy", "20 kA"],
)
def test_strange_values_of_vehicles_are_noted_or_refused_by_setting(parameters: dict[str, Any]) -> None:
    drive = AcDrive()
    assert drive.discover(**parameters).response_code.value == "OK"
    assert any(isinstance(a, act.PeerDeviates) and a.name == "charge-parameters" for a in drive.book.actions)
    drive.starts(0.0)
    assert quantity(drive.status().evse_max_current) == 16.0
    strict = AcDrive(settings(plausibility="strict"))
    assert strict.discover(**parameters).response_code.value == "FAILED_WrongChargeParameter"


# -- the control pilot and the contactor


def test_the_contactor_closes_after_state_c_shows_and_with_bounds_of_nothing_first() -> None:
    drive = AcDrive()
    drive.book.tell(SIGNAL_B)
    drive.discover()
    assert drive.send(iso2.PowerDeliveryReq) is None
    assert "CloseContactors" not in drive.done
    drive.book.wait(0.249)
    drive.book.tell(SIGNAL_C)
    (bounds, _) = drive.book.does(act.SetAcPower, act.CloseContactors)
    assert bounds == act.SetAcPower(AcBounds(phases=3))
    drive.book.wait(0.4)
    drive.book.tell(ev.ContactorsChanged(True))
    assert drive.heard().response_code.value == "OK"
    drive.book.waits_for("ChargingStatus")


def test_a_vehicle_that_shows_c_before_it_asks_is_served() -> None:
    drive = AcDrive()
    drive.discover()
    drive.book.tell(SIGNAL_C)
    drive.send(iso2.PowerDeliveryReq)
    drive.book.does(act.SetAcPower, act.CloseContactors)


def test_state_b_after_start_closes_nothing_and_is_an_error_after_a_second_and_a_half() -> None:
    drive = AcDrive()
    drive.book.tell(SIGNAL_B)
    drive.discover()
    drive.send(iso2.PowerDeliveryReq)
    drive.book.wait(1.49)
    assert drive.session.ended is None
    drive.book.wait(0.02)
    assert drive.heard().response_code.value.startswith("FAILED")
    drive.book.ends(EndReason.SIGNAL_LOST)
    assert "CloseContactors" not in drive.done


@pytest.mark.parametrize("pilot_s", [0.0, 1.4])
def test_a_contactor_that_does_not_close_is_an_error_within_4_and_a_half_seconds(pilot_s: float) -> None:
    drive = AcDrive()
    drive.book.tell(SIGNAL_B)
    drive.discover()
    drive.send(iso2.PowerDeliveryReq)
    drive.book.wait(pilot_s)
    drive.book.tell(SIGNAL_C)
    drive.book.wait(2.99)
    assert drive.session.ended is None
    drive.book.wait(0.02)
    assert drive.book.now < 4.5
    assert drive.heard().response_code.value == "FAILED_ContactorError"
    drive.book.does(act.StopPower, act.OpenContactors)
    drive.book.ends(EndReason.CONTACTOR_FAILED)


def test_nothing_closes_without_authorization() -> None:
    drive = AcDrive()
    drive.discover()
    drive.session._facts.authorized = None
    assert drive.send(iso2.PowerDeliveryReq).response_code.value == "FAILED"
    assert "CloseContactors" not in drive.done


@pytest.mark.parametrize("state", [ev.SignalState.B, ev.SignalState.A, ev.SignalState.E])
def test_state_c_that_goes_without_a_stop_opens_at_once(state: ev.SignalState) -> None:
    drive = AcDrive().charging()
    drive.status()
    drive.book.tell(ev.SignalChanged(state))
    assert [type(a) for a in drive.book.actions[:2]] == [act.StopPower, act.OpenContactors]
    if state is ev.SignalState.B:
        assert drive.status().response_code.value == "FAILED"
    drive.book.ends(EndReason.SIGNAL_LOST)


def test_a_stop_before_power() -> None:
    drive = AcDrive()
    drive.discover()
    answer = drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Stop)
    assert answer.response_code.value == "OK"
    drive.book.waits_for("SessionStop")


def test_a_contactor_that_does_not_open_is_an_error() -> None:
    drive = AcDrive().charging()
    drive.status()
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Stop)
    drive.book.wait(3.01)
    assert drive.heard().response_code.value == "FAILED_ContactorError"


# -- the loop


def test_the_current_changes_at_once_at_the_outlet_and_with_the_next_answer_in_the_vehicle() -> None:
    drive = AcDrive().charging()
    answer = drive.status()
    assert quantity(answer.evse_max_current) == 16.0
    assert (answer.evseid, answer.sa_schedule_tuple_id, answer.receipt_required) == ("ZZ00000", 1, False)
    drive.book.tell(ev.AcLimitsChanged(AcStationLimits.of(current_a=10.25)))
    (bounds,) = drive.book.does(act.SetAcPower)
    assert isinstance(bounds, act.SetAcPower)
    assert bounds.bounds.charge_a == (10.25, 10.25, 10.25)
    assert bounds.bounds.charge_w == (2357.5, 2357.5, 2357.5)
    assert quantity(drive.status().evse_max_current) == 10.25
    assert drive.book.does() == []
    drive.book.tell(ev.AcLimitsChanged(AcStationLimits.of(current_a=64.0)))
    assert quantity(drive.status().evse_max_current) == 16.0  # never above the offer


@pytest.mark.parametrize(
    ("set_point_w", "current"),
    [(6900.0, 10.0), (4140.0, 6.0), (4139.0, 0.0), (0.0, 0.0), (-5000.0, 0.0), (None, 16.0)],
)
def test_a_set_point_is_a_current_or_nothing_where_the_vehicle_cannot_go_so_low(
    set_point_w: float | None, current: float
) -> None:
    drive = AcDrive().charging()
    drive.status()
    drive.book.tell(ev.SetPointChanged(set_point_w))
    assert quantity(drive.status().evse_max_current) == current
    assert drive.session._facts.ac_power is not None
    expected = (current,) * 3 if current else NOTHING
    assert drive.session._facts.ac_power.charge_a == expected


def test_one_phase_of_three_is_watched_alone() -> None:
    drive = AcDrive().charging(ONE)
    drive.status()
    bounds = drive.session._facts.ac_power
    assert bounds is not None
    assert (bounds.phases, bounds.charge_a, bounds.charge_w) == (1, (16.0, 0.0, 0.0), (3680.0, 0.0, 0.0))


def test_a_schedule_holds_in_the_loop_and_0_w_pause() -> None:
    drive = AcDrive()
    drive.book.tell(ev.PlanChanged((((20.0, 6900.0), (20.0, 0.0), (3000.0, 11_040.0)),)))
    drive.charging()
    assert quantity(drive.status().evse_max_current) == 10.0
    drive.book.wait(21.0)
    assert quantity(drive.status().evse_max_current) == 0.0
    drive.book.wait(20.0)
    assert quantity(drive.status().evse_max_current) == 16.0


def test_the_current_is_left_out_with_a_contract_by_setting() -> None:
    drive = AcDrive(settings(send_max_current="eim")).charging()
    assert drive.status().evse_max_current is not None
    drive.context.payment = iso2.PaymentOption.Contract
    assert drive.status().evse_max_current is None
    decide(drive.context, settings())
    assert drive.status().evse_max_current is not None


def test_a_wish_to_stop_is_told_and_the_station_stops_by_itself_afterwards() -> None:
    drive = AcDrive(settings(stop_notice_s=5)).charging()
    drive.status()
    drive.book.tell(ev.StopRequested("operator"))
    assert notification(drive.status().ac_evse_status) == ("StopCharging", 5, False)
    drive.book.wait(15.01)
    drive.book.does(act.StopPower, act.OpenContactors)
    answer = drive.status()
    assert (answer.response_code.value, notification(answer.ac_evse_status)) == (
        "FAILED",
        ("StopCharging", 0, False),
    )
    drive.book.ends(EndReason.STOPPED_BY_STATION)


def test_the_answer_of_the_loop_may_be_held_back() -> None:
    drive = AcDrive(settings(loop_answer_delay_s=0.1)).charging()
    assert drive.status() is None
    drive.book.wait(0.11)
    assert drive.heard().response_code.value == "OK"


# -- renegotiation and pause


def test_a_renegotiation_keeps_the_contactor_closed_and_uses_the_new_power() -> None:
    drive = AcDrive().charging()
    drive.status()
    drive.book.tell(ev.PlanChanged((((3600.0, 6900.0),),)))
    assert notification(drive.status().ac_evse_status) == ("ReNegotiation", 0, False)
    before = list(drive.done)
    answer = drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
    assert notification(answer.evse_status) == ("None", 0, False)
    drive.book.waits_for("Renegotiation")
    answer = drive.send(
        iso2.ChargeParameterDiscoveryReq,
        requested_energy_transfer_mode=THREE,
        ev_charge_parameter=ac_parameters(),
    )
    (one,) = answer.sa_schedules.sa_schedule_tuple
    assert entries(one) == [(0, 3600, 6900.0)]
    answer = drive.send(iso2.PowerDeliveryReq, charging_profile=profile((0, 6900.0)))
    assert answer.response_code.value == "OK"
    assert set(drive.done[len(before) :]) <= {"ReadMeter", "SetAcPower"}
    bounds = drive.session._facts.ac_power
    assert bounds is not None
    assert bounds.charge_a == (10.0,) * 3, "it draws by that from now on"
    assert quantity(drive.status().evse_max_current) == 10.0
    assert drive.session._facts.contactors_closed


def test_a_station_paused_by_0_w_goes_on_by_a_second_renegotiation() -> None:
    drive = AcDrive().charging()
    drive.status()
    for power, current in ((0.0, 0.0), (11_040.0, 16.0)):
        drive.book.wait(40.0)
        drive.status()
        drive.context.ask_not_before = 0.0
        drive.book.tell(ev.PlanChanged((((3600.0, power),),)))
        assert notification(drive.status().ac_evse_status)[0] == "ReNegotiation"
        drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
        drive.send(
            iso2.ChargeParameterDiscoveryReq,
            requested_energy_transfer_mode=THREE,
            ev_charge_parameter=ac_parameters(),
        )
        drive.send(iso2.PowerDeliveryReq, charging_profile=profile((0, power)))
        assert quantity(drive.status().evse_max_current) == current
    assert drive.done.count("CloseContactors") == 1


def test_state_b_in_a_renegotiation_is_a_loss() -> None:
    drive = AcDrive().charging()
    drive.status()
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
    drive.book.tell(SIGNAL_B)
    assert [type(a) for a in drive.book.actions[:2]] == [act.StopPower, act.OpenContactors]
    assert drive.send(iso2.PowerDeliveryReq).response_code.value == "FAILED"
    drive.book.ends(EndReason.SIGNAL_LOST)


def test_a_vehicle_that_pauses_and_returns_finds_its_mode_alone() -> None:
    drive = AcDrive().charging()
    drive.status()
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Stop)
    drive.book.tell(ev.ContactorsChanged(False))
    drive.send(iso2.SessionStopReq, charging_session=iso2.ChargingSession.Pause)
    drive.book.ends(EndReason.PAUSED)
    ticket = drive.session.ticket
    assert ticket is not None
    assert ticket.service is ServiceID.AC
    again = AcDrive(resume=ticket)
    again.connect()
    again.session_id = ticket.session_id
    assert again.send(iso2.SessionSetupReq).response_code.value == "OK_OldSessionJoined"
    found = again.send(iso2.ServiceDiscoveryReq)
    assert found.charge_service.supported_energy_transfer_mode.energy_transfer_mode == (THREE,)


# -- what is chosen


def test_an_outlet_takes_no_vehicle_that_knows_din_alone_and_mcs_none_at_all() -> None:
    outlet = configured(editions=("iso20", "iso2", "din"), services=(ServiceID.AC,))
    assert chosen((DIN, 2, 0, 1, 1), config=outlet, limits=None, ac=OUTLET) == NONE
    assert chosen((ISO2, 2, 0, 1, 1), config=outlet, limits=None, ac=OUTLET)[2] == "iso2"
    assert chosen((ISO2, 2, 0, 1, 1), config=outlet) == NONE  # the service without the outlet
    megawatt = configured(services=(ServiceID.MCS,))
    assert chosen((ISO2, 2, 0, 1, 1), config=megawatt) == NONE
    three = configured(settings(energy_transfer_modes=(THREE,)), services=(ServiceID.AC,))
    single = AcStationLimits.of(current_a=16.0, phases=1)
    assert chosen((ISO2, 2, 0, 1, 1), config=three, limits=None, ac=single) == NONE
