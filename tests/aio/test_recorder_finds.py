"""What a recorder finds for a session: the discovery that led to it, the secrets of its connection, and
folders of sessions that are over; and how much of each it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.recording import Recorder
from iso15118.aio.session_tap import SessionTap
from iso15118.errors import MisuseError
from iso15118.sdp import Answer, Ignored, Origin
from iso15118.trace.packets import Endpoint

CAR, STATION = IPv6Address("fe80::2"), IPv6Address("fe80::1")


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    with Recorder(tmp_path) as made:
        yield made


class Tap:
    """Notes the lines of the key log that it gets."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def secret(self, line: str) -> None:
        self.lines.append(line)


def knows(recorder: Recorder, random: str) -> Any:
    tap: Any = Tap()
    recorder.knows(random, tap)
    return tap


async def ask(recorder: Recorder, number: int, car: IPv6Address = CAR) -> float:
    """A request that is answered; when it came."""
    request: Any = None
    response: Any = SimpleNamespace(address=STATION)
    answer = Answer(request, response, data=b"answer", asked=bytes([number]))
    recorder.heard_asking(Origin(car, 50_000 + number), answer, 15118)
    return asyncio.get_running_loop().time()


async def test_a_session_has_the_last_request_of_its_vehicle_that_was_answered(recorder: Recorder) -> None:
    """Once: what it asked before led to no session, and stands in none."""
    other = IPv6Address("fe80::3")
    await ask(recorder, 1)
    await ask(recorder, 2)
    now = await ask(recorder, 3)
    await ask(recorder, 4, other)
    recorder.heard_asking(Origin(CAR, 50_005), Ignored("busy"), 15118)
    *found, heard = recorder.asked_by("fe80::2")
    assert found == [
        Endpoint(CAR, 50_003, station=False),
        Endpoint(STATION, 15118, station=True),
        b"\x03",
        b"answer",
    ]
    assert heard == pytest.approx(now, abs=1.0)
    assert recorder.asked_by("fe80::2") is None
    assert recorder.asked_by("fe80::9") is None
    assert recorder.asked_by("fe80::3")[2] == b"\x04"


async def test_requests_of_sixteen_vehicles_are_kept(recorder: Recorder) -> None:
    """The oldest makes room."""
    for number in range(17):
        await ask(recorder, number, CAR + number)
    kept = [recorder.asked_by(str(CAR + number)) is not None for number in range(17)]
    assert kept == [False] + 16 * [True]


def test_a_line_of_the_key_log_goes_to_the_connection_that_it_belongs_to(recorder: Recorder) -> None:
    """To both ends, where they are in one process; upper and lower case are the same. What is no such line
    belongs to nobody."""
    one, other, both = knows(recorder, "aa"), knows(recorder, "bb"), knows(recorder, "aa")
    recorder.secret("LABEL AA 00")
    for line in ("", "aa", "LABEL aa", "LABEL aa 00 11", "aa LABEL 00"):
        recorder.secret(line)
    assert (one.lines, other.lines, both.lines) == (["LABEL AA 00"], [], ["LABEL AA 00"])


def test_the_secrets_of_a_connection_that_is_over_belong_to_nobody(recorder: Recorder) -> None:
    """The other end of it still has them; a connection that was never known is forgotten like any other."""
    one, other, stranger = knows(recorder, "aa"), knows(recorder, "aa"), Tap()
    taken: Any = stranger
    recorder.forget("aa", taken)
    recorder.forget("cc", taken)
    recorder.forget("aa", one)
    recorder.secret("LABEL aa 00")
    assert (one.lines, other.lines) == ([], ["LABEL aa 00"])
    recorder.forget("aa", other)
    assert recorder._known == {}


def test_secrets_of_sixty_four_connections_are_looked_for(recorder: Recorder) -> None:
    """The oldest makes room: handshakes that never end cost no memory without a bound."""
    taps = [knows(recorder, f"{number:02x}") for number in range(65)]
    for number in range(65):
        recorder.secret(f"LABEL {number:02x} 00")
    assert [len(tap.lines) for tap in taps] == [0] + 64 * [1]


def test_the_folders_of_the_last_256_sessions_are_named(recorder: Recorder) -> None:
    """Of a station that runs for years."""
    for number in range(257):
        recorder.folders.append(Path(str(number)))
    assert (len(recorder.folders), recorder.folders[0]) == (256, Path("1"))


async def test_a_connection_has_one_listener(recorder: Recorder) -> None:
    """Each of those that are made records a session of that role; one with a listener of its own is no
    connection for a recorder."""

    def make(name: str, *, ear: Any = None) -> Any:
        return SimpleNamespace(name=name, ear=ear)

    connection: Any = recorder.streams(make, "secc")
    stream = connection("one")
    assert stream.name == "one"
    assert isinstance(stream.ear.session, SessionTap)
    assert stream.ear.session.role == "secc"
    with pytest.raises(MisuseError, match="has a listener already"):
        connection("two", ear=object())


async def test_a_session_without_a_connection_is_recorded_to_its_end(recorder: Recorder) -> None:
    """Nothing closes a socket there."""
    ear = recorder.bare("evcc")
    assert ear.session is not None
    ear.session.session_began(0.5)
    ear.session.finished(None, 1.0)
    assert recorder.close(60.0)
    (folder,) = recorder.folders
    assert folder.name == "evcc-0001"
    assert "the program ended before" not in (folder / "report.html").read_text()
