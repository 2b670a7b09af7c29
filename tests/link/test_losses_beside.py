"""Lost, repeated and late messages beside those of every matching: the validation's, and those between
a host and its own modem."""

from __future__ import annotations

import pytest

from iso15118.link.primitives import ShowState
from iso15118.link.slac.events import FrameReceived
from iso15118.link.slac.frames import mmtype_in
from iso15118.link.slac.messages import MmType, SlacParmReq
from iso15118.link.slac.settings import SlacSettings
from iso15118.session.events import Event, SignalState
from iso15118.simulation.link_bench import LinkBench, LinkEnd
from iso15118.simulation.modem import PowerLine

from .rig import Pair, add_station, add_vehicle, run_ids
from .test_losses import Interfering

VALIDATION = [MmType.VALIDATE_REQ, MmType.VALIDATE_CNF]


def validating(mmtype: MmType, numbers: range, delays: tuple[float, ...] = ()) -> Pair:
    pair = Pair(ev_settings=SlacSettings(always_validate=True, c_vald_toggles=2))
    pair.bench.line.interference = Interfering(mmtype, numbers, delays)
    return pair


def shown(pair: Pair) -> list[SignalState]:
    states = [a.state for _, _, a in pair.bench.journal if isinstance(a, ShowState)]
    assert states[0] is SignalState.B, "asserted when it was switched on"
    return states[1:]


def settled(pair: Pair) -> bool:
    """Linked, and the vehicle shows B again, after as many C as B."""
    states = shown(pair)
    return pair.linked and states[-1] is SignalState.B and len(states) % 2 == 0


def test_undisturbed_a_validation_takes_its_toggles() -> None:
    pair = validating(MmType.VALIDATE_REQ, range(0))
    assert 2.0 < pair.match() < 3.5
    assert shown(pair) == [SignalState.C, SignalState.B] * 2


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("how_many", [1, 2])
@pytest.mark.parametrize("mmtype", VALIDATION, ids=lambda t: t.name)
def test_a_message_of_the_validation_is_lost(mmtype: MmType, how_many: int, number: int) -> None:
    pair = validating(mmtype, range(number, number + how_many))
    pair.plug_in()
    assert pair.bench.run(12.0, lambda: pair.linked), pair.bench.notes()
    assert settled(pair)


@pytest.mark.parametrize("mmtype", VALIDATION, ids=lambda t: t.name)
def test_a_message_of_the_validation_is_always_lost(mmtype: MmType) -> None:
    pair = validating(mmtype, range(1000))
    pair.plug_in()
    pair.bench.run(40.0)
    assert not pair.linked
    assert len(run_ids(pair.bench, SlacParmReq)) >= 3
    assert shown(pair)[-1:] in ([], [SignalState.B])
    pair.bench.line.interference = None
    pair.bench.unplug(pair.vehicle, pair.station)
    pair.bench.run(1.0)
    assert pair.match() < 3.5


@pytest.mark.parametrize("mmtype", VALIDATION, ids=lambda t: t.name)
def test_messages_of_the_validation_come_twice(mmtype: MmType) -> None:
    pair = validating(mmtype, range(1000), (0.0, 0.004))
    assert pair.match() < 3.5
    assert len(run_ids(pair.bench, SlacParmReq)) == 1
    assert settled(pair)


@pytest.mark.parametrize("late_s", [0.05, 0.15, 0.25, 0.39, 0.7])
@pytest.mark.parametrize("mmtype", VALIDATION, ids=lambda t: t.name)
def test_a_message_of_the_validation_comes_late(mmtype: MmType, late_s: float) -> None:
    pair = validating(mmtype, range(1), (late_s,))
    pair.plug_in()
    assert pair.bench.run(12.0, lambda: pair.linked), pair.bench.notes()
    assert settled(pair)


# -- between a host and its own modem


class Hearing(LinkBench):
    """A bench where hosts lose or hear twice some of what their modems say: ``times`` per type and number."""

    def __init__(self, mmtype: MmType, numbers: range, times: int) -> None:
        self.mmtype, self.numbers, self.times = mmtype, set(numbers), times
        self.seen: dict[str, int] = {}
        super().__init__(PowerLine())

    def tell(self, end: LinkEnd, event: Event) -> None:
        times = 1
        if isinstance(event, FrameReceived) and mmtype_in(event.data) == self.mmtype:
            number = self.seen[end.name] = self.seen.get(end.name, -1) + 1
            times = self.times if number in self.numbers else 1
        for _ in range(times):
            super().tell(end, event)


FROM_MODEMS = [MmType.SET_KEY_CNF, MmType.ATTEN_PROFILE_IND, MmType.QUALCOMM_LINK_STATUS_CNF]


def hearing(mmtype: MmType, numbers: range, times: int) -> Pair:
    pair = Pair()
    bench = Hearing(mmtype, numbers, times)
    pair.bench = bench
    pair.station, pair.vehicle = add_station(bench), add_vehicle(bench)
    bench.run(5.0)
    return pair


@pytest.mark.parametrize("numbers", [range(1), range(1, 2), range(3)], ids=["first", "second", "three"])
@pytest.mark.parametrize("mmtype", FROM_MODEMS, ids=lambda t: t.name)
def test_an_answer_of_the_modem_is_lost(mmtype: MmType, numbers: range) -> None:
    pair = hearing(mmtype, numbers, 0)
    pair.plug_in()
    assert pair.bench.run(10.0, lambda: pair.linked), pair.bench.notes()
    assert len(run_ids(pair.bench, SlacParmReq)) == 1


@pytest.mark.parametrize("mmtype", FROM_MODEMS, ids=lambda t: t.name)
def test_answers_of_the_modem_come_twice(mmtype: MmType) -> None:
    pair = hearing(mmtype, range(1000), 2)
    assert pair.match() < 1.0
    pair.bench.run(5.0)
    assert pair.linked
    assert len(run_ids(pair.bench, SlacParmReq)) == 1


@pytest.mark.parametrize("mmtype", FROM_MODEMS, ids=lambda t: t.name)
def test_a_modem_that_never_answers_leaves_nobody_stuck(mmtype: MmType) -> None:
    pair = hearing(mmtype, range(100_000), 0)
    pair.plug_in()
    pair.bench.run(90.0)
    assert not pair.linked
    bench = pair.bench
    assert isinstance(bench, Hearing)
    bench.numbers = set()
    bench.unplug(pair.vehicle, pair.station)
    bench.run(10.0)
    assert pair.match() < 1.0
