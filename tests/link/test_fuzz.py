"""Random and mutated frames: nothing but ``SlacError`` from the reader, nothing at all from the machines,
and nobody is stuck after it.

ISO15118_SLAC_FUZZ sets the number of frames; 200,000 by default.
"""

from __future__ import annotations

import os
import random

from iso15118.errors import SlacError
from iso15118.link.primitives import DutyChanged, LinkState, PowerOn
from iso15118.link.slac import messages as m
from iso15118.link.slac import parse_frame
from iso15118.link.slac.amplitude import pack
from iso15118.link.slac.ev import EvSlac
from iso15118.link.slac.events import FrameReceived, SendFrame
from iso15118.link.slac.evse import EvseSlac
from iso15118.link.slac.frames import BROADCAST, Frame
from iso15118.link.slac.keys import Nmk
from iso15118.session.events import SignalChanged, SignalState

from .rig import CAR, EVSE, EVSE2, MODEM, RUN, Pair

FRAMES = int(os.environ.get("ISO15118_SLAC_FUZZ", "60000"))
KEY = Nmk(bytes(16))


def seeds(run: bytes = RUN) -> list[bytes]:
    """Frames that fit somewhere, in both directions."""
    to_evse: list[m.Message] = [
        m.SlacParmReq(run),
        m.StartAttenCharInd(run, CAR),
        m.MnbcSoundInd(run, 3, bytes(16)),
        m.AttenProfileInd(CAR, bytes(58)),
        m.AttenCharRsp(CAR, run),
        m.ValidateReq(0),
        m.ValidateReq(9),
        m.SlacMatchReq(CAR, EVSE, run),
        m.SetKeyCnf(1, bytes(4), bytes(4)),
        m.QualcommLinkStatusCnf(1),
        m.LumissilLinkStatusCnf(1),
        pack(bytes(30)),
    ]
    to_ev: list[m.Message] = [
        m.SlacParmCnf(run, CAR),
        m.AttenCharInd(CAR, run, 10, bytes(58)),
        m.ValidateCnf(2, m.ValidateResult.SUCCESS),
        m.ValidateCnf(0, m.ValidateResult.READY),
        m.SlacMatchCnf(CAR, EVSE, run, bytes(7), KEY),
        m.AmpMapCnf(),
        m.SetKeyCnf(1, bytes(4), run[:4]),
        m.SetKeyCnf(0, bytes(4), run[:4]),
        m.QualcommLinkStatusCnf(0),
        m.QualcommLinkStatusCnf(1),
        m.SetKeyReq(bytes(4), bytes(7), KEY),
    ]
    frames = [Frame(EVSE, CAR, message) for message in to_evse] + [Frame(BROADCAST, CAR, to_evse[0])]
    frames += [Frame(CAR, EVSE, message) for message in to_ev] + [Frame(CAR, EVSE2, to_ev[0])]
    return [frame.to_bytes() for frame in frames]


def mutated(rng: random.Random, frames: list[bytes]) -> bytes:
    kind = rng.random()
    if kind < 0.1:
        return rng.randbytes(rng.randrange(0, 200))
    data = bytearray(rng.choice(frames))
    if kind < 0.3:
        return bytes(data)
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256)))
    if kind > 0.8:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


def test_the_reader_raises_nothing_but_slac_error_and_builds_again_what_it_read() -> None:
    rng = random.Random(1)
    frames = seeds()
    read = 0
    for _ in range(FRAMES):
        data = mutated(rng, frames)
        try:
            frame = parse_frame(data)
        except SlacError:
            continue
        read += 1
        if frame.to_bytes() != data:
            raise AssertionError(data.hex())
    assert FRAMES // 4 < read < FRAMES


def test_machines_survive_what_the_reader_survives_and_time_goes_on() -> None:
    rng = random.Random(2)
    ev = EvSlac(CAR, draw=lambda count: (RUN * 2)[:count])  # so that the frames fit its run
    evse = EvseSlac(EVSE, draw=bytes)
    now = 0.0
    seen: set[tuple[str, LinkState]] = set()
    for machine in (ev, evse):
        machine.handle(PowerOn(), now)
        machine.handle(SignalChanged(SignalState.B), now)
    ev.handle(DutyChanged(5.0), now)
    frames = seeds()
    for _ in range(FRAMES // 2):
        event = FrameReceived(mutated(rng, frames))
        for machine in (ev, evse):
            for action in machine.handle(event, now):
                if isinstance(action, SendFrame):
                    action.frame.to_bytes()
            seen.add((type(machine).__name__, machine.state))
            if machine.deadline is not None and machine.deadline <= now:
                machine.handle_timeout(now)
                assert machine.deadline is None or machine.deadline > now
        now += rng.choice((0.0, 0.001, 0.02, 0.05))
        if rng.random() < 0.001:
            for machine in (ev, evse):
                machine.handle(SignalChanged(SignalState.A), now)
                machine.handle(SignalChanged(SignalState.B), now)
            ev.handle(DutyChanged(5.0), now)
    assert {state for name, state in seen if name == "EvSlac"} == set(LinkState)
    assert {state for name, state in seen if name == "EvseSlac"} >= {LinkState.MATCHING, LinkState.MATCHED}
    for machine in (ev, evse):
        machine.handle(SignalChanged(SignalState.A), now)
        assert machine.state is LinkState.UNMATCHED


def test_a_pair_matches_while_somebody_floods_it() -> None:
    rng = random.Random(3)
    pair = Pair()
    frames = seeds()
    pair.plug_in()
    for _ in range(2000):
        for end in (pair.vehicle, pair.station):
            data = bytearray(mutated(rng, frames))
            if bytes(data[6:12]) in (CAR, EVSE, MODEM):
                data[6:12] = b"\x02rogue"  # a neighbour; who takes a peer's address can always disturb it
            if bytes(data[15:17]) in (b"\x09\x60", b"\x86\x60", b"\xb9\xa0", b"\x9d\xac"):
                continue  # only the own modem sends these
            pair.bench.tell(end, FrameReceived(bytes(data)))
        pair.bench.run(0.01)
    assert pair.bench.run(10.0, lambda: pair.linked), pair.bench.notes()[-10:]
