"""The wires of real interfaces: frames of a power-line modem, the carrier of a
transceiver, or nothing to do at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from iso15118.aio.logs import Log
from iso15118.link.primitives import LinkReported
from iso15118.link.slac.events import FrameReceived, SendFrame
from iso15118.link.spe.signalling import SetPhy

from .carrier import CarrierWatch
from .plca import Plca, PlcaOutcome, configure_plca
from .slac import PacketPort

if TYPE_CHECKING:
    from collections.abc import Callable

    from iso15118.link.ports import Listener
    from iso15118.session.actions import Action

__all__ = ["CarrierMedium", "NoMedium", "PacketMedium", "mac_of"]

_log = Log(__name__)


class NoMedium:
    """A wire that needs no care: a laboratory's Ethernet, the loopback interface. Which is all
    that ``PlainLink`` wants."""

    async def open(self, tell: Listener) -> None:
        """Nothing is told."""

    def carry(self, action: Action) -> None:
        """Nothing is done."""

    async def close(self) -> None:
        """Nothing was open."""


class PacketMedium:
    """A modem behind an Ethernet interface: HomePlug frames through an AF_PACKET socket.
    Needs Linux and CAP_NET_RAW."""

    def __init__(self, interface: str) -> None:
        self.interface = interface
        self.port: PacketPort | None = None

    async def open(self, tell: Listener) -> None:
        """Raises ``LinkError`` when the interface is missing or may not be opened."""
        self.port = PacketPort(self.interface, lambda data: tell(FrameReceived(data)))

    def carry(self, action: Action) -> None:
        """Send frames."""
        if isinstance(action, SendFrame) and self.port is not None:
            self.port.send(action.frame.to_bytes())

    async def close(self) -> None:
        """No more frames; the modem keeps its key."""
        if self.port is not None:
            self.port.close()
            self.port = None


class CarrierMedium:
    """A 10BASE-T1S transceiver, or any Ethernet interface in its place: carrier and address over
    rtnetlink, PLCA over ethtool netlink.

    ``plca``: configured when the medium is opened, and again whenever the interface comes back, since
    a PHY forgets it with its power; a driver that offers none is logged and works without.
    ``configured`` is told each time what came of it. The transceiver stays powered: ``SetPhy`` is for
    hardware that can do otherwise.
    """

    def __init__(
        self,
        interface: str,
        plca: Plca | None = None,
        *,
        configured: Callable[[PlcaOutcome], None] | None = None,
    ) -> None:
        self.interface, self.plca = interface, plca
        self._configured = configured
        self._watch: CarrierWatch | None = None
        self._configuring: asyncio.Task[None] | None = None

    async def open(self, tell: Listener) -> None:
        """Raises ``ConfigError`` where ``pyroute2`` is not installed, ``LinkError`` where
        rtnetlink cannot be opened."""
        await self._configure()
        self._watch = CarrierWatch(
            self.interface, lambda up: tell(LinkReported(up)), returned=self._configure_again
        )
        await self._watch.start()

    async def _configure(self) -> None:
        if self.plca is None:
            return
        outcome = await configure_plca(self.interface, self.plca)
        (_log.info if outcome.ok else _log.warning)("%s", outcome)
        if self._configured is not None:
            self._configured(outcome)

    def _configure_again(self) -> None:
        if self.plca is None:
            return
        _log.warning("%s: the interface is back, PLCA is configured again", self.interface)
        if self._configuring is not None:
            self._configuring.cancel()
        self._configuring = asyncio.get_running_loop().create_task(
            self._configure(), name=f"PLCA of {self.interface}"
        )

    def carry(self, action: Action) -> None:
        """Notes what a transceiver would be told."""
        if isinstance(action, SetPhy):
            _log.debug("%s: transceiver %s", self.interface, "up" if action.up else "down")

    async def close(self) -> None:
        """Watch no more."""
        configuring, self._configuring = self._configuring, None
        watch, self._watch = self._watch, None
        try:
            if configuring is not None:
                configuring.cancel()
                await asyncio.wait((configuring,))
        finally:
            if watch is not None:
                await watch.close()


def mac_of(interface: str) -> bytes:
    """The address of an interface, which SLAC messages carry. Raises ``LinkError`` when the interface is
    missing or may not be opened."""
    port = PacketPort(interface, lambda data: None)
    port.close()
    return port.mac
