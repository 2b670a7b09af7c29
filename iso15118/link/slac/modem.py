"""The own modem: setting its key until it takes it, asking for the link status,
restarting it. Shared by both roles.

A key counts only once the modem confirmed it. The one before it is not handed out again: somebody else knows
it. Only the own modem is believed: its address is configured, or learned from the answer that carries the
nonce of our key, which nobody on the line has seen.
"""

from __future__ import annotations

from enum import Enum

from iso15118.link.deadlines import Deadlines
from iso15118.link.primitives import LinkNote
from iso15118.vocabulary import Action

from .frames import Frame, mac_text
from .ignored import Ignored
from .keys import Draw, Network
from .messages import (
    LumissilLinkStatusCnf,
    LumissilLinkStatusReq,
    LumissilResetReq,
    Message,
    QualcommLinkStatusCnf,
    QualcommLinkStatusReq,
    QualcommResetReq,
    SetKeyCnf,
    SetKeyReq,
)
from .settings import LinkDetection, ModemMaker, SlacSettings, SlacTiming

__all__ = ["KeyNews", "LocalModem"]


class KeyNews(Enum):
    """What became of a key."""

    SET = "set"
    REFUSED = "refused"


class _Timer(Enum):
    SET_KEY = "set key"
    POLL = "poll"


class LocalModem:
    """Frames for the modem at ``settings.modem``, and what its answers mean.

    ``cco``: CCoCap to announce, 0 for a vehicle and 1 for a station, which coordinates the network.
    """

    def __init__(
        self, mac: bytes, settings: SlacSettings, timing: SlacTiming, draw: Draw, *, cco: int
    ) -> None:
        self._mac, self._settings, self._timing, self._draw, self._cco = mac, settings, timing, draw, cco
        self._timers: Deadlines[_Timer] = Deadlines(_Timer)
        self._pending: Network | None = None
        self._nonce = b""
        self._tries = 0
        self._poll_every: float | None = None
        self._asked = False
        """A question for the link status waits for its answer."""
        self.address: bytes | None = settings.modem_address or None
        """The own modem's address; None until it is known."""
        self.network: Network | None = None
        """The network whose key the modem confirmed."""

    @property
    def deadline(self) -> float | None:
        """When ``due`` has something to do."""
        return self._timers.earliest

    @property
    def busy(self) -> bool:
        """A key is on its way."""
        return self._pending is not None

    def is_own(self, source: bytes) -> bool:
        """Whether a frame from this address is the own modem's."""
        return source == self.address

    def foreign(self, frame: Frame, ignored: Ignored) -> list[Action]:
        """A message that only the own modem may send came from somebody else; what to say about it, once."""
        if self.address is None:
            return []
        name = type(frame.message).__name__
        text = f"{name} of {mac_text(frame.source)}, which is not our modem {mac_text(self.address)}"
        return [LinkNote(note) for note in ignored.add(text)]

    # -- keys

    def set_key(self, network: Network, now: float) -> list[Frame]:
        """Put the modem into this network. Until it confirms there is none."""
        self._pending, self._tries, self.network = network, 0, None
        return self._send_key(network, now)

    def _send_key(self, network: Network, now: float) -> list[Frame]:
        self._tries += 1
        self._nonce = self._draw(4)
        self._timers.set(_Timer.SET_KEY, now + self._timing.set_key_wait)
        return [self._frame(SetKeyReq(self._nonce, network.nid, network.nmk, cco_capability=self._cco))]

    def confirmed(self, message: SetKeyCnf, source: bytes, now: float) -> KeyNews | None:
        """The modem answered CM_SET_KEY. None: that answers nothing we asked, or the key is tried again."""
        if self._pending is None or message.your_nonce != self._nonce:
            return None
        if not self._settings.modem_address:
            self.address = source
        elif not self.is_own(source):
            return None
        if self._settings.key_acceptance.accepts(message.result):
            self.network, self._pending = self._pending, None
            self._timers.clear(_Timer.SET_KEY)
            return KeyNews.SET
        if self._tries > self._settings.set_key_retries:
            return self._give_up()
        self._nonce = b""  # one answer to one question
        self._timers.set(_Timer.SET_KEY, now + self._timing.set_key_pause)
        return None

    def _give_up(self) -> KeyNews:
        self._pending = None
        self._timers.clear(_Timer.SET_KEY)
        return KeyNews.REFUSED

    # -- link status

    def watch(self, every: float | None, now: float) -> None:
        """Ask for the link status every so many seconds, first at once; None stops it. Nothing is asked where
        the modem has no message for it or the settings want none."""
        asked = (
            self._settings.link_detection is LinkDetection.POLLED
            and self._settings.modem_maker is not ModemMaker.NONE
        )
        self._poll_every = every if asked else None
        if self._poll_every is None:
            self._timers.clear(_Timer.POLL)
            self._asked = False
        else:
            self._timers.set(_Timer.POLL, now)

    def link_status(self, message: Message, source: bytes) -> bool | None:
        """What a message says about the link; None if it is no status, not the own modem's, or
        the answer to no question."""
        lumissil = self._settings.modem_maker is ModemMaker.LUMISSIL
        wanted = LumissilLinkStatusCnf if lumissil else QualcommLinkStatusCnf
        if not isinstance(message, wanted) or not self._asked or not self.is_own(source):
            return None
        self._asked = False
        return bool(message.link_status == 1)

    # -- the rest

    def reset(self) -> list[Frame]:
        """Restart the modem, where there is a message for it."""
        maker = self._settings.modem_maker
        if maker is ModemMaker.QUALCOMM:
            return [self._frame(QualcommResetReq())]
        if maker is ModemMaker.LUMISSIL:
            return [self._frame(LumissilResetReq())]
        return []

    def due(self, now: float) -> tuple[list[Frame], KeyNews | None]:
        """What the deadline brings."""
        frames: list[Frame] = []
        while (timer := self._timers.pop(now)) is not None:
            if timer is _Timer.SET_KEY and self._pending is not None:
                if self._tries > self._settings.set_key_retries:
                    return frames, self._give_up()
                frames += self._send_key(self._pending, now)
            elif timer is _Timer.POLL and self._poll_every is not None:
                lumissil = self._settings.modem_maker is ModemMaker.LUMISSIL
                frames.append(self._frame(LumissilLinkStatusReq() if lumissil else QualcommLinkStatusReq()))
                self._timers.set(_Timer.POLL, now + self._poll_every)
                self._asked = True
        return frames, None

    def _frame(self, message: Message) -> Frame:
        return Frame(self._settings.modem, self._mac, message)
