"""What a station wants of a vehicle and what it is told meanwhile, as values: wishes and their time, answers
of services that count or come too late, and a signature that is on its way.

How vehicles are told stands in the tests of each edition.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.energy.offer import PowerOffer, ScheduleOffer
from iso15118.errors import PkiError
from iso15118.messages.neutral import neutral
from iso15118.messages.xmldsig import Signature
from iso15118.pnc.contracts import Refusal
from iso15118.secc import SeccConfig
from iso15118.secc.facts import Facts, Installation
from iso15118.secc.price_signing import PriceSigning, begin_signing
from iso15118.secc.remembered import remember
from iso15118.secc.schedule_settings import ScheduleSeccSettings
from iso15118.secc.unsaid import withdraw
from iso15118.secc.wishes import Wish, Wishes
from iso15118.session import actions as act
from iso15118.session import events as ev
from tests.secc.test_facts import NOW, facts

# -- wishes


def test_a_wish_has_its_time_from_when_it_is_told() -> None:
    wish = Wish()
    wish.ask("less sun")
    assert wish.until is None
    assert wish.told(NOW, 30.0) == 30.0
    assert wish.told(NOW + 20.0, 30.0) == 10.0
    assert wish.told(NOW + 31.0, 30.0) == -1.0
    wish.done()
    assert (wish.why, wish.until) == ("", None)


@pytest.mark.parametrize(
    ("reasons", "why"),
    [
        (("less sun",), "less sun"),
        (("",), "the station asks for it"),
        (("", "less sun"), "the station asks for it"),
    ],
)
def test_the_first_reason_for_a_wish_counts(reasons: tuple[str, ...], why: str) -> None:
    wish = Wish()
    for reason in reasons:
        wish.ask(reason)
    assert wish.why == why


def test_every_command_of_the_application_is_a_wish_of_its_own() -> None:
    wishes = Wishes()
    assert (wishes.mobility, wishes.mobility_at, wishes.mobility_new) == (None, 0.0, False)
    assert not wishes.standing_by
    wishes.take(ev.ScheduleRenegotiationRequested("a"), NOW)
    assert (wishes.schedule.why, wishes.service.why, wishes.exit_standby.why) == ("a", "", "")
    wishes.take(ev.ServiceRenegotiationRequested("b"), NOW)
    wishes.take(ev.StandbyRequested("c", wanted=False), NOW)
    wishes.take(ev.StandbyRequested("d", wanted=True), NOW)
    assert (wishes.schedule.why, wishes.service.why, wishes.exit_standby.why) == ("a", "b", "c")
    needs = ev.MobilityNeedsChanged()
    wishes.take(needs, NOW)
    assert (wishes.mobility, wishes.mobility_at, wishes.mobility_new) == (needs, NOW, True)


@pytest.mark.parametrize("known", [False, True])
def test_another_service_begins_without_the_wishes_about_the_old_one(known: bool) -> None:
    wishes = Wishes()
    for event in (ev.ScheduleRenegotiationRequested("a"), ev.StandbyRequested("c", wanted=False)):
        wishes.take(event, NOW)
    if known:
        wishes.take(ev.MobilityNeedsChanged(), NOW)
    wishes.mobility_new, wishes.standing_by = False, True
    wishes.service_anew()
    assert (wishes.schedule.why, wishes.service.why, wishes.exit_standby.why) == ("", "", "")
    assert (wishes.standing_by, wishes.mobility_new) == (False, known)


@pytest.mark.parametrize("renegotiates", [False, True])
@pytest.mark.parametrize(("asks", "note"), [
    ("pause", "pause"), ("service", "service-renegotiation"), ("schedule", "schedule-renegotiation"), ("", ""),
    ("past", ""),
])  # fmt: skip
def test_a_wish_that_an_edition_has_no_words_for_is_withdrawn_and_noted(
    asks: str, note: str, renegotiates: bool
) -> None:
    known = facts()
    known.pause_until = {"pause": NOW + 0.1, "past": NOW}.get(asks, 0.0)
    if asks in ("service", "schedule"):
        getattr(known.wishes, asks).ask("a reason")
    known.wishes.exit_standby.ask("nobody stands by")
    withdraw(known, "DIN 70121", renegotiates=renegotiates)
    stays = asks == "schedule" and renegotiates
    noted = [one.name for one in known.news if isinstance(one, act.PeerDeviates)]
    assert noted == ([note] if note and not stays else [])
    assert known.pause_until in (0.0, NOW)
    assert (known.wishes.service.why, known.wishes.exit_standby.why) == ("", "")
    assert bool(known.wishes.schedule.why) is stays


# -- answers of services

PLAN = (ScheduleOffer(charging=PowerOffer(entries=((60.0, 5000.0),)), id=1),)


@pytest.mark.parametrize(
    ("asked", "due", "number", "counts"),
    [
        (2, NOW, 2, True),
        (2, NOW, 1, False),
        (2, None, 2, False),
        (2, NOW, 0, True),
        (2, None, 0, True),
        (0, None, 0, True),
    ],
)
def test_schedules_count_unasked_or_to_the_last_question_in_time(
    asked: int, due: float | None, number: int, counts: bool
) -> None:
    known = facts(schedules_asked=asked, schedules_due=due)
    remember(ev.SchedulesGiven(PLAN, number, b"signed"), known)
    assert bool(known.plans) is counts
    assert known.schedules_due is (None if counts else due)
    if counts:
        assert (known.plans[0].begins, known.plans[0].over_at) == (NOW, NOW + 60.0)
        assert (known.offers, known.offers_signature) == (PLAN, b"signed")


@pytest.mark.parametrize(("number", "waits"), [(1, True), (2, False), (3, True)])
def test_that_there_are_none_is_an_answer_to_the_last_question_alone(number: int, waits: bool) -> None:
    known = facts(schedules_asked=2, schedules_due=NOW)
    remember(ev.SchedulesMissing(number), known)
    assert (known.schedules_due is not None) is waits


@pytest.mark.parametrize(("begins", "at"), [(None, NOW), (40.0, 40.0)])
def test_a_plan_begins_now_or_when_it_says(begins: float | None, at: float) -> None:
    known = facts()
    remember(ev.PlanChanged((((60.0, 5000.0),),), begins), known)
    assert (known.plans[0].begins, known.plans[0].over_at) == (at, at + 60.0)


@pytest.mark.parametrize(("asked", "counts"), [("this", True), ("another", False), (None, False)])
def test_a_contract_counts_for_the_request_that_it_answers(asked: str | None, counts: bool) -> None:
    known = facts()
    known.installation = Installation(("a",), "this", NOW)
    remember(ev.ContractCertificateAnswered("response", Refusal.REJECTED, asked), known)
    pending = known.installation
    assert pending.answered is counts
    assert (pending.response, pending.refusal) == (("response", Refusal.REJECTED) if counts else (None, None))
    known.installation = None
    remember(ev.ContractCertificateAnswered("response", None, asked), known)


def test_what_a_parking_place_grants_stays_granted() -> None:
    known = facts()
    for event, granted in (
        (ev.KeyUsed(1, None), False),
        (ev.CheckOutGranted(), True),
        (ev.KeyUsed(1, None), True),
    ):
        remember(event, known)  # nobody signs anything: nobody is told of a key
        assert known.may_check_out is granted


# -- a signature that is on its way

MADE: Signature = neutral(Signature, {bytes: b"\x01"})


def remarks(known: Facts) -> list[str]:
    return [one.detail for one in known.news if isinstance(one, act.ScheduleRemark)]


@pytest.mark.parametrize(
    ("events", "kept", "words"),
    [
        ((), False, "not used in time"),
        ((ev.KeyUsed(3, MADE),), True, ""),
        ((ev.KeyUsed(2, MADE),), False, "not used in time"),
        ((ev.KeyUsed(3, b"signed"),), False, "the key gave bytes"),
        ((ev.KeyUsed(3, None, PkiError("gone")),), False, "gone"),
        ((ev.KeyUsed(3, None, PkiError("gone")), ev.KeyUsed(3, MADE)), False, "gone"),
        ((ev.KeyUsed(3, MADE), ev.KeyUsed(3, None, PkiError("gone"))), True, ""),
        ((ev.KeyUsed(2, b"x"), ev.KeyUsed(3, MADE)), True, ""),
    ],
)
def test_the_first_answer_to_this_use_of_the_key_counts(
    events: tuple[ev.KeyUsed, ...], kept: bool, words: str
) -> None:
    known = facts()
    signing = PriceSigning(3, NOW + 5.0, "made")
    for event in events:
        signing.done(event)
    assert (signing.signature(known) is MADE) is kept
    assert (signing.signature(known) is MADE) is kept, "and stays so"
    assert all(words in one for one in remarks(known))
    assert bool(remarks(known)) is not kept


def test_a_key_that_answers_after_the_prices_went_out_is_not_heard() -> None:
    known, signing = facts(), PriceSigning(3, NOW + 5.0, "made")
    assert signing.signature(known) is None
    signing.done(ev.KeyUsed(3, MADE))
    assert signing.signature(known) is None


def test_a_signature_is_waited_for_until_it_is_there_or_its_time_is_over() -> None:
    signing = PriceSigning(1, NOW + 5.0, "made")
    assert [signing.is_settled(NOW + s) for s in (4.9, 5.0, 5.1)] == [False, True, True]
    signing.done(ev.KeyUsed(2, MADE))
    assert not signing.is_settled(NOW)
    signing.done(ev.KeyUsed(1, MADE))
    assert signing.is_settled(NOW)


@pytest.mark.parametrize(
    ("until", "deadline"), [(float("inf"), NOW + 3.0), (NOW + 2.0, NOW + 2.0), (NOW + 9.0, NOW + 3.0)]
)
def test_each_use_of_a_key_has_a_number_and_a_time(until: float, deadline: float) -> None:
    known = facts(config=SeccConfig(schedules=ScheduleSeccSettings(key_use_s=3.0)))
    signer: Any = None
    for number in (1, 2):
        signing, use = begin_signing(known, signer, (), lambda: MADE, "made", until=until)
        assert known.signing is signing
        assert (signing.number, use.number, signing.deadline, use.deadline) == (
            number,
            number,
            deadline,
            deadline,
        )
        assert signing.made == "made"
