"""``iso15118 secc`` and ``iso15118 evcc`` in the older editions: what the station reports reaches the simulated vehicle in each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_two_processes import SDP_PORT, drive, finish, station

PLAIN = f'sdp_port = {SDP_PORT}\n[tls]\nmode = "plaintext"\n[session]\n'
PACE = "time_scale = 100\n"


@pytest.mark.parametrize("edition", ["din", "iso2"])
def test_two_processes_charge_in_an_older_edition(tmp_path: Path, edition: str) -> None:
    secc, evcc = tmp_path / "secc.toml", tmp_path / "evcc.toml"
    secc.write_text(f'{PLAIN}editions = ["{edition}"]\n[station]\n{PACE}')
    pace = {"din": "loop_interval_s = 0.01", "iso2": "evcc_loop_interval_s = 0.01"}[edition]
    evcc.write_text(
        f'{PLAIN}editions = ["{edition}"]\ntarget_soc = 21\nminimum_soc = 10\n[session.{edition}]\n{pace}\n'
        f"[vehicle]\nsoc = 20.0\n{PACE}"
    )
    with station(secc, "--sessions", "1") as running:
        driven, [ours], said = drive(evcc)
        status, [theirs], heard = finish(running)
    assert (status, driven) == (0, 0)
    for one, words in ((ours, said), (theirs, heard)):
        assert (one["result"], one["end_reason"], one["safe"]) == ("ok", "STOPPED_BY_EV", True)
        assert "CurrentDemand" in one["states"]
        assert words.count("in the charge loop") == 1
    assert ours["soc_end"] >= 20.9
    assert theirs["energy_charged_kwh"] == pytest.approx(ours["energy_charged_kwh"], rel=0.2)
