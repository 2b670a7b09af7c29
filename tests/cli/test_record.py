"""``--record`` of ``iso15118 secc`` and ``iso15118 evcc`` on real sockets: what a killed process, and one
that may write no more, leave."""

from __future__ import annotations

import json
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iso15118.trace.entries import MessageEntry
from iso15118.trace.reading.files import entries_of
from iso15118.trace.recording import report_of
from tests.cli.rig import iso15118
from tests.cli.test_two_processes import SLOW, evcc_toml, finish, in_the_loop, process, secc_toml, station


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki") / "pki"
    assert iso15118("pki", "init", str(folder)).status == 0
    return folder


def in_lines(folder: Path) -> list[str]:
    """Messages of ``session.jsonl`` as ``iso15118 decode`` finds them."""
    printed = iso15118("decode", "--json", str(folder / "session.jsonl"))
    assert printed.status == 0, printed.err
    return [json.loads(line)["message"] for line in printed.out.splitlines()]


def in_capture(folder: Path) -> list[str]:
    """The same of ``session.pcapng``, opened with what is in it."""
    found = entries_of(folder / "session.pcapng")
    return [entry.message for entry in found if isinstance(entry, MessageEntry)]


def folder_of(directory: Path, name: str) -> Path:
    found = directory / name
    assert found.is_dir(), sorted(directory.iterdir())
    return found


def test_both_ends_record_and_the_station_that_is_killed_leaves_what_was_said(
    pki: Path, tmp_path: Path
) -> None:
    tls, rec = f'pki = "{pki}"', tmp_path / "rec"
    with (
        station(secc_toml(tmp_path, tls, SLOW), "--record", str(rec)) as secc,
        process("evcc", evcc_toml(tmp_path, tls, SLOW), "--record", str(rec)) as evcc,
    ):
        in_the_loop(secc, evcc)
        for name in ("secc-0001", "evcc-0001"):  # written while it runs, not at the end
            # More than one: the last moment may be in one of the two files only.
            while (rec / name / "session.jsonl").read_text().count("DC_ChargeLoopRes") < 3:
                time.sleep(0.02)
        secc.send_signal(signal.SIGKILL)
        secc.wait()
        status, [summary], said = finish(evcc)
    assert status == 3
    assert (summary["end_reason"], summary["safe"]) == ("PEER_VANISHED", True)
    killed, left = folder_of(rec, "secc-0001"), folder_of(rec, "evcc-0001")
    assert f"recorded in {left}" in said
    for folder in (killed, left):
        spoken = in_lines(folder)
        assert spoken[:2] == ["supportedAppProtocolReq", "supportedAppProtocolRes"]
        assert spoken[-1].startswith("DC_ChargeLoop")
        opened = in_capture(folder)
        assert abs(len(opened) - len(spoken)) <= 2
        assert opened[: len(spoken) - 2] == spoken[: len(opened)][: len(spoken) - 2]
    assert not (killed / "report.html").exists()
    page = report_of(killed)
    assert "breaks off before the end of the session" in page
    assert "DC_ChargeLoop" in page
    assert "Voltage in " in page
    assert (left / "report.html").exists()
    assert json.loads((left / "summary.json").read_text())["role"] == "evcc"


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A folder on a disk of 96 kB; None where the machine does not let us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ("-t", "tmpfs", "-o", "size=96k", "tmpfs", str(folder))
    try:
        mounted = subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    yield folder if mounted else None
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_on_a_full_disk_a_station_charges_to_the_end(
    pki: Path, tmp_path: Path, full_disk: Path | None
) -> None:
    """Where no small disk can be mounted, a limit of the system on the size of files stands for it: writing
    fails in the same way."""
    tls, rec = f'pki = "{pki}"', (full_disk or tmp_path) / "rec"
    with station(secc_toml(tmp_path, tls), "--record", str(rec), "--sessions", "1") as secc:
        if full_disk is None:
            resource.prlimit(secc.pid, resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))
        with process("evcc", evcc_toml(tmp_path, tls)) as evcc:
            driven, [theirs], _ = finish(evcc)
        status, [ours], said = finish(secc)
    assert (status, driven) == (0, 0)
    assert (ours["result"], theirs["result"]) == ("ok", "ok")
    assert said.count("is recorded no further") == 1
    reason = "File too large" if full_disk is None else "No space left on device"
    assert f"a recording is not whole: {reason}" in said
    folder = folder_of(rec, "secc-0001")
    spoken = in_lines(folder)
    assert 10 < len(spoken) < theirs["exchanges"]
    assert "DC_PreChargeRes" in spoken
    assert (folder / "session.jsonl").read_bytes().endswith(b"\n")
    assert len(in_capture(folder)) > 10
    opens(folder, tmp_path)


def test_on_a_full_disk_a_run_in_memory_goes_on_as_well(tmp_path: Path, full_disk: Path | None) -> None:
    rec = (full_disk or tmp_path) / "out"
    options = ("--transport", "memory", "--soc-target", "25", "--out", str(rec))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if full_disk is None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    try:
        printed = iso15118("loopback", "--json", *options)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (printed.status, printed.data["result"]) == (0, "ok")
    assert len(in_lines(rec)) > 10
    opens(rec, tmp_path)


def opens(folder: Path, tmp_path: Path) -> None:
    """What is there of a recording is read, and nobody is accused."""
    printed = iso15118("report", "--json", str(folder), "--out", str(tmp_path / "page.html"))
    assert printed.status == 6, printed.err
    assert printed.data["cause"] is None
    assert printed.data["sessions"][0]["exchanges"] > 5
    assert "<h2" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_secrets_are_sent_line_by_line_from_a_dynamic_port(pki: Path, tmp_path: Path) -> None:
    tls = f'pki = "{pki}"'
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as listener:
        listener.bind(("::1", 0))
        listener.settimeout(30.0)
        where = f"[::1]:{listener.getsockname()[1]}"
        heard: list[tuple[bytes, Any]] = []
        with station(secc_toml(tmp_path, tls), "--sessions", "1", "--keylog-udp", where) as secc:
            with process("evcc", evcc_toml(tmp_path, tls)) as evcc:
                assert finish(evcc)[0] == 0
            _, _, said = finish(secc)
        while len(heard) < 4:
            heard.append(listener.recvfrom(2048))
    assert f"TLS secrets are sent to {where} in the clear: whoever hears them can read the traffic" in said
    labels = {data.split()[0] for data, _ in heard}
    assert {b"CLIENT_HANDSHAKE_TRAFFIC_SECRET", b"SERVER_HANDSHAKE_TRAFFIC_SECRET"} <= labels
    for data, (_, port, *_) in heard:
        assert len(data.split()) == 3
        assert b"\n" not in data
        assert 49152 <= port <= 65535


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nowhere", "'nowhere' is no host and port"),
        ("[::1]:0", "'[::1]:0' is no host and port"),
        ("[::1]:65536", "is no host and port"),
        ("host.invalid:50000", "host.invalid: "),
        ("[fe80::1]:50000", "%INTERFACE"),
    ],
)
def test_a_target_that_is_none_is_refused_with_the_way_to_write_it(
    pki: Path, tmp_path: Path, target: str, said: str
) -> None:
    path = secc_toml(tmp_path, f'pki = "{pki}"')
    refused = iso15118("secc", "-c", str(path), "--keylog-udp", target).refusal
    assert "--keylog-udp: " in refused
    assert said in refused


def test_without_tls_there_is_nothing_to_disclose(tmp_path: Path) -> None:
    path = secc_toml(tmp_path, 'mode = "plaintext"')
    assert "there is no TLS here" in iso15118("secc", "-c", str(path), "--keylog-udp", "[::1]:50000").refusal


def test_a_directory_that_cannot_be_written_to_is_refused_before_the_station_opens(tmp_path: Path) -> None:
    path = secc_toml(tmp_path, 'mode = "plaintext"')
    (tmp_path / "file").write_text("")
    refused = iso15118("secc", "-c", str(path), "--record", str(tmp_path / "file" / "x")).refusal
    assert f"--record: {tmp_path}/file/x: Not a directory\n  a folder that can be written to" in refused
