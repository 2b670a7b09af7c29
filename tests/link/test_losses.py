"""Every message lost, repeated or late, one at a time and all at random: the pair comes together all the
same, or begins again cleanly."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from iso15118.link.primitives import LinkState
from iso15118.link.slac.frames import mmtype_in
from iso15118.link.slac.messages import AttenCharRsp, MmType, SlacParmReq
from iso15118.simulation.modem import PlcModem, PowerLine

from .rig import Pair, run_ids

PEER_MESSAGES = [
    MmType.SLAC_PARM_REQ,
    MmType.SLAC_PARM_CNF,
    MmType.START_ATTEN_CHAR_IND,
    MmType.MNBC_SOUND_IND,
    MmType.ATTEN_CHAR_IND,
    MmType.ATTEN_CHAR_RSP,
    MmType.SLAC_MATCH_REQ,
    MmType.SLAC_MATCH_CNF,
]


class Interfering:
    """Gives the n-th frames of one type these extra delays: none loses it, two repeat it."""

    def __init__(self, mmtype: MmType, numbers: Iterable[int], delays: tuple[float, ...]) -> None:
        self.mmtype, self.numbers, self.delays = mmtype, set(numbers), delays
        self.seen = 0

    def __call__(self, data: bytes, sender: PlcModem, receiver: PlcModem) -> tuple[float, ...]:
        if mmtype_in(data) != self.mmtype:
            return (0.0,)
        self.seen += 1
        return self.delays if self.seen - 1 in self.numbers else (0.0,)


def disturbed(mmtype: MmType, numbers: Iterable[int], delays: tuple[float, ...] = ()) -> Pair:
    pair = Pair()
    pair.bench.line.interference = Interfering(mmtype, numbers, delays)
    return pair


@pytest.mark.parametrize("lost", [(0,), (0, 1)], ids=["once", "twice"])
@pytest.mark.parametrize("mmtype", PEER_MESSAGES, ids=lambda t: t.name)
def test_a_message_lost_once_or_twice_is_sent_again(mmtype: MmType, lost: tuple[int, ...]) -> None:
    pair = disturbed(mmtype, lost)
    assert pair.match(3.0) < 1.6
    kinds = [kind for _, _, kind in pair.bench.frames("CAR_1")]
    # One matching process was enough: the sounds went out once.
    assert kinds.count("MnbcSoundInd") == 10


REPEATED = [t for t in PEER_MESSAGES if t not in (MmType.START_ATTEN_CHAR_IND, MmType.MNBC_SOUND_IND)]


@pytest.mark.parametrize("mmtype", REPEATED, ids=lambda t: t.name)
def test_a_message_lost_three_times_ends_the_process_and_another_one_succeeds(mmtype: MmType) -> None:
    pair = disturbed(mmtype, range(3))
    seconds = pair.match(30.0)
    assert len(run_ids(pair.bench, SlacParmReq)) == 2
    assert seconds < 4.0


@pytest.mark.parametrize("number", range(10))
def test_one_lost_sound_only_makes_one_sound_less(number: int) -> None:
    pair = disturbed(MmType.MNBC_SOUND_IND, [number])
    assert pair.match() < 1.2
    assert any(" 9 sounds of" in note for note in pair.bench.notes())


def test_all_sounds_lost_means_no_values_and_no_match() -> None:
    pair = disturbed(MmType.MNBC_SOUND_IND, range(10))
    pair.plug_in()
    pair.bench.run(1.5)
    assert "AttenCharInd" not in [kind for _, _, kind in pair.bench.frames()]
    assert any("measured no sound" in note for note in pair.bench.notes())
    assert pair.bench.run(10.0, lambda: pair.linked)


def test_all_announcements_lost_means_that_the_station_forgets_and_the_vehicle_begins_again() -> None:
    pair = disturbed(MmType.START_ATTEN_CHAR_IND, range(3))
    pair.plug_in()
    pair.bench.run(0.8)
    assert any("waiting for CM_START_ATTEN_CHAR.IND" in note for note in pair.bench.notes())
    assert pair.bench.run(10.0, lambda: pair.linked)


@pytest.mark.parametrize("mmtype", PEER_MESSAGES, ids=lambda t: t.name)
def test_messages_that_come_twice_change_nothing(mmtype: MmType) -> None:
    pair = disturbed(mmtype, range(100), (0.0, 0.004))
    assert pair.match() < 1.0
    pair.bench.run(5.0)
    assert pair.linked


@pytest.mark.parametrize(
    ("late_s", "how_many"), [(0.05, 1000), (0.15, 1000), (0.25, 1), (0.39, 1), (0.7, 1), (3.0, 1)]
)
@pytest.mark.parametrize("mmtype", PEER_MESSAGES, ids=lambda t: t.name)
def test_messages_that_come_late_delay_the_link_at_most(mmtype: MmType, late_s: float, how_many: int) -> None:
    # Beyond TT_match_response only once: a request that is always late is a repeated one,
    # which starts the process anew.
    pair = disturbed(mmtype, range(how_many), (late_s,))
    pair.plug_in()
    assert pair.bench.run(20.0, lambda: pair.linked), pair.bench.notes()


def test_answers_from_an_earlier_process_do_not_count_for_the_next_one() -> None:
    # CM_ATTEN_CHAR.IND arrives when the vehicle has given the process up, and carries its run identifier.
    pair = disturbed(MmType.ATTEN_CHAR_IND, range(3), (2.0,))
    pair.plug_in()
    assert pair.bench.run(20.0, lambda: pair.linked)
    assert len(run_ids(pair.bench, SlacParmReq)) == 2
    assert len(run_ids(pair.bench, AttenCharRsp)) == 1


@pytest.mark.parametrize("seed", range(20))
def test_a_line_that_loses_a_tenth_of_everything(seed: int) -> None:
    pair = Pair(PowerLine(seed=seed, loss=0.1))
    assert pair.match(60.0) < 10.0


@pytest.mark.parametrize("seed", range(5))
def test_a_line_that_loses_half_of_everything_never_leaves_anybody_stuck(seed: int) -> None:
    pair = Pair(PowerLine(seed=seed, loss=0.5))
    pair.plug_in()
    pair.bench.run(200.0)
    pair.bench.line.loss = 0.0
    pair.bench.unplug(pair.vehicle, pair.station)
    pair.bench.run(1.0)
    assert pair.station.machine.state is pair.vehicle.machine.state is LinkState.UNMATCHED
    assert pair.match() < 1.0
