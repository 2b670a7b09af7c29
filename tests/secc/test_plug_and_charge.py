"""A station that takes contracts, and a vehicle that says anything: the right answer in every
state, and nothing raised."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed448
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import MeterInfo, Processing, Receipt
from iso15118.pnc.authorization import signed_authorization
from iso15118.pnc.contracts import Refusal
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session.actions import EndReason
from iso15118.session.events import AuthorizationDecided, ContractCertificateAnswered, ContractDecided
from iso15118.timing import Timer
from tests.pair.contracts import held, issued, trust
from tests.secc.test_last_words import Believing
from tests.secc.vehicle import ALL_SERVICES, Drive

CONFIG = SeccConfig(services=ALL_SERVICES, metering_confirmation_s=0.1)


def drive(installs: bool = True) -> Drive:
    return Drive(config=CONFIG, trust=trust(issued("ed448")), installs=installs).to(State.AUTHORIZATION)


def by_contract(one: Drive, name: str = "contract-0") -> cm.AuthorizationReq:
    (signer,) = held(issued("ed448"), name).present.signers
    element, signature = signed_authorization(signer, one.context.challenge)
    return cm.AuthorizationReq(
        header=msgspec.structs.replace(one.header(), signature=signature),
        selected_authorization_service=cm.Authorization.PnC,
        a_req_authorization_mode=element,
    )


def said(one: Drive, message: Any) -> Any:
    one.book.receive(message)
    (answer,) = [action.message for action in one.book.actions if isinstance(action, act.Send)]
    return answer


def test_a_contract_is_asked_about_once_and_the_decision_is_told() -> None:
    one = drive()
    request = by_contract(one)
    assert said(one, request).evse_processing is Processing.Ongoing
    (asked,) = one.book.does(act.RequestContractAuthorization)
    assert isinstance(asked, act.RequestContractAuthorization)
    assert said(one, request).evse_processing is Processing.Ongoing
    one.book.does()
    one.book.tell(ContractDecided(asked.claim))
    assert said(one, request).evse_processing is Processing.Finished
    assert one.session.state == State.SERVICE_DISCOVERY.value
    assert one.session.emaid == "DE8AA000000001"


def test_an_end_after_a_refused_contract_names_the_refusal() -> None:
    """Where the vehicle went wrong afterwards says nothing about why it was not charged."""

    def refused(by: Refusal) -> Drive:
        one = drive()
        request = by_contract(one)
        said(one, request)
        (asked,) = one.book.does(act.RequestContractAuthorization)
        assert isinstance(asked, act.RequestContractAuthorization)
        one.book.tell(ContractDecided(asked.claim, by))
        assert said(one, request).response_code.value.startswith("WARNING")
        return one

    one = refused(Refusal.PROVIDER_UNKNOWN)
    assert said(one, one.request(cm.ServiceDiscoveryReq)).response_code.value == "FAILED_SequenceError"
    one.book.ends(EndReason.SEQUENCE_ERROR)
    assert one.session.ended is not None
    detail = one.session.ended.detail
    assert detail.startswith("ServiceDiscoveryReq while waiting for Authorization")
    assert detail.endswith(f"DE8AA000000001: {Refusal.PROVIDER_UNKNOWN.value}")
    one = refused(Refusal.REJECTED)
    one.book.wait(60.0)
    one.book.ends(EndReason.TIMEOUT)
    assert one.session.ended is not None
    assert Refusal.REJECTED.value in one.session.ended.detail
    one = refused(Refusal.REJECTED)
    one._authorized()  # by card: what comes later has nothing to do with the contract
    said(one, one.request(dc.DCCableCheckReq))
    assert one.session.ended is not None
    assert "DE8AA" not in one.session.ended.detail


def test_a_driver_who_is_let_in_too_late_does_not_let_a_refused_contract_pay() -> None:
    one = drive()
    request = by_contract(one)
    said(one, request)
    (asked,) = one.book.does(act.RequestContractAuthorization)
    assert isinstance(asked, act.RequestContractAuthorization)
    one.book.tell(ContractDecided(asked.claim, Refusal.REJECTED))
    one.book.tell(AuthorizationDecided(True))  # of a card that was asked about before
    assert said(one, request).response_code.value == "WARNING_GeneralPnCAuthorizationError"
    assert one.session.state == State.AUTHORIZATION.value
    assert not one.session.emaid


def test_an_installation_waits_for_the_service_and_then_says_ongoing() -> None:
    one = drive()
    one.book.receive(one.request(cm.CertificateInstallationReq))
    (asked,) = one.book.does(act.RequestContractCertificate)
    assert isinstance(asked, act.RequestContractCertificate)
    assert asked.deadline == one.book.now + one.session._facts.config.timing.ongoing_performance
    one.book.wait(3.999)
    assert not [action for action in one.book.actions if isinstance(action, act.Send)]
    one.book.wait(0.002)
    answer = one.book.sends(cm.CertificateInstallationRes, "OK")
    assert answer.evse_processing is Processing.Ongoing
    one.book.receive(one.request(cm.CertificateInstallationReq))
    one.book.does()
    one.book.tell(ContractCertificateAnswered(None, Refusal.NO_CONTRACT, asked.request))
    one.book.sends(cm.CertificateInstallationRes, "WARNING_NoContractMatchingPCIDFound")
    assert one.session.state == State.AUTHORIZATION.value


def test_another_request_while_the_first_is_ongoing_is_out_of_sequence() -> None:
    one = drive()
    one.book.receive(one.request(cm.CertificateInstallationReq))
    one.book.wait(4.1)
    answer = said(one, one.request(cm.CertificateInstallationReq, maximum_contract_certificate_chains=2))
    assert answer.response_code.value == "FAILED_SequenceError"
    one.book.ends(EndReason.SEQUENCE_ERROR)


def test_a_vehicle_may_stop_waiting_for_its_contract() -> None:
    one = drive()
    one.book.receive(one.request(cm.CertificateInstallationReq))
    one.book.wait(4.1)
    one._authorized()
    assert one.session.state == State.SERVICE_DISCOVERY.value
    one.book.tell(ContractCertificateAnswered(None, Refusal.NO_CONTRACT))
    one.book.does()


def test_installation_has_an_end() -> None:
    one = drive()
    codes = []
    for _ in range(33):
        one.book.receive(one.request(cm.CertificateInstallationReq))
        if (pending := one.session._facts.installation) is not None:
            one.book.tell(ContractCertificateAnswered(None, Refusal.NOT_AVAILABLE, pending.asked))
        codes.append(one.book.sends(cm.CertificateInstallationRes).response_code.value)
    assert codes == ["WARNING_NoCertificateAvailable"] * 32 + ["WARNING_NoContractMatchingPCIDFound"]


@pytest.mark.parametrize("installs", [False, True])
def test_installation_only_where_it_is_offered(installs: bool) -> None:
    one = drive(installs)
    one.book.receive(one.request(cm.CertificateInstallationReq))
    if installs:
        assert one.session.ended is None
    else:
        one.book.sends(cm.CertificateInstallationRes, "FAILED_SequenceError")
        one.book.ends(EndReason.SEQUENCE_ERROR)
        assert one.session.ended is not None
        assert "contract installation is not offered" in one.session.ended.detail


def test_no_contract_is_installed_while_an_authorization_is_decided() -> None:
    one = drive()
    one.send(cm.AuthorizationReq)
    said(one, one.request(cm.CertificateInstallationReq))
    one.book.ends(EndReason.SEQUENCE_ERROR)
    assert one.session.ended is not None
    assert "contract installation while an authorization is decided" in one.session.ended.detail


def test_a_backend_that_answers_in_the_other_kind_of_message_is_not_passed_on() -> None:
    one = drive()
    one.book.receive(one.request(cm.CertificateInstallationReq))
    (asked,) = one.book.does(act.RequestContractCertificate)
    assert isinstance(asked, act.RequestContractCertificate)
    one.book.tell(ContractCertificateAnswered(one.request(cm.SessionStopReq), None, asked.request))
    one.book.sends(cm.CertificateInstallationRes, "WARNING_NoCertificateAvailable")


OCTETS = st.binary(max_size=1600)


@settings(max_examples=60, deadline=None)
@given(leaf=OCTETS, sub=OCTETS, signed=st.booleans(), truth=st.booleans())
def test_whatever_octets_stand_for_certificates_are_answered(
    leaf: bytes, sub: bytes, signed: bool, truth: bool
) -> None:
    one = drive()
    request = by_contract(one)
    mode: Any = request.a_req_authorization_mode
    own = mode.contract_certificate_chain.certificate
    chain = cm.ContractCertificateChain(
        certificate=own if truth else leaf, sub_certificates=cm.SubCertificates(certificate=(sub,))
    )
    header = request.header if signed else one.header()
    answer = said(
        one,
        msgspec.structs.replace(
            request,
            header=header,
            a_req_authorization_mode=msgspec.structs.replace(mode, contract_certificate_chain=chain),
        ),
    )
    assert answer.response_code.value in ("FAILED_SignatureError", "WARNING_CertificateValidationError")
    assert one.session.emaid == ""


def in_the_loop() -> Drive:
    """A session by contract, with a reading that the vehicle was asked to confirm."""
    one = drive()
    request = by_contract(one)
    said(one, request)
    (asked,) = one.book.does(act.RequestContractAuthorization)
    assert isinstance(asked, act.RequestContractAuthorization)
    one.book.tell(ContractDecided(asked.claim))
    said(one, request)
    return one.to(State.DC_CHARGE_LOOP)


def test_a_confirmation_is_for_a_reading_of_this_session_that_was_sent() -> None:
    from iso15118.session.events import MeterRead

    for changes, problem in (
        ({}, "no signature"),
        ({"session_id": bytes(8)}, "of another session"),
        (
            {"meter_info": MeterInfo(meter_id="M1", charged_energy_reading_wh=1)},
            "not a reading that was sent",
        ),
        ({"receipt": Receipt(time_anchor=1)}, "not a receipt that was sent"),
    ):
        one = in_the_loop()
        one.book.tell(MeterRead("M1", 4711.0))
        one.book.wait(0.2)
        answer = one.send(dc.DCChargeLoopReq)
        assert answer.evse_status.evse_notification.value == "MeteringConfirmation"
        fields: dict[str, Any] = {"meter_info": answer.meter_info, "session_id": one.session_id} | changes
        data = cm.SignedMeteringData(id="id1", smdt_control_mode=cm.DynamicSMDTControlMode(), **fields)
        refused = one.send(cm.MeteringConfirmationReq, signed_metering_data=data)
        assert refused.response_code.value == "FAILED_MeteringSignatureNotValid"
        one.book.ends(EndReason.AUTHORIZATION_FAILED)
        assert one.session.ended is not None
        assert problem in one.session.ended.detail
        assert not one.session.energized


def test_after_a_confirmation_the_loop_may_not_pause() -> None:
    """It has no part in the pace of the loop, though its answer is the last that was given."""
    one = in_the_loop()
    one.session._facts.trust = Believing()  # type: ignore[assignment]  # every signature holds
    one.context.metering_asked.append((MeterInfo(meter_id="M1", charged_energy_reading_wh=1), None))
    one.send(dc.DCChargeLoopReq)
    due = one.session.timers.deadline_of(Timer.SEQUENCE)
    one.book.wait(0.2)
    assert one.send(cm.MeteringConfirmationReq).response_code.value == "OK"
    assert one.session.timers.deadline_of(Timer.SEQUENCE) == due
    one.book.wait(0.2)
    assert one.session.ended is None
    one.book.wait(0.2)
    one.book.ends(EndReason.TIMEOUT)


def test_what_a_contract_calls_itself_is_shown_on_one_line() -> None:
    one = drive()
    key = ed448.Ed448PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "DE8AA\n\x1b[2Jroot logged in")])
    day = datetime(2026, 1, 1, tzinfo=UTC)
    strange = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    strange = strange.serial_number(7).not_valid_before(day).not_valid_after(day + timedelta(days=1))
    request = by_contract(one)
    mode = request.a_req_authorization_mode
    assert isinstance(mode, cm.PnCAReqAuthorizationMode)
    chain = msgspec.structs.replace(
        mode.contract_certificate_chain, certificate=strange.sign(key, None).public_bytes(Encoding.DER)
    )
    mode = msgspec.structs.replace(mode, contract_certificate_chain=chain)
    answer = said(one, msgspec.structs.replace(request, a_req_authorization_mode=mode))
    assert answer.response_code.value == "FAILED_SignatureError"
    assert one.session.ended is not None
    assert "root logged in" in one.session.ended.detail
    assert one.session.ended.detail.isprintable()
    assert all(why.isprintable() for why in one.session.refusals)
