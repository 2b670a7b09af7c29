"""Whom a station answers: each origin within a limit of its own, and nobody while no session can be taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.sdp import Answer, Ignored, Origin, OriginRates, RateLimit

from .test_sdp import CAR_ORIGIN, INTERFACE, request, server


def test_answers_to_a_flood_are_limited_and_come_back_after_it() -> None:
    station = server(rate=RateLimit(per_second=50, burst=10))
    answers = [station.answer(request(), CAR_ORIGIN, n / 1000) for n in range(1000)]
    answered = sum(isinstance(answer, Answer) for answer in answers)
    assert 10 + 49 <= answered <= 10 + 50
    assert all(answer.flood for answer in answers if isinstance(answer, Ignored))
    assert isinstance(station.answer(request(), CAR_ORIGIN, 2.0), Answer)


def test_a_flood_of_one_costs_nobody_else_an_answer() -> None:
    station = server()
    neighbour = Origin(IPv6Address("fe80::bad"), 40000, INTERFACE)
    answered = 0
    for millisecond in range(3000):
        station.answer(request(), neighbour, millisecond / 1000)
        if millisecond % 250 == 249:
            answered += isinstance(station.answer(request(), CAR_ORIGIN, millisecond / 1000), Answer)
    assert answered == 12


def test_a_car_is_answered_under_a_flood_from_ever_new_addresses() -> None:
    station = server()
    answered = 0
    for n in range(30_000):  # 10,000 a second
        station.answer(request(), Origin(IPv6Address(0xFE80 << 112 | n + 1), 40000, INTERFACE), n / 10_000)
        if n % 2500 == 2499:
            answered += isinstance(station.answer(request(), CAR_ORIGIN, n / 10_000), Answer)
    assert answered >= 1


def test_the_addresses_that_are_counted_apart_are_bounded() -> None:
    rates = OriginRates(RateLimit(per_second=1, burst=1), most=4)
    for n in range(100):
        rates.admit(IPv6Address(n), 0.0)
    assert len(rates) == 4
    assert not rates.admit(IPv6Address(99), 0.0)
    assert rates.admit(IPv6Address(0), 0.0), "forgotten, and with it what it had used"


@pytest.mark.parametrize("may", [lambda _: False, lambda _: None, lambda _: 1 / 0])
def test_nobody_is_invited_while_no_session_can_be_taken(may: Callable[[Origin], bool]) -> None:
    station = server(may_answer=may)
    refused = station.answer(request(), CAR_ORIGIN, 0.0)
    assert isinstance(refused, Ignored)
    assert refused.busy
    assert not refused.flood
    assert "session" in refused.reason


def test_cars_are_invited_again_when_a_session_can_be_taken_again() -> None:
    free = False
    station = server(may_answer=lambda _: free)
    assert isinstance(station.answer(request(), CAR_ORIGIN, 0.0), Ignored)
    free = True
    assert isinstance(station.answer(request(), CAR_ORIGIN, 0.25), Answer)


def test_garbage_does_not_use_up_the_answers_for_cars() -> None:
    station = server(rate=RateLimit(per_second=1, burst=1))
    for _ in range(1000):
        station.answer(b"garbage", CAR_ORIGIN, 0.0)
    assert isinstance(station.answer(request(), CAR_ORIGIN, 0.0), Answer)


def test_a_clock_that_goes_back_gives_no_tokens() -> None:
    limit = RateLimit(per_second=1, burst=1)
    assert [limit.admit(now) for now in (10.0, 5.0, 5.5, 6.0)] == [True, False, False, True]


def test_who_is_invited_may_depend_on_who_asks() -> None:
    station = server(may_answer=lambda origin: origin.address == CAR_ORIGIN.address)
    neighbour = Origin(IPv6Address("fe80::bad"), 40000, INTERFACE)
    assert isinstance(station.answer(request(), CAR_ORIGIN, 0.0), Answer)
    assert isinstance(station.answer(request(), neighbour, 0.0), Ignored)


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, -1.0, True, "10"])
@pytest.mark.parametrize("name", ["per_second", "burst"])
def test_a_limit_that_is_none_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match="is no limit") as refused:
        RateLimit(**{name: value})
    assert refused.value.key == name
