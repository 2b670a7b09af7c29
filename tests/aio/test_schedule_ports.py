"""An energy manager's schedules under a real event loop: asked, slow, wrong and raising ones;
and whole sessions with one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.ports.schedule_calls import ScheduleCalls, asks_schedules, price_signers_of
from iso15118.energy.offer import PowerOffer, ScheduleOffer, SignedOffers
from iso15118.errors import ConfigError
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.simulation import Battery, Timetable
from tests import clock
from tests.pki.test_prices import issued

from .site import Plant, site

OFFER = ScheduleOffer(charging=PowerOffer(entries=((3600.0, 50_000.0),)))
NUMBERED = ScheduleOffer(charging=OFFER.charging, id=1)
NEEDS = act.ChargingNeeds(1000.0, 1000.0, 0.0)


class Manager:
    """A station's ports as far as they are asked here: it is its own energy manager."""

    def __init__(self, answer: Callable[[Any], Awaitable[Any]], signers: Any = ()) -> None:
        self.energy = self
        self.answer, self.signers = answer, signers

    @property
    def price_signers(self) -> Any:
        if isinstance(self.signers, BaseException):
            raise self.signers
        return self.signers

    async def schedules(self, needs: act.ChargingNeeds) -> Any:
        return await self.answer(needs)

    def needs(self, needs: act.ChargingNeeds) -> None:
        """Nobody asks."""

    def listen(self, listener: Any) -> None:
        """Nothing is pushed."""


def answers(value: Any) -> Callable[[Any], Awaitable[Any]]:
    async def answer(_: Any) -> Any:
        if isinstance(value, BaseException):
            raise value
        return value

    return answer


async def never(_: Any) -> None:
    await asyncio.Event().wait()


def told(manager: Any, *numbers: int) -> list[ev.Event]:
    """What the session is told when these questions are asked, one after the other."""

    async def ask() -> list[ev.Event]:
        heard: list[ev.Event] = []
        loop = asyncio.get_running_loop()
        calls = ScheduleCalls(loop, manager, heard.append)
        for number in numbers:
            calls.ask(act.RequestSchedules(NEEDS, number, loop.time() + 0.05))
            await asyncio.sleep(0)
        await asyncio.sleep(0.2)
        calls.close()
        return heard

    return clock.run(ask())


@pytest.mark.parametrize(
    ("answer", "event"),
    [
        (answers([OFFER]), ev.SchedulesGiven((NUMBERED,), 7)),
        (answers(()), ev.SchedulesGiven((), 7)),
        (answers(SignedOffers((OFFER,), b"s" * 132)), ev.SchedulesGiven((NUMBERED,), 7, b"s" * 132)),
        (answers(SignedOffers((OFFER,), b"")), ev.SchedulesMissing(7)),
        (answers(SignedOffers((OFFER,), "s")), ev.SchedulesMissing(7)),  # type: ignore[arg-type]
        (answers(None), ev.SchedulesMissing(7)),
        (answers([OFFER] * 4), ev.SchedulesMissing(7)),
        (answers([ScheduleOffer(charging=PowerOffer(entries=()))]), ev.SchedulesMissing(7)),
        (answers([3]), ev.SchedulesMissing(7)),
        (answers(OSError("no network")), ev.SchedulesMissing(7)),
        (never, ev.SchedulesMissing(7)),
    ],
    ids=["one", "none", "signed", "unsigned", "text", "None", "four", "empty", "number", "raises", "never"],
)
def test_whatever_is_wrong_with_an_answer_is_none(answer: Any, event: ev.Event) -> None:
    assert told(Manager(answer), 7) == [event]


@pytest.mark.parametrize(("octets", "fits"), [(0, False), (1, True), (350, True), (351, False)])
def test_a_signature_has_as_many_octets_as_a_message_takes(octets: int, fits: bool) -> None:
    """Other schedules with it are none, as a vehicle could not verify them."""
    signature = b"s" * octets
    wanted = ev.SchedulesGiven((NUMBERED,), 7, signature) if fits else ev.SchedulesMissing(7)
    assert told(Manager(answers(SignedOffers((OFFER,), signature))), 7) == [wanted]


async def test_schedules_that_nobody_wants_any_more_are_not_told() -> None:
    """Neither those that come nor that they do not; another question may follow. Without a manager who
    wants to be asked there are none, at once."""
    heard: list[ev.Event] = []
    loop, come = asyncio.get_running_loop(), asyncio.Event()

    async def answer(_: Any) -> Any:
        await come.wait()
        return [OFFER]

    manager: Any = Manager(answer)
    calls = ScheduleCalls(loop, manager, heard.append)
    calls.drop()
    calls.ask(act.RequestSchedules(NEEDS, 1, loop.time() + 5.0))
    await asyncio.sleep(0)
    calls.drop()
    come.set()
    await asyncio.sleep(10.0)
    assert heard == []
    calls.ask(act.RequestSchedules(NEEDS, 2, loop.time() + 5.0))
    await asyncio.sleep(0.1)
    assert heard == [ev.SchedulesGiven((NUMBERED,), 2)]
    calls.close()
    for other in (SimpleNamespace(energy=None), SimpleNamespace(energy=SimpleNamespace())):
        nobody: Any = other
        assert not asks_schedules(nobody)
        heard.clear()
        ScheduleCalls(loop, nobody, heard.append).ask(act.RequestSchedules(NEEDS, 3, loop.time() + 5.0))
        assert heard == [ev.SchedulesGiven((), 3)]


def test_a_signer_has_both_a_way_to_sign_and_an_algorithm() -> None:
    """Otherwise prices are not signed in this session."""
    whole: Any = SimpleNamespace(sign=lambda data: data, algorithm="ecdsa")
    half: Any = SimpleNamespace(sign=lambda data: data, algorithm=None)
    other: Any = SimpleNamespace(sign=None, algorithm="ecdsa")
    for signers, found in (((whole,), (whole,)), ((whole, half), ()), ((other,), ())):
        station: Any = Manager(never, signers)
        assert price_signers_of(station) == found


def test_only_the_last_question_is_answered() -> None:
    async def slow(_: Any) -> Any:
        await asyncio.sleep(0.02)
        return [OFFER]

    assert told(Manager(slow), 1, 2) == [ev.SchedulesGiven((NUMBERED,), 2)]


def test_who_wants_to_be_asked_and_whose_keys_there_are() -> None:
    from iso15118.pki.keys.signer import signer_of

    signer = signer_of(issued().credential("mo-sub2"))
    assert asks_schedules(Manager(never))  # type: ignore[arg-type]  # a station as far as this goes
    assert price_signers_of(Manager(never, [signer])) == (signer,)  # type: ignore[arg-type]
    for wrong in (3, [3], OSError("gone"), None):
        assert price_signers_of(Manager(never, wrong)) == ()  # type: ignore[arg-type]


def test_a_plain_function_is_named_when_the_station_is_made() -> None:
    class Wrong(Manager):
        def schedules(self, needs: Any) -> list[ScheduleOffer]:  # type: ignore[override]  # that is the mistake
            return []

    async def make() -> None:
        from iso15118.session.ports import Station

        ports = Plant().secc
        fields = {name: getattr(ports, name) for name in ports.__dataclass_fields__}
        Station(**(fields | {"energy": Manager(never)}))
        with pytest.raises(ConfigError, match=r"energy\.schedules.*async def schedules"):
            Station(**(fields | {"energy": Wrong(never)}))

    clock.run(make())


async def test_a_whole_session_with_an_energy_manager_that_takes_its_time() -> None:
    plenty = ScheduleOffer(charging=PowerOffer(entries=((86_400.0, 3_750_000.0),)))
    plant = Plant(
        timetable=Timetable([plenty], delay_s=0.7),
        battery=Battery(capacity_wh=50e6, soc=79.9, target_soc=80.0),
    )
    async with site(plant) as here:
        mine = await here.client().run()
        theirs = await here.server.wait_finished(1)
    for result in (mine, theirs):
        assert result.ended.reason is EndReason.STOPPED_BY_EV, result
        assert result.safe
    assert plant.station.timetable is not None
    assert plant.station.timetable.zero is not None
