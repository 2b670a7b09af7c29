"""A vehicle with contracts against a station that answers anything: it leaves or goes on, and
never takes what is not good."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118.errors import PkiError
from iso15118.evcc import EvccConfig
from iso15118.evcc.config import Identification
from iso15118.evcc.iso20 import plug_and_charge
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import (
    EvseNotification,
    EVSEStatus,
    MeterInfo,
    Processing,
    ResponseCode,
)
from iso15118.pki.keys.signer import SignerError
from iso15118.pnc.installation import InstalledContract
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.evcc.hand import Hand
from tests.evcc.station import ANSWERS, Host
from tests.pair.contracts import held, issued

BY_CONTRACT = EvccConfig(identification=(Identification.PNC,))
EITHER = EvccConfig(identification=(Identification.PNC, Identification.EIM))


def host(state: str, config: EvccConfig = BY_CONTRACT) -> Host:
    """A vehicle that waits for this answer."""
    if state == "CertificateInstallation":
        return Host(config=config, contracts=held(issued("ed448")).present).to(state)
    one = Host(config=config, contracts=held(issued("ed448"), "contract-0").present)
    return one.to(state)


def confirming() -> Host:
    """A vehicle in the loop that has just been asked to confirm a reading."""
    one = Host(config=BY_CONTRACT, contracts=held(issued("ed448"), "contract-0").present)
    one.to("DC_ChargeLoop")
    status = EVSEStatus(notification_max_delay=0, evse_notification=EvseNotification.MeteringConfirmation)
    one.answer(evse_status=status, meter_info=MeterInfo(meter_id="M1", charged_energy_reading_wh=7))
    assert isinstance(one.request, cm.MeteringConfirmationReq)
    return one


STATES = ("CertificateInstallation", "Authorization")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("code", list(ResponseCode), ids=lambda code: code.value)
def test_every_response_code(state: str, code: ResponseCode) -> None:
    one = host(state)
    one.answer(response_code=code)
    kept = [action for action in one.book.actions if isinstance(action, act.StoreContract)]
    assert kept == []  # the certificates of this station are none
    if code.value.startswith("FAILED"):
        one.book.ends(EndReason.REFUSED)
        return
    assert one.session.ended is None
    told = [action.name for action in one.book.actions if isinstance(action, act.PeerDeviates)]
    soon = state == "Authorization" and code is ResponseCode.OK_CertificateExpiresSoon
    assert ("contract-expires-soon" in told) is soon
    if state == "CertificateInstallation":
        assert one.session.state == "SessionStop"
        said = "contract installation: " + (code.value if code.value.startswith("WARNING") else "")
        assert one.session.refusals[0].startswith(said)
    elif state == "Authorization" and code.value.startswith("WARNING"):
        assert one.session.state == "SessionStop"
        assert one.session.refusals == (f"DE8AA000000001: {code.value}",)


@pytest.mark.parametrize(
    ("wishes", "asked"),
    [
        ((), None),
        (("DE8AA",), None),
        (("DE8AA", "DE8AA000000001", "DE8AA00000002"), ("DE8AA000000001",)),
        (tuple(f"DE8AA00000000{one}" for one in range(9)), tuple(f"DE8AA00000000{one}" for one in range(8))),
    ],
    ids=["none", "a provider", "a whole one", "nine of them"],
)
def test_the_contracts_that_are_wanted_most_are_asked_for_by_their_whole_names(
    wishes: tuple[str, ...], asked: tuple[str, ...] | None
) -> None:
    config = EvccConfig(identification=(Identification.PNC,), contract_preferences=wishes)
    told = host("CertificateInstallation", config).request.prioritized_emaids
    assert (None if told is None else told.emaid) == asked


@pytest.mark.parametrize("older", [True, False])
def test_a_contract_that_is_older_than_the_one_that_is_there_is_not_kept(older: bool) -> None:
    """It costs that contract alone, and the next one is asked for."""
    one = host("CertificateInstallation")
    talk = one.session._talk
    made: list[Any] = []

    class Store:
        form = "standalone"

        def request(self) -> tuple[Any, ...]:
            return (made, "signature", "roots")

        def accept(self, response: Any, unix_time: float | None) -> InstalledContract:
            return InstalledContract(signer=response, credential=None)

        def with_contract(self, signer: Any) -> Store:
            if older:
                raise PkiError("there is a newer one")
            made.append(signer)
            return self

    talk.contracts = Store()  # type: ignore[assignment]
    hand = Hand(talk, plug_and_charge._install(talk))

    def sign() -> None:
        used = [action for action in talk.outbox if isinstance(action, act.UseKey)][-1]
        talk.key_used(ev.KeyUsed.of(used))
        hand.go_on()

    sign()
    for left in (1, 0):
        assert isinstance(hand.request, cm.CertificateInstallationReq)
        hand.answer(one.response(cm.CertificateInstallationRes, remaining_contract_certificate_chains=left))
        sign()
    assert (hand.over, hand.left) == (True, None)
    assert (len(made), talk.installed) == ((0, 0) if older else (2, 2))
    assert talk.refusals == (["there is a newer one"] * 2 if older else [])


def test_an_end_after_a_refused_contract_names_the_refusal() -> None:
    one = Host(config=BY_CONTRACT, contracts=held(issued("ed448"), "contract-0", "contract-1").present)
    one.to("Authorization")
    one.answer(response_code=ResponseCode.WARNING_eMSPUnknown)
    one.answer(response_code=ResponseCode.FAILED_SequenceError)
    one.book.ends(EndReason.REFUSED)
    assert one.session.ended is not None
    assert one.session.ended.detail == (
        "AuthorizationRes: FAILED_SequenceError; before that: DE8AA000000001: WARNING_eMSPUnknown"
    )


@pytest.mark.parametrize("code", list(ResponseCode), ids=lambda code: code.value)
def test_every_code_of_a_confirmation_that_runs_beside_the_loop(code: ResponseCode) -> None:
    one = confirming()
    one.wait(0.3)
    assert isinstance(one.request, dc.DCChargeLoopReq)  # the loop did not wait for it
    one.tell(ev.MessageReceived(one.response(cm.MeteringConfirmationRes, response_code=code)))
    if code.value.startswith("FAILED"):
        one.book.ends(EndReason.REFUSED)
        return
    assert one.session.ended is None
    one.answer()
    one.wait(0.3)
    assert isinstance(one.request, dc.DCChargeLoopReq)


def test_a_station_that_never_answers_a_confirmation_costs_the_confirmation_only() -> None:
    one = confirming()
    status = EVSEStatus(notification_max_delay=0, evse_notification=EvseNotification.MeteringConfirmation)
    reading = MeterInfo(meter_id="M1", charged_energy_reading_wh=8)
    for _ in range(16):
        one.wait(0.25)
        assert one.session.state == "DC_ChargeLoop"
        one.answer(evse_status=status, meter_info=reading)
    asked = [sent for sent in one.sent if isinstance(sent, cm.MeteringConfirmationReq)]
    assert len(asked) == 3  # another one whenever nobody waits for the last any more
    assert one.session.ended is None


@pytest.mark.parametrize("state", STATES)
def test_only_the_awaited_answer_is_taken(state: str) -> None:
    awaited = {
        "CertificateInstallation": cm.CertificateInstallationRes,
        "Authorization": cm.AuthorizationRes,
    }[state]
    for kind in ANSWERS[1:]:
        if kind is awaited:
            continue
        one = host(state)
        one.tell(ev.MessageReceived(one.response(kind)))
        one.book.ends(EndReason.SEQUENCE_ERROR)


@pytest.mark.parametrize(
    ("state", "limit_s"),
    [("CertificateInstallation", 5.0), ("Authorization", 2.0)],
)
def test_silence_ends_every_state_in_its_time(state: str, limit_s: float) -> None:
    one = host(state)
    one.wait(limit_s - 0.001)
    assert one.session.ended is None
    one.wait(0.002)
    one.book.ends(EndReason.TIMEOUT)


@pytest.mark.parametrize("state", STATES)
def test_ongoing_for_ever_ends_after_a_minute(state: str) -> None:
    one = host(state)
    began = one.book.now
    changes: dict[str, Any] = {"evse_processing": Processing.Ongoing}
    while one.session.ended is None:
        if one.waiting:
            one.answer(**changes)
        else:
            one.wait(0.25)
        assert one.book.now < began + 61.0
    assert one.session.ended.reason is EndReason.ONGOING_TOO_LONG
    requests = [sent for sent in one.sent if type(sent).__name__ == f"{state}Req"]
    bodies = {repr([getattr(sent, name) for name in sent.__struct_fields__[1:]]) for sent in requests}
    assert len(requests) > 10
    assert len(bodies) == 1
    assert len({repr(sent.header.signature) for sent in requests}) == 1


def test_a_station_that_never_ends_with_contracts_is_asked_as_often_as_wanted() -> None:
    one = host("CertificateInstallation")
    while one.session.state == "CertificateInstallation":
        one.answer(remaining_contract_certificate_chains=255)
    asked = [sent for sent in one.sent if isinstance(sent, cm.CertificateInstallationReq)]
    assert len(asked) == one.config.maximum_contracts


def test_what_is_not_offered_is_passed_over() -> None:
    contracts = held(issued("ed448"), "contract-0").present
    for config, state in ((BY_CONTRACT, "SessionStop"), (EITHER, "Authorization")):
        one = Host(config=config, contracts=contracts).to("AuthorizationSetup")
        one.answer(
            authorization_services=(cm.Authorization.EIM,),
            as_res_authorization_mode=cm.EIMASResAuthorizationMode(),
        )
        assert one.session.state == state
    one = Host(config=EITHER, contracts=contracts).to("AuthorizationSetup")
    # PnC in the list, and no challenge to sign: the terminal is left.
    one.answer(as_res_authorization_mode=cm.EIMASResAuthorizationMode())
    assert one.request.selected_authorization_service is cm.Authorization.EIM


def test_a_confirmation_without_a_reading_is_not_sent() -> None:
    one = Host(config=BY_CONTRACT, contracts=held(issued("ed448"), "contract-0").present).to("DC_ChargeLoop")
    status = EVSEStatus(notification_max_delay=0, evse_notification=EvseNotification.MeteringConfirmation)
    one.answer(evse_status=status)
    one.wait(0.25)
    assert isinstance(one.request, dc.DCChargeLoopReq)


@pytest.mark.parametrize("secure", [False, True])
def test_nothing_is_signed_for_a_station_that_is_not_on_tls(secure: bool) -> None:
    """Though it asks for a contract: anybody on the line could be the one who asks."""
    config = msgspec.structs.replace(EITHER, allow_plaintext=True)
    one = Host(config=config, contracts=held(issued("ed448"), "contract-0").present, secure=secure)
    one.to("AuthorizationSetup").answer()
    assert isinstance(one.request, cm.AuthorizationReq)
    way = one.request.selected_authorization_service
    assert way is (cm.Authorization.PnC if secure else cm.Authorization.EIM)
    assert (one.request.header.signature is not None) is secure


class Gone:
    """The token of a contract that was taken out."""

    def __init__(self, signer: Any) -> None:
        self._signer = signer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._signer, name)

    def sign(self, data: bytes) -> bytes:
        raise SignerError("the token is gone")


def test_a_contract_whose_key_is_gone_is_passed_over() -> None:
    present = held(issued("ed448"), "contract-0", "contract-1").present
    signers = (Gone(present.signers[0]), present.signers[1])
    one = Host(config=EITHER, contracts=msgspec.structs.replace(present, signers=signers))
    one.to("Authorization")
    assert isinstance(one.request, cm.AuthorizationReq)
    assert one.request.selected_authorization_service is cm.Authorization.PnC
    assert [line.split(": ")[1] for line in one.session.refusals] == ["the token is gone"]
    one.answer()
    assert one.session.state == "ServiceDiscovery"
    one = Host(config=EITHER, contracts=msgspec.structs.replace(present, signers=signers[:1]))
    one.to("Authorization")
    assert one.request.selected_authorization_service is cm.Authorization.EIM
