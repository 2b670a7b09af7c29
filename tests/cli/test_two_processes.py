"""``iso15118 secc`` and ``iso15118 evcc`` as two processes that charge, and what signals, strangers
and a killed peer do to them.

Discovery has a port of its own in each process that runs tests, so that nothing else
on this machine is in the way.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.rig import iso15118

SDP_PORT = 20_000 + os.getpid() % 6_000  # below those that the system gives away
PATIENCE_S = 120.0
FAST = "time_scale = 500\n"
SLOW = "time_scale = 20\n"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki") / "pki"
    assert iso15118("pki", "init", str(folder)).status == 0
    return folder


def secc_toml(folder: Path, tls: str, hardware: str = FAST) -> Path:
    path = folder / "secc.toml"
    path.write_text(f'sdp_port = {SDP_PORT}\n[tls]\n{tls}\n[station]\npreset = "mcs-gen1"\n{hardware}')
    return path


def evcc_toml(folder: Path, tls: str, hardware: str = FAST, session: str = "") -> Path:
    path = folder / "evcc.toml"
    path.write_text(
        f'sdp_port = {SDP_PORT}\n[tls]\n{tls}\n[session]\nservices = ["mcs"]\nloop_interval_s = 0.005\n{session}\n[vehicle]\n{hardware}'
    )
    return path


def command(role: str, path: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "iso15118", role, "-c", str(path), "--json", *options]


class Program(subprocess.Popen[str]):
    """With what has been read of its words already."""

    heard: str = ""


@contextlib.contextmanager
def process(role: str, path: Path, *options: str) -> Iterator[Program]:
    with Program(
        command(role, path, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@contextlib.contextmanager
def station(path: Path, *options: str) -> Iterator[Program]:
    """A station that listens."""
    with process("secc", path, *options) as running:
        assert running.stderr is not None
        # Octet by octet: what is read ahead into the buffer of a file is lost for ``communicate``.
        while not ("listening" in running.heard and running.heard.endswith("\n")):
            octet = os.read(running.stderr.fileno(), 1)
            if not octet:
                pytest.fail("the station did not start")
            running.heard += octet.decode("latin-1")
        yield running


def finish(running: Program) -> tuple[int, list[dict[str, Any]], str]:
    """Exit status, what it printed as JSON lines, and what it said."""
    out, err = running.communicate(timeout=PATIENCE_S)
    err = running.heard + err
    assert "Traceback" not in err
    return running.returncode, [json.loads(line) for line in out.splitlines()], err


def drive(path: Path) -> tuple[int, list[dict[str, Any]], str]:
    with process("evcc", path) as running:
        return finish(running)


def in_the_loop(*running: Program) -> None:
    """Wait until these say that they are in the charge loop, which lasts a minute with SLOW."""
    for one in running:
        assert one.stderr is not None
        for line in one.stderr:
            one.heard += line
            if "in the charge loop" in line:
                break
        else:
            pytest.fail("it did not get into the charge loop")


@pytest.mark.parametrize("protected", [True, False], ids=["tls", "plaintext"])
def test_two_processes_charge_one_vehicle_after_the_other(pki: Path, tmp_path: Path, protected: bool) -> None:
    tls = f'pki = "{pki}"' if protected else 'mode = "plaintext"'
    with station(secc_toml(tmp_path, tls), "--sessions", "2") as secc:
        vehicles = [drive(evcc_toml(tmp_path, tls)) for _ in range(2)]
        status, seen, _ = finish(secc)
    assert status == 0
    assert len(seen) == 2
    for (driven, [ours], _), theirs in zip(vehicles, seen, strict=True):
        assert driven == 0
        for one in (ours, theirs):
            assert (one["result"], one["end_reason"], one["safe"]) == ("ok", "STOPPED_BY_EV", True)
            assert one["states"][-1] == "Ended"
            if protected:
                assert (one["tls"]["version"], one["tls"]["client_certificate"]) == ("TLSv1.3", True)
            else:
                assert one["tls"] is None
        # The hardware's clock runs 500 times as fast: what flows until the vehicle's next
        # turn is the machine's affair.
        assert 79.8 <= ours["soc_end"] < 95.0
        # Each end keeps its own account; what joins them is what the messages said.
        assert theirs["energy_charged_kwh"] == pytest.approx(ours["energy_charged_kwh"], rel=0.1)
        assert 900.0 < theirs["peak_power_kw"] <= 1000.5
        if protected:
            assert theirs["evccid"].startswith("WVWV"), "the EVCCID is the certificate's"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_to_the_station_ends_the_session_in_order(pki: Path, tmp_path: Path, name: str) -> None:
    tls = f'pki = "{pki}"'
    with (
        station(secc_toml(tmp_path, tls, SLOW)) as secc,
        process("evcc", evcc_toml(tmp_path, tls, SLOW)) as evcc,
    ):
        in_the_loop(secc, evcc)
        secc.send_signal(getattr(signal, name))
        status, [theirs], _ = finish(secc)
        driven, [ours], _ = finish(evcc)
    assert (status, theirs["result"], theirs["end_reason"], theirs["safe"]) == (
        0,
        "ok",
        "STOPPED_BY_STATION",
        True,
    )
    assert (driven, ours["result"], ours["end_reason"], ours["safe"]) == (
        1,
        "failed",
        "STOPPED_BY_STATION",
        True,
    )
    assert "short of the target" in ours["detail"]
    assert "DC_ChargeLoop" in ours["states"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_to_the_vehicle_ends_the_session_in_order(pki: Path, tmp_path: Path, name: str) -> None:
    tls = f'pki = "{pki}"'
    with (
        station(secc_toml(tmp_path, tls, SLOW), "--sessions", "1") as secc,
        process("evcc", evcc_toml(tmp_path, tls, SLOW)) as evcc,
    ):
        in_the_loop(secc, evcc)
        evcc.send_signal(getattr(signal, name))
        driven, [ours], _ = finish(evcc)
        status, [theirs], _ = finish(secc)
    assert (driven, ours["end_reason"], ours["safe"]) == (0, "STOPPED_BY_EV", True)
    assert (status, theirs["end_reason"], theirs["safe"]) == (0, "STOPPED_BY_EV", True)
    assert "DC_ChargeLoop" in theirs["states"]


def test_a_signal_ends_an_idle_station_with_success(pki: Path, tmp_path: Path) -> None:
    with station(secc_toml(tmp_path, f'pki = "{pki}"')) as secc:
        secc.send_signal(signal.SIGTERM)
        assert finish(secc)[:2] == (0, [])


def test_a_vehicle_that_dies_is_a_lost_peer_and_the_next_one_is_served(pki: Path, tmp_path: Path) -> None:
    tls = f'pki = "{pki}"'
    with station(secc_toml(tmp_path, tls), "--sessions", "2") as secc:
        with process("evcc", evcc_toml(tmp_path, tls, SLOW)) as evcc:
            in_the_loop(secc, evcc)
            evcc.kill()
        assert drive(evcc_toml(tmp_path, tls))[0] == 0
        status, [first, second], _ = finish(secc)
    assert (first["result"], first["end_reason"], first["safe"]) == ("failed", "PEER_VANISHED", True)
    assert (second["result"], second["safe"]) == ("ok", True)
    assert status == 3


def test_a_station_of_another_pki_is_refused(pki: Path, tmp_path: Path) -> None:
    assert iso15118("pki", "init", str(tmp_path / "strangers")).status == 0
    with station(secc_toml(tmp_path, f'pki = "{pki}"')):
        status, printed, said = drive(evcc_toml(tmp_path, 'pki = "strangers"'))
    assert (status, [one["error"]["exit_status"] for one in printed]) == (4, [4])
    assert "unknown_ca" in said


def test_a_vehicle_that_finds_no_station_says_so(pki: Path, tmp_path: Path) -> None:
    file = evcc_toml(
        tmp_path, f'pki = "{pki}"', session="[session.timing]\nsdp_requests = 2\nsdp_retry = 0.05"
    )
    status, printed, said = drive(file)
    assert (status, [one["error"]["exit_status"] for one in printed]) == (3, [3])
    assert "no station answered 2 discovery requests" in said


def test_a_folder_without_certificates_is_a_trust_problem(tmp_path: Path) -> None:
    printed = iso15118("secc", "-c", str(secc_toml(tmp_path, 'pki = "nowhere"')))
    assert (printed.status, printed.out) == (4, "")
    assert "nowhere" in printed.err


def test_a_key_log_that_cannot_be_written_is_refused(pki: Path, tmp_path: Path) -> None:
    path = secc_toml(tmp_path, f'pki = "{pki}"\nkeylog = "no/such/folder"')
    refusal = iso15118("secc", "-c", str(path)).refusal
    assert "tls.keylog" in refusal
    assert "no/such/folder" in refusal


def test_an_interface_that_is_not_there_is_a_link_problem(tmp_path: Path) -> None:
    path = secc_toml(tmp_path, 'mode = "plaintext"')
    path.write_text('interface = "nothere0"\n' + path.read_text())
    printed = iso15118("secc", "-c", str(path))
    assert (printed.status, printed.out) == (3, "")
    assert "nothere0" in printed.err
