"""Revocation, expiry and encrypted stores from the files of ``iso15118 secc`` and ``evcc``: two processes,
and refusals."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.pki import IssuedPki, Store, issue_test_pki
from iso15118.pki.chain.parsed import parse
from iso15118.pki.issuing.issue import load_key
from iso15118.pki.status.crl import crl
from iso15118.settings.roles import load_evcc, load_secc
from tests.cli.rig import iso15118
from tests.cli.test_two_processes import command, process

SDP_PORT = 40_000 + os.getpid() % 20_000
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> tuple[IssuedPki, Path]:
    folder = tmp_path_factory.mktemp("pki") / "pki"
    made = issue_test_pki("iso20", "ed448", at=NOW, responders=True)
    made.write(folder)
    return made, folder


def secc_toml(folder: Path, pki: Path, tls: str = "", rest: str = "") -> Path:
    path = folder / "secc.toml"
    path.write_text(
        f'sdp_port = {SDP_PORT}\n[tls]\npki = "{pki}"\n{tls}\n[station]\npreset = "mcs-gen1"\ntime_scale = 500\n{rest}\n'
    )
    return path


def evcc_toml(folder: Path, pki: Path, session: str = "", rest: str = "") -> Path:
    path = folder / "evcc.toml"
    path.write_text(
        f'sdp_port = {SDP_PORT}\n[tls]\npki = "{pki}"\n[session]\nservices = ["mcs"]\nloop_interval_s = 0.005\n{session}\n'
        f"[vehicle]\ntime_scale = 500\nsoc = 79.0\n{rest}\n"
    )
    return path


@contextlib.contextmanager
def responder(pki: Path, *say: str) -> Iterator[str]:
    words = [one for text in say for one in ("--say", text)]
    arguments = ["-m", "iso15118", "pki", "serve-ocsp", str(pki), "--port", "0", *words]
    with subprocess.Popen(
        [command("secc", pki)[0], *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        try:
            assert running.stdout is not None
            line = running.stdout.readline()
            yield line[line.index("http") :].split()[0].rstrip(":,")
        finally:
            running.kill()


def charged(secc: Path, evcc: Path) -> tuple[Any, str]:
    """The vehicle's summary, and what the station said meanwhile."""
    with process("secc", secc) as station:
        assert station.stderr is not None
        said = ""
        for line in station.stderr:
            said += line
            if "listening at" in line:
                break
        told = subprocess.run(command("evcc", evcc), capture_output=True, text=True, timeout=120, check=False)
        station.terminate()
        said += station.communicate(timeout=60)[1]
    return (json.loads(told.stdout) if told.stdout else told.stderr), said


def test_a_station_asks_about_vehicles_contracts_and_its_own_chain(
    pki: tuple[IssuedPki, Path], tmp_path: Path
) -> None:
    made, folder = pki
    pnc = 'identification = ["pnc"]'
    with responder(folder) as url:
        rest = f'[contracts]\noffer = true\n[status]\nonline = true\nresponder = "{url}"\nstore = "known"\n'
        told, _ = charged(
            secc_toml(tmp_path, folder, rest=rest),
            evcc_toml(tmp_path, folder, pnc, "[contracts]\nuse = true\n"),
        )
    assert told["result"] == "ok", told
    assert told["emaid"]
    assert set(Store(tmp_path / "known").read().staples(made.secc.chain)) != {None}


@pytest.mark.parametrize("who", ["vehicle", "contract"])
def test_who_is_revoked_is_not_served(pki: tuple[IssuedPki, Path], tmp_path: Path, who: str) -> None:
    _, folder = pki
    with responder(folder, f"{who}=revoked") as url:
        rest = f'[contracts]\noffer = true\n[status]\nonline = true\nresponder = "{url}"\n'
        told, said = charged(
            secc_toml(tmp_path, folder, rest=rest),
            evcc_toml(tmp_path, folder, 'identification = ["pnc"]', "[contracts]\nuse = true\n"),
        )
    assert isinstance(told, str) or "error" in told or told["result"] == "failed"
    assert "revoked" in said


def oem_list(made: IssuedPki, *serials: int) -> bytes:
    key = load_key(made.keys["oem-root"])
    return crl(made.oem_root, key, last_update=NOW, next_update=NOW + timedelta(days=9), revoked=serials)


def test_lists_in_a_store_count_for_vehicles_and_a_broken_one_for_nobody(
    pki: tuple[IssuedPki, Path], tmp_path: Path
) -> None:
    made, folder = pki
    store = Store(tmp_path / "lists")
    store.add_crl("oem", oem_list(made))
    (tmp_path / "lists" / "crl" / "broken.crl").write_bytes(b"garbage")
    secc = secc_toml(tmp_path, folder, rest='[status]\nstore = "lists"\n')
    told, said = charged(secc, evcc_toml(tmp_path, folder))
    assert told["result"] == "ok", told
    assert "broken.crl" in said
    store.add_crl("oem", oem_list(made, parse(made.certificates["vehicle-sub1"]).serial_number))
    told, said = charged(secc, evcc_toml(tmp_path, folder))
    assert isinstance(told, str) or "error" in told or told["result"] == "failed"
    assert "revoked" in said


def test_a_vehicle_with_an_encrypted_store_charges_by_contract(
    pki: tuple[IssuedPki, Path], tmp_path: Path
) -> None:
    made, folder = pki
    word = tmp_path / "word"
    word.touch(0o600)
    word.write_text("correct horse\n")
    Store(tmp_path / "store", passphrase=b"correct horse").add_contract(made.credential("contract"))
    told, _ = charged(
        secc_toml(tmp_path, folder, rest="[contracts]\noffer = true\n"),
        evcc_toml(
            tmp_path,
            folder,
            'identification = ["pnc"]',
            '[contracts]\nuse = true\nstore = "store"\npassphrase_file = "word"\n',
        ),
    )
    assert told["result"] == "ok", told
    assert told["emaid"]


@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_a_certificate_of_ours_that_has_expired_is_refused_at_the_start(role: str, tmp_path: Path) -> None:
    issue_test_pki("iso20", "ed448", at=NOW - timedelta(days=4000)).write(tmp_path / "pki")
    path = secc_toml(tmp_path, tmp_path / "pki") if role == "secc" else evcc_toml(tmp_path, tmp_path / "pki")
    refusal = iso15118(role, "-c", str(path)).refusal
    assert "tls.pki: the certificate of ours" in refusal
    assert "days ago" in refusal
    assert "pki init" in refusal


def test_one_that_expires_soon_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = issue_test_pki("iso20", "ed448", at=NOW)
    left = parse(made.secc.chain[0]).not_after - NOW
    issue_test_pki("iso20", "ed448", at=NOW - left + timedelta(days=5)).write(tmp_path / "pki")
    secc = secc_toml(tmp_path, tmp_path / "pki")
    with process("secc", secc) as station:
        assert station.stderr is not None
        said = ""
        for line in station.stderr:
            said += line
            if "listening at" in line:
                break
        station.terminate()
        said += station.communicate(timeout=60)[1]
    assert "expires on" in said
    assert "renew it" in said


def test_a_demand_that_nothing_can_meet_is_refused(pki: tuple[IssuedPki, Path], tmp_path: Path) -> None:
    _, folder = pki
    with pytest.raises(
        ConfigError, match=r"tls\.revocation: 'all' would refuse everybody.*status\.online = true"
    ):
        load_secc(secc_toml(tmp_path, folder, 'revocation = "all"'))
    with pytest.raises(ConfigError, match=r"contracts\.revocation"):
        load_secc(secc_toml(tmp_path, folder, rest='[contracts]\noffer = true\nrevocation = "leaf"\n'))
    asked = load_secc(secc_toml(tmp_path, folder, 'revocation = "all"', "[status]\nonline = true\n"))
    assert asked.status.online
    assert (
        load_evcc(evcc_toml(tmp_path, folder, rest='[status]\nstore = "s"\n')).status.store == tmp_path / "s"
    )
