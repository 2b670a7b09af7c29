"""Plug and Charge of ISO 15118-2 in the vehicle: which contract is shown, how one is installed or renewed, what is signed and what is not.

The station's part is played with the judges of ``iso15118.pki``, which read the messages as octets.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118 import exi
from iso15118.evcc.config import Identification, InstallContracts
from iso15118.messages import iso2
from iso15118.pki import issue_test_pki
from iso15118.pki.authorization import ContractTrust
from iso15118.pki.contract_service import issuing
from iso15118.pki.installation_iso2 import ContractServiceIso2
from iso15118.pki.iso2 import judge_authorization, judge_request, signed_tariffs
from iso15118.pki.parsed import parse
from iso15118.pki.signer import signer_of
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.secured import SecuredLink
from tests.evcc.iso2.contracts import DAY, EMAIDS, EPOCH, TLS, held, pki
from tests.evcc.iso2.station import (
    BATTERY_V,
    CODE,
    FIELDS,
    SESSION_ID,
    Host,
    ac_status,
    certificate_sets,
    schedules,
)

CHALLENGE = bytes(range(16))
BOTH = iso2.PaymentOptionList(
    payment_option=(iso2.PaymentOption.Contract, iso2.PaymentOption.ExternalPayment)
)
CERTIFICATES = iso2.ServiceList(
    service=(
        iso2.Service(
            service_id=2,
            service_name="Certificate",
            service_category=iso2.ServiceCategory.ContractCertificate,
            free_service=True,
        ),
        iso2.Service(service_id=61_000, service_category=iso2.ServiceCategory.OtherCustom, free_service=True),
    )
)
ONGOING = iso2.EVSEProcessing.Ongoing


def service(**changes: Any) -> ContractServiceIso2:
    fields: dict[str, Any] = {
        "cps": pki().credential("cps"),
        "contracts": issuing(pki(), clock=lambda: DAY),
        "renewed": lambda emaid: pki().credential("contract-0"),
        "oem_anchors": [pki().oem_root],
        "oem_intermediates": pki().chain("oemprov")[1:],
        "mo_anchors": [pki().certificates["mo-root"]],
        "clock": lambda: DAY,
    }
    return ContractServiceIso2(**(fields | changes))


def host(*names: str, tls: SecuredLink | None = TLS, contracts: Any = None, **settings: Any) -> Host:
    """In ServiceDiscovery, with these contracts."""
    return Host(contracts=contracts or held(*names), tls=tls, **settings).to("ServiceDiscovery")


def offered(one: Host, **changes: Any) -> Host:
    """Both ways to pay, and certificates."""
    one.answer(**({"payment_option_list": BOTH, "service_list": CERTIFICATES} | changes))
    return one


def octets(message: iso2.V2GMessage) -> iso2.V2GMessage:
    again = exi.decode("iso2", exi.encode("iso2", message))
    assert isinstance(again, iso2.V2GMessage)
    return again


def in_charge(*names: str, **settings: Any) -> Host:
    one = offered(host(*names, **settings)).to("CurrentDemand", 2)
    one.measure(BATTERY_V, 0.0)
    return one


# -- which contract


def test_the_preferred_contract_is_shown_and_signs_the_challenge() -> None:
    one = offered(host("contract-0", "contract-1", contract_preferences=("FRXYZ",)))
    chosen = one.request
    assert chosen.selected_payment_option is iso2.PaymentOption.Contract
    assert [service.service_id for service in chosen.selected_service_list.selected_service] == [1]
    one.answer()
    details = one.request
    assert details.emaid == EMAIDS[1]
    chain = details.contract_signature_cert_chain
    assert chain.id is None
    sent = (chain.certificate, *chain.sub_certificates.certificate)
    assert sent == pki().chain("contract-1")
    one.answer(gen_challenge=CHALLENGE)
    verdict = judge_authorization(
        octets(one.messages[-1]),
        challenge=CHALLENGE,
        chain=sent,
        trust=ContractTrust(mo_anchors=(pki().certificates["mo-root"],), edition="iso2"),
        unix_time=EPOCH,
        emaid=details.emaid,
    )
    assert verdict.refusal is None, verdict.detail
    for _ in range(20):
        one.answer(evse_processing=ONGOING)
        one.wait(0.1)
        # Repeated without a word and without a signature [V2G2-684].
        assert one.request == iso2.AuthorizationReq()
        assert one.messages[-1].header.signature is None
    one.answer()
    assert one.session.state == "ChargeParameterDiscovery"
    assert one.session.emaid == EMAIDS[1]


def test_a_contract_that_waits_too_long_ends_the_session() -> None:
    one = offered(host("contract-0")).to("Authorization")
    began = one.book.now
    while one.ended is None:
        if one.waiting:
            one.answer(evse_processing=ONGOING)
        else:
            one.wait(0.1)
    assert 60.0 <= one.book.now - began < 60.2
    assert one.ended.reason is EndReason.ONGOING_TOO_LONG


@pytest.mark.parametrize(
    ("tls", "options", "names", "paid"),
    [
        (TLS, BOTH, ("contract-0",), iso2.PaymentOption.Contract),
        (None, BOTH, ("contract-0",), iso2.PaymentOption.ExternalPayment),
        (TLS, BOTH, (), iso2.PaymentOption.ExternalPayment),
        (TLS, FIELDS[iso2.ServiceDiscoveryRes], ("contract-0",), iso2.PaymentOption.ExternalPayment),
    ],
    ids=["contract", "no TLS", "no contract", "not offered"],
)
def test_when_it_is_the_contract_that_pays(
    tls: SecuredLink | None, options: Any, names: tuple[str, ...], paid: iso2.PaymentOption
) -> None:
    one = host(*names, tls=tls, install_contracts=InstallContracts.NEVER)
    if isinstance(options, iso2.PaymentOptionList):
        one.answer(payment_option_list=options)
    else:
        one.answer()
    assert one.request.selected_payment_option is paid
    assert len(one.request.selected_service_list.selected_service) == 1


@pytest.mark.parametrize(
    ("tls", "names", "why"),
    [
        (None, ("contract-0",), "does not offer Plug and Charge"),
        (TLS, (), "no contract that could be used"),
    ],
)
def test_a_vehicle_that_pays_by_contract_only_says_why_it_leaves(
    tls: SecuredLink | None, names: tuple[str, ...], why: str
) -> None:
    one = host(
        *names,
        tls=tls,
        identification=(Identification.PNC,),
        install_contracts=InstallContracts.NEVER,
    )
    offered(one)
    ended = one.finish()
    assert ended.reason is EndReason.AUTHORIZATION_FAILED
    assert why in ended.detail


def test_a_contract_of_another_kind_of_key_or_out_of_date_is_passed_over() -> None:
    other = issue_test_pki("iso20", "p521", at=DAY)
    both = held(signers=(signer_of(other.credential("contract")), signer_of(pki().credential("contract-0"))))
    one = offered(Host(contracts=both, tls=TLS).to("ServiceDiscovery"))
    one.answer()
    assert one.request.emaid == EMAIDS[0]
    late = (parse(pki().certificates["contract-0"]).not_after.timestamp() - EPOCH) + 1.0
    settings: dict[str, Any] = {"install_contracts": InstallContracts.NEVER}
    one = offered(Host(contracts=both, tls=TLS, now=late, **settings).to("ServiceDiscovery"))
    assert one.request.selected_payment_option is iso2.PaymentOption.ExternalPayment


def test_a_contract_that_the_messages_cannot_carry_gives_way_to_the_next() -> None:
    first, second = (signer_of(pki().credential(name)) for name in ("contract-0", "contract-1"))

    class Long:
        algorithm = first.algorithm
        public_key = first.public_key
        chain = (*first.chain, *[first.chain[1]] * 4)
        sign = first.sign

    one = offered(Host(contracts=held(signers=(Long(), second)), tls=TLS).to("ServiceDiscovery"))
    one.answer()
    assert one.request.emaid == EMAIDS[1]
    assert EMAIDS[0] in one.session.refusals[0]


@pytest.mark.parametrize("code", [code for code in CODE if code.value.startswith("FAILED")])
@pytest.mark.parametrize("state", ["PaymentDetails", "Authorization"])
def test_a_refused_contract_ends_the_session(code: iso2.ResponseCode, state: str) -> None:
    one = offered(host("contract-0", "contract-1")).to(state)
    one.answer(response_code=code)
    one.book.ends(EndReason.REFUSED)
    assert one.ended is not None
    assert code.value in one.ended.detail


def test_a_contract_that_expires_soon_is_told_and_charges() -> None:
    one = offered(host("contract-0")).to("PaymentDetails")
    one.answer(response_code=CODE.OK_CertificateExpiresSoon)
    one.to("CurrentDemand")
    assert "expires soon" in one.session.refusals[-1]


# -- installation and update


def asked_for(one: Host) -> list[int | None]:
    return [
        service.parameter_set_id
        for service in one.of(iso2.PaymentServiceSelectionReq)[-1].selected_service_list.selected_service
    ]


def brought(one: Host, answer: iso2.V2GMessage) -> None:
    one.tell(ev.MessageReceived(octets(answer)))


def test_a_vehicle_without_a_contract_gets_one_and_charges_with_it() -> None:
    one = offered(host())
    assert one.request == iso2.ServiceDetailReq(service_id=2)
    one.answer()
    assert asked_for(one) == [None, 1]
    one.answer()
    request = octets(one.messages[-1])
    assert judge_request(request, pki().certificates["oemprov"]).ok
    brought(one, service().answer(request))
    (stored,) = [action for action in one.hardware if isinstance(action, act.StoreContract)]
    details = one.request
    assert isinstance(details, iso2.PaymentDetailsReq)
    assert details.contract_signature_cert_chain.certificate == stored.contract.chain[0]
    one.to("CurrentDemand")
    assert one.session.installed == 1
    assert one.session.emaid


def test_a_contract_that_ends_soon_is_renewed() -> None:
    one = offered(host("contract-0", iso2={"contract_update_days": 3650.0}))
    one.answer()
    assert asked_for(one) == [None, 2]
    one.answer()
    request = octets(one.messages[-1])
    assert isinstance(request.body.body_element, iso2.CertificateUpdateReq)
    assert judge_request(request, pki().certificates["contract-0"]).ok
    brought(one, service().answer(request))
    one.to("CurrentDemand")
    assert one.session.installed == 1


@pytest.mark.parametrize(
    ("names", "settings", "services", "sets", "chosen"),
    [
        (("contract-0",), {}, CERTIFICATES, (), [None]),
        (("contract-0",), {"install_contracts": InstallContracts.ALWAYS}, CERTIFICATES, (), [None, 1]),
        (("contract-0",), {"iso2": {"contract_update_days": 3650.0}}, None, (), [None]),
        (
            ("contract-0",),
            {"iso2": {"contract_update_days": 3650.0}},
            CERTIFICATES,
            ("Installation",),
            [None],
        ),
        (
            ("contract-0",),
            {"iso2": {"contract_update_days": 3650.0}},
            CERTIFICATES,
            ("Installation", "Something"),
            [None],
        ),
        (
            ("contract-0",),
            {"iso2": {"contract_update_days": 3650.0}, "install_contracts": InstallContracts.NEVER},
            CERTIFICATES,
            (),
            [None],
        ),
        ((), {}, CERTIFICATES, ("Update",), [None]),
        ((), {}, None, (), [None]),
    ],
    ids=[
        "not needed",
        "always",
        "no service",
        "no update",
        "another service",
        "never",
        "no installation",
        "no service, no contract",
    ],
)
def test_what_the_certificate_service_is_asked_for(
    names: tuple[str, ...],
    settings: dict[str, Any],
    services: iso2.ServiceList | None,
    sets: tuple[str, ...],
    chosen: list[int | None],
) -> None:
    one = offered(host(*names, **settings), service_list=services)
    if isinstance(one.request, iso2.ServiceDetailReq):
        one.answer(service_parameter_list=certificate_sets(*sets))
    assert asked_for(one) == chosen
    paid = one.of(iso2.PaymentServiceSelectionReq)[-1].selected_payment_option
    assert (paid is iso2.PaymentOption.Contract) is bool(names)


def spoiled(answer: iso2.V2GMessage, how: str) -> iso2.V2GMessage:
    body: Any = answer.body.body_element
    match how:
        case "signature":
            return msgspec.structs.replace(
                answer, header=msgspec.structs.replace(answer.header, signature=None)
            )
        case "emaid":
            changed = msgspec.structs.replace(body, emaid=iso2.EMAID(id="id4", value=EMAIDS[1]))
        case "key":
            blob = msgspec.structs.replace(body.contract_signature_encrypted_private_key, value=bytes(48))
            changed = msgspec.structs.replace(body, contract_signature_encrypted_private_key=blob)
        case _:
            junk = iso2.CertificateChain(id="id1", certificate=b"\x30\x00")
            changed = msgspec.structs.replace(body, contract_signature_cert_chain=junk)
    return msgspec.structs.replace(answer, body=iso2.Body(body_element=changed))


@pytest.mark.parametrize("how", ["signature", "emaid", "key", "junk"])
@pytest.mark.parametrize("update", [False, True], ids=["installation", "update"])
def test_an_answer_that_does_not_hold_is_not_kept_and_the_vehicle_leaves(how: str, update: bool) -> None:
    one = offered(host("contract-0", iso2={"contract_update_days": 3650.0}) if update else host())
    one.answer()
    one.answer()
    brought(one, spoiled(service().answer(octets(one.messages[-1])), how))
    assert not any(isinstance(action, act.StoreContract) for action in one.hardware)
    assert one.session.state == "SessionStop"
    ended = one.finish()
    assert ended.reason is EndReason.AUTHORIZATION_FAILED
    assert "contract installation" in ended.detail


@pytest.mark.parametrize("state", ["CertificateInstallation", "CertificateUpdate"])
def test_a_failure_of_the_service_with_empty_fields_ends_the_session(state: str) -> None:
    update = state == "CertificateUpdate"
    one = offered(host("contract-0", iso2={"contract_update_days": 3650.0}) if update else host()).to(state)
    one.answer(response_code=CODE.FAILED_NoCertificateAvailable)
    one.book.ends(EndReason.REFUSED)


# -- tariffs


def tariffs(*levels: tuple[int, int], names: bool = True) -> iso2.SAScheduleList:
    """A tuple for each pair of tuple id and price level."""
    plain = schedules(*((number, [(0, 50_000.0)], 86_400) for number, _ in levels))
    return iso2.SAScheduleList(
        sa_schedule_tuple=tuple(
            msgspec.structs.replace(
                one,
                sales_tariff=iso2.SalesTariff(
                    id=f"t{number}" if names else None,
                    sales_tariff_id=number,
                    sales_tariff_entry=(
                        iso2.SalesTariffEntry(
                            time_interval=iso2.RelativeTimeInterval(start=0), e_price_level=level
                        ),
                    ),
                ),
            )
            for one, (number, level) in zip(plain.sa_schedule_tuple, levels, strict=True)
        )
    )


def of(offer_: iso2.SAScheduleList) -> list[iso2.SalesTariff]:
    return [one.sales_tariff for one in offer_.sa_schedule_tuple if one.sales_tariff is not None]


@pytest.mark.parametrize(
    ("signer", "pays", "chosen"),
    [
        ("mo-sub2", True, 2),
        ("mo-sub1", True, 1),
        ("", True, 1),
        ("mo-sub2", False, 1),
    ],
    ids=["right", "another key", "none", "without a contract"],
)
def test_only_tariffs_that_the_provider_signed_decide(signer: str, pays: bool, chosen: int) -> None:
    settings: dict[str, Any] = {} if pays else {"identification": (Identification.EIM,)}
    one = offered(host("contract-0", **settings)).to("ChargeParameterDiscovery")
    offer_ = tariffs((1, 3), (2, 1), (3, 2))
    signature = signed_tariffs(of(offer_), signer_of(pki().credential(signer))) if signer else None
    one.answer(sa_schedules=offer_, signature=signature)
    one.to("PowerDelivery")
    assert one.request.sa_schedule_tuple_id == chosen
    assert one.noted("tariff") is (chosen == 1)


def test_a_changed_tariff_is_dropped_and_the_vehicle_charges() -> None:
    one = offered(host("contract-0")).to("ChargeParameterDiscovery")
    signature = signed_tariffs(of(tariffs((1, 3), (2, 2))), signer_of(pki().credential("mo-sub2")))
    one.answer(sa_schedules=tariffs((1, 3), (2, 1)), signature=signature)
    one.to("CurrentDemand")
    assert one.of(iso2.PowerDeliveryReq)[0].sa_schedule_tuple_id == 1
    assert one.noted("tariff")


# -- meter readings


def meter(reading: int | None, name: str = "M1", at: int | None = None) -> iso2.MeterInfo:
    return iso2.MeterInfo(meter_id=name, meter_reading=reading, t_meter=at)


def test_a_reading_that_fits_is_signed() -> None:
    one = in_charge("contract-0")
    one.answer(meter_info=meter(1000), receipt_required=True)
    receipt = one.request
    assert isinstance(receipt, iso2.MeteringReceiptReq)
    assert (receipt.session_id, receipt.sa_schedule_tuple_id) == (SESSION_ID, 1)
    assert receipt.meter_info == meter(1000)
    assert judge_request(octets(one.messages[-1]), pki().certificates["contract-0"]).ok
    one.answer()
    one.wait(0.1)
    assert isinstance(one.request, iso2.CurrentDemandReq)


def test_a_reading_that_does_not_fit_is_not_signed_and_the_vehicle_leaves_in_order() -> None:
    one = in_charge("contract-0")
    one.answer(meter_info=meter(1000))
    one.wait(0.1)
    one.answer(meter_info=meter(9000), receipt_required=True)
    assert isinstance(one.request, iso2.SessionStopReq)  # nothing else is legal but the receipt
    assert not one.of(iso2.MeteringReceiptReq)
    assert any(isinstance(news, act.MeteringRefused) for news in one.news)
    opened = [action for action in one.hardware if isinstance(action, act.OpenContactors)]
    assert [action.urgency for action in opened] == [act.Urgency.ORDERLY]
    assert one.finish().reason is EndReason.STOPPED_BY_EV


@pytest.mark.parametrize("info", [None, meter(None)], ids=["no meter", "no reading"])
def test_a_receipt_of_nothing_is_not_given(info: iso2.MeterInfo | None) -> None:
    one = in_charge("contract-0")
    one.answer(meter_info=info, receipt_required=True)
    one.wait(0.1)
    assert isinstance(one.request, iso2.CurrentDemandReq)
    assert one.noted("receipt")


def test_without_a_contract_the_wish_for_a_receipt_is_ignored() -> None:
    one = Host().to("CurrentDemand", 2)
    one.answer(meter_info=meter(1000), receipt_required=True)
    one.wait(0.1)
    assert isinstance(one.request, iso2.CurrentDemandReq)
    assert one.noted("receipt")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (
            iso2.DCEVSEStatus(
                notification_max_delay=0,
                evse_notification=iso2.EVSENotification.StopCharging,
                evse_status_code=iso2.DCEVSEStatusCode.EVSE_Ready,
            ),
            EndReason.STOPPED_BY_STATION,
        ),
        (
            iso2.DCEVSEStatus(
                notification_max_delay=0,
                evse_notification=iso2.EVSENotification.None_,
                evse_status_code=iso2.DCEVSEStatusCode.EVSE_EmergencyShutdown,
            ),
            EndReason.EMERGENCY,
        ),
        (ac_status(), EndReason.PARAMETERS_NOT_ACCEPTED),
    ],
    ids=["stop", "emergency", "other current"],
)
def test_the_status_in_the_answer_to_a_receipt_counts(status: Any, reason: EndReason) -> None:
    one = in_charge("contract-0")
    one.answer(meter_info=meter(1000), receipt_required=True)
    one.answer(evse_status=status)
    assert one.finish().reason is reason
    assert not one.watch.told_closed


def test_a_refused_receipt_ends_the_session() -> None:
    one = in_charge("contract-0")
    one.answer(meter_info=meter(1000), receipt_required=True)
    one.answer(response_code=CODE.FAILED_MeteringSignatureNotValid)
    one.book.ends(EndReason.REFUSED)
    assert not one.watch.told_closed


# -- pause


def test_a_paused_contract_pays_again_with_a_fresh_signature() -> None:
    one = in_charge("contract-0", "contract-1", contract_preferences=(EMAIDS[1],))
    one.tell(ev.PauseRequested("later"))
    one.finish()
    ticket = one.session.ticket
    assert ticket is not None
    assert ticket.emaid == EMAIDS[1]
    again = Host(contracts=held("contract-0", "contract-1"), tls=TLS, resume=ticket, now=600.0).to(
        "SessionSetup"
    )
    again.answer(response_code=CODE.OK_OldSessionJoined)
    offered(again).answer()
    assert again.request.emaid == EMAIDS[1]
    fresh = bytes(range(16, 32))
    again.answer(gen_challenge=fresh)
    assert again.request.gen_challenge == fresh
    assert again.messages[-1].header.signature is not None
