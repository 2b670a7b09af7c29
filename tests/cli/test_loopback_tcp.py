"""``iso15118 loopback`` over the network of this machine: real discovery, TCP and mutual
TLS, and a charge in seconds.

The sockets are real; the clock of the event loop is that of ``tests/clock.py``.
"""

from __future__ import annotations

import concurrent.futures
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from iso15118.errors import LinkError, TlsError
from tests.cli.rig import iso15118

pytestmark = pytest.mark.usefixtures("steady_clock")


def tcp(*options: str) -> dict[str, Any]:
    printed = iso15118("loopback", "--json", *options)
    assert printed.status == 0, printed.err
    data: dict[str, Any] = printed.data
    return data


@pytest.mark.parametrize("control", ["scheduled", "dynamic"])
@pytest.mark.parametrize("service", ["dc", "dc-bpt", "mcs", "mcs-bpt"])
def test_every_service_charges_over_tls(service: str, control: str) -> None:
    given = {"dc-bpt": 10.0, "mcs-bpt": 50.0}.get(service, 0.0)
    summary = tcp(
        "--service", service, "--control", control, *(["--discharge-kwh", str(given)] if given else [])
    )
    assert (summary["result"], summary["ended_by"], summary["transport"]) == ("ok", "evcc", "tcp")
    tls = summary["tls"]
    assert tls["version"] == "TLSv1.3"
    assert tls["client_certificate"] is True
    assert tls["cipher"] in ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
    assert tls["group"] in ("secp521r1", "x448")
    assert tls["signature"] == tls["client_signature"] == "ecdsa_secp521r1_sha512"
    assert tls["deviations"] == []
    assert "unicast to [::1]" in summary["sdp"]
    assert summary["soc_end"] == pytest.approx(80.0, abs=0.1)
    # Giving back ends with a message: the hardware's clock runs hundreds of times as fast in the meantime.
    assert given <= summary["energy_discharged_kwh"] <= given * 1.05
    net_kwh = summary["energy_charged_kwh"] - summary["energy_discharged_kwh"]
    gauge_kwh = (summary["soc_end"] - summary["soc_start"]) / 100.0 * (540.0 if "mcs" in service else 90.0)
    assert net_kwh == pytest.approx(gauge_kwh, rel=0.002)
    hardware = summary["hardware"]
    assert hardware["beyond_station_limits"] == hardware["beyond_vehicle_limits"] == hardware["inrushes"] == 0
    assert summary["hardware_time_scale"] > 100.0
    assert 1.0 < summary["transfer_seconds"] <= summary["session_seconds"]
    assert summary["wall_seconds"] > 0.0
    for states in (summary["secc_states"], summary["evcc_states"]):
        assert states[0] == "Connecting"
        assert states[-3:] == ["DC_WeldingDetection", "SessionStop", "Ended"]


def test_plaintext_is_an_explicit_choice() -> None:
    summary = tcp("--no-tls", "--soc-target", "40")
    assert summary["tls"] is None
    printed = iso15118("loopback", "--no-tls", "--soc-target", "40")
    assert "none, as asked: plaintext" in printed.out


def test_people_read_how_it_was_protected_and_found() -> None:
    printed = iso15118("loopback", "--service", "mcs", "--soc-target", "30")
    for words in ("TLSv1.3", "with client certificate", "unicast to [::1]", "times as fast"):
        assert words in " ".join(printed.out.split())


def test_the_keys_are_written_only_when_asked_for_and_only_for_the_owner(tmp_path: Path) -> None:
    keylog = tmp_path / "keys.log"
    tcp("--soc-target", "30", "--keylog", str(keylog))
    assert stat.S_IMODE(keylog.stat().st_mode) == 0o600
    lines = keylog.read_text().splitlines()
    assert any(line.startswith("CLIENT_TRAFFIC_SECRET_0 ") for line in lines)


def test_a_session_folder_holds_both_directions(tmp_path: Path) -> None:
    summary = tcp("--soc-target", "30", "--out", str(tmp_path))
    lines = [
        line for line in (tmp_path / "session.jsonl").read_text().splitlines() if '"layer":"message"' in line
    ]
    assert len(lines) == 2 * summary["exchanges"]


def test_no_private_key_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tcp("--soc-target", "30")
    assert list(tmp_path.iterdir()) == []


def test_two_runs_at_once_do_not_disturb_each_other() -> None:
    command = [sys.executable, "-m", "iso15118", "loopback", "--json", "--soc-target", "40"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: subprocess.run(command, capture_output=True, check=False), range(2)))
    assert [run.returncode for run in runs] == [0, 0], [run.stderr for run in runs]


@pytest.mark.parametrize(
    ("error", "status"),
    [(LinkError("the network is gone"), 3), (TlsError("refused"), 4), (TimeoutError("not over"), 5)],
)
def test_a_run_that_never_became_a_session_says_why(
    error: Exception, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("iso15118.loopback.tcp.run_both", fail)
    printed = iso15118("loopback", "--json")
    assert (printed.status, printed.data["error"]["exit_status"]) == (status, status)
    assert str(error) in printed.err  # of a timeout the run tells its own limit


@pytest.mark.parametrize("install", [False, True], ids=["has one", "installed"])
def test_a_contract_of_iso_15118_2_pays_over_tls_1_2(install: bool) -> None:
    options = ["--install-contract"] if install else []
    summary = tcp("--edition", "iso2", "--auth", "pnc", "--soc-start", "40", "--soc-target", "41", *options)
    assert (summary["result"], summary["edition"]) == ("ok", "iso2")
    assert summary["tls"]["version"] == "TLSv1.2"
    assert summary["contracts_installed"] == int(install)
    assert summary["emaid"]
    assert ("CertificateInstallation" in summary["evcc_states"]) is install
