"""Before energy in DIN 70121: which protocol is chosen, the session id, the service, the driver, and charge parameters of odd vehicles."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.errors import ConfigError
from iso15118.messages import app, din
from iso15118.messages.physical import quantity
from iso15118.secc import SeccConfig, SeccSession
from iso15118.secc.config import ProtocolPreference
from iso15118.secc.din.sequence import State
from iso15118.secc.din.settings import DinSeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.actions import EndReason
from iso15118.session.services import ServiceID
from tests.secc.din.vehicle import NAMESPACE, READY, STATION, Drive, parameters, value

S = State
DRAFT = "urn:iso:15118:2:2010:MsgDef"
TESLA = "urn:tesla:din:2018:MsgDef"
OK = app.ResponseCode.OK_SuccessfulNegotiation


def config(**settings: Any) -> SeccConfig:
    return SeccConfig(editions=("din",), din=DinSeccSettings(**settings))


def entry(namespace: str, schema_id: int, priority: int, major: int = 2) -> app.AppProtocol:
    return app.AppProtocol(
        protocol_namespace=namespace,
        version_number_major=major,
        version_number_minor=0,
        schema_id=schema_id,
        priority=priority,
    )


# -- supportedAppProtocol ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "chosen"),
    [
        ([entry(TESLA, 0, 1, 0), entry(NAMESPACE, 1, 2)], 1),
        ([entry(NAMESPACE, 111, 3), entry(TESLA, 222, 2, 0)], 111),
        ([entry(NAMESPACE, 5, 2), entry(NAMESPACE, 6, 2)], 5),
        ([entry(NAMESPACE, 5, 3), entry(NAMESPACE, 6, 2)], 6),
    ],
)
def test_the_vehicles_list_is_searched_and_its_schema_id_returned(
    entries: list[app.AppProtocol], chosen: int
) -> None:
    drive = Drive()
    answer = drive.connect(*entries)
    assert (answer.response_code, answer.schema_id) == (OK, chosen)
    assert drive.session.state == "SessionSetup"


@pytest.mark.parametrize(
    ("settings", "entries"),
    [
        ({}, [entry(DRAFT, 1, 1, 1)]),
        ({}, [entry(NAMESPACE, 1, 1, 3)]),
        ({}, [entry(TESLA, 1, 1, 0)]),
        ({"services": (ServiceID.MCS,)}, [entry(NAMESPACE, 1, 1)]),
        ({"editions": ("iso20",)}, [entry(NAMESPACE, 1, 1)]),
    ],
)
def test_nothing_in_common_is_said_and_closed(
    settings: dict[str, Any], entries: list[app.AppProtocol]
) -> None:
    drive = Drive(config=SeccConfig(**({"editions": ("din",)} | settings)))
    answer = drive.connect(*entries)
    assert answer.response_code is app.ResponseCode.Failed_NoNegotiation
    assert answer.schema_id is None
    drive.book.ends(EndReason.PROTOCOL_NEGOTIATION_FAILED)


def test_an_ac_station_does_not_choose_din() -> None:
    """DIN 70121 is for direct current: it is passed over before the choice."""
    outlet = AcStationLimits.of(current_a=32.0)
    newer = entry("urn:iso:std:iso:15118:-20:AC", 8, 2, 1)
    for services in ((ServiceID.AC,), (ServiceID.AC, ServiceID.DC)):
        config = SeccConfig(editions=("iso20", "din"), services=services, allow_plaintext=True)
        session = SeccSession(config, None, ac=outlet)
        session.handle(ev.Connected(secure=False), 0.0)
        request = app.SupportedAppProtocolReq(app_protocol=(entry(NAMESPACE, 1, 1), newer))
        actions = session.handle(ev.MessageReceived(request), 0.0)
        (answer,) = (one.message for one in actions if isinstance(one, act.Send))
        assert answer.schema_id == 8


def test_the_draft_of_iso_15118_2_is_served_where_it_is_configured() -> None:
    drive = Drive(config=config(serve_2010_namespace=True))
    assert drive.connect(entry(DRAFT, 9, 1, 1)).schema_id == 9
    drive.to(S.CURRENT_DEMAND)


def test_din_is_not_spoken_over_tls() -> None:
    drive = Drive()
    drive.tell(ev.Connected(secure=True))
    drive.tell(ev.MessageReceived(app.SupportedAppProtocolReq(app_protocol=(entry(NAMESPACE, 1, 1),))))
    drive.book.ends(EndReason.PROTOCOL_NEGOTIATION_FAILED)


@pytest.mark.parametrize(
    ("preference", "editions", "chosen"),
    [
        (ProtocolPreference.EV, ("iso20", "din"), 1),
        (ProtocolPreference.STATION, ("iso20", "din"), 0),
        (ProtocolPreference.STATION, ("din", "iso20"), 1),
    ],
)
def test_whose_order_counts_is_a_setting(
    preference: ProtocolPreference, editions: tuple[str, ...], chosen: int
) -> None:
    drive = Drive(config=SeccConfig(editions=editions, protocol_preference=preference, allow_plaintext=True))
    newer = entry("urn:iso:std:iso:15118:-20:DC", 0, 2, 1)
    assert drive.connect(newer, entry(NAMESPACE, 1, 1)).schema_id == chosen


@pytest.mark.parametrize("first", ["SessionSetup", "again"])
def test_anything_but_one_negotiation_closes_without_an_answer(first: str) -> None:
    drive = Drive()
    drive.tell(ev.Connected(secure=False))
    request: Any = app.SupportedAppProtocolReq(app_protocol=(entry(NAMESPACE, 1, 1),))
    if first == "again":
        drive.tell(ev.MessageReceived(request))
    else:
        request = drive.request(din.SessionSetupReq)
    drive.tell(ev.MessageReceived(request))
    drive.book.ends(EndReason.SEQUENCE_ERROR)
    assert not any(isinstance(one, act.Send) for one in drive.book.actions)


# -- SessionSetup ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("session_id", [b"\0", bytes(8), b"\x07", bytes(range(8))], ids=repr)
def test_every_session_is_a_new_one(session_id: bytes) -> None:
    ids = set()
    for _ in range(3):
        drive = Drive().to(S.SESSION_SETUP)
        answer = drive.send(din.SessionSetupReq, session_id=session_id)
        assert answer.response_code is din.ResponseCode.OK_NewSessionEstablished
        assert drive.header.session_id == drive.session.session_id != session_id
        assert len(drive.header.session_id) == 8
        assert any(drive.header.session_id)
        ids.add(drive.header.session_id)
    assert len(ids) == 3


@pytest.mark.parametrize(("evse_id", "octets"), [("ZZ00000", b"ZZ00000"), ("DE*ABC*E1", b"DE*ABC*E1")])
def test_the_evse_id_is_its_text_in_octets(evse_id: str, octets: bytes) -> None:
    drive = Drive(config=SeccConfig(editions=("din",), evse_id=evse_id)).to(S.SESSION_SETUP)
    answer = drive.send(din.SessionSetupReq)
    assert answer.evseid == octets
    assert answer.date_time_now == 1_790_000_000
    assert drive.session.evccid == "020000000001"


def test_a_station_without_a_clock_tells_no_time() -> None:
    drive = Drive()
    drive.session = SeccSession(drive.config, STATION)
    drive.book.session = drive.session
    drive.to(S.SESSION_SETUP)
    assert drive.send(din.SessionSetupReq).date_time_now is None


@pytest.mark.parametrize("evse_id", ["D" * 33, "DE*ÄBC*E1"])
def test_an_evse_id_that_does_not_fit_is_refused_by_name(evse_id: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SeccConfig(editions=("din",), evse_id=evse_id)
    assert caught.value.key == "evse_id"
    SeccConfig(evse_id=evse_id)  # which is no matter where DIN 70121 is not spoken


# -- service and driver ------------------------------------------------------------------------------------


def test_one_service_and_external_payment_are_offered() -> None:
    drive = Drive().to(S.SERVICE_DISCOVERY)
    answer = drive.send(din.ServiceDiscoveryReq, service_category=din.ServiceCategory.Internet)
    assert answer.payment_options.payment_option == (din.PaymentOption.ExternalPayment,)
    assert answer.charge_service.energy_transfer_type is din.EVSESupportedEnergyTransfer.DC_extended
    assert answer.charge_service.service_tag.service_id == 1
    assert answer.service_list is None


def selected(*ids: int) -> din.SelectedServiceList:
    return din.SelectedServiceList(selected_service=tuple(din.SelectedService(service_id=one) for one in ids))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"selected_payment_option": din.PaymentOption.Contract}, "FAILED_PaymentSelectionInvalid"),
        ({"selected_service_list": selected(77)}, "FAILED_ServiceSelectionInvalid"),
        ({"selected_service_list": selected(1, 2)}, "FAILED_ServiceSelectionInvalid"),
        ({"selected_service_list": selected(1, 1)}, "FAILED_ServiceSelectionInvalid"),
    ],
)
def test_a_choice_that_was_not_offered(changes: dict[str, Any], code: str) -> None:
    drive = Drive().to(S.SERVICE_PAYMENT_SELECTION)
    assert drive.send(din.ServicePaymentSelectionReq, **changes).response_code.value == code
    drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)


def test_the_driver_is_asked_about_once_and_waited_for() -> None:
    drive = Drive().to(S.CONTRACT_AUTHENTICATION)
    for turn in range(30):
        answer = drive.send(din.ContractAuthenticationReq, gen_challenge="not used")
        assert answer.evse_processing is din.EVSEProcessing.Ongoing
        drive.book.does(*([act.RequestAuthorization] if turn == 0 else []))
        drive.wait(1.0)
    drive.tell(ev.AuthorizationDecided(True))
    assert drive.send(din.ContractAuthenticationReq).evse_processing is din.EVSEProcessing.Finished
    assert drive.session.state == "ChargeParameterDiscovery"


@pytest.mark.parametrize("off", [-0.001, 0.0])
def test_nobody_decides_about_the_driver(off: float) -> None:
    drive = Drive().to(S.CONTRACT_AUTHENTICATION)
    began = drive.book.now
    while drive.book.now < began + 299.0:
        assert drive.send(din.ContractAuthenticationReq).response_code is din.ResponseCode.OK
        drive.wait(1.0)
    drive.wait(began + 300.0 + off - drive.book.now)
    answer = drive.send(din.ContractAuthenticationReq)
    if off < 0.0:
        assert answer.evse_processing is din.EVSEProcessing.Ongoing
        return
    assert answer.response_code is din.ResponseCode.FAILED
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)


def test_another_card_may_come_after_a_refused_one() -> None:
    drive = Drive().to(S.CONTRACT_AUTHENTICATION)
    drive.send(din.ContractAuthenticationReq)
    drive.tell(ev.AuthorizationDecided(False))
    assert drive.send(din.ContractAuthenticationReq).evse_processing is din.EVSEProcessing.Ongoing
    drive.book.does()  # not at once
    drive.wait(1.0)
    drive.send(din.ContractAuthenticationReq)
    drive.book.does(act.RequestAuthorization)
    drive.tell(ev.AuthorizationDecided(True))
    assert drive.send(din.ContractAuthenticationReq).evse_processing is din.EVSEProcessing.Finished


def test_cards_are_not_tried_for_ever() -> None:
    drive = Drive().to(S.CONTRACT_AUTHENTICATION)
    asked = 0
    for _ in range(40):
        drive.send(din.ContractAuthenticationReq)
        asked += sum(isinstance(one, act.RequestAuthorization) for one in drive.book.actions)
        if drive.session.ended is not None:
            break
        drive.tell(ev.AuthorizationDecided(False))
        drive.wait(0.5)
    assert asked == 10
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)


def test_a_refused_driver_ends_the_session_where_it_is_configured() -> None:
    drive = Drive(config=config(eim_rejected="fail")).to(S.CONTRACT_AUTHENTICATION)
    drive.send(din.ContractAuthenticationReq)
    drive.tell(ev.AuthorizationDecided(False))
    assert drive.send(din.ContractAuthenticationReq).response_code is din.ResponseCode.FAILED
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)


def test_a_vehicle_that_leaves_after_a_refusal_was_not_authorized() -> None:
    drive = Drive().to(S.CONTRACT_AUTHENTICATION)
    drive.send(din.ContractAuthenticationReq)
    drive.tell(ev.AuthorizationDecided(False))
    drive.send(din.ContractAuthenticationReq)
    drive.send(din.SessionStop)
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)


# -- charge parameters -------------------------------------------------------------------------------------


def ask(drive: Drive, **changes: Any) -> din.ChargeParameterDiscoveryRes:
    answer: din.ChargeParameterDiscoveryRes = drive.send(
        din.ChargeParameterDiscoveryReq, ev_charge_parameter=parameters(**changes)
    )
    return answer


def test_limits_status_and_a_schedule_are_told() -> None:
    drive = Drive().to(S.CHARGE_PARAMETER_DISCOVERY)
    answer = ask(drive)
    offer = answer.evse_charge_parameter
    assert isinstance(offer, din.DCEVSEChargeParameter)
    assert quantity(offer.evse_maximum_current_limit) == 400.0
    assert offer.evse_maximum_power_limit is not None
    assert quantity(offer.evse_maximum_power_limit) == 150_000.0
    assert quantity(offer.evse_minimum_voltage_limit) == 150.0
    assert quantity(offer.evse_peak_current_ripple) == 1.0
    status = offer.dc_evse_status
    assert (status.evse_status_code.value, status.evse_isolation_status) == ("EVSE_Ready", None)
    (schedule,) = answer.sa_schedules.sa_schedule_tuple
    (entry,) = schedule.p_max_schedule.p_max_schedule_entry
    assert (schedule.sa_schedule_tuple_id, entry.p_max) == (1, 32_767)
    assert (entry.time_interval.start, entry.time_interval.duration) == (0, 86_400)
    needs = [one for one in drive.book.actions if isinstance(one, act.ChargingNeeds)]
    assert needs == [act.ChargingNeeds(30_000.0, 36_000.0, 0.0)]
    shown = drive.session.display
    assert shown is not None
    assert (shown.present_soc, shown.target_soc, shown.maximum_soc) == (40, 80, 100)


@pytest.mark.parametrize(
    ("power_w", "p_max"), [(350_000.0, 32_767), (32_767.0, 32_767), (11_040.0, 11_040), (50_000.4, 32_767)]
)
def test_more_power_than_pmax_can_say(power_w: float, p_max: int) -> None:
    """Decoded again by whoever reads it, the limit is what it was, and PMax is as much of it as fits."""
    drive = Drive(limits=replace(STATION, maximum_charge_power_w=power_w)).to(S.CHARGE_PARAMETER_DISCOVERY)
    answer = ask(drive)
    (schedule,) = answer.sa_schedules.sa_schedule_tuple
    assert schedule.p_max_schedule.p_max_schedule_entry[0].p_max == p_max
    offer = answer.evse_charge_parameter
    assert isinstance(offer, din.DCEVSEChargeParameter)
    assert offer.evse_maximum_power_limit is not None
    assert 0.0 <= power_w - quantity(offer.evse_maximum_power_limit) < 10.0
    if power_w == 350_000.0:
        assert quantity(offer.evse_maximum_power_limit) == power_w


@pytest.mark.parametrize(("choice", "level"), [("omit", None), ("invalid", "Invalid"), ("valid", "Valid")])
def test_isolation_before_the_cable_check_is_a_setting(choice: str, level: str | None) -> None:
    offer = ask(
        Drive(config=config(cpd_isolation=choice)).to(S.CHARGE_PARAMETER_DISCOVERY)
    ).evse_charge_parameter
    assert isinstance(offer, din.DCEVSEChargeParameter)
    isolation = offer.dc_evse_status.evse_isolation_status
    assert (None if isolation is None else isolation.value) == level


@pytest.mark.parametrize("way", list(din.EVRequestedEnergyTransfer), ids=lambda way: way.value)
@pytest.mark.parametrize("offered", ["DC_extended", "DC_core"])
def test_only_the_way_to_charge_that_was_offered_is_taken(
    offered: str, way: din.EVRequestedEnergyTransfer
) -> None:
    drive = Drive(config=config(energy_transfer=offered)).to(S.CHARGE_PARAMETER_DISCOVERY)
    answer = drive.send(din.ChargeParameterDiscoveryReq, ev_requested_energy_transfer_type=way)
    if way.value == offered:
        assert answer.response_code is din.ResponseCode.OK
        return
    assert answer.response_code is din.ResponseCode.FAILED_WrongEnergyTransferType
    offer = answer.evse_charge_parameter
    assert offer.dc_evse_status.evse_status_code is din.DCEVSEStatusCode.EVSE_Shutdown
    assert answer.evse_processing is din.EVSEProcessing.Finished
    drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)


@pytest.mark.parametrize(
    ("changes", "works"),
    [
        ({"ev_maximum_voltage_limit": value(149.0)}, False),
        ({"ev_maximum_voltage_limit": value(150.0)}, True),
        ({"ev_maximum_voltage_limit": value(-400.0)}, False),
        ({"ev_maximum_voltage_limit": value(0.0)}, False),
        ({"ev_maximum_current_limit": value(-1.0, "A")}, False),
        ({"ev_maximum_current_limit": value(0.0, "A")}, False),
        ({"ev_maximum_current_limit": value(1.0, "A")}, True),
        ({"ev_maximum_power_limit": value(-1.0, "W")}, False),
        ({"ev_maximum_power_limit": value(0.0, "W")}, False),
        ({"ev_maximum_power_limit": None}, True),
        ({"dc_ev_status": replace(READY, ev_ready=False)}, True),
        ({"ev_energy_capacity": None, "ev_energy_request": None, "full_soc": None, "bulk_soc": None}, True),
        ({"ev_maximum_current_limit": value(32_767_000.0, "A")}, True),
    ],
)
def test_limits_of_the_vehicle(changes: dict[str, Any], works: bool) -> None:
    drive = Drive().to(S.CHARGE_PARAMETER_DISCOVERY)
    code = ask(drive, **changes).response_code.value
    assert code == ("OK" if works else "FAILED_WrongChargeParameter")
    assert drive.session.state == ("CableCheck" if works else "Ended")


def test_a_vehicle_without_a_power_takes_what_voltage_and_current_make() -> None:
    drive = Drive().to(S.CHARGE_PARAMETER_DISCOVERY)
    ask(drive, ev_maximum_power_limit=None)
    assert drive.notes() == ["no-maximum-power"]
    vehicle = drive.context.facts.vehicle
    assert vehicle is not None
    assert vehicle.maximum_charge_power_w == 450.0 * 300.0


def test_ac_parameters_are_wrong_parameters() -> None:
    drive = Drive().to(S.CHARGE_PARAMETER_DISCOVERY)
    ac = din.ACEVChargeParameter(
        departure_time=0,
        e_amount=value(1.0, "Wh"),
        ev_max_voltage=value(400.0),
        ev_max_current=value(16.0, "A"),
        ev_min_current=value(6.0, "A"),
    )
    answer = drive.send(din.ChargeParameterDiscoveryReq, ev_charge_parameter=ac)
    assert answer.response_code is din.ResponseCode.FAILED_WrongChargeParameter


ODD = [
    {"bulk_soc": 90, "full_soc": 80},
    {"ev_energy_request": value(70_000.0, "Wh")},
    {"ev_energy_request": value(-1.0, "Wh")},
]


@pytest.mark.parametrize("changes", ODD, ids=str)
@pytest.mark.parametrize("strict", [False, True])
def test_values_that_contradict_each_other(changes: dict[str, Any], strict: bool) -> None:
    drive = Drive(config=config(plausibility="strict" if strict else "note"))
    code = ask(drive.to(S.CHARGE_PARAMETER_DISCOVERY), **changes).response_code.value
    assert code == ("FAILED_WrongChargeParameter" if strict else "OK")
    assert drive.notes() == ([] if strict else ["charge-parameters"])


@pytest.mark.parametrize("wait_s", [55.0, 10.0, 0.0])
def test_a_station_without_power_makes_the_vehicle_wait_and_leads_it_on_then(wait_s: float) -> None:
    drive = Drive(config=config(no_power_wait_s=wait_s)).to(S.CHARGE_PARAMETER_DISCOVERY)
    drive.tell(ev.LimitsChanged(replace(STATION, maximum_charge_power_w=0.0)))
    began = drive.book.now
    answer = ask(drive)
    while drive.book.now < began + wait_s - 1e-6:
        assert answer.evse_processing is din.EVSEProcessing.Ongoing
        assert answer.sa_schedules.sa_schedule_tuple
        drive.wait(0.5)
        answer = ask(drive)
    assert answer.evse_processing is din.EVSEProcessing.Finished
    assert drive.session.state == "CableCheck"


def test_power_that_comes_ends_the_wait() -> None:
    drive = Drive().to(S.CHARGE_PARAMETER_DISCOVERY)
    drive.tell(ev.LimitsChanged(replace(STATION, maximum_charge_current_a=0.0)))
    assert ask(drive).evse_processing is din.EVSEProcessing.Ongoing
    drive.tell(ev.LimitsChanged(STATION))
    assert ask(drive).evse_processing is din.EVSEProcessing.Finished


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("energy_transfer", "AC_core"),
        ("cpd_isolation", "maybe"),
        ("eim_rejected", ""),
        ("no_power_wait_s", 55.1),
        ("no_power_wait_s", float("nan")),
        ("peak_current_ripple_a", -1.0),
        ("current_tolerance_a", "1"),
        ("plausibility", None),
    ],
)
def test_a_wrong_setting_is_refused_by_name(key: str, wrong: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        DinSeccSettings(**{key: wrong})
    assert caught.value.key == f"din.{key}"
