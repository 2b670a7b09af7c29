"""Private keys that take their time: the vehicle waits aside, looks at its hardware meanwhile, and does
without one that takes too long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from iso15118.errors import ConfigError, MisuseError, PkiError
from iso15118.evcc import EvccConfig
from iso15118.evcc.config import Identification
from iso15118.messages import iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus, MeterInfo
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.evcc.iso2 import contracts as of_iso2
from tests.evcc.station import Host
from tests.pair.contracts import held, issued

CONFIRM = EVSEStatus(notification_max_delay=0, evse_notification=EvseNotification.MeteringConfirmation)
ONE, TWO = "DE8AA000000001", "DE8AA000000002"


def slow(*names: str, identification: tuple[Identification, ...] = (Identification.PNC,)) -> Host:
    """A vehicle of ISO 15118-20 with these contracts and a slow token, before it signs the challenge."""
    config = EvccConfig(identification=identification)
    host = Host(config=config, contracts=held(issued("ed448"), *names).present).to("AuthorizationSetup")
    host.keys.slow = True
    host.answer()
    return host


def used(host: Any, work: Callable[[], Any] | None = None) -> None:
    """The token is done with what was asked last."""
    use = host.keys.waiting.pop(0)
    host.tell(ev.KeyUsed.of(use if work is None else act.UseKey(use.purpose, work, 0.0, use.number)))


def raises(error: Exception) -> Callable[[], Any]:
    def work() -> Any:
        raise error

    return work


def test_nothing_is_said_before_the_key_has_signed() -> None:
    host = slow("contract-0")
    assert [use.purpose for use in host.keys.waiting] == ["the authorization"]
    sent = len(host.sent)
    host.wait(4.9)
    assert len(host.sent) == sent
    used(host)
    assert isinstance(host.request, cm.AuthorizationReq)
    assert host.request.header.signature is not None


def test_how_long_a_key_may_take_ends_nothing_once_it_has_signed() -> None:
    """The station has its own time to answer, which ends later."""
    host = slow("contract-0")
    host.wait(4.0)
    used(host)
    host.wait(1.9)
    assert host.session.ended is None
    assert isinstance(host.request, cm.AuthorizationReq)
    host.answer()
    assert isinstance(host.request, cm.ServiceDiscoveryReq)


def test_a_key_that_hangs_costs_its_contract_and_a_late_signature_is_nobodys() -> None:
    host = slow("contract-0", "contract-1")
    host.wait(5.0)
    first, second = host.keys.waiting
    assert "not used in time" in host.session.refusals[0]
    assert ONE in host.session.refusals[0]
    host.tell(ev.KeyUsed.of(first))
    assert not isinstance(host.request, cm.AuthorizationReq)
    host.tell(ev.KeyUsed.of(second))
    assert isinstance(host.request, cm.AuthorizationReq)
    host.tell(ev.KeyUsed.of(second))
    assert host.session.ended is None


def test_a_vehicle_whose_keys_all_hang_pays_at_the_terminal() -> None:
    host = slow("contract-0", identification=(Identification.PNC, Identification.EIM))
    host.wait(5.0)
    assert isinstance(host.request, cm.AuthorizationReq)
    assert isinstance(host.request.a_req_authorization_mode, cm.EIMAReqAuthorizationMode)


@pytest.mark.parametrize(
    "work",
    [raises(OSError("no token")), raises(PkiError("no token")), lambda: None, lambda: b"what is that"],
    ids=["raises", "says why", "nothing", "nonsense"],
)
def test_whatever_is_wrong_with_a_key_costs_its_contract_only(work: Callable[[], Any]) -> None:
    host = slow("contract-0", "contract-1")
    used(host, work)
    (refusal,) = host.session.refusals
    assert refusal.startswith(f"{ONE}: ")
    used(host)
    assert isinstance(host.request, cm.AuthorizationReq)
    assert host.session.ended is None


def test_a_wish_to_stop_ends_the_wait_no_sooner_and_an_emergency_at_once() -> None:
    host = slow("contract-0")
    host.tell(ev.EmergencyShutdown("the driver pulls"))
    host.book.ends(EndReason.EMERGENCY)
    host.tell(ev.KeyUsed.of(host.keys.waiting[0]))
    assert not isinstance(host.request, cm.AuthorizationReq)


@pytest.mark.parametrize(("number", "error"), [("1", None), (None, None), (1, "no")])
def test_an_answer_that_is_none_is_refused(number: Any, error: Any) -> None:
    host = slow("contract-0")
    with pytest.raises(ConfigError, match="KeyUsed"):
        host.session.handle(ev.KeyUsed(number, error=error), host.book.now)


def test_what_is_written_of_a_use_shows_no_secret() -> None:
    use = slow("contract-0").keys.waiting[0]
    assert repr(use) == f"UseKey('the authorization', deadline={use.deadline!r}, number=1)"
    assert repr(ev.KeyUsed.of(use)) == "KeyUsed(1, done)"
    assert repr(ev.KeyUsed(2, error=PkiError("gone"))) == "KeyUsed(2, error=PkiError('gone'))"


# -- under power


def charging() -> Host:
    """A vehicle of ISO 15118-20 in the charge loop whose token is slow from now on."""
    config = EvccConfig(identification=(Identification.PNC,))
    host = Host(config=config, contracts=held(issued("ed448"), "contract-0").present).to("DC_ChargeLoop")
    host.keys.slow = True
    return host


def confirmations(host: Host) -> int:
    return sum(isinstance(message, cm.MeteringConfirmationReq) for message in host.sent)


def ask(host: Host, charged_wh: int = 7) -> None:
    host.answer(
        evse_status=CONFIRM,
        meter_info=MeterInfo(meter_id="M1", charged_energy_reading_wh=charged_wh),
    )


def test_the_loop_goes_on_while_a_reading_is_signed() -> None:
    host = charging()
    ask(host)
    for _ in range(8):
        host.wait(0.25)
        assert isinstance(host.request, dc.DCChargeLoopReq)
        ask(host)
    assert len(host.keys.waiting) == 1, "asked once, though the station asks with every answer"
    assert confirmations(host) == 0
    used(host)
    assert confirmations(host) == 1
    assert host.session.ended is None


def test_a_reading_that_is_signed_too_late_is_not_sent_and_the_next_one_is() -> None:
    host = charging()
    ask(host)
    for _ in range(21):
        host.wait(0.25)
        host.answer()
    used(host)
    assert confirmations(host) == 0
    host.wait(0.25)
    ask(host, 8)
    used(host)
    assert confirmations(host) == 1


def test_a_token_that_is_gone_costs_the_confirmation_only() -> None:
    host = charging()
    ask(host)
    used(host, raises(OSError("gone")))
    assert confirmations(host) == 0
    assert "cannot be used" in host.session.refusals[-1]
    host.wait(0.25)
    assert isinstance(host.request, dc.DCChargeLoopReq)


def receipt() -> Any:
    """A vehicle of ISO 15118-2 that is asked for a receipt in the charge loop, with a slow token."""
    host = of_iso2.in_charge("contract-0")
    host.keys.slow = True
    host.answer(
        receipt_required=True,
        meter_info=iso2.MeterInfo(meter_id="M1", meter_reading=1000, t_meter=1_790_000_000),
    )
    return host


def test_a_receipt_is_waited_for_since_the_station_takes_nothing_else() -> None:
    host = receipt()
    before = len(host.sent)
    host.wait(4.9)
    assert len(host.sent) == before
    used(host)
    assert isinstance(host.request, iso2.MeteringReceiptReq)


def test_without_a_receipt_in_time_the_vehicle_leaves() -> None:
    host = receipt()
    host.wait(5.1)
    assert isinstance(host.request, iso2.SessionStopReq)
    host.answer()
    assert host.ended is not None
    assert host.ended.reason is EndReason.STOPPED_BY_EV
    assert "not used in time" in host.ended.detail


def test_the_cable_is_watched_while_a_receipt_is_signed() -> None:
    host = receipt()
    for _ in range(20):
        host.measure(600.0, 0.0)
        host.wait(0.05)
    assert host.ended is not None
    assert host.ended.reason is EndReason.HARDWARE_FAULT
    assert host.watch.told_closed is False


class Odd:
    """A signer of somebody's own that gives anything."""

    def __init__(self, behind: Any, gives: Any) -> None:
        self.behind, self.gives = behind, gives
        self.algorithm, self.public_key, self.chain = behind.algorithm, behind.public_key, behind.chain

    def sign(self, data: bytes) -> Any:
        return self.gives


@pytest.mark.parametrize(
    "gives",
    [b"", None, "abc", 5, [1], bytearray(114), bytes(113), bytes(2000), b"\x30\x45\x02\x21" + bytes(67)],
    ids=["nothing", "None", "text", "a number", "a list", "a bytearray", "too short", "too long", "DER"],
)
@pytest.mark.parametrize("under_power", [False, True])
def test_a_signer_that_gives_no_signature_costs_its_contract_only(gives: Any, under_power: bool) -> None:
    contracts = held(issued("ed448"), "contract-0").present
    (signer,) = contracts.signers
    odd = msgspec.structs.replace(contracts, signers=(Odd(signer, gives),))
    config = EvccConfig(identification=(Identification.PNC,))
    if not under_power:
        host = Host(config=config, contracts=odd).to("AuthorizationSetup")
        host.answer()
        assert not isinstance(host.request, cm.AuthorizationReq)
        assert "the signer gave" in host.session.refusals[0]
        return
    host = Host(config=config, contracts=contracts).to("DC_ChargeLoop")
    contract = host.session._talk.contract
    assert contract is not None
    host.session._talk.contract = msgspec.structs.replace(contract, signer=Odd(signer, gives))
    ask(host)
    assert confirmations(host) == 0
    assert "the signer gave" in host.session.refusals[-1]
    host.wait(0.25)
    assert isinstance(host.request, dc.DCChargeLoopReq)


# -- a key that cannot be used in that way


def test_a_key_that_asks_for_no_contract_costs_the_installation() -> None:
    config = EvccConfig(identification=(Identification.PNC, Identification.EIM))
    host = Host(config=config, contracts=held(issued("ed448")).present).to("AuthorizationSetup")
    host.keys.slow = True
    host.answer()
    assert [use.purpose for use in host.keys.waiting] == ["the contract installation"]
    used(host, raises(MisuseError("of another kind")))
    assert host.session.refusals[0] == "of another kind"
    assert isinstance(host.request.a_req_authorization_mode, cm.EIMAReqAuthorizationMode)


def test_a_contract_that_the_key_cannot_take_is_not_kept() -> None:
    config = EvccConfig(identification=(Identification.PNC,))
    host = Host(config=config, contracts=held(issued("ed448")).present).to("CertificateInstallation")
    host.keys.slow = True
    host.answer()
    used(host, raises(MisuseError("of another kind")))
    assert "of another kind" in host.session.refusals
    assert host.session.installed == 0
    assert isinstance(host.request, cm.SessionStopReq)


def test_an_older_edition_leaves_for_a_contract_that_the_key_cannot_take() -> None:
    one = of_iso2.offered(of_iso2.host()).to("CertificateInstallation")
    one.keys.slow = True
    one.answer()
    used(one, raises(MisuseError("of another kind")))
    assert "of another kind" in one.session.refusals
    assert one.session.installed == 0
    assert one.finish().reason is EndReason.AUTHORIZATION_FAILED


def test_a_receipt_that_the_key_cannot_sign_ends_the_charge_in_order() -> None:
    one = of_iso2.in_charge("contract-0")
    one.keys.slow = True
    one.answer(meter_info=iso2.MeterInfo(meter_id="M1", meter_reading=7), receipt_required=True)
    used(one, raises(MisuseError("of another kind")))
    assert any("of another kind" in why for why in one.session.refusals)
    assert one.finish().reason is EndReason.STOPPED_BY_EV
