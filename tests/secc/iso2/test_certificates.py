"""CertificateInstallation and CertificateUpdate: passed on whole, answered in time, and once."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.pnc.contracts import Refusal
from iso15118.pnc.installation import InstalledContract
from iso15118.pnc.installation_iso2 import (
    ContractServiceIso2,
    accept_contract,
    installation_request,
    update_request,
)
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.secc.iso2.contracts import FRESH, NOW, ContractDrive, pki, signer
from tests.secc.iso2.vehicle import replace

OK = "OK"


def code(answer: Any) -> str:
    return answer.response_code.value  # type: ignore[no-any-return]


def service() -> ContractServiceIso2:
    fresh = pki().credential("fresh")
    return ContractServiceIso2(
        cps=pki().credential("cps"),
        contracts=lambda pcid: [fresh],
        renewed=lambda emaid: fresh,
        oem_anchors=[pki().oem_root],
        oem_intermediates=pki().chain("oemprov")[1:],
        mo_anchors=[pki().certificates["mo-root"]],
        clock=lambda: NOW,
    )


def asks(drive: ContractDrive, kind: str) -> iso2.V2GMessage:
    if kind == "update":
        return update_request(signer(), [pki().v2g_root], drive.session_id)
    return installation_request(signer("oemprov"), [pki().v2g_root], drive.session_id)


@pytest.mark.parametrize("kind", ["installation", "update"])
def test_a_contract_is_passed_on_as_it_was_signed_and_then_pays(kind: str) -> None:
    drive = ContractDrive(installs=True)
    drive.selects((2, None))
    request = asks(drive, kind)
    assert drive.say(request) is None
    (asked,) = drive.book.does(act.RequestContractCertificate)
    assert isinstance(asked, act.RequestContractCertificate)
    assert (asked.schema, asked.request, asked.deadline) == ("iso2", request, 4.5)
    drive.book.wait(4.0)
    answer = service().answer(request)
    drive.book.tell(ev.ContractCertificateAnswered(answer, None, request))
    (sent,) = [a.message for a in drive.book.actions if isinstance(a, act.Send)]
    assert sent == answer
    contract = accept_contract(
        sent,
        receiver=signer("contract" if kind == "update" else "oemprov"),
        v2g_anchors=[pki().v2g_root],
        mo_anchors=[pki().certificates["mo-root"]],
        at=NOW,
    )
    assert isinstance(contract, InstalledContract)
    drive.book.waits_for("PaymentDetails")
    assert code(drive.details("fresh", emaid=FRESH)) == OK


@pytest.mark.parametrize("kind", ["installation", "update"])
def test_a_service_that_is_late_is_a_failure_in_time(kind: str) -> None:
    drive = ContractDrive(installs=True)
    drive.selects((2, None))
    request = asks(drive, kind)
    drive.say(request)
    drive.book.wait(4.49)
    assert drive.heard() is None
    drive.book.wait(0.02)
    assert code(drive.heard()) == "FAILED_NoCertificateAvailable"
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)
    assert drive.session.handle(ev.ContractCertificateAnswered(None, None, request), drive.book.now) == []


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (Refusal.NO_CONTRACT, "FAILED_NoCertificateAvailable"),
        (Refusal.REJECTED, "FAILED_ContractCanceled"),
        (Refusal.SIGNATURE, "FAILED_SignatureError"),
        (Refusal.EXPIRED, "FAILED_CertificateExpired"),
    ],
)
def test_what_the_service_refuses_has_its_code(refusal: Refusal, expected: str) -> None:
    drive = ContractDrive(installs=True)
    drive.selects((2, None))
    request = asks(drive, "update")
    drive.say(request)
    drive.book.tell(ev.ContractCertificateAnswered(None, refusal, request))
    assert code(drive.heard()) == expected
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)


def test_an_answer_of_the_other_kind_is_none_and_one_that_failed_is_passed_on() -> None:
    drive = ContractDrive(installs=True)
    drive.selects((2, None))
    request = asks(drive, "installation")
    drive.say(request)
    other = service().answer(asks(drive, "update"))
    drive.book.tell(ev.ContractCertificateAnswered(other, None, request))
    assert code(drive.heard()) == "FAILED_NoCertificateAvailable"
    drive = ContractDrive(installs=True)
    drive.selects((2, None))
    request = asks(drive, "update")
    drive.say(request)
    element: Any = service().answer(request).body.body_element
    failed = replace(element, response_code=iso2.ResponseCode.FAILED_ContractCanceled, retry_counter=0)
    answer = iso2.V2GMessage(header=iso2.MessageHeader(session_id=b"x"), body=iso2.Body(body_element=failed))
    drive.book.tell(ev.ContractCertificateAnswered(answer, None, request))
    assert (code(drive.heard()), drive.heard().retry_counter) == ("FAILED_ContractCanceled", 0)
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)


def test_a_vehicle_that_selected_the_service_need_not_use_it_and_gets_one_exchange() -> None:
    drive = ContractDrive(installs=True)
    drive.selects((2, None))
    assert code(drive.details()) == OK
    drive = ContractDrive(installs=True)
    drive.selects((2, None))
    request = asks(drive, "update")
    drive.say(request)
    drive.book.tell(ev.ContractCertificateAnswered(service().answer(request), None, request))
    assert code(drive.say(request)) == "FAILED_SequenceError"
