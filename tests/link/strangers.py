"""Strangers on a power line: they overhear everything, and send every message at any moment to whoever
is there, in their own name.

One machine is several vehicles and a station at once. It is a ``DataLink`` so that a bench can drive it.
"""

from __future__ import annotations

import random
from collections import deque

from iso15118.errors import SlacError
from iso15118.link.primitives import LinkState
from iso15118.link.slac.events import FrameReceived, SendFrame
from iso15118.link.slac.frames import BROADCAST, Frame, parse_frame
from iso15118.link.slac.keys import Nmk, nid_from_nmk
from iso15118.link.slac.messages import (
    AmpMapCnf,
    AmpMapReq,
    AttenCharInd,
    AttenCharRsp,
    AttenProfileInd,
    LumissilLinkStatusCnf,
    Message,
    MnbcSoundInd,
    QualcommLinkStatusCnf,
    SetKeyCnf,
    SlacMatchCnf,
    SlacMatchReq,
    SlacParmCnf,
    SlacParmReq,
    StartAttenCharInd,
    ValidateCnf,
    ValidateReq,
    ValidateResult,
)
from iso15118.session.actions import Action
from iso15118.session.events import Event
from iso15118.simulation.modem import PlcModem

PACE_S = 0.025


class Gossip:
    """What everybody on the line has said so far: vehicles, stations, and the run
    identifiers of each vehicle."""

    def __init__(self) -> None:
        self.vehicles: dict[bytes, bytes] = {}
        self.stations: set[bytes] = set()

    def overhear(self, data: bytes, sender: PlcModem, receiver: PlcModem) -> tuple[float, ...]:
        """As ``PowerLine.interference``: nothing is lost, and nothing is missed."""
        try:
            frame = parse_frame(data)
        except SlacError:
            return (0.0,)
        if isinstance(frame.message, SlacParmReq | StartAttenCharInd | MnbcSoundInd):
            self.vehicles[frame.source] = frame.message.run_id
        elif isinstance(frame.message, SlacParmCnf | AttenCharInd):
            self.stations.add(frame.source)
        return (0.0,)


class Stranger:
    """``claim_db``: the least attenuation that it claims as a station. ``rate``: messages a second beside its
    matchings. ``silent``: it only announces itself as a station."""

    def __init__(
        self, mac: bytes, gossip: Gossip, chance: random.Random, *, claim_db: int, rate: float, silent: bool
    ) -> None:
        self.mac, self.gossip, self.chance = mac, gossip, chance
        self.claim_db, self.rate, self.silent = claim_db, rate, silent
        self.names = [mac, *(mac[:5] + bytes([0x40 + n]) for n in range(4))]
        """In whose name it speaks, none of them ours."""
        self.state = LinkState.UNMATCHED
        self.resting: tuple[Action, ...] = ()
        self._next = chance.uniform(0.0, 0.2)
        self._script: deque[SendFrame] = deque()
        self._script_at = chance.uniform(0.0, 2.0)

    @property
    def deadline(self) -> float | None:
        return min(self._next, self._script_at)

    def handle(self, event: Event, now: float) -> list[Action]:
        """It announces itself to whoever asks, and now and then answers the sounds."""
        if not isinstance(event, FrameReceived):
            return []
        try:
            frame = parse_frame(event.data)
        except SlacError:
            return []
        if isinstance(frame.message, SlacParmReq) and self.chance.random() < 0.8:
            return [self._to(frame.source, SlacParmCnf(frame.message.run_id, frame.source))]
        return []

    def handle_timeout(self, now: float) -> list[Action]:
        actions: list[Action] = []
        if now >= self._next:
            self._next = now + self.chance.expovariate(self.rate)
            if not self.silent:
                actions.append(self._anything())
        if now >= self._script_at:
            self._script_at = now + PACE_S
            if not self._script:
                self._script.extend(self._whole_matching())
                self._script_at = now + self.chance.uniform(0.0, 3.0)
            elif not self.silent:
                actions.append(self._script.popleft())
            else:
                self._script.clear()
        return actions

    # -- what it says

    def _to(self, destination: bytes, message: Message, name: bytes | None = None) -> SendFrame:
        return SendFrame(Frame(destination, name or self.mac, message))

    def _whole_matching(self) -> list[SendFrame]:
        """A matching as a vehicle, up to the request to be matched, with a
        station that is somebody else's."""
        name, run = self.chance.choice(self.names), self.chance.randbytes(8)
        stations = sorted(self.gossip.stations)
        if not stations:
            return []
        station = self.chance.choice(stations)
        script = [self._to(BROADCAST, SlacParmReq(run), name)] * 2
        script += [self._to(BROADCAST, StartAttenCharInd(run, name), name)] * 3
        script += [self._to(BROADCAST, MnbcSoundInd(run, left, bytes(16)), name) for left in range(9, -1, -1)]
        script += [self._to(station, AttenCharRsp(name, run), name)] * 6
        if self.chance.random() < 0.5:
            script += [self._to(station, ValidateReq(0), name)] * 3
        return script + [self._to(station, SlacMatchReq(name, station, run), name)] * 3

    def _anything(self) -> SendFrame:
        chance = self.chance
        vehicle = chance.choice(sorted(self.gossip.vehicles) or [BROADCAST])
        station = chance.choice(sorted(self.gossip.stations) or [BROADCAST])
        run = self.gossip.vehicles.get(vehicle, bytes(8)) if chance.random() < 0.9 else chance.randbytes(8)
        name = chance.choice(self.names)
        anybody = chance.choice([vehicle, station, name, self.mac])
        groups = bytes(chance.randrange(self.claim_db, 80) for _ in range(58))
        nmk = Nmk(chance.randbytes(16))
        destination, message = chance.choice(
            (
                (BROADCAST, SlacParmReq(run)),
                (vehicle, SlacParmCnf(run, anybody, num_sounds=chance.randrange(256))),
                (BROADCAST, StartAttenCharInd(run, anybody)),
                (BROADCAST, MnbcSoundInd(run, 9, bytes(16))),
                (BROADCAST, AttenProfileInd(vehicle, bytes(58))),
                (vehicle, AttenCharInd(vehicle if chance.random() < 0.8 else anybody, run, 10, groups)),
                (station, AttenCharRsp(anybody, run)),
                (station, ValidateReq(chance.choice((0, 9)), ValidateResult.READY)),
                (vehicle, ValidateCnf(chance.randrange(4), chance.choice(list(ValidateResult)))),
                (station, SlacMatchReq(anybody, station, run)),
                (vehicle, SlacMatchCnf(vehicle, anybody, run, nid_from_nmk(nmk), nmk)),
                (vehicle, SetKeyCnf(chance.randrange(2), bytes(4), chance.randbytes(4))),
                (station, SetKeyCnf(chance.randrange(2), bytes(4), chance.randbytes(4))),
                (chance.choice((vehicle, station)), QualcommLinkStatusCnf(chance.randrange(2))),
                (chance.choice((vehicle, station)), LumissilLinkStatusCnf(chance.randrange(2))),
                (chance.choice((vehicle, station)), AmpMapReq(58, b"\xff" * 29)),
                (chance.choice((vehicle, station)), AmpMapCnf(chance.randrange(2))),
            )
        )
        return self._to(destination, message, name)
