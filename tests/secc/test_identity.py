"""Who a vehicle is, by its own word and by its certificate; and answers that are told from
those to other questions."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.messages.iso20 import common_messages as cm
from iso15118.pki import issue_test_pki
from iso15118.pnc.contracts import Refusal
from iso15118.secc import SeccConfig, SeccSession
from iso15118.secc.config import EvccidMismatch
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session.actions import EndReason
from iso15118.session.events import ContractCertificateAnswered
from iso15118.session.secured import TlsPeer
from tests.pair.contracts import DAY, issued, trust
from tests.secc.vehicle import ALL_SERVICES, STATION, Drive

NAME = "WVWV123456789ABCDEF7"  # what the test vehicle calls itself

PKI = issue_test_pki("iso20", "ed448", at=DAY)


def vehicle(name: str) -> TlsPeer:
    from iso15118.pki import issue_leaf

    pki = issue_leaf(PKI, "vehicle", "another", at=DAY, names={"evccid": name})
    return TlsPeer(version="TLSv1.3", peer_chain=pki.chain("another"))


def drive(name: str, **config: Any) -> Drive:
    made = SeccConfig(services=ALL_SERVICES, **config)
    return Drive(config=made, tls=vehicle(name))


def right_digit(text: str) -> str:
    from iso15118.pki.chain.identifiers import evccid_check_digit

    return text + evccid_check_digit(text[:3], text[3], text[4:])


def test_a_vehicle_that_goes_by_another_name_than_its_certificates_is_refused() -> None:
    other = right_digit("WVWV123456789ABCDEA")
    one = drive(other).to(State.SESSION_SETUP)
    one.book.receive(one.request(cm.SessionSetupReq))
    one.book.sends(cm.SessionSetupRes, "FAILED")
    one.book.ends(EndReason.AUTHORIZATION_FAILED)
    assert one.session.ended is not None
    assert other in one.session.ended.detail
    assert NAME in one.session.ended.detail


def test_where_that_is_only_flagged_everybody_gets_both_names() -> None:
    other = right_digit("WVWV123456789ABCDEA")
    one = drive(other, evccid_mismatch=EvccidMismatch.FLAG).to(State.SESSION_SETUP)
    one.book.receive(one.request(cm.SessionSetupReq))
    (told,) = [action for action in one.book.actions if isinstance(action, act.EvccidMismatch)]
    assert told == act.EvccidMismatch(NAME, other)
    one = drive(other, evccid_mismatch=EvccidMismatch.FLAG).to(State.AUTHORIZATION)
    one.book.receive(one.request(cm.AuthorizationReq))
    assert one.book.does(act.RequestAuthorization) == [act.RequestAuthorization(NAME, other, 1)]


@pytest.mark.parametrize("name", [NAME, "WVW-V-123456789ABCDEF-7", "Car of somebody"])
def test_the_same_name_and_one_that_is_no_evccid_go_on(name: str) -> None:
    one = drive(name).to(State.AUTHORIZATION)
    one.book.receive(one.request(cm.AuthorizationReq))
    assert one.book.does(act.RequestAuthorization) == [act.RequestAuthorization(NAME, name, 1)]


def test_without_a_certificate_nothing_is_proven() -> None:
    assert TlsPeer(version="TLSv1.3").peer_name == ""
    assert TlsPeer(version="TLSv1.3", peer_chain=(b"no certificate",)).peer_name == ""
    assert vehicle(NAME).peer_name == NAME


def test_an_answer_to_another_request_for_a_contract_is_not_taken_for_this_one() -> None:
    one = Drive(config=SeccConfig(services=ALL_SERVICES), trust=trust(issued("ed448")), installs=True)
    one.to(State.AUTHORIZATION)
    one.book.receive(one.request(cm.CertificateInstallationReq))
    (first,) = one.book.does(act.RequestContractCertificate)
    assert isinstance(first, act.RequestContractCertificate)
    one.book.tell(ContractCertificateAnswered(None, Refusal.NOT_AVAILABLE, first.request))
    one.book.sends(cm.CertificateInstallationRes, "WARNING_NoCertificateAvailable")
    one.book.receive(one.request(cm.CertificateInstallationReq, maximum_contract_certificate_chains=2))
    (second,) = one.book.does(act.RequestContractCertificate)
    assert isinstance(second, act.RequestContractCertificate)
    for late in (first.request, None):
        one.book.tell(ContractCertificateAnswered(None, Refusal.NO_CONTRACT, late))
        assert not [action for action in one.book.actions if isinstance(action, act.Send)]
    one.book.tell(ContractCertificateAnswered(None, Refusal.NO_CONTRACT, second.request))
    one.book.sends(cm.CertificateInstallationRes, "WARNING_NoContractMatchingPCIDFound")


def test_what_a_vehicle_calls_its_reason_to_stop_is_printed_and_acts_on_nothing() -> None:
    one = Drive(config=SeccConfig(services=ALL_SERVICES)).to(State.AUTHORIZATION)
    code = "\x1b]0;owned\x07\x1b[2J\u202egnp" + "x" * 60
    one.book.receive(
        one.request(
            cm.SessionStopReq, charging_session=cm.ChargingSession.Terminate, ev_termination_code=code
        )
    )
    assert one.session.ended is not None
    assert one.session.ended.detail.isprintable()
    told = [action.reason for action in one.book.actions if isinstance(action, act.OpenContactors)]
    assert all(reason.isprintable() for reason in told)


@pytest.mark.parametrize("epoch", [float("nan"), float("inf")])
def test_a_clock_that_is_none_is_refused_by_name(epoch: float) -> None:
    with pytest.raises(ConfigError, match="epoch"):
        SeccSession(SeccConfig(), STATION, epoch=epoch)
