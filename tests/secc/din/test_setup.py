"""Before energy in DIN 70121: which protocol is chosen, the session id, the service and the driver."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.messages import app, din
from iso15118.secc import SeccConfig, SeccSession
from iso15118.secc.config import ProtocolPreference
from iso15118.secc.din.sequence import State
from iso15118.secc.din.settings import DinSeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.actions import EndReason
from iso15118.session.services import ServiceID
from tests.secc.din.vehicle import NAMESPACE, STATION, Drive

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
