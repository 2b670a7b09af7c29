"""Ethernet frames of one interface on a played packet socket: which are heard, and what becomes of an
interface that goes and comes back."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.plug import slac as module
from iso15118.aio.plug.media import PacketMedium, mac_of
from iso15118.aio.plug.slac import EVERY_ETHERTYPE, PacketPort
from iso15118.errors import LinkError
from iso15118.link.primitives import Pilot, SetPilot
from iso15118.link.slac.events import FrameReceived, SendFrame
from iso15118.link.slac.frames import ETHERTYPE

MAC, OTHER_MAC = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02"
HOST, OUTGOING = 0, 4
LOOK_S = 1.0
PROMISCUOUS, FILTER = (263, 1), (socket.SOL_SOCKET, 26)


class Packets:
    """A packet socket; what is put in comes out with the kind of packet that it is."""

    def __init__(self, net: Net, protocol: int) -> None:
        self._near, self._far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._near.setblocking(False)
        self.net, self.protocol = net, protocol
        self.bound: Any = None
        self.options: list[tuple[int, int]] = []
        self.sent: list[bytes] = []
        self.broken: list[OSError] = []
        self.filter: list[tuple[int, int, int, int]] = []

    def put(self, data: bytes, kind: int = HOST) -> None:
        self._far.send(bytes([kind]) + data)

    def setblocking(self, blocking: bool) -> None:
        assert not blocking

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        self.options.append((level, option))
        if (level, option) == FILTER:
            count, address = struct.unpack("HP", value)
            self.filter = [*struct.iter_unpack("=HBBI", ctypes.string_at(address, 8 * count))]
        else:
            assert value == struct.pack("=iHH8s", self.net.index, 1, 0, b"")

    def bind(self, address: Any) -> None:
        if self.net.refuses is not None:
            raise self.net.refuses
        self.bound = address

    def getsockname(self) -> Any:
        return (*self.bound, 0, 1, self.net.mac)

    def fileno(self) -> int:
        return self._near.fileno()

    def recvfrom(self, most: int) -> Any:
        if self.broken:
            self._near.recv(most + 1)
            raise self.broken.pop(0)
        data = self._near.recv(most + 1)
        return data[1:], ("v2g0", 0, data[0], 1, b"")

    def send(self, data: bytes) -> None:
        if self.net.full:
            raise OSError("no buffer")
        self.sent.append(data)

    def close(self) -> None:
        self._near.close()
        self._far.close()


class Net:
    """The machine: one interface that may go, and come back as another one."""

    def __init__(self) -> None:
        self.index, self.mac, self.full = 3, MAC, False
        self.refuses: OSError | None = None
        self.opens: OSError | None = None
        self.sockets: list[Packets] = []
        self.looks = 0

    def look(self, name: str) -> int:
        self.looks += 1
        return self.index

    def socket(self, family: int, kind: int, protocol: int) -> Packets:
        assert (family, kind, protocol) == (socket.AF_PACKET, socket.SOCK_RAW, 0)
        if self.opens is not None:
            raise self.opens
        self.sockets.append(Packets(self, protocol))
        return self.sockets[-1]

    @property
    def live(self) -> list[Packets]:
        return [one for one in self.sockets if one.fileno() >= 0]


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Net:
    played = Net()
    names = SimpleNamespace(
        socket=played.socket,
        if_indextoname=lambda index: f"system{index}",
        AF_PACKET=socket.AF_PACKET,
        SOCK_RAW=socket.SOCK_RAW,
        SOL_SOCKET=socket.SOL_SOCKET,
    )
    monkeypatch.setattr(module, "socket", names)
    monkeypatch.setattr(module, "interface_index", played.look)
    return played


def usable(port: PacketPort) -> bool:
    """Asked each time anew, which a type checker would not."""
    return port.usable


async def turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("watch", "ethertype", "bound", "options"),
    [
        (False, ETHERTYPE, ETHERTYPE, []),
        (False, EVERY_ETHERTYPE, EVERY_ETHERTYPE, []),
        (True, ETHERTYPE, EVERY_ETHERTYPE, [FILTER, PROMISCUOUS]),
        (True, EVERY_ETHERTYPE, EVERY_ETHERTYPE, [PROMISCUOUS]),
    ],
)
async def test_who_watches_hears_what_passes_and_others_what_is_theirs(
    net: Net, watch: bool, ethertype: int, bound: int, options: list[Any]
) -> None:
    heard: list[bytes] = []
    port = PacketPort("v2g0", heard.append, ethertype=ethertype, watch=watch)
    packets = net.sockets[0]
    assert packets.bound == ("system3", bound)
    assert packets.options == options
    assert port.mac == MAC
    packets.put(b"in")
    packets.put(b"our own", OUTGOING)
    packets.put(b"more")
    await turns()
    assert heard == ([b"in", b"our own", b"more"] if watch else [b"in", b"more"])
    port.close()
    port.close()
    assert net.live == []
    looks = net.looks
    await asyncio.sleep(3 * LOOK_S)
    assert (len(net.sockets), net.looks) == (1, looks)


def passes(program: list[tuple[int, int, int, int]], frame: bytes) -> int:
    """How many octets of the frame the kernel lets through, by classic BPF."""
    accumulator = place = 0
    while True:
        code, if_true, if_false, value = program[place]
        place += 1
        if code == 0x15:  # BPF_JMP | BPF_JEQ | BPF_K
            place += if_true if accumulator == value else if_false
            continue
        assert (if_true, if_false) == (0, 0)
        if code == 0x06:  # BPF_RET | BPF_K
            return value
        assert code == 0x28  # BPF_LD | BPF_H | BPF_ABS
        if value + 2 > len(frame):
            return 0
        accumulator = int.from_bytes(frame[value : value + 2], "big")


@pytest.mark.parametrize(
    ("types", "heard"),
    [
        ((0x88E1,), True),
        ((0x8100, 1, 0x88E1), True),
        ((0x8100, 0x88E1, 0x0800), False),
        ((0x8100, 1, 0x86DD), False),
        ((0x86DD, 1, 0x88E1), False),
        ((0x0800,), False),
        ((0x8100,), False),
        ((), False),
    ],
)
async def test_the_kernel_keeps_everything_but_homeplug_away_from_who_watches(
    net: Net, types: tuple[int, ...], heard: bool
) -> None:
    port = PacketPort("v2g0", lambda data: None, watch=True)
    frame = bytes(12) + b"".join(one.to_bytes(2, "big") for one in types)
    assert passes(net.sockets[0].filter, frame) == (2048 if heard else 0)
    if len(types) in (1, 3):
        assert passes(net.sockets[0].filter, frame + bytes(100)) == (2048 if heard else 0)
    port.close()


async def test_a_frame_that_is_not_taken_is_lost_and_counted(net: Net) -> None:
    port = PacketPort("v2g0", lambda data: None)
    port.send(b"one")
    net.full = True
    port.send(b"two")
    port.send(b"three")
    assert (net.sockets[0].sent, port.lost) == ([b"one"], 2)
    port.close()


async def test_a_flood_leaves_the_loop_room_and_who_closes_meanwhile_hears_no_more(net: Net) -> None:
    heard: list[bytes] = []
    port = PacketPort("v2g0", heard.append)
    net.sockets[0].put(b"x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(net.sockets[0], "recvfrom", lambda most: (b"x", ("v2g0", 0, HOST, 1, b"")))
        port._readable()
    assert len(heard) == 64
    heard.clear()

    def closes(data: bytes) -> None:
        heard.append(data)
        port.close()

    port._received = closes
    net.sockets[0].put(b"y")
    await turns()
    assert heard == [b"x"]


async def test_an_interface_that_is_gone_is_said_and_found_again(
    net: Net, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[bytes] = []
    port = PacketPort("v2g0", heard.append)
    net.index = 0
    await asyncio.sleep(3 * LOOK_S + 0.1)
    assert not usable(port)
    assert flush(60.0)
    assert caplog.text.count("interface v2g0 is gone: no frames until it is back") == 1
    net.index, net.refuses = 3, OSError("not yet")
    await asyncio.sleep(LOOK_S)
    assert not usable(port)
    assert len(net.live) == 1, "the old one, until there is another"
    net.refuses = None
    await asyncio.sleep(LOOK_S)
    assert usable(port)
    assert len(net.live) == 1
    net.live[0].put(b"again")
    await turns()
    assert heard == [b"again"]
    assert net.live[0].options == [], "it has its old address"
    assert flush(60.0)
    assert "interface v2g0 is back" in caplog.text
    assert "with address" not in caplog.text
    port.close()


async def test_another_interface_of_the_same_name_keeps_the_address_of_our_frames(
    net: Net, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[bytes] = []
    port = PacketPort("v2g0", heard.append)
    before = net.sockets[0]
    await asyncio.sleep(3 * LOOK_S + 0.1)
    assert len(net.sockets) == 1, "nothing changed"
    net.index, net.mac = 4, OTHER_MAC
    await asyncio.sleep(LOOK_S)
    assert before.fileno() < 0
    assert net.live[0].bound == ("system4", ETHERTYPE)
    assert net.live[0].options == [PROMISCUOUS], "what a modem sends to our old address passes it by"
    assert port.mac == MAC
    assert flush(60.0)
    assert "with address 02:00:00:00:00:02; frames keep 02:00:00:00:00:01" in caplog.text
    port.close()


async def test_a_socket_that_fails_has_the_interface_looked_at_at_once(net: Net) -> None:
    heard: list[bytes] = []
    port = PacketPort("v2g0", heard.append)
    packets = net.sockets[0]
    packets.broken = [OSError("down")]
    packets.put(b"lost")
    await turns()
    assert usable(port), "it is there, and the socket stays"
    packets.put(b"heard")
    await turns()
    assert heard == [b"heard"]
    net.index, packets.broken = 0, [OSError("gone")]
    packets.put(b"lost")
    await turns()
    assert not usable(port)
    port.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"opens": PermissionError()}, "raw Ethernet frames need CAP_NET_RAW"),
        ({"opens": OSError("no such family")}, "raw Ethernet frames are not available: no such family"),
        ({"refuses": OSError("no such device")}, "interface 'v2g0' cannot be used: no such device"),
    ],
)
async def test_what_cannot_be_opened_is_said(net: Net, change: dict[str, Any], words: str) -> None:
    vars(net).update(change)
    with pytest.raises(LinkError, match=words):
        PacketPort("v2g0", lambda data: None)
    assert net.live == []


async def test_a_medium_carries_frames_while_it_is_open(net: Net) -> None:
    heard: list[Any] = []
    medium, frame = PacketMedium("v2g0"), SimpleNamespace(to_bytes=lambda: b"frame")
    medium.carry(SendFrame(frame))  # type: ignore[arg-type]
    await medium.open(heard.append)
    medium.carry(SendFrame(frame))  # type: ignore[arg-type]
    medium.carry(SetPilot(Pilot.STEADY))
    assert net.sockets[0].sent == [b"frame"]
    net.sockets[0].put(b"in")
    await turns()
    assert heard == [FrameReceived(b"in")]
    await medium.close()
    await medium.close()
    assert net.live == []
    assert mac_of("v2g0") == MAC
    assert net.live == []
