"""Exchange of amplitude maps once the link is up: ask the peer to speak lower on some
carriers, and do it when asked."""

from __future__ import annotations

from iso15118.link.primitives import LinkNote
from iso15118.vocabulary import Action

from .events import SendFrame
from .frames import Frame
from .messages import AmpMapCnf, AmpMapReq
from .settings import SlacSettings, SlacTiming

__all__ = ["AmplitudeExchange", "pack"]


def pack(entries: bytes) -> AmpMapReq:
    """A map as a message: one entry of 0 to 15 for each carrier, two in a byte, the first in the low half."""
    padded = entries + b"\x00" * (len(entries) % 2)
    packed = bytes(low | high << 4 for low, high in zip(padded[::2], padded[1::2], strict=True))
    return AmpMapReq(len(entries), packed)


class AmplitudeExchange:
    """Both directions; a failure is no reason to give the link up, so it is only noted."""

    def __init__(self, mac: bytes, settings: SlacSettings, timing: SlacTiming) -> None:
        self._mac, self._settings, self._timing = mac, settings, timing
        self._peer: bytes | None = None
        self._sends = 0
        self._applied = False
        self.deadline: float | None = None
        """When ``due`` has something to do."""

    def start(self, peer: bytes, now: float) -> list[Action]:
        """The link to ``peer`` is up: ask, if there is something to ask for."""
        self._peer, self._sends, self._applied = peer, 0, False
        return self._ask(peer, now) if self._settings.amplitude_map else []

    def stop(self) -> None:
        """The link is gone."""
        self._peer, self.deadline = None, None

    def _ask(self, peer: bytes, now: float) -> list[Action]:
        self._sends += 1
        self.deadline = now + self._timing.tt_amp_map_exchange
        return [SendFrame(Frame(peer, self._mac, pack(self._settings.amplitude_map)))]

    def handle(self, message: AmpMapReq | AmpMapCnf, now: float) -> list[Action]:
        """A message of the peer."""
        if self._peer is None:
            return []
        if isinstance(message, AmpMapCnf):
            if self.deadline is None:
                return []
            self.deadline = None
            return [] if message.result == 0 else [LinkNote("the peer declined the amplitude map")]
        actions: list[Action] = [SendFrame(Frame(self._peer, self._mac, AmpMapCnf()))]
        if self._settings.apply_amplitude_map and not self._applied:
            self._applied = True  # a repetition has lost our answer; another map is none
            actions.append(SendFrame(Frame(self._settings.modem, self._mac, message)))
        return actions

    def due(self, now: float) -> list[Action]:
        """What the deadline brings."""
        if self.deadline is None or now < self.deadline or self._peer is None:
            return []
        if self._sends <= self._settings.c_ev_match_retry:
            return self._ask(self._peer, now)
        self.deadline = None
        return [LinkNote("the peer does not answer the amplitude map")]
