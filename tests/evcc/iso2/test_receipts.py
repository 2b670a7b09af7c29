"""What is worth money in ISO 15118-2, on the vehicle's side: tariffs that are believed, and meter
readings that are signed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118.evcc.config import Identification
from iso15118.evcc.iso2.plan import Plan
from iso15118.evcc.iso2.plug_and_charge import tariffs_hold
from iso15118.messages import iso2
from iso15118.pki.keys.signer import signer_of
from iso15118.pnc.iso2 import judge_request, signed_tariffs
from iso15118.session import actions as act
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.actions import EndReason
from tests.evcc.iso2.contracts import host, in_charge, octets, offered, pki
from tests.evcc.iso2.station import BATTERY_V, CODE, NOTIFY, SESSION_ID, Host, ac_status, schedules, status

CHARGER = AcVehicleLimits.of(current_a=16.0)

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


@pytest.mark.parametrize(
    ("pays", "plain", "has", "believed"),
    [
        (True, False, True, True),
        (False, False, True, False),
        (True, True, True, False),
        (True, False, False, False),
    ],
    ids=["all", "at a terminal", "in the clear", "without one"],
)
def test_a_tariff_is_believed_with_a_contract_that_pays_over_tls(
    pays: bool, plain: bool, has: bool, believed: bool
) -> None:
    talk = host("contract-0").session._talk
    offer_ = tariffs((1, 3))
    signature = signed_tariffs(of(offer_), signer_of(pki().credential("mo-sub2")))
    options = iso2.PaymentOption
    plan = Plan(payment=options.Contract if pays else options.ExternalPayment)
    assert talk.contracts is not None
    (contract,) = talk.contracts.usable(unix_time=talk.clock, edition="iso2")
    talk.plain, talk.contract = plain, contract if has else None
    assert tariffs_hold(talk, plan, offer_, signature) is believed
    assert ("tariff" in talk.noted) is not believed
    talk.noted.clear()
    without = schedules((1, [(0, 50_000.0)], 86_400))
    assert not tariffs_hold(talk, plan, without, None)
    assert "tariff" not in talk.noted


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


def test_a_receipt_names_the_schedule_that_the_vehicle_chose() -> None:
    one = in_charge("contract-0")
    one.answer(meter_info=meter(1000), receipt_required=True, sa_schedule_tuple_id=3)
    assert one.request.sa_schedule_tuple_id == 1
    assert one.noted("schedule-tuple")


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
    ("told", "reason"),
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
        (
            iso2.DCEVSEStatus(
                notification_max_delay=0,
                evse_notification=iso2.EVSENotification.None_,
                evse_status_code=iso2.DCEVSEStatusCode.EVSE_NotReady,
            ),
            EndReason.STOPPED_BY_STATION,
        ),
        (ac_status(), EndReason.PARAMETERS_NOT_ACCEPTED),
    ],
    ids=["stop", "emergency", "not ready any more", "other current"],
)
def test_the_status_in_the_answer_to_a_receipt_counts(told: Any, reason: EndReason) -> None:
    one = in_charge("contract-0")
    one.answer(meter_info=meter(1000), receipt_required=True)
    one.answer(evse_status=told)
    assert one.finish().reason is reason
    assert not one.watch.told_closed


def paying(alternating: bool) -> Host:
    """In the charge loop with a contract, and at rest, so that nothing has to be wound down first."""
    if not alternating:
        return in_charge("contract-0")
    one = offered(host("contract-0", charger=CHARGER)).to("ChargingStatus", 2)
    one.draw(0.0)
    return one


def loop_status(one: Host, **changes: Any) -> dict[str, Any]:
    """The fields of a charge-loop answer with this status, and of the answer to a receipt."""
    if one.charger is None:
        return {"dc_evse_status": status(**changes)}
    return {"ac_evse_status": ac_status(**changes)}


@pytest.mark.parametrize("alternating", [False, True], ids=["DC", "AC"])
@pytest.mark.parametrize("in_receipt", [False, True], ids=["in the loop", "in the receipt"])
@pytest.mark.parametrize("asked", [NOTIFY.ReNegotiation, NOTIFY.StopCharging], ids=["anew", "the end"])
def test_one_of_the_two_answers_is_enough_to_ask(
    alternating: bool, in_receipt: bool, asked: iso2.EVSENotification
) -> None:
    one = paying(alternating)
    asks = loop_status(one, notification=asked)
    one.answer(meter_info=meter(1000), receipt_required=True, **({} if in_receipt else asks))
    assert isinstance(one.request, iso2.MeteringReceiptReq)
    one.answer(**({"evse_status": next(iter(asks.values()))} if in_receipt else {}))
    while not (told := one.of(iso2.PowerDeliveryReq)[1:]):  # behind the one that began it
        one.answer() if one.waiting else one.wait(0.1)
    wanted = iso2.ChargeProgress
    assert told[0].charge_progress is (wanted.Renegotiate if asked is NOTIFY.ReNegotiation else wanted.Stop)


@pytest.mark.parametrize("alternating", [False, True], ids=["DC", "AC"])
def test_the_answer_that_asks_for_the_end_says_within_what_time(alternating: bool) -> None:
    one = paying(alternating)
    one.draw(10.0) if alternating else one.measure(BATTERY_V, 100.0)
    one.answer(meter_info=meter(1000), receipt_required=True)
    began = one.book.now
    asks = loop_status(one, notification=NOTIFY.StopCharging, delay=1)
    one.answer(evse_status=next(iter(asks.values())))
    while not isinstance(one.request, iso2.PowerDeliveryReq):
        one.answer() if one.waiting else one.wait(0.1)
    assert one.book.now - began == pytest.approx(1.0, abs=0.3)


def test_a_refused_receipt_ends_the_session() -> None:
    one = in_charge("contract-0")
    one.answer(meter_info=meter(1000), receipt_required=True)
    one.answer(response_code=CODE.FAILED_MeteringSignatureNotValid)
    one.book.ends(EndReason.REFUSED)
    assert not one.watch.told_closed
