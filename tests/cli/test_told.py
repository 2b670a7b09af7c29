"""``--scenario``: one of the two programs is told what to do, and the other one is a fresh peer that knows
nothing of it, over sockets with TLS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.rig import iso15118
from tests.cli.test_two_processes import SLOW, evcc_toml, finish, secc_toml, station
from tests.cli.test_two_processes import pki as pki

pytestmark = [pytest.mark.slow, pytest.mark.real_time]


def scenario(folder: Path, **step: Any) -> Path:
    path = folder / "scenario.toml"
    path.write_text("[[step]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in step.items()))
    return path


def charged(folder: Path, pki: Path, *options: str, told: Path | None = None) -> tuple[Any, list[Any], int]:
    """The vehicle's summary, what the station prints, and the station's exit status; ``told``:
    the station's scenario. ``options``: of the vehicle."""
    tls = f'pki = "{pki}"'
    words = ("--sessions", "1") if told is None else ("--scenario", str(told))
    with station(secc_toml(folder, tls, SLOW), *words) as running:
        driven = iso15118("evcc", "-c", str(evcc_toml(folder, tls, SLOW)), "--json", *options)
        status, seen, said = finish(running)
    assert "Traceback" not in driven.err + said
    return [json.loads(line) for line in driven.out.splitlines()], seen, status


def test_a_station_that_is_stuck_is_left_by_a_fresh_vehicle(tmp_path: Path, pki: Path) -> None:
    told = scenario(tmp_path, side="secc", do="wire", wire="stuck-ongoing", message="DCCableCheckRes")
    [driven], seen, status = charged(
        tmp_path, pki, "--set", "session.timing.cable_check_timeout=1", told=told
    )
    assert (driven["end_reason"], driven["safe"]) == ("CABLE_CHECK_FAILED", True)
    assert driven["tls"]["version"] == "TLSv1.3"
    assert (seen[-1]["verdict"], status) == ("pass", 0)
    assert seen[0]["safe"]


def test_a_recorded_session_is_done_again_to_a_fresh_vehicle(tmp_path: Path, pki: Path) -> None:
    first = tmp_path / "first.toml"
    first.write_text(
        '[session]\nservice = "mcs"\n[[step]]\nside = "secc"\ndo = "stop"\nwhen = { loops = 20 }\n'
    )
    assert (
        iso15118(
            "scenario", "run", str(first), "--transport", "memory", "--out", str(tmp_path / "out")
        ).status
        == 0
    )
    made = tmp_path / "made.toml"
    capture = tmp_path / "out" / "session.pcapng"
    assert iso15118("scenario", "from-capture", str(capture), "--out", str(made)).status == 0
    [driven], seen, status = charged(tmp_path, pki, told=made)
    assert (driven["end_reason"], driven["safe"]) == ("STOPPED_BY_STATION", True)
    assert (seen[-1]["verdict"], status) == ("pass", 0), seen[-1]


def test_a_vehicle_is_told_against_a_fresh_station(tmp_path: Path, pki: Path) -> None:
    told = scenario(
        tmp_path, side="evcc", do="wire", wire="wrong-session-id", message="DCChargeLoopReq", nth=5
    )
    driven, [seen], status = charged(tmp_path, pki, "--scenario", str(told))
    assert driven[0]["end_reason"] == "REFUSED"
    assert driven[-1]["verdict"] == "pass"
    assert (seen["end_reason"], seen["safe"], status) == ("UNKNOWN_SESSION", True, 1)
