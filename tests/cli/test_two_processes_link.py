"""``iso15118 secc`` and ``iso15118 evcc`` with a plug in their files: link first, then discovery;
one plug-in after the other."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cli.test_two_processes import FAST, drive, evcc_toml, finish, secc_toml, station

LINK = '[link]\nsignalling = "simulated"\n'


def test_two_plug_ins_of_two_processes(tmp_path: Path) -> None:
    plain = 'mode = "plaintext"'
    secc, evcc = secc_toml(tmp_path, plain, FAST + LINK), evcc_toml(tmp_path, plain, FAST + LINK)
    with station(secc, "--sessions", "2") as running:
        vehicles = [drive(evcc) for _ in range(2)]
        status, seen, said = finish(running)
    assert status == 0
    assert [one["end_reason"] for one in seen] == ["STOPPED_BY_EV"] * 2
    for driven, [ours], words in vehicles:
        assert (driven, ours["result"], ours["safe"]) == (0, "ok", True)
        order = [
            words.index(text)
            for text in (
                "plugged in",
                "D-LINK_READY(link established)",
                "looks for the station",
                "in a session",
            )
        ]
        assert order == sorted(order)
    # Which vehicle is assumed when, and so whether the second one is awaited before it is
    # there, is the machine's affair.
    linked, charging = (
        f"iso15118: link: {phase}" for phase in ("linked; the vehicle looks for", "in a session")
    )
    assert said.index(linked) < said.index(charging)
    assert said.count(charging) == 2
    assert "iso15118: link: unplugged" in said, "the next vehicle is assumed after the first"


def test_a_link_that_cannot_be_opened_ends_with_its_own_status(tmp_path: Path) -> None:
    link = '[link]\nbackend = "slac"\nsignalling = "simulated"\ninterface = "no-such-if"\n'
    path = tmp_path / "evcc.toml"
    path.write_text(f'[tls]\nmode = "plaintext"\n[session]\nservices = ["dc"]\n[vehicle]\n{FAST}{link}')
    status, printed, words = drive(path)
    assert (status, [one["error"]["exit_status"] for one in printed]) == (3, [3])
    assert "no-such-if" in words or os.geteuid() != 0


def test_a_vehicle_with_a_modem_and_no_station_gives_up(tmp_path: Path) -> None:
    link = (
        '[link]\nbackend = "slac"\nsignalling = "simulated"\n'
        "[link.slac]\nc_conn_max_match = 1\nc_ev_match_retry = 0\n"
        "[link.slac_timing]\ntt_matching_repetition = 0.1\ntt_matching_rate = 0.4\nset_key_wait = 0.05\n"
    )
    path = tmp_path / "evcc.toml"
    path.write_text(f'[tls]\nmode = "plaintext"\n[session]\nservices = ["dc"]\n[vehicle]\n{FAST}{link}')
    status, printed, words = drive(path)
    assert (status, [one["error"]["exit_status"] for one in printed]) == (3, [3])
    if os.geteuid() == 0:
        assert "no station was found" in words
        assert "no data link with a station came about" in words
