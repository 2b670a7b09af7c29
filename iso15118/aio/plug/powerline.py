"""Emulated modems on real interfaces: each stands at the far end of a host's virtual cable, where
hardware would have its modem.

What modems and the wires between them do is somebody else's (``iso15118.simulation.modem.PowerLine``); here
are its sockets and its clock. Needs Linux and CAP_NET_RAW.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import socket
import struct
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from iso15118.errors import LinkError

from .slac import EVERY_ETHERTYPE, PacketPort

__all__ = ["EmulatedModems", "Wires", "send_complete_frames"]

Modem = TypeVar("Modem")

_SIOCETHTOOL, _ETHTOOL_STXCSUM = 0x8946, 0x17  # linux/sockios.h, linux/ethtool.h
_LONGEST_NAME = 15  # IFNAMSIZ, with a zero behind it


class Wires(Protocol[Modem]):
    """What is emulated, under the caller's clock: ``iso15118.simulation.modem.PowerLine`` is one."""

    def send(self, modem: Modem, data: bytes, now: float) -> None:
        """The host of ``modem`` sends an Ethernet frame."""
        ...

    @property
    def deadline(self) -> float | None:
        """When the next frame arrives at a host."""
        ...

    def arrivals(self, now: float) -> list[tuple[Modem, bytes]]:
        """What has arrived at hosts by now."""
        ...


class EmulatedModems(Generic[Modem]):
    """Runs ``wires`` in the event loop's time until ``close``. ``modems``: interface -> the modem that stands
    there, attached to the wires.

    The interfaces are the far ends of veth pairs; the hosts have the other ends, in other network namespaces
    if need be, and must send complete frames (``send_complete_frames``). Raises ``LinkError`` when an
    interface is missing or may not be opened.
    """

    def __init__(self, wires: Wires[Modem], modems: Mapping[str, Modem]) -> None:
        self._wires = wires
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._ports: dict[int, PacketPort] = {}
        try:
            for interface, modem in modems.items():
                self._ports[id(modem)] = self._port(interface, modem)
        except LinkError:
            self.close()
            raise

    def close(self) -> None:
        """Switch all modems off. Closing twice is harmless."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for port in self._ports.values():
            port.close()

    def _port(self, interface: str, modem: Modem) -> PacketPort:
        def received(data: bytes) -> None:
            self._wires.send(modem, data, self._loop.time())
            self._arm()

        return PacketPort(interface, received, ethertype=EVERY_ETHERTYPE)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._wires.deadline
        self._timer = self._loop.call_at(deadline, self._deliver) if deadline is not None else None

    def _deliver(self) -> None:
        for modem, data in self._wires.arrivals(self._loop.time()):
            self._ports[id(modem)].send(data)
        self._arm()


def send_complete_frames(interface: str) -> None:
    """Turn checksum offload of an interface off, and segmentation with it: what leaves it passes
    through a program that sends it on.

    For a host's end of a veth pair, before or after it moves to another namespace. Raises
    ``LinkError`` if that cannot be done.
    """
    name = interface.encode()
    if len(name) > _LONGEST_NAME:  # cut, it might be that of another interface
        raise LinkError(f"checksum offload of {interface} cannot be turned off: the name is too long")
    command = struct.pack("=II", _ETHTOOL_STXCSUM, 0)
    value = ctypes.create_string_buffer(command, len(command))
    request = struct.pack("16sP16x", name, ctypes.addressof(value))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as any_socket:
        try:
            fcntl.ioctl(any_socket, _SIOCETHTOOL, request)
        except OSError as error:
            raise LinkError(f"checksum offload of {interface} cannot be turned off: {error}") from error
