"""Listening on an interface as a whole program, and what a host has to do for emulated modems: with the
packet socket and the kernel played."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import signal
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from iso15118.aio.plug import watch as module
from iso15118.aio.plug.powerline import send_complete_frames
from iso15118.aio.plug.watch import run_watch
from iso15118.errors import LinkError

pytestmark = pytest.mark.usefixtures("steady_clock")


class Port:
    """In place of the packet socket of an interface."""

    made: list[Port] = []  # noqa: RUF012

    def __init__(self, interface: str, received: Callable[[bytes], None], *, watch: bool = False) -> None:
        if interface == "missing":
            raise LinkError("there is no such interface")
        self.interface, self.watch, self._received = interface, watch, received
        self.closed = 0
        loop = asyncio.get_running_loop()
        self.began = loop.time()
        self.lasted = 0.0
        for number in range(1, 4):
            loop.call_later(float(number), received, b"frame %d" % number)
        Port.made.append(self)

    def close(self) -> None:
        self.lasted = round(asyncio.get_running_loop().time() - self.began, 2)
        self.closed += 1


@pytest.fixture(autouse=True)
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Port]]:
    made: list[Port] = []
    monkeypatch.setattr(Port, "made", made)
    monkeypatch.setattr(module, "PacketPort", Port)
    yield made
    assert [one.closed for one in made] == [1] * len(made)


def test_every_frame_is_told_for_as_long_as_was_asked(port: list[Port]) -> None:
    heard: list[bytes] = []
    began: list[int] = []
    run_watch("eth7", heard.append, seconds=2.5, listening=lambda: began.append(len(heard)))
    assert heard == [b"frame 1", b"frame 2"]
    assert began == [0]
    assert (port[0].interface, port[0].watch, port[0].lasted) == ("eth7", True, 2.5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(number: signal.Signals, port: list[Port]) -> None:
    heard: list[bytes] = []

    def listening() -> None:
        loop = asyncio.get_running_loop()
        for when in (1.5, 1.5):  # twice in one turn changes nothing
            loop.call_later(when, signal.raise_signal, number)

    before = signal.getsignal(number)
    run_watch("eth7", heard.append, seconds=60.0, listening=listening)
    assert heard == [b"frame 1"]
    assert port[0].lasted == 1.5
    assert signal.getsignal(number) == before


def test_what_a_frame_could_not_be_told_for_ends_it_and_comes_out(port: list[Port]) -> None:
    heard: list[bytes] = []

    def received(data: bytes) -> None:
        heard.append(data)
        if data != b"frame 1":
            raise ValueError(data.decode())

    with pytest.raises(ValueError, match="frame 2"):
        run_watch("eth7", received, seconds=60.0, listening=lambda: None)
    assert heard == [b"frame 1", b"frame 2"]
    assert port[0].lasted == 2.0


def test_who_cannot_say_that_it_begins_leaves_nothing_open(port: list[Port]) -> None:
    def listening() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_watch("eth7", lambda data: None, seconds=60.0, listening=listening)
    assert len(port) == 1


def test_an_interface_that_is_missing_is_said(port: list[Port]) -> None:
    with pytest.raises(LinkError, match="no such interface"):
        run_watch("missing", lambda data: None, seconds=1.0, listening=lambda: None)
    assert port == []


# -- frames of a host that are to be complete


@pytest.mark.parametrize("name", ["veth0", "fifteen-letters"])
def test_the_kernel_is_asked_to_compute_checksums_itself(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, bytes, bytes]] = []

    def ioctl(sock: Any, code: int, request: bytes) -> int:
        called, where = struct.unpack("16sP16x", request)
        asked.append((code, called.rstrip(b"\0"), ctypes.string_at(where, 8)))
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    send_complete_frames(name)
    siocethtool, stxcsum, off = 0x8946, 0x17, 0  # linux/sockios.h, linux/ethtool.h
    assert asked == [(siocethtool, name.encode(), struct.pack("=II", stxcsum, off))]


def test_a_kernel_that_does_not_is_said_by_the_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    def ioctl(*_: Any) -> int:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    with pytest.raises(LinkError, match=r"veth0 cannot be turned off: .*not supported"):
        send_complete_frames("veth0")


def test_a_name_that_is_too_long_is_not_that_of_another_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(fcntl, "ioctl", lambda *given: asked.append(given))
    with pytest.raises(LinkError, match="sixteen-letters0"):
        send_complete_frames("sixteen-letters0")
    assert asked == []
