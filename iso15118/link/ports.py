"""What a link needs from hardware: one port for the basic signalling, whatever the connector,
and one for the wire behind it.

Both are pushed to and push; neither may block. Levels, duty cycles and voltages stay in hardware.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from iso15118.vocabulary import Action, Event

__all__ = ["BasicSignalling", "LinkMedium", "Listener", "ReadsBack"]

Listener = Callable[[Event], None]
"""Told each change, on the event loop's thread."""


@runtime_checkable
class BasicSignalling(Protocol):
    """Basic signalling of one connector: the control pilot of IEC 61851-1 (CCS), or CE and ID (MCS).

    A control pilot pushes ``SignalChanged``, and to a vehicle ``DutyChanged`` as well; CE pushes
    ``CeChanged``, and ID, where it is watched, ``IdChanged``. Level and edge: the present state is pushed
    as soon as somebody listens.
    """

    def listen(self, listener: Listener) -> None:
        """Push changes to ``listener`` from now on, from the event loop's thread."""
        ...

    def show(self, action: Action) -> None:
        """Carry out ``SetPilot`` (CCS) or ``SetS3`` (MCS) at a station; ``ShowState`` at a vehicle, which is
        V3 on MCS. Others are ignored. Must return at once.

        It is a level: the same is asked for again and again (``link.connection.assert_every``), at the start
        and at the end too, and asking twice must change nothing."""
        ...


@runtime_checkable
class ReadsBack(Protocol):
    """Optional, for a ``BasicSignalling`` whose hardware can measure its own output: what it shows is
    compared with what it is asked to show, and a difference is told in a ``LinkNote``."""

    def shown(self) -> Action | None:
        """What is on the output now, as ``SetPilot``, ``SetS3`` or ``ShowState``; None where that cannot be
        told now. Must return at once."""
        ...


@runtime_checkable
class LinkMedium(Protocol):
    """The wire of one link: frames of a modem, or the carrier of a transceiver."""

    async def open(self, tell: Listener) -> None:
        """Begin: push ``FrameReceived`` and ``LinkReported`` to ``tell`` from now on; a medium that
        reports a carrier says at once whether it is there, each time. Raises ``LinkError`` or
        ``ConfigError`` if the wire cannot be used."""
        ...

    def carry(self, action: Action) -> None:
        """Carry out ``SendFrame`` or ``SetPhy``; others are ignored. Must return at once."""
        ...

    async def close(self) -> None:
        """No more of either. Closing twice is harmless."""
        ...
