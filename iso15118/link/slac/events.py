"""What a SLAC machine exchanges with its driver beside pilot and primitives: frames."""

from __future__ import annotations

from iso15118.vocabulary import Action, Event

from .frames import Frame, mmtype_in

__all__ = ["FrameReceived", "SendFrame"]


class FrameReceived(Event, frozen=True):
    """An Ethernet frame with EtherType 0x88E1 came in, as it is. It may carry a key,
    so its bytes are not shown."""

    data: bytes

    def __repr__(self) -> str:
        mmtype = mmtype_in(self.data)
        return f"FrameReceived({'no MME' if mmtype is None else f'0x{mmtype:04x}'}, <{len(self.data)} bytes>)"


class SendFrame(Action, frozen=True):
    """Send this frame."""

    frame: Frame
