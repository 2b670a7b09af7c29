"""One station of every edition behind one port, and vehicles of one edition or all: each speaks the best that
both have, over TLS where there is TLS, and in the clear where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.rig import iso15118
from tests.cli.test_two_processes import drive, finish, station

SDP_PORT = 8_000 + os.getpid() % 6_000
CARS = {"iso20,iso2,din": "iso20", "iso2": "iso2", "din,iso2": "iso2", "din": "din"}
TLS = {"iso20": "TLSv1.3", "iso2": "TLSv1.2"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert iso15118("pki", "init", str(tmp_path / "p20")).status == 0
    assert iso15118("pki", "init", str(tmp_path / "p2"), "--edition", "iso2").status == 0
    return tmp_path


def file_of(folder: Path, role: str, editions: str, rest: str) -> Path:
    names = editions.split(",")
    listed = ", ".join(f'"{one}"' for one in names)
    text = f"sdp_port = {SDP_PORT}\n[session]\neditions = [{listed}]\n{rest}"
    if "iso20" in names:
        text += '[tls]\npki = "p20"\n'
    if "iso2" in names:
        text += '[tls.iso2]\npki = "p2"\n'
    path = folder / f"{role}.toml"
    path.write_text(text)
    return path


def test_each_vehicle_speaks_its_best_edition_with_one_station(folder: Path) -> None:
    fast = "time_scale = 20\n"
    with station(
        file_of(folder, "secc", "iso20,iso2,din", f"[station]\n{fast}"), "--sessions", str(len(CARS))
    ) as secc:
        for editions, spoken in CARS.items():
            hardware = f"[vehicle]\nsoc = 79.9\nbattery_kwh = 60\nempty_v = 330\nfull_v = 420\n{fast}"
            status, (result,), said = drive(file_of(folder, "evcc", editions, hardware))
            assert (status, result["edition"]) == (0, spoken), (result, said)
            tls = result["tls"]
            assert (tls and tls["version"]) == TLS.get(spoken), editions
            assert result["energy_charged_kwh"] > 0.05
            assert "in the charge loop" in said
        status, sessions, _ = finish(secc)
    assert status == 0
    assert [one["edition"] for one in sessions] == list(CARS.values())
    assert all(one["energy_charged_kwh"] > 0.05 and one["safe"] for one in sessions)
