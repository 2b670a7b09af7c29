"""What systemd is told, at the other end of a datagram socket such as systemd gives: ready, alive while the
heartbeat beats, stopping."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from iso15118.aio.heartbeat import Heartbeat
from iso15118.aio.notify import SystemdNotifier
from iso15118.aio.ports.guard import Callback

ENOUGH_S = 20.0


class Manager:
    """systemd's end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)
        self.heard: list[str] = []

    def hear(self) -> list[str]:
        while True:
            try:
                self.heard.append(self.socket.recv(65536).decode())
            except BlockingIOError:
                return self.heard

    async def until(self, condition: Callable[[list[str]], bool]) -> None:
        async with asyncio.timeout(ENOUGH_S):
            while not condition(self.hear()):  # noqa: ASYNC110 - what comes in is looked at
                await asyncio.sleep(0.01)


@asynccontextmanager
async def manager(
    monkeypatch: pytest.MonkeyPatch, address: str, usec: str | None = "60000", pid: str | None = None
) -> AsyncIterator[Manager]:
    here = Manager("\0" + address[1:] if address.startswith("@") else address)
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    try:
        yield here
    finally:
        here.socket.close()


class Owner:
    def __init__(self) -> None:
        self.trouble = ""
        self.heartbeat = Heartbeat(lambda: self.trouble, Callback("news", None), None)


async def test_ready_alive_and_stopping_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner()
    owner.heartbeat.start()
    async with manager(monkeypatch, str(tmp_path / "notify")) as systemd:
        notifier = SystemdNotifier(lambda: owner.heartbeat, lambda: "available")
        notifier.ready()
        await systemd.until(lambda heard: sum("WATCHDOG=1" in text for text in heard) >= 3)
        notifier.stopping()
        notifier.close()
        heard = systemd.hear()
        assert heard[0] == "READY=1"
        assert "STOPPING=1" in heard
        assert heard[1] == "WATCHDOG=1\nSTATUS=available"
        count = len(systemd.hear())
        await asyncio.sleep(0.1)
        assert len(systemd.hear()) == count
    owner.heartbeat.stop("")


async def test_a_heartbeat_that_stops_is_no_sign_of_life_and_says_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner()
    owner.heartbeat.start()
    async with manager(monkeypatch, str(tmp_path / "notify"), "300000") as systemd:
        notifier = SystemdNotifier(lambda: owner.heartbeat, lambda: owner.trouble or "available")
        notifier.ready()
        await systemd.until(lambda heard: any("WATCHDOG=1" in text for text in heard))
        owner.trouble = "contactors.open failed"
        await systemd.until(lambda heard: heard[-1] == "STATUS=contactors.open failed")
        count = sum("WATCHDOG=1" in text for text in systemd.hear())
        seen = len(systemd.heard)
        await systemd.until(lambda heard: len(heard) >= seen + 3)
        assert sum("WATCHDOG=1" in text for text in systemd.heard) == count
        owner.trouble = ""
        await systemd.until(lambda heard: "WATCHDOG=1" in heard[-1])
        notifier.close()
    owner.heartbeat.stop("")


@pytest.mark.parametrize(
    ("usec", "pid"), [(None, None), ("", None), ("0", None), ("soon", None), ("²", None), ("60000", "1")]
)
async def test_without_a_watchdog_of_this_process_the_status_is_told_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usec: str | None, pid: str | None
) -> None:
    owner = Owner()
    owner.heartbeat.start()
    async with manager(monkeypatch, str(tmp_path / "notify"), usec, pid) as systemd:
        notifier = SystemdNotifier(lambda: owner.heartbeat, lambda: "available")
        notifier.ready()
        await systemd.until(lambda heard: len(heard) >= 3)
        assert systemd.heard == ["READY=1", "STATUS=available", "STATUS=available"]
        notifier.close()
    owner.heartbeat.stop("")


async def test_a_watchdog_of_a_microsecond_does_not_keep_the_loop_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner()
    owner.heartbeat.start()
    async with manager(monkeypatch, str(tmp_path / "notify"), "1") as systemd:
        notifier = SystemdNotifier(lambda: owner.heartbeat, lambda: "available")
        notifier.ready()
        await asyncio.sleep(0.3)
        notifier.close()
        assert len(systemd.hear()) < 30
    owner.heartbeat.stop("")


async def test_an_abstract_socket_and_the_process_that_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"@iso15118-test-{os.getpid()}"
    async with manager(monkeypatch, name, "60000", str(os.getpid())) as systemd:
        notifier = SystemdNotifier(lambda: None, lambda: "waiting")
        notifier.ready()
        await systemd.until(lambda heard: len(heard) >= 2)
        assert systemd.heard[:2] == ["READY=1", "STATUS=waiting"]
        notifier.close()


@pytest.mark.parametrize("status", ["two\nREADY=1", "half \ud800 of a character", "x" * 5000])
async def test_a_status_is_one_line_whatever_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    async with manager(monkeypatch, str(tmp_path / "notify")) as systemd:
        notifier = SystemdNotifier(lambda: None, lambda: status)
        notifier.ready()
        await systemd.until(lambda heard: len(heard) >= 2)
        assert systemd.heard[1].count("\n") == 0
        assert systemd.heard[1].startswith("STATUS=")
        assert len(systemd.heard[1]) < 300
        notifier.close()


async def test_whoever_cannot_be_asked_keeps_nobody_from_being_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises() -> str:
        raise ValueError("no status")

    owner = Owner()
    owner.heartbeat.start()
    async with manager(monkeypatch, str(tmp_path / "notify")) as systemd:
        notifier = SystemdNotifier(lambda: owner.heartbeat, raises)
        notifier.ready()
        await systemd.until(lambda heard: sum("WATCHDOG=1" in text for text in heard) >= 2)
        notifier.close()
    owner.heartbeat.stop("")


async def test_nobody_at_the_other_end_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in (str(tmp_path / "nobody"), "x" * 300, "relative"):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notifier = SystemdNotifier(lambda: None, lambda: "available")
        notifier.ready()
        await asyncio.sleep(0)
        notifier.stopping()
        notifier.close()
        notifier.stopping()


async def test_without_systemd_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    def status() -> str:
        raise AssertionError("nobody wants to know")

    notifier = SystemdNotifier(lambda: None, status)
    notifier.ready()
    notifier.stopping()
    notifier.close()
    assert notifier._socket is None
    assert notifier._timer is None


@pytest.mark.parametrize(
    ("usec", "pid", "watched", "every_s"),
    [
        ("3000000", None, True, 1.0),
        ("90000", None, True, 0.03),
        ("60000", None, True, 0.02),
        ("1", None, True, 0.02),
        ("0", None, False, 1.0),
        ("-5", None, False, 1.0),
        ("", None, False, 1.0),
        ("\u0661", None, False, 1.0),
        ("90000", "own", True, 0.03),
        ("90000", "1", False, 1.0),
    ],
)
async def test_the_watchdog_is_told_three_times_within_its_time_where_it_is_ours(
    usec: str, pid: str | None, watched: bool, every_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[float, str]] = []
    clock = asyncio.get_running_loop().time
    beat = Heartbeat(lambda: "", Callback("x", None), None)
    beat.start()
    whose = str(os.getpid()) if pid == "own" else pid
    async with manager(monkeypatch, f"@iso15118-test-notify-times-{os.getpid()}", usec, whose):
        notifier = SystemdNotifier(lambda: beat, lambda: "fine")
        monkeypatch.setattr(notifier, "_send", lambda text: sent.append((clock(), text)))
        notifier.ready()
        await asyncio.sleep(5.5)
        notifier.close()
        count = len(sent)
        await asyncio.sleep(5.0)
        assert len(sent) == count, "nothing is told any more"
    beat.stop("over")
    times = [at for at, text in sent if "STATUS=fine" in text]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps == [pytest.approx(every_s, abs=0.005)] * len(gaps)
    assert len(gaps) >= 5
    assert any("WATCHDOG=1" in text for _, text in sent) is watched
