"""What stations of today do, and what the vehicle makes of it in DIN 70121: odd
offers, status, isolation, limits.

And what it sends itself: optional fields, pace, and the order of its hardware.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import fields as fields_of

from iso15118 import exi
from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.evcc.din.settings import DinEvccSettings
from iso15118.messages import din
from iso15118.messages.physical import quantity
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.evcc.din.station import BATTERY_V, Host, offer, schedules, status, value


def config(**settings: Any) -> EvccConfig:
    return EvccConfig(editions=("din",), din=DinEvccSettings(**settings))


def service(way: str = "DC_extended", number: int = 1) -> din.ServiceCharge:
    return din.ServiceCharge(
        service_tag=din.ServiceTag(service_id=number, service_category=din.ServiceCategory.EVCharging),
        free_service=False,
        energy_transfer_type=din.EVSESupportedEnergyTransfer(way),
    )


# -- set-up ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "evse_id", [b"\0", b"", b"ZZ00000", bytes.fromhex("98ed5c001122"), bytes(32)], ids=repr
)
@pytest.mark.parametrize("at", [None, 0, -1, 2**40])
def test_any_identity_and_any_time_of_the_station_is_taken(evse_id: bytes, at: int | None) -> None:
    host = Host().to("SessionSetup")
    host.answer(evseid=evse_id, date_time_now=at, response_code=din.ResponseCode.OK)
    assert host.session.state == "ServiceDiscovery"


def test_the_id_of_the_service_is_given_back() -> None:
    host = Host().to("ServiceDiscovery")
    host.answer(charge_service=service(number=4660))
    (chosen,) = host.request.selected_service_list.selected_service
    assert chosen.service_id == 4660
    assert host.request.selected_payment_option is din.PaymentOption.ExternalPayment


def test_the_list_of_payments_is_searched() -> None:
    host = Host().to("ServiceDiscovery")
    both = (din.PaymentOption.Contract, din.PaymentOption.ExternalPayment)
    host.answer(payment_options=din.PaymentOptions(payment_option=both))
    assert host.session.state == "ServicePaymentSelection"
    host = Host().to("ServiceDiscovery")
    host.answer(payment_options=din.PaymentOptions(payment_option=(din.PaymentOption.Contract,)))
    assert host.session.state == "SessionStop"
    assert host.finish().reason is EndReason.AUTHORIZATION_FAILED


@pytest.mark.parametrize("way", list(din.EVSESupportedEnergyTransfer), ids=lambda way: way.value)
def test_every_way_to_charge_with_direct_current_is_understood(way: din.EVSESupportedEnergyTransfer) -> None:
    host = Host().to("ServiceDiscovery")
    host.answer(charge_service=service(way.value))
    if "DC" not in way.value:
        assert host.finish().reason is EndReason.PARAMETERS_NOT_ACCEPTED
        return
    host.to("ChargeParameterDiscovery")
    wanted = host.request.ev_requested_energy_transfer_type.value
    assert wanted in ("DC_extended", "DC_core", "DC_combo_core")
    if way.value in ("DC_extended", "DC_core", "DC_combo_core"):
        assert wanted == way.value


def test_the_driver_is_waited_for() -> None:
    host = Host().to("ContractAuthentication")
    for _ in range(28):
        host.answer(evse_processing=din.EVSEProcessing.Ongoing)
        host.wait(1.0)
    host.answer()
    assert host.session.state == "ChargeParameterDiscovery"


# -- charge parameters -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        schedules(0, 0),
        schedules(0, 0, None),
        schedules(-2135),
        schedules(32_767, 1, 16_777_215),
        schedules(32_767, -1, 0),
    ],
    ids=lambda one: str(one.sa_schedule_tuple[0].p_max_schedule.p_max_schedule_entry[0]),
)
@pytest.mark.parametrize("every", [True, False])
def test_any_schedule_is_taken_and_limits_nothing(given: din.SAScheduleList, every: bool) -> None:
    host = Host(config(send_optional=every)).to("ChargeParameterDiscovery")
    host.answer(sa_schedules=given)
    host.to("CurrentDemand")
    assert quantity(host.request.ev_target_current) == 200.0


def test_a_schedule_that_stands_empty_in_its_abstract_form_is_none_and_the_vehicle_charges() -> None:
    """The octets of a charger in use: the head SASchedules is there, and nothing is in its place."""
    sent = bytes.fromhex("809a02004080c1014181c21080004820400000c99002062050193080c0c802064c8010190140c80a20")
    message, notes = exi.decode_with_notes("din", sent)
    assert [note.split(":")[0] for note in notes] == ["empty-abstract"]
    answer: Any = message
    host = Host().to("ChargeParameterDiscovery")
    header = din.MessageHeader(session_id=host.session_id)
    host.tell(ev.MessageReceived(din.V2GMessage(header=header, body=answer.body)))
    host.to("CurrentDemand")
    assert quantity(host.request.ev_target_current) == 26.3  # 10 kW at 380 V
    host.battery(energy_to_target_wh=0.0, complete=True)
    assert host.finish().reason is EndReason.STOPPED_BY_EV


@pytest.mark.parametrize(("p_max", "current"), [(32_767, 86.2), (10_000, 26.3), (0, 0.0), (-2135, 0.0)])
def test_a_schedule_is_kept_where_that_is_configured(p_max: int, current: float) -> None:
    host = Host(config(use_pmax=True)).to("ChargeParameterDiscovery")
    host.answer(sa_schedules=schedules(p_max))
    host.to("PowerDelivery")
    (entry,) = host.request.charging_profile.profile_entry
    assert entry.charging_profile_entry_max_power == max(p_max, 0)
    host.to("CurrentDemand")
    assert quantity(host.request.ev_target_current) == current


def test_a_schedule_while_the_station_says_ongoing_is_not_the_last_word() -> None:
    host = Host().to("ChargeParameterDiscovery")
    host.answer(evse_processing=din.EVSEProcessing.Ongoing, sa_schedules=schedules(0, 0))
    host.to("PowerDelivery")
    assert host.request.charging_profile.sa_schedule_tuple_id == 1


@pytest.mark.parametrize(
    ("changes", "goes_on"),
    [
        ({"evse_maximum_power_limit": None}, True),
        ({"evse_minimum_current_limit": value(301.0, "A")}, False),
        ({"evse_minimum_voltage_limit": value(451.0)}, False),
        ({"evse_maximum_voltage_limit": value(379.0)}, False),
        ({"evse_minimum_current_limit": value(-5.0, "A")}, True),
        ({"evse_minimum_voltage_limit": value(999.0), "evse_maximum_voltage_limit": value(400.0)}, True),
        ({"dc_evse_status": status("EVSE_NotReady", None)}, True),
        ({"dc_evse_status": status("EVSE_NotReady", "Invalid")}, True),
        ({"dc_evse_status": status("EVSE_Shutdown", None)}, False),
        ({"dc_evse_status": status("EVSE_EmergencyShutdown")}, False),
        ({"dc_evse_status": status("EVSE_Malfunction")}, False),
        ({"dc_evse_status": status("EVSE_Ready", "Fault")}, False),
        ({"dc_evse_status": status(notification="StopCharging")}, False),
        ({"dc_evse_status": status(notification="ReNegotiation")}, True),
    ],
)
def test_the_offer_of_the_station(changes: dict[str, Any], goes_on: bool) -> None:
    host = Host().to("ChargeParameterDiscovery")
    host.answer(evse_charge_parameter=offer(**changes))
    assert host.session.state == ("CableCheck" if goes_on else "SessionStop")
    if not goes_on:
        assert act.SignalReady not in [type(one) for one in host.asked if getattr(one, "ready", False)]
        host.answer()
        assert host.session.ended is not None
        assert host.session.ended.reason is not EndReason.STOPPED_BY_EV


@pytest.mark.parametrize(
    ("changes", "notes"),
    [
        ({}, []),
        ({"evse_maximum_power_limit": None}, []),
        (
            {
                "evse_minimum_current_limit": value(400.0, "A"),
                "evse_maximum_current_limit": value(400.0, "A"),
            },
            [],
        ),
        ({"evse_minimum_current_limit": value(-5.0, "A")}, ["charge-parameters"]),
        ({"evse_minimum_voltage_limit": value(921.0)}, ["charge-parameters"]),
        ({"evse_minimum_current_limit": value(401.0, "A")}, ["charge-parameters"]),
    ],
)
def test_an_odd_offer_is_noted(changes: dict[str, Any], notes: list[str]) -> None:
    host = Host().to("ChargeParameterDiscovery")
    host.answer(evse_charge_parameter=offer(**changes))
    assert host.noted == notes


def test_a_station_without_a_power_gives_what_voltage_and_current_make() -> None:
    host = Host().to("ChargeParameterDiscovery")
    # 410 V and 100 A are 41 kW, at the battery's 380 V more than its current.
    few = {"evse_maximum_current_limit": value(100.0, "A"), "evse_maximum_voltage_limit": value(410.0)}
    host.answer(evse_charge_parameter=offer(evse_maximum_power_limit=None, **few))
    host.to("CurrentDemand", 2)
    assert quantity(host.request.ev_target_current) == 100.0


def test_ac_parameters_lead_nowhere() -> None:
    host = Host().to("ChargeParameterDiscovery")
    ac = din.ACEVSEChargeParameter(
        ac_evse_status=din.ACEVSEStatus(
            power_switch_closed=False,
            rcd=False,
            notification_max_delay=0,
            evse_notification=din.EVSENotification.None_,
        ),
        evse_max_voltage=value(230.0),
        evse_max_current=value(16.0, "A"),
        evse_min_current=value(6.0, "A"),
    )
    host.answer(evse_charge_parameter=ac)
    assert host.finish().reason is EndReason.PARAMETERS_NOT_ACCEPTED


@pytest.mark.parametrize("every", [True, False])
def test_every_optional_field_is_sent_or_none(every: bool) -> None:
    host = Host(config(send_optional=every))
    host.to("SessionStop")
    contents = [part for request in host.sent[1:] for part in _structs(request)]
    optional = [
        getattr(part, one.name)
        for part in contents
        for one in fields_of(type(part))
        if not one.required and (type(part).__name__, one.name) not in _NOT_OURS
    ]
    assert optional
    missing = [one is None for one in optional]
    assert not any(missing) if every else all(missing)


_NOT_OURS = {
    ("ServiceDiscoveryReq", "service_scope"),  # filters by provider
    ("SelectedService", "parameter_set_id"),  # the charge service has none
    ("ContractAuthenticationReq", "id"),  # of contracts
    ("ContractAuthenticationReq", "gen_challenge"),
    ("PowerDeliveryReq", "charging_profile"),  # of no use when power is switched off
    ("PhysicalValue", "unit"),  # always told
    (
        "DCEVChargeParameter",
        "ev_maximum_power_limit",
    ),  # likewise: without it a station takes voltage times current
}


def _structs(value: Any) -> list[Any]:
    parts = [value]
    for one in fields_of(type(value)):
        inner = getattr(value, one.name)
        for item in inner if isinstance(inner, tuple) else (inner,):
            if hasattr(type(item), "__struct_fields__"):
                parts += _structs(item)
    return parts


# -- cable check and pre-charge ----------------------------------------------------------------------------


def test_state_c_is_shown_just_before_the_first_cable_check() -> None:
    host = Host().to("ChargeParameterDiscovery")
    assert host.asked == []
    assert not host.request.ev_charge_parameter.dc_ev_status.ev_ready
    host.answer()
    assert type(host.book.actions[0]) is act.SignalReady
    assert host.session.state == "CableCheck"
    assert host.request.dc_ev_status.ev_ready


@pytest.mark.parametrize(
    ("code", "isolation", "goes_on"),
    [
        ("EVSE_Ready", "Valid", True),
        ("EVSE_Ready", "Warning", True),
        ("EVSE_Ready", None, True),
        ("EVSE_NotReady", "Valid", True),
        ("EVSE_NotReady", None, True),
        ("EVSE_IsolationMonitoringActive", "Valid", True),
        ("EVSE_Ready", "Invalid", False),
        ("EVSE_Ready", "Fault", False),
        ("EVSE_Shutdown", "Valid", False),
        ("EVSE_EmergencyShutdown", "Valid", False),
        ("EVSE_Malfunction", "Valid", False),
    ],
)
def test_the_end_of_the_cable_check(code: str, isolation: str | None, goes_on: bool) -> None:
    host = Host().to("CableCheck")
    host.answer(dc_evse_status=status(code, isolation))
    assert host.session.state == ("PreCharge" if goes_on else "SessionStop")
    if not goes_on:
        assert host.finish().reason is not EndReason.STOPPED_BY_EV
        assert act.CloseContactors not in [type(one) for one in host.asked]


@pytest.mark.parametrize("isolation", ["Invalid", "Valid", None])
@pytest.mark.parametrize("code", ["EVSE_IsolationMonitoringActive", "EVSE_Ready", "EVSE_NotReady"])
def test_a_cable_check_that_goes_on(code: str, isolation: str | None) -> None:
    host = Host().to("CableCheck")
    for _ in range(20):
        host.answer(evse_processing=din.EVSEProcessing.Ongoing, dc_evse_status=status(code, isolation))
        assert host.session.state == "CableCheck"
        host.wait(0.5)


@pytest.mark.parametrize(("inlet", "matches"), [(360.0, True), (359.9, False), (400.0, True), (400.1, False)])
def test_contactors_close_on_the_vehicles_own_measurement(inlet: float, matches: bool) -> None:
    host = Host().to("PreCharge")
    host.measure(inlet)
    host.answer(evse_present_voltage=value(BATTERY_V))
    closes = act.CloseContactors in [type(one) for one in host.asked]
    assert closes is matches


def test_a_voltage_that_misses_by_a_tenth_for_seven_seconds() -> None:
    host = Host().to("PreCharge")
    while host.session.state == "PreCharge":
        host.measure(BATTERY_V - 20.1)
        if host.waiting:
            host.answer()
        else:
            host.wait(0.05)
    assert 7.0 <= host.book.now < 7.2
    assert isinstance(host.request, din.SessionStop)
    assert act.CloseContactors not in [type(one) for one in host.asked]


def test_pre_charge_follows_the_battery() -> None:
    host = Host().to("PreCharge")
    assert quantity(host.request.ev_target_voltage) == BATTERY_V
    assert quantity(host.request.ev_target_current) == 1.0
    host.battery(voltage_v=377.5)
    host.measure(0.0)
    host.answer()
    host.wait(0.1)
    assert quantity(host.request.ev_target_voltage) == 377.5


def test_contactors_that_do_not_close() -> None:
    host = Host().to("PreCharge")
    host.measure(BATTERY_V)
    host.answer()
    host.wait(2.999)
    assert host.session.state == "PreCharge"
    host.wait(0.001)
    assert isinstance(host.request, din.SessionStop)
    host.answer()
    host.book.ends(EndReason.CONTACTOR_FAILED)


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("evccid", b""),
        ("evccid", bytes(9)),
        ("evccid", "02"),
        ("precharge_current_a", 2.1),
        ("voltage_headroom_v", -1.0),
        ("loop_interval_s", float("inf")),
    ],
)
def test_a_wrong_setting_is_refused_by_name(key: str, wrong: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        DinEvccSettings(**{key: wrong})
    assert caught.value.key == f"din.{key}"


def test_the_evccid_is_the_mac_address() -> None:
    host = Host(config(evccid=bytes.fromhex("e0ab12345678"))).to("SessionSetup")
    assert host.request.evccid == bytes.fromhex("e0ab12345678")
