"""What an ear on a connection hears, in which direction, and that it costs nobody anything; lines for a
terminal; and what stands between a connector and its wire or its terminal."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio import output
from iso15118.aio.logs import flush
from iso15118.aio.net.tap import Ear, TappedStream
from iso15118.aio.output import LineHandler, by_thread
from iso15118.aio.plug import media as module
from iso15118.aio.plug.autocharge import Autocharge
from iso15118.aio.plug.media import CarrierMedium, NoMedium
from iso15118.aio.plug.plca import Plca, PlcaOutcome, PlcaResult
from iso15118.errors import ConfigError
from iso15118.link.primitives import LinkReported, Pilot, SetPilot
from iso15118.link.spe.signalling import SetPhy

HERE, THERE = ("::1", 5, 0, 0), ("::2", 6, 0, 0)


class Tap:
    """Listens to what goes over the socket."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.fails: Exception | None = None

    def _hear(self, *what: Any) -> None:
        self.heard.append(what)
        if self.fails is not None:
            raise self.fails

    def opened(self, local: Any, peer: Any, now: float) -> None:
        self._hear("opened", local, peer)

    def passed(self, sent: bool, data: bytes, now: float) -> None:
        self._hear("passed", sent, data)

    def ended(self, sent: bool, reset: bool, now: float) -> None:
        self._hear("ended", sent, reset)


class Frames(Tap):
    """And to what is inside."""

    def octets(self, sent: bool, data: bytes, now: float) -> None:
        self._hear("octets", sent, data)

    def over(self, now: float) -> None:
        self._hear("over")


class Session(Frames):
    """And records the session."""

    def session_began(self, now: float) -> None: ...


class Transport:
    """Notes what is asked of it, after the ear has heard of it."""

    def __init__(self, tap: Tap, peer: Any = THERE) -> None:
        self.tap, self.peer = tap, peer
        self.done: list[Any] = []

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"sockname": HERE, "peername": self.peer}.get(name, default)

    def set_write_buffer_limits(self, high: Any = None, low: Any = None) -> None:
        self.done.append(("limits", high, low))

    def write(self, data: Any) -> None:
        self.done.append(("write", bytes(data), len(self.tap.heard)))

    def write_eof(self) -> None:
        self.done.append(("eof", len(self.tap.heard)))

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")


@pytest.mark.parametrize("kind", [Tap, Frames, Session])
async def test_an_ear_hears_each_direction_as_it_is(kind: type[Tap]) -> None:
    tap = kind()
    ear, real = Ear(tap), Transport(tap)
    assert (ear.frames is not None, ear.session is not None) == (kind is not Tap, kind is Session)
    plain: Any = real
    transport = ear.opened(plain)
    assert transport.get_extra_info("peername") == THERE
    assert transport.get_extra_info("other", 5) == 5
    transport.set_write_buffer_limits(high=7, low=3)
    transport.write(bytearray(b"out"))
    ear.came(b"in")
    ear.octets(True, b"clear")
    transport.write_eof()
    ear.closed_by_peer()
    transport.abort()
    transport.close()
    ear.lost(ValueError("no end of the network's"))
    inside = [] if kind is Tap else [("octets", True, b"clear")]
    assert tap.heard == [
        ("opened", HERE[:2], THERE[:2]),
        ("passed", True, b"out"),
        ("passed", False, b"in"),
        *inside,
        ("ended", True, False),
        ("ended", False, False),
        ("ended", True, True),
        *([] if kind is Tap else [("over",)]),
    ]
    heard = len(inside)
    assert real.done == [("limits", 7, 3), ("write", b"out", 2), ("eof", 3 + heard), "abort", "close"]


@pytest.mark.parametrize("error", [None, ConnectionResetError(), OSError()])
async def test_a_connection_that_the_peer_drops_is_heard_as_such(error: Exception | None) -> None:
    tap = Frames()
    Ear(tap).lost(error)
    reset = [("ended", False, True)] if isinstance(error, ConnectionError) else []
    assert tap.heard == [*reset, ("over",)]


async def test_a_connection_that_is_gone_before_it_stands_has_no_addresses() -> None:
    tap = Tap()
    gone: Any = Transport(tap, peer=None)
    Ear(tap).opened(gone)
    assert tap.heard == []


async def test_a_listener_that_fails_hears_no_more_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    tap = Frames()
    ear, real = Ear(tap), Transport(tap)
    tap.fails = ValueError("disk")
    plain: Any = real
    transport = ear.opened(plain)
    transport.write(b"out")
    ear.came(b"in")
    ear.octets(True, b"x")
    ear.lost(None)
    assert len(tap.heard) == 1
    assert real.done == [("write", b"out", 1)]
    assert flush(60.0)
    assert caplog.text.count("the listener on the connection failed, and hears no more") == 1


async def test_nobody_listens_where_nobody_is_given() -> None:
    owner: Any = SimpleNamespace()
    assert TappedStream(owner, tls=None, tap=None).ear is None
    assert TappedStream(owner, tls=None, tap=Tap()).ear is not None


# -- lines for a terminal


def test_a_line_goes_to_the_stream_that_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    output._line(("one", False))
    output._line(("two", True))
    monkeypatch.setattr(sys, "stdout", None)
    output._line(("nowhere", False))
    assert (out.getvalue(), err.getvalue()) == ("one\n", "two\n")


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_the_process_own_streams_are_written_past_their_buffer_whole_and_escaped(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[int, bytes]] = []

    def write(where: int, data: bytes) -> int:
        written.append((where, data))
        return min(len(data), 4)  # as a pipe may do

    stream = SimpleNamespace(encoding="ascii", fileno=lambda: 77)
    monkeypatch.setattr(sys, f"__{name}__", stream)
    monkeypatch.setattr(sys, name, stream)
    monkeypatch.setattr(os, "write", write)
    output._line(("\u20ac 5", name == "stderr"))
    assert written == [(77, b"\\u20ac 5\n"), (77, b"ac 5\n"), (77, b"\n")]
    stream.encoding, written[:] = None, []
    output._line(("\u20ac", name == "stderr"))
    assert written == [(77, b"\xe2\x82\xac\n")]


def test_the_log_of_a_terminal_goes_by_the_thread_within_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []
    monkeypatch.setattr(output, "say", lambda line, error=False: said.append((line, error)))
    root = logging.getLogger()
    terminal, other = logging.StreamHandler(io.StringIO()), LineHandler()
    terminal.setFormatter(logging.Formatter("here: %(message)s"))
    terminal.setLevel(logging.ERROR)
    before = list(root.handlers)
    root.handlers[:] = [terminal, other]
    try:
        with by_thread():
            assert terminal not in root.handlers
            assert other in root.handlers
            root.removeHandler(other)
            root.error("one %s", "line")
            root.warning("less than it wants")
        assert terminal in root.handlers
        assert [type(one) for one in root.handlers] == [logging.StreamHandler]
    finally:
        root.handlers[:] = before
    assert said == [("here: one line", True)]


# -- the medium of a transceiver, and who is offered to a terminal


class Watch:
    """In place of the carrier's watch."""

    def __init__(self, interface: str, report: Any, *, returned: Any) -> None:
        self.report, self.returned = report, returned
        self.started = self.closed = 0

    async def start(self) -> None:
        self.started += 1

    async def close(self) -> None:
        self.closed += 1


async def test_a_transceiver_is_configured_when_it_opens_and_when_it_is_back_and_left_in_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watches: list[Watch] = []
    outcomes = [PlcaOutcome(result, "v2g0") for result in (PlcaResult.SET, PlcaResult.FAILED)]
    takes, done = [0.0, 0.0, 100.0, 100.0], list[Any]()

    async def configure(interface: str, plca: Plca) -> PlcaOutcome:
        await asyncio.sleep(takes.pop(0))
        return outcomes.pop(0)

    def watch(*what: Any, **how: Any) -> Watch:
        watches.append(Watch(*what, **how))
        return watches[-1]

    monkeypatch.setattr(module, "configure_plca", configure)
    monkeypatch.setattr(module, "CarrierWatch", watch)
    told: list[Any] = []
    with caplog.at_level("DEBUG"):
        medium = CarrierMedium("v2g0", Plca(node_id=0), configured=done.append)
        await medium.close()
        await medium.open(told.append)
        watches[0].report(True)
        watches[0].returned()
        await asyncio.sleep(0.01)
        for up in (True, False):
            medium.carry(SetPhy(up))
        medium.carry(SetPilot(Pilot.STEADY))
        watches[0].returned()
        await asyncio.sleep(0.01)
        first = medium._configuring
        watches[0].returned()
        await asyncio.sleep(0.01)
        second = medium._configuring
        await medium.close()
        await medium.close()
        assert flush(60.0)
    assert first is not None
    assert second is not None
    assert (first.cancelled(), second.cancelled()) == (True, True)
    assert told == [LinkReported(True)]
    assert [one.result for one in done] == [PlcaResult.SET, PlcaResult.FAILED]
    assert (watches[0].started, watches[0].closed) == (1, 1)
    levels = {one.getMessage(): one.levelname for one in caplog.records}
    assert levels[str(done[0])] == "INFO"
    assert levels[str(done[1])] == "WARNING"
    assert [text for text in levels if "transceiver" in text] == [
        "v2g0: transceiver up",
        "v2g0: transceiver down",
    ]
    bare = CarrierMedium("v2g0")
    await bare.open(told.append)
    watches[1].returned()
    assert bare._configuring is None
    await bare.close()
    nothing = NoMedium()
    await nothing.open(told.append)
    nothing.carry(SetPhy(True))
    await nothing.close()


async def test_who_comes_is_offered_with_the_address_that_it_matched_with() -> None:
    asked: list[Any] = []

    class Terminal:
        answer: Any = True

        async def authorize(self, evccid: str) -> bool:
            return False

        async def authorize_autocharge(self, *who: str) -> Any:
            asked.append(who)
            return self.answer

    terminal, mac = Terminal(), ["02:00"]
    offered = Autocharge(terminal, lambda: mac[0])
    assert await offered.authorize("EV") is True
    mac[0], terminal.answer = "", False
    assert await offered.authorize_vehicle("EV", "cert") is False
    assert asked == [("EV", "", "02:00"), ("EV", "cert", "")]
    plain: Any = SimpleNamespace()
    with pytest.raises(ConfigError, match="has no authorize_autocharge"):
        Autocharge(plain, lambda: "")
