"""Prices of ISO 15118-20 that the station has signed: with which key, how long it is waited for, and that
prices without a signature, or signatures without prices, are never made up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.offer import PowerOffer, ScheduleOffer
from iso15118.energy.price import AbsolutePrices, PriceRule, PriceRuleStack
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing
from iso15118.pki.keys.signer import signer_of
from iso15118.pnc.prices import signed_prices
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.secc.schedule_settings import ScheduleSeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.price_wire import price_element
from tests.pair.contracts import issued
from tests.secc.vehicle import ALL_SERVICES, Drive

EPOCH = 1.79e9
KEY = signer_of(issued("ed448").credential("mo-sub2"))
PRICES = AbsolutePrices(
    begins=0.0,
    stacks=(PriceRuleStack(3600, (PriceRule(energy_fee=Decimal("0.3")),)),),
    currency="EUR",
    schedule_id=3,
)


def offer(prices: AbsolutePrices | None = PRICES) -> ScheduleOffer:
    return ScheduleOffer(charging=PowerOffer(entries=((3600.0, 50_000.0),), prices=prices))


def at_exchange(*keys: Any, **settings: Any) -> Drive:
    config = SeccConfig(services=ALL_SERVICES, schedules=ScheduleSeccSettings(**settings))
    return Drive(config=config, price_signers=keys).to(State.SCHEDULE_EXCHANGE)


def exchange(drive: Drive) -> Any:
    needs = cm.ScheduledSEReqControlMode(departure_time=3600)
    return drive.send(cm.ScheduleExchangeReq, se_req_control_mode=needs)


def used(drive: Drive) -> act.UseKey:
    (found,) = (one for one in drive.book.actions if isinstance(one, act.UseKey))
    return found


def prices_of(answer: Any) -> list[Any]:
    return [one.charging_schedule.price_schedule for one in answer.se_res_control_mode.schedule_tuple]


def test_each_price_is_named_and_signed_with_the_providers_key() -> None:
    drive = at_exchange(KEY)
    drive.book.tell(ev.SchedulesGiven((offer(), offer(None), offer())))
    assert exchange(drive) is None
    drive.book.tell(ev.KeyUsed.of(used(drive)))
    answer = drive.book.sends(cm.ScheduleExchangeRes, "OK")
    assert answer.evse_processing is Processing.Finished
    first, none, second = prices_of(answer)
    assert (first.id, getattr(none, "id", None), second.id) == ("price1", None, "price2")
    signed = answer.header.signature
    assert signed is not None
    assert signed.signed_info == signed_prices([first, second], KEY).signed_info


@pytest.mark.parametrize("place", [0, 1])
def test_a_name_that_is_given_is_not_the_name_that_another_one_has(place: int) -> None:
    drive = at_exchange(KEY)
    own = replace(PRICES, id=f"price{2 - place}", anchor=int(EPOCH))
    both = [offer(), offer()]
    both[place] = offer(own)
    drive.book.tell(ev.SchedulesGiven(tuple(both)))
    assert exchange(drive) is None
    drive.book.tell(ev.KeyUsed.of(used(drive)))
    names = [one.id for one in prices_of(drive.book.sends(cm.ScheduleExchangeRes, "OK"))]
    assert names[place] == own.id
    assert len(set(names)) == 2


@pytest.mark.parametrize("case", ["no key", "no prices", "another kind of key"])
def test_where_there_is_nothing_to_sign_or_to_sign_with_nobody_waits(case: str) -> None:
    keys: tuple[Any, ...] = (KEY,)
    if case == "no key":
        keys = ()
    elif case == "another kind of key":
        keys = (signer_of(issued("p256").credential("mo-sub2")),)
    drive = at_exchange(*keys)
    drive.book.tell(ev.SchedulesGiven((offer(None if case == "no prices" else PRICES),)))
    answer = exchange(drive)
    assert answer.evse_processing is Processing.Finished
    assert answer.header.signature is None
    assert getattr(prices_of(answer)[0], "id", None) is None


def test_of_several_keys_the_one_that_this_edition_knows_is_used() -> None:
    drive = at_exchange(signer_of(issued("p256").credential("mo-sub2")), KEY)
    drive.book.tell(ev.SchedulesGiven((offer(),)))
    assert exchange(drive) is None
    drive.book.tell(ev.KeyUsed.of(used(drive)))
    assert drive.book.sends(cm.ScheduleExchangeRes).header.signature is not None


@pytest.mark.parametrize("prices", ["signed", "none"])
def test_what_the_provider_has_signed_goes_out_as_it_came(prices: str) -> None:
    own = replace(PRICES, id="price", anchor=int(EPOCH))
    value = signed_prices([price_element(own, EPOCH)], KEY).signature_value.value
    drive = at_exchange(KEY)
    drive.book.tell(ev.SchedulesGiven((offer(own if prices == "signed" else None),), 0, value))
    answer = exchange(drive)
    assert answer.evse_processing is Processing.Finished, "nobody signs it here"
    signature = answer.header.signature
    assert (None if signature is None else signature.signature_value.value) == (
        value if prices == "signed" else None
    )
    assert not [one for one in drive.book.actions if isinstance(one, act.ScheduleRemark)]


def test_prices_with_a_name_that_nobody_signs_are_prices_all_the_same() -> None:
    drive = at_exchange()
    drive.book.tell(ev.SchedulesGiven((offer(replace(PRICES, id="price", anchor=int(EPOCH))),)))
    answer = exchange(drive)
    assert (answer.header.signature, prices_of(answer)[0].id) == (None, "price")
    assert not [one for one in drive.book.actions if isinstance(one, act.ScheduleRemark)]


def test_a_key_is_waited_for_as_long_as_is_set_and_the_answer_for_half_its_time() -> None:
    drive = at_exchange(KEY, key_use_s=0.25)
    drive.book.tell(ev.SchedulesGiven((offer(),)))
    assert exchange(drive) is None
    drive.book.wait(0.24)
    assert not [one for one in drive.book.actions if isinstance(one, act.Send)]
    drive.book.wait(0.01)
    answer = drive.book.sends(cm.ScheduleExchangeRes)
    assert (answer.evse_processing, answer.header.signature) == (Processing.Finished, None)
    drive = at_exchange(KEY, key_use_s=50.0)
    held = 0.5 * drive.config.timing.answer_time_of("ScheduleExchangeReq")
    drive.book.tell(ev.SchedulesGiven((offer(),)))
    assert exchange(drive) is None
    drive.book.wait(held - 0.01)
    assert not [one for one in drive.book.actions if isinstance(one, act.Send)]
    drive.book.wait(0.02)
    assert drive.book.sends(cm.ScheduleExchangeRes).evse_processing is Processing.Ongoing


def test_a_key_that_is_late_is_heard_with_the_next_request() -> None:
    drive = at_exchange(KEY, key_use_s=1.0)
    drive.book.tell(ev.SchedulesGiven((offer(),)))
    exchange(drive)
    key = used(drive)
    drive.book.wait(0.9)
    assert drive.book.sends(cm.ScheduleExchangeRes).evse_processing is Processing.Ongoing
    assert exchange(drive) is None
    assert not [one for one in drive.book.actions if isinstance(one, act.UseKey)], "it is at work already"
    drive.book.wait(0.05)
    drive.book.tell(ev.KeyUsed.of(key))
    assert drive.book.sends(cm.ScheduleExchangeRes).header.signature is not None


def test_a_repeated_request_is_answered_at_the_moment_when_the_key_is_given_up() -> None:
    drive = at_exchange(KEY, key_use_s=1.0)
    drive.book.tell(ev.SchedulesGiven((offer(),)))
    exchange(drive)
    drive.book.wait(0.9)
    assert exchange(drive) is None
    drive.book.wait(0.1)
    answer = drive.book.sends(cm.ScheduleExchangeRes)
    assert (answer.evse_processing, answer.header.signature) == (Processing.Finished, None)
