"""Frames on a real interface and a link machine driven by them: an AF_PACKET socket, one timer,
and nothing of the protocol.

Needs Linux and CAP_NET_RAW. The machine is any ``DataLink``; what it asks of the pilot, and what
it tells, goes to a callback.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from collections.abc import Callable

from iso15118.aio.logs import Log
from iso15118.aio.net.interface import interface_index
from iso15118.errors import LinkError
from iso15118.link.primitives import DataLink, PowerOn
from iso15118.link.slac.events import FrameReceived, SendFrame
from iso15118.link.slac.frames import ETHERTYPE
from iso15118.session.actions import Action
from iso15118.session.events import Event

__all__ = ["EVERY_ETHERTYPE", "PacketPort", "SlacDriver"]

EVERY_ETHERTYPE = 0x0003
"""ETH_P_ALL: for an emulated modem, which carries IP as well."""

_log = Log(__name__)

_LOOK_S = 1.0
"""How often the interface is looked at, which costs a few microseconds."""
_LARGEST_FRAME = 2048
_OUTGOING = 4  # PACKET_OUTGOING: own frames, which a socket for every EtherType sees as well
_BURST = 64  # frames read in one go, so that a flood leaves the loop room
_SOL_PACKET, _ADD_MEMBERSHIP, _PROMISCUOUS = 263, 1, 1  # linux/if_packet.h
_SO_ATTACH_FILTER = 26


class PacketPort:
    """Ethernet frames of one interface. ``received`` is called with each from the event loop.

    An interface that vanishes and comes back, be it another one of the same name by then, is found
    again within about a second; ``usable`` and the log say so. ``watch``: for tools; also the
    frames that this machine sends, and those to others. Raises ``LinkError`` when the interface is
    missing or may not be opened.
    """

    def __init__(
        self,
        interface: str,
        received: Callable[[bytes], None],
        *,
        ethertype: int = ETHERTYPE,
        watch: bool = False,
    ) -> None:
        self.interface = interface
        self._received = received
        self._watch, self._ethertype = watch, ethertype
        self._index = interface_index(interface)
        self._socket = self._open(self._index)
        self.mac: bytes = self._socket.getsockname()[4]
        """The interface's address when the port was opened. It stays that of our frames: protocols above
        introduce themselves by it."""
        self.lost = 0
        """Frames that the interface did not take."""
        self.usable = True
        """The interface is there."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)
        self._timer = self._loop.call_later(_LOOK_S, self._look_again)

    def send(self, data: bytes) -> None:
        """Send a frame. One that the interface does not take is lost, as on any
        wire; protocols above repeat."""
        try:
            self._socket.send(data)
        except OSError:
            self.lost += 1

    def close(self) -> None:
        """No more frames. Closing twice is harmless."""
        self._timer.cancel()
        self._leave()

    def _open(self, index: int) -> socket.socket:
        try:
            # Without a protocol it hears nothing before it is bound to the interface.
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except PermissionError as error:
            raise LinkError(
                "raw Ethernet frames need CAP_NET_RAW: run as root, or give it to Python"
            ) from error
        except (OSError, AttributeError) as error:
            raise LinkError(f"raw Ethernet frames are not available: {error}") from error
        try:
            opened.setblocking(False)
            if self._watch and self._ethertype != EVERY_ETHERTYPE:
                _only(opened, self._ethertype)
            # The name of the system: an alternative one may be too long. Own frames reach
            # sockets for every EtherType only.
            name = socket.if_indextoname(index) if index else self.interface
            opened.bind((name, EVERY_ETHERTYPE if self._watch else self._ethertype))
            if self._watch:
                _hear_everything(opened, index)
        except (OSError, ValueError) as error:
            opened.close()
            raise LinkError(f"interface {self.interface!r} cannot be used: {error}") from error
        return opened

    def _leave(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _look_again(self) -> None:
        self._timer = self._loop.call_later(_LOOK_S, self._look_again)
        self._look()

    def _look(self) -> None:
        """A packet socket stays with the interface that it was bound to, also when that is gone
        and there is another one."""
        index = interface_index(self.interface)
        if index == self._index and self.usable:
            return
        if not index:
            if self.usable:
                self.usable = False
                _log.warning("interface %s is gone: no frames until it is back", self.interface)
            return
        try:
            opened = self._open(index)
        except LinkError as error:
            _log.debug("%s", error)
            return
        mac: bytes = opened.getsockname()[4]
        if mac != self.mac:
            # The modem learns where our address is from our frames; what it sends
            # there passes the interface by.
            _hear_everything(opened, index)
        self._leave()
        self._socket, self._index, self.usable = opened, index, True
        self._loop.add_reader(opened.fileno(), self._readable)
        other = "" if mac == self.mac else f" with address {mac.hex(':')}; frames keep {self.mac.hex(':')}"
        _log.warning("interface %s is back%s", self.interface, other)

    def _readable(self) -> None:
        for _ in range(_BURST):
            try:
                data, address = self._socket.recvfrom(_LARGEST_FRAME)
            except (BlockingIOError, InterruptedError):
                return
            except (
                OSError
            ):  # the interface went down, and the socket stays usable for when it is back; or it is gone
                self._look()
                return
            if self._watch or address[2] != _OUTGOING:
                self._received(data)
            if self._socket.fileno() < 0:
                return


def _hear_everything(packets: socket.socket, index: int) -> None:
    membership = struct.pack("=iHH8s", index, _PROMISCUOUS, 0, b"")
    packets.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, membership)


def _only(packets: socket.socket, ethertype: int) -> None:
    """Let the kernel keep everything else away: a classic BPF program that finds the
    EtherType, behind a 802.1Q tag too."""
    load_half, if_equal, give = 0x28, 0x15, 0x06
    steps = (
        (load_half, 0, 0, 12),
        (if_equal, 3, 0, ethertype),
        (if_equal, 0, 3, 0x8100),
        (load_half, 0, 0, 16),
        (if_equal, 0, 1, ethertype),
        (give, 0, 0, _LARGEST_FRAME),
        (give, 0, 0, 0),
    )
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    # The kernel copies the program within the call.
    packets.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(steps), ctypes.addressof(program))
    )


class SlacDriver:
    """Runs a link machine on an interface until ``close``.

    ``act`` gets every action except frames, in their order: pilot requests, ``DLinkReady``, notes. Feed pilot
    changes and primitives with ``tell``, from the event loop only.
    """

    def __init__(self, machine: DataLink, interface: str, act: Callable[[Action], None]) -> None:
        self.machine = machine
        self._act = act
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.port = PacketPort(interface, lambda data: self.tell(FrameReceived(data)))
        self.tell(PowerOn())

    def tell(self, event: Event) -> None:
        """Hand an event to the machine and carry out what it asks for."""
        if not self._closed:
            self._perform(self.machine.handle(event, self._loop.time()))

    def close(self) -> None:
        """Stop: the outputs are put to rest; the machine keeps its state, and the modem its key."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self.port.close()
        for action in self.machine.resting:
            self._act(action)

    def _perform(self, actions: list[Action]) -> None:
        # The timer first: a callback that raises must not leave the machine without one.
        self._arm()
        for action in actions:
            if isinstance(action, SendFrame):
                self.port.send(action.frame.to_bytes())
            else:
                self._act(action)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.machine.deadline
        if deadline is not None and not self._closed:
            self._timer = self._loop.call_at(deadline, self._due)

    def _due(self) -> None:
        self._timer = None
        if not self._closed:
            self._perform(self.machine.handle_timeout(self._loop.time()))
