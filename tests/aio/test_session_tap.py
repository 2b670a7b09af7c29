"""What one connection, and the session on it, tell a recorder: in which direction, in which order, and from
when on. The recorder notes what it is handed, and does it when the test says so."""

from __future__ import annotations

from ipaddress import IPv6Address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.session_tap import SessionTap, Slot
from iso15118.channel import Skipped
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.trace.packets import Endpoint

HERE, THERE = ("fe80::1%v2g0", 5), ("fe80::2%v2g0", 6)
HELLO = bytes([0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3, *range(100, 132), 0])
RANDOM = bytes(range(100, 132)).hex()


class Record:
    """Notes each call: its name and what it was given."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *what: self.calls.append((name, *what))


class Begun(Slot):
    """Has its record at once."""

    began: Any = None

    def start(self, epoch: float, now: float) -> None:
        self.began = (epoch, now)
        noted: Any = Record()
        self.record = noted
        super().start(epoch, now)


class Recorder:
    """Keeps what it is to do."""

    def __init__(self, asked: Any = None) -> None:
        self.directory = Path("records")
        self.folders: list[Path] = []
        self.failed = ""
        self.waiting: list[tuple[Slot, Any, int]] = []
        self.known: list[Any] = []
        self.ended = 0
        self.asked = asked

    def slot(self, role: str) -> Slot:
        itself: Any = self
        self.only = Begun(itself, role)
        return self.only

    def put(self, slot: Slot, what: Any, octets: int) -> None:
        self.waiting.append((slot, what, octets))

    def asked_by(self, host: str) -> Any:
        self.known.append(("asked by", host))
        return self.asked

    def knows(self, random: str, tap: Any) -> None:
        self.known.append(("knows", random))

    def forget(self, random: str, tap: Any) -> None:
        self.known.append(("forget", random))

    def end(self, slot: Slot) -> None:
        self.ended += 1

    def write(self) -> list[tuple[Any, ...]]:
        """Do all of it; what the record was told by it."""
        for _, what, _ in self.waiting:
            what()
        self.waiting.clear()
        record: Any = self.only.record
        if record is None:
            return []
        told, record.calls = record.calls, []
        return list(told)


def tap_of(role: str, recorder: Recorder, **more: Any) -> SessionTap:
    taken: Any = recorder
    return SessionTap(taken, role, **more)


def end_of(place: tuple[str, int], *, station: bool) -> Endpoint:
    return Endpoint(IPv6Address(place[0].partition("%")[0]), place[1], station)


@pytest.mark.parametrize("role", ["evcc", "secc"])
def test_each_direction_stands_in_the_record_as_the_side_that_it_comes_from(role: str) -> None:
    """What a vehicle sends and what a station receives are from the vehicle; addresses go without the name
    of an interface."""
    recorder = Recorder()
    tap, vehicle = tap_of(role, recorder), role == "evcc"
    tap.opened(HERE, THERE, 1.0)
    tap.session_began(1.5)
    for sent in (True, False):
        tap.passed(sent, b"raw", 2.0)
        tap.octets(sent, b"clear", 2.5)
        tap.ended(sent, not sent, 3.0)
    here, there = end_of(HERE, station=not vehicle), end_of(THERE, station=vehicle)
    sides = {True: role, False: "secc" if vehicle else "evcc"}
    assert recorder.write() == [
        ("opened", *((here, there) if vehicle else (there, here)), 1.0),
        ("passed", vehicle, b"raw", 2.0),
        ("octets", sides[True], b"clear", 2.5),
        ("closed", vehicle, False, 3.0),
        ("passed", not vehicle, b"raw", 2.0),
        ("octets", sides[False], b"clear", 2.5),
        ("closed", not vehicle, True, 3.0),
    ]


def test_a_vehicle_is_recorded_from_its_connection_on_and_a_station_from_its_session_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a station's connection said before then comes first, once, at its own time; the clock of the
    record is the system's at the beginning."""
    monkeypatch.setattr("iso15118.aio.session_tap.time", SimpleNamespace(time=lambda: 1000.0))
    recorder = Recorder()
    tap = tap_of("evcc", recorder)
    tap.opened(HERE, THERE, 0.25)
    assert [one[0] for one in recorder.write()] == ["opened"]
    assert recorder.only.began == (999.75, 0.25)
    recorder = Recorder()
    tap = tap_of("secc", recorder)
    tap.opened(HERE, THERE, 0.25)
    tap.secret("LABEL random secret")
    assert recorder.waiting == []
    tap.session_began(0.5)
    tap.session_began(0.75)
    assert recorder.write() == [
        ("opened", end_of(THERE, station=False), end_of(HERE, station=True), 0.25),
        ("secret", "LABEL random secret"),
    ]
    assert recorder.only.began == (999.5, 0.5)
    assert recorder.only.now == 0.5, "the clock of a record does not go back"


def test_a_station_puts_the_request_of_the_discovery_before_the_connection() -> None:
    """It is looked for by the vehicle's address; what it costs in memory are its octets. A vehicle has none,
    and neither has a station whose connection has no address."""
    asked = ("vehicle", "station", b"request", b"answer", 0.25)
    recorder = Recorder(asked)
    tap = tap_of("secc", recorder)
    tap.opened(HERE, THERE, 0.5)
    tap.session_began(1.0)
    assert recorder.known == [("asked by", "fe80::2")]
    assert [octets for _, _, octets in recorder.waiting] == [0, 13, 0]
    (discovery, opened) = recorder.write()
    assert discovery == ("discovery", *asked)
    assert opened[0] == "opened"
    for role, opens in (("evcc", True), ("secc", False)):
        recorder = Recorder(asked)
        tap = tap_of(role, recorder)
        if opens:
            tap.opened(HERE, THERE, 0.5)
        tap.session_began(1.0)
        assert recorder.known == []
        assert [one[0] for one in recorder.write()] == (["opened"] if opens else [])


@pytest.mark.parametrize("piece", [1, 10, 42, 43, 44])
@pytest.mark.parametrize("role", ["evcc", "secc"])
def test_the_secrets_of_a_connection_are_found_by_the_random_of_its_first_hello(
    role: str, piece: int
) -> None:
    """However it comes in; what the station sends meanwhile is no part of it, nor is a later hello."""
    recorder = Recorder()
    tap, vehicle = tap_of(role, recorder), role == "evcc"
    whole = HELLO[:43]
    for at in range(0, 43, piece):
        assert recorder.known == []
        tap.passed(not vehicle, b"\x16" * 60, 1.0)
        tap.passed(vehicle, (HELLO if piece > 43 else whole)[at : at + piece], 1.0)
    assert recorder.known == [("knows", RANDOM)]
    tap.passed(vehicle, bytes([0x16, *bytes(60)]), 1.0)
    tap.over(2.0)
    assert recorder.known == [("knows", RANDOM), ("forget", RANDOM)]


@pytest.mark.parametrize("first", [0x01, 0x00, 0x15, 0x17, 0x1D])
def test_what_is_no_handshake_has_no_secrets(first: int) -> None:
    """Octets of V2GTP in the clear, for one; and nothing of them is kept."""
    recorder = Recorder()
    tap = tap_of("secc", recorder)
    tap.passed(False, bytes([first, *HELLO[1:43]]), 1.0)
    tap.passed(False, HELLO, 1.0)
    assert recorder.known == []
    assert len(tap._hello) == 43


def test_a_connection_without_a_session_takes_256_kib_of_memory_and_no_more() -> None:
    """Each thing that it says counts for 300 octets beside its own; later ones go. A session has all."""
    recorder = Recorder()
    tap = tap_of("secc", recorder)
    tap.passed(False, bytes(200_000), 0.0)
    tap.passed(False, bytes(256 * 1024 - 200_000 - 3 * 300), 1.0)
    tap.ended(False, False, 2.0)
    tap.ended(True, False, 3.0)
    tap.session_began(4.0)
    tap.passed(False, bytes(300_000), 5.0)
    assert [octets for _, _, octets in recorder.waiting] == [0, 200_000, 61_244, 0, 300_000]
    assert [(one[0], one[-1]) for one in recorder.write()] == [
        ("passed", 0.0),
        ("passed", 1.0),
        ("closed", 2.0),
        ("passed", 5.0),
    ]


@pytest.mark.parametrize("socket_first", [True, False])
def test_a_record_ends_when_both_session_and_socket_are_over(socket_first: bool) -> None:
    """Whichever is first; then nothing more is written, and the secrets are forgotten."""
    recorder = Recorder()
    tap = tap_of("secc", recorder)
    tap.passed(False, HELLO, 0.0)
    tap.session_began(1.0)
    result: Any = SimpleNamespace(summary=lambda: {"ended": "ok"})
    if socket_first:
        tap.over(2.0)
    else:
        tap.finished(result, 2.0)
    recorder.write()
    tap.passed(True, b"still", 2.5)
    assert recorder.write() == [("passed", False, b"still", 2.5)]
    assert (recorder.ended, recorder.known[1:]) == (0, [])
    if socket_first:
        tap.finished(result, 3.0)
    else:
        tap.over(3.0)
    told = recorder.write()
    assert told == ([("ended", "secc", {"ended": "ok"}, 3.0)] if socket_first else [])
    assert recorder.ended == 1
    tap.over(4.0)
    tap.finished(result, 4.0)
    tap.passed(True, b"more", 4.0)
    assert recorder.waiting == []
    assert recorder.known[1:] == [("forget", RANDOM)]


def test_a_connection_that_came_to_nothing_leaves_no_record() -> None:
    """Of a station; nobody can bring it back either."""
    recorder = Recorder()
    tap = tap_of("secc", recorder)
    tap.opened(HERE, THERE, 0.0)
    tap.over(1.0)
    tap.finished(None, 2.0)
    tap.begin(3.0)
    tap.passed(True, b"x", 3.0)
    assert recorder.waiting == []
    assert recorder.known == [("forget", "")]


def test_a_session_without_a_connection_ends_its_record_alone() -> None:
    """Nothing is waited for that was never there."""
    recorder = Recorder()
    tap = tap_of("secc", recorder, alone=True)
    tap.session_began(1.0)
    tap.finished(None, 2.0)
    assert [octets for _, _, octets in recorder.waiting] == [0, 0]
    recorder.write()
    assert recorder.ended == 1


def test_of_a_session_its_states_news_and_turns_are_written_and_no_commands() -> None:
    """What explains a session, with the name of its class; a command that the hardware gets all the time is
    no news, and a message holds keys."""
    recorder = Recorder()
    tap = tap_of("evcc", recorder)
    tap.session_began(0.0)
    stop, power = ev.StopRequested("enough"), act.StopPower(act.Urgency.ORDERLY)
    news = act.PeerDeviates("about", "this")
    skipped = Skipped(0x9999, 7)
    for what in (
        act.StateEntered("DC_ChargeLoop"), stop, power, news, skipped,
        act.ReadMeter(), object(),
    ):  # fmt: skip
        tap.heard(1.0, what)
    assert recorder.write() == [
        ("state", "evcc", "DC_ChargeLoop", 1.0),
        ("told", "evcc", "StopRequested", stop, 1.0),
        ("told", "evcc", "StopPower", power, 1.0),
        ("told", "evcc", "PeerDeviates", news, 1.0),
        (
            "told",
            "evcc",
            "FrameDropped",
            {"payload_type": 0x9999, "length": 7, "reason": skipped.reason},
            1.0,
        ),
    ]


def test_a_recording_that_failed_is_told_nothing_but_its_end() -> None:
    """So that nothing more waits in memory for it."""
    recorder = Recorder()
    tap = tap_of("evcc", recorder)
    tap.session_began(0.0)
    recorder.write()
    recorder.only.fail("full")
    assert (recorder.failed, recorder.only.failed) == ("full", True)
    tap.passed(True, b"x", 1.0)
    assert recorder.waiting == []
    tap.over(1.0)
    tap.finished(None, 2.0)
    recorder.write()
    assert recorder.ended == 1
