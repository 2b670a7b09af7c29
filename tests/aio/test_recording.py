"""Recordings of both ends over TCP and TLS on ``::1``: what is in them, and that nothing that happens
to them disturbs a session."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import resource
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iso15118 import exi
from iso15118.aio.logs import flush
from iso15118.aio.recording import Recorder
from iso15118.errors import ConfigError
from iso15118.trace import pcapng
from iso15118.trace.recording import report_of
from iso15118.trace.recording.folders import OutputFile, whole_lines
from tests.aio.site import Site, evcc_config, site
from tests.tls.rig import NOW, car, issued
from tests.trace.reading import read
from tests.trace.tshark import compare, needs_tshark


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "session.jsonl").read_text().splitlines()]


def messages_of(folder: Path) -> list[dict[str, Any]]:
    return [line for line in lines_of(folder) if line["layer"] == "message"]


def session(
    directory: Path,
    *,
    meddle: Callable[[Recorder], None] = lambda _: None,
    loops: int = 8,
    **settings: Any,
) -> Recorder:
    """One charge with a recorder at both ends; ``site`` sees to it that it was an orderly, safe one."""

    async def charge() -> Recorder:
        recorder = Recorder(directory, **settings)
        secrets = car(issued(), keylog=recorder.secret)
        async with site(recorder=recorder) as place:
            await charged(place, recorder, secrets)
        recorder.close()
        return recorder

    async def charged(place: Site, recorder: Recorder, tls: Any) -> None:
        from iso15118.aio.identity import RenewableTls

        asyncio.get_running_loop().call_later(0.05, meddle, recorder)
        await place.charge(loops, recorder=recorder, tls=RenewableTls(tls, clock=lambda: NOW))

    return asyncio.run(charge())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("recorded") / "below" / "here"
    recorder = session(directory)
    assert recorder.close(60.0), "its thread may need more time on a busy machine"
    assert recorder.failed == ""
    assert sorted(one.name for one in recorder.folders) == ["evcc-0001", "secc-0001"]
    return {one.name[:4]: one for one in recorder.folders}


def test_both_ends_write_down_the_same_octets(recorded: dict[str, Path]) -> None:
    ours, theirs = messages_of(recorded["secc"]), messages_of(recorded["evcc"])
    assert len(ours) > 40
    assert [(one["from"], one["exi"]) for one in ours] == [(one["from"], one["exi"]) for one in theirs]
    for one in ours:
        message, notes = exi.decode_with_notes(one["schema"], bytes.fromhex(one["exi"]))
        assert notes == []
        assert exi.encode(one["schema"], message).hex() == one["exi"]


def test_a_line_has_time_role_state_latency_and_quantities(recorded: dict[str, Path]) -> None:
    lines = messages_of(recorded["secc"])
    (pre_charge, *_) = (one for one in lines if one["message"] == "DC_PreChargeRes")
    assert pre_charge["role"] == "secc"
    assert pre_charge["state"] == "DC_PreCharge"
    assert pre_charge["payload_type"] == 0x8004
    assert 0.0 < pre_charge["latency_ms"] < 5000.0
    assert pre_charge["si"]["EVSEPresentVoltage"][1] == "V"
    (loop, *_) = (one for one in lines if one["message"] == "DC_ChargeLoopReq")
    assert loop["si"]["Scheduled_DC_CLReqControlMode.EVTargetCurrent"][1] == "A"
    assert loop["si"]["EVPresentVoltage"][0] > 100.0
    assert 1.7e9 < loop["t"] < 1e10
    times = [one["t"] for one in lines]
    assert times == sorted(times)


def test_states_news_and_the_result_are_there_and_no_key_is(recorded: dict[str, Path]) -> None:
    for role, folder in recorded.items():
        told = [line for line in lines_of(folder) if line["layer"] == "session"]
        states = [line["state"] for line in told if line["message"] == "StateEntered"]
        assert states[0] == "supportedAppProtocol"
        assert states[-1] == "Ended"
        assert told[-1]["message"] == "SessionResult"
        assert told[-1]["content"] == json.loads((folder / "summary.json").read_text())
        assert told[-1]["content"]["role"] == role
        assert "DC_ChargeLoop" in (folder / "report.html").read_text()
        assert "TRAFFIC_SECRET" not in (folder / "session.jsonl").read_text()


def test_files_and_folders_are_the_owners_alone(recorded: dict[str, Path]) -> None:
    for folder in recorded.values():
        assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()} == {0o600}
        assert {one.name for one in folder.iterdir()} == {
            "session.jsonl",
            "session.pcapng",
            "summary.json",
            "report.html",
        }


def test_the_capture_has_the_secrets_of_its_own_connection_before_what_they_open(
    recorded: dict[str, Path],
) -> None:
    # Only the vehicle's context was told to log: both records are of one connection.
    found = read(recorded["evcc"] / "session.pcapng")
    assert "CLIENT_TRAFFIC_SECRET_0" in found.key_log
    assert found.blocks.index(0x0A) < found.blocks.index(6) + 8


@needs_tshark
@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_tshark_opens_what_either_end_recorded(recorded: dict[str, Path], role: str) -> None:
    """With nothing but the secrets in the capture, and finds every frame of either direction."""
    count = len(messages_of(recorded[role]))
    assert count > 20
    assert compare(recorded[role] / "session.pcapng", own_secrets=True) == (count, [])


def test_the_next_session_has_the_next_number_also_after_a_restart(tmp_path: Path) -> None:
    (tmp_path / "secc-0041").mkdir()
    (tmp_path / "secc-notes").mkdir()
    first = session(tmp_path, loops=1)
    again = session(tmp_path, loops=1)
    assert [one.name for one in (*first.folders, *again.folders)].count("secc-0042") == 1
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "evcc-0001",
        "evcc-0002",
        "secc-0041",
        "secc-0042",
        "secc-0043",
        "secc-notes",
    ]


def test_a_full_disk_costs_the_recording_and_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    room = [60_000]
    real = os.write

    def write(handle: int, data: Any) -> int:
        if not str(os.readlink(f"/proc/self/fd/{handle}")).startswith(str(tmp_path)):
            return real(handle, data)
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(handle, bytes(data)[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", write)
    with caplog.at_level(logging.ERROR):
        recorder = session(tmp_path)
        assert flush(60.0)
    assert recorder.failed == "No space left on device"
    for folder in recorder.folders:
        said = [one for one in caplog.messages if str(folder) in one]
        assert len(said) == 1
        assert "No space left on device; the session itself goes on" in said[0]
        assert (folder / "session.jsonl").read_bytes().endswith(b"}\n"), "whole lines only"
        assert len(messages_of(folder)) > 5
        assert len(read(folder / "session.pcapng").packets) > 5
        assert "breaks off before the end of the session" in report_of(folder)


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        ([b"one\n", b"two\n", b"three" * 10 + b"\n"], whole_lines),
        ([pcapng.packet(bytes(20), 0.0), pcapng.packet(bytes(90), 1.0)], pcapng.whole_blocks),
    ],
    ids=["lines", "blocks"],
)
def test_of_what_no_longer_fits_the_whole_pieces_stay(
    tmp_path: Path, pieces: list[bytes], whole: Callable[[bytes], int]
) -> None:
    """They are written many at once; a limit on the size of files stands for the end of the disk."""
    data, fits = b"".join(pieces), b"".join(pieces[:-1])
    file = OutputFile(tmp_path / "file", whole)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * len(data) - 2, before[1]))
    try:
        file.write(data)
        with pytest.raises(OSError, match="too large"):
            file.write(data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    file.write(pieces[0])
    file.close()
    assert (tmp_path / "file").read_bytes() == data + fits + pieces[0]


def test_a_disk_that_never_answers_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = threading.Event()
    real = OutputFile.write

    def write(self: OutputFile, data: bytes) -> None:
        if self.path.name == "session.jsonl" and b"PowerDelivery" in data:
            stuck.wait(30.0)
        real(self, data)

    monkeypatch.setattr(OutputFile, "write", write)
    monkeypatch.setattr("iso15118.aio.recording._CLOSES_S", 0.2)
    monkeypatch.setattr(Recorder.close, "__defaults__", (0.2,))
    try:
        recorder = session(tmp_path, most_waiting=40_000, loops=40)
        assert recorder.failed == "the disk is too slow"
        assert recorder._given - recorder._taken < 200_000, "what waits is bounded"
    finally:
        stuck.set()
    recorder._thread.join(10.0)
    whole = [folder for folder in recorder.folders if messages_of(folder)]
    assert whole
    assert any(line["message"] == "RecordingEnded" for folder in whole for line in lines_of(folder))


def test_a_folder_that_is_removed_is_missed_and_the_session_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iso15118.trace.recording.record._LOOK_S", 0.0)

    def remove(recorder: Recorder) -> None:
        recorder.flush()
        if (tmp_path / "evcc-0001").exists():
            shutil.rmtree(tmp_path / "evcc-0001")
        else:  # the session has not come so far
            asyncio.get_running_loop().call_later(0.005, remove, recorder)

    recorder = session(tmp_path, meddle=remove, loops=20)
    assert recorder.failed == "somebody removed or renamed it"
    assert len([one for one in caplog.messages if "somebody removed" in one]) == 1
    assert not (tmp_path / "evcc-0001").exists(), "it is not made again"
    assert lines_of(tmp_path / "secc-0001")[-1]["message"] == "SessionResult"


@pytest.mark.parametrize("kind", ["file", "below a file", "link to nowhere"])
def test_a_directory_that_cannot_be_is_refused_before_anything_runs(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "here"
    path.symlink_to(tmp_path / "nowhere" / "x") if kind.startswith("link") else path.write_text("precious")
    wanted = path / "below" if kind == "below a file" else path
    with pytest.raises(ConfigError, match=r"record: .*here") as caught:
        Recorder(wanted)
    assert caught.value.hint == "a folder that can be written to"


def test_a_vehicle_that_finds_no_session_still_leaves_its_connection(tmp_path: Path) -> None:
    """A station that takes a connection and says nothing: what was sent is there, and
    that there was no session."""

    async def run() -> Recorder:
        from iso15118.aio import EvccClient
        from iso15118.errors import V2GError
        from tests.aio.site import LOOPBACK, QUICK_PORTS, QUICK_STREAM, Plant, evcc_tls

        server = await asyncio.start_server(lambda r, w: w.close(), "::1", 0)
        port = server.sockets[0].getsockname()[1]
        with Recorder(tmp_path) as recorder:
            client = EvccClient(
                evcc_config(),
                Plant().evcc,
                LOOPBACK,
                evcc_tls(),
                station=(LOOPBACK.address, port),
                port_limits=QUICK_PORTS,
                stream_limits=QUICK_STREAM,
                recorder=recorder,
            )
            with pytest.raises(V2GError):
                await client.run()
        server.close()
        return recorder

    (folder,) = asyncio.run(run()).folders
    assert len(read(folder / "session.pcapng").packets) > 3
    assert not (folder / "summary.json").exists()
    assert (folder / "report.html").exists()
