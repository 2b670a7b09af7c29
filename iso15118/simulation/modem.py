"""Power-line modems and the wires between them, emulated under the caller's clock: what a SLAC
machine meets instead of hardware.

A modem eats the messages meant for it (keys, vendor messages), measures sounds, and lets data through only to
modems with the same key. Everything is drawn from one seeded source, so that a run can be repeated.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from enum import Enum
from itertools import count

from iso15118.errors import ConfigError, SlacError
from iso15118.link.slac.attenuation import GROUPS
from iso15118.link.slac.frames import BROADCAST, Frame, mmtype_in, parse_frame
from iso15118.link.slac.keys import Network
from iso15118.link.slac.messages import (
    AmpMapReq,
    AttenProfileInd,
    LumissilLinkStatusCnf,
    LumissilLinkStatusReq,
    LumissilResetReq,
    Message,
    MnbcSoundInd,
    Opaque,
    QualcommLinkStatusCnf,
    QualcommLinkStatusReq,
    QualcommResetCnf,
    QualcommResetReq,
    SetKeyCnf,
    SetKeyReq,
)

__all__ = ["LOCAL_MODEM", "PlcModem", "PowerLine", "Profiles"]

LOCAL_MODEM = bytes.fromhex("00b052000001")
"""Address under which every modem hears its own host."""
_A14E = bytes.fromhex("4ea1")


class Profiles(Enum):
    """What a modem reports of a sound."""

    MEASURED = "58 groups"
    EMPTY = "a vendor message and a profile without groups, as home-plug silicon does"
    ZERO = "58 groups of 0 dB"
    NONE = "nothing"


class PlcModem:
    """One modem beside its host. ``measures``: it reports sounds (a station's does). ``key_result``: what it
    answers to a key that it takes; ``refuse_keys``: how many keys it refuses first, with the other result.
    ``silent``: it answers nothing. ``boot_s``: how long it is deaf after a key or a reset."""

    def __init__(
        self,
        host: bytes,
        mac: bytes,
        *,
        measures: bool = False,
        key_result: int = 1,
        refuse_keys: int = 0,
        silent: bool = False,
        boot_s: float = 0.0,
        profiles: Profiles = Profiles.MEASURED,
    ) -> None:
        self.host, self.mac, self.measures = host, mac, measures
        self.key_result, self.refuse_keys, self.silent, self.boot_s = key_result, refuse_keys, silent, boot_s
        self.profiles = profiles
        self.network: Network | None = None
        self.ready_at = 0.0
        self.amplitude_map: AmpMapReq | None = None
        self.resets = 0

    def __repr__(self) -> str:
        return f"PlcModem({self.mac.hex(':')} of {self.host.hex(':')})"


Interference = Callable[[bytes, PlcModem, PlcModem], Iterable[float]]
"""``(data, sender, receiver) -> extra delays in s``: none loses the frame, two repeat it."""


class PowerLine:
    """The wires. ``latency_s``: one way. ``measure_s``: sound to profile. ``join_s``: same key on both ends
    to link. ``loss``: share of frames lost, 0 to 1. ``noise_db``: spread of each measured group. Raises
    ``ConfigError`` for a setting that is not possible."""

    def __init__(
        self,
        *,
        seed: int = 0,
        latency_s: float = 0.003,
        measure_s: float = 0.007,
        join_s: float = 0.15,
        loss: float = 0.0,
        noise_db: float = 1.0,
    ) -> None:
        if not 0.0 <= loss <= 1.0:
            raise ConfigError("loss", f"{loss!r} is no share", "0 to 1")
        self.latency_s, self.measure_s, self.join_s = latency_s, measure_s, join_s
        self.loss, self.noise_db = loss, noise_db
        self.jammed = False
        """Nothing gets through, and no link holds."""
        self.interference: Interference | None = None
        self._random = random.Random(seed)  # noqa: S311  # a simulation that can be repeated
        self._modems: list[PlcModem] = []
        self._paths: dict[frozenset[int], float] = {}
        self._queue: list[tuple[float, int, PlcModem, bytes]] = []
        self._turn = count()

    def attach(self, modem: PlcModem) -> None:
        """Put a modem on the wires; it hears nobody yet."""
        self._modems.append(modem)

    def couple(self, one: PlcModem, other: PlcModem, attenuation_db: float) -> None:
        """Let two modems hear each other, through a plug or by cross-talk."""
        self._paths[frozenset((id(one), id(other)))] = attenuation_db

    def part(self, one: PlcModem, other: PlcModem) -> None:
        """They no longer hear each other."""
        self._paths.pop(frozenset((id(one), id(other))), None)

    def attenuation(self, one: PlcModem, other: PlcModem) -> float | None:
        """Between two modems in dB; None if they do not hear each other."""
        return self._paths.get(frozenset((id(one), id(other))))

    def linked(self, modem: PlcModem, now: float) -> list[PlcModem]:
        """The modems with which this one shares a network now."""
        if modem.network is None or self.jammed:
            return []
        return [
            other
            for other in self._modems
            if other is not modem
            and other.network == modem.network
            and self.attenuation(modem, other) is not None
            and now >= max(modem.ready_at, other.ready_at) + self.join_s
        ]

    # -- frames

    def send(self, modem: PlcModem, data: bytes, now: float) -> None:
        """The host of ``modem`` sends an Ethernet frame."""
        if modem.silent:
            return
        mmtype = mmtype_in(data)
        if mmtype is None:
            for other in self.linked(modem, now):
                if data[:6] in (other.host, BROADCAST) or data[0] & 1:
                    self._carry(modem, other, data, now)
            return
        if data[:6] in (LOCAL_MODEM, modem.mac):
            self._for_modem(modem, data, now)
            return
        if now < modem.ready_at:
            return
        for other in self._modems:
            if (
                other is not modem
                and self.attenuation(modem, other) is not None
                and data[:6] in (other.host, BROADCAST)
            ):
                self._carry(modem, other, data, now)

    def _carry(self, sender: PlcModem, receiver: PlcModem, data: bytes, now: float) -> None:
        if self.jammed or receiver.silent or now < receiver.ready_at or self._random.random() < self.loss:
            return
        extra = (0.0,) if self.interference is None else tuple(self.interference(data, sender, receiver))
        for delay in extra:
            at = now + self.latency_s + delay
            self._deliver(receiver, data, at)
            self._measure(sender, receiver, data, at)

    def _deliver(self, modem: PlcModem, data: bytes, at: float) -> None:
        heapq.heappush(self._queue, (at, next(self._turn), modem, data))

    def _measure(self, sender: PlcModem, receiver: PlcModem, data: bytes, at: float) -> None:
        if not receiver.measures or receiver.profiles is Profiles.NONE:
            return
        try:
            frame = parse_frame(data)
        except SlacError:
            return
        attenuation = self.attenuation(sender, receiver)
        if not isinstance(frame.message, MnbcSoundInd) or attenuation is None:
            return
        at += self.measure_s
        if receiver.profiles is Profiles.EMPTY:
            vendor = Opaque(int.from_bytes(_A14E, "little"), b"\x00\xb0\x52" + frame.source)
            self._deliver(receiver, Frame(BROADCAST, receiver.mac, vendor, 0).to_bytes(), at)
            aag = b""
        elif receiver.profiles is Profiles.ZERO:
            aag = bytes(GROUPS)
        else:
            values = (attenuation + self._random.gauss(0.0, self.noise_db) for _ in range(GROUPS))
            aag = bytes(min(255, max(0, round(value))) for value in values)
        profile = Frame(BROADCAST, receiver.mac, AttenProfileInd(frame.source, aag))
        self._deliver(receiver, profile.to_bytes(), at)

    def _for_modem(self, modem: PlcModem, data: bytes, now: float) -> None:
        try:
            message = parse_frame(data).message
        except SlacError:
            return
        answer: Message | None = None
        if isinstance(message, SetKeyReq):
            refused = modem.refuse_keys > 0
            modem.refuse_keys -= refused
            result = 1 - modem.key_result if refused else modem.key_result
            answer = SetKeyCnf(result, self._random.randbytes(4), message.my_nonce, pmn=255)
            if not refused:
                modem.network = Network(message.nid, message.new_key)
                modem.ready_at = now + modem.boot_s
        elif isinstance(message, QualcommLinkStatusReq):
            answer = QualcommLinkStatusCnf(int(bool(self.linked(modem, now))))
        elif isinstance(message, LumissilLinkStatusReq):
            answer = LumissilLinkStatusCnf(int(bool(self.linked(modem, now))))
        elif isinstance(message, QualcommResetReq | LumissilResetReq):
            modem.resets += 1
            modem.ready_at = now + modem.boot_s
            answer = QualcommResetCnf() if isinstance(message, QualcommResetReq) else None
        elif isinstance(message, AmpMapReq):
            modem.amplitude_map = message
        if answer is not None:
            self._deliver(modem, Frame(modem.host, modem.mac, answer).to_bytes(), now + 0.0005)

    # -- time

    @property
    def deadline(self) -> float | None:
        """When the next frame arrives at a host."""
        return self._queue[0][0] if self._queue else None

    def arrivals(self, now: float) -> list[tuple[PlcModem, bytes]]:
        """What has arrived at hosts by now, in order."""
        found = []
        while self._queue and self._queue[0][0] <= now:
            _, _, modem, data = heapq.heappop(self._queue)
            found.append((modem, data))
        return found
