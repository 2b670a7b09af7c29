"""``iso15118 loopback --link``: from plug-in to unplug, in virtual time and over TCP,
and the times that it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iso15118.aio.net.network import find_interface, sdp_server_socket
from iso15118.aio.net.presence import StationLock
from tests.cli.rig import iso15118

QUICK = ("--soc-target", "22")


def loopback(*options: str) -> dict[str, Any]:
    printed = iso15118("loopback", *options, *QUICK, "--json")
    assert printed.status == 0, printed
    summary: dict[str, Any] = printed.data
    assert summary["result"] == "ok"
    return summary


@pytest.mark.parametrize(
    ("link", "service", "least_s", "most_s"),
    [
        ("slac", "dc", 0.4, 1.0),
        ("slac", "dc-bpt", 0.4, 1.0),
        ("spe", "mcs", 1.2, 1.3),
        ("spe", "mcs-bpt", 1.2, 1.3),
        ("spe", "dc", 1.2, 1.3),
        ("slac", "ac", 0.4, 1.0),
        ("slac", "ac-bpt", 0.4, 1.0),
    ],
)
def test_in_virtual_time(link: str, service: str, least_s: float, most_s: float) -> None:
    summary = loopback("--transport", "memory", "--link", link, "--service", service)
    assert summary["link"] == link
    assert least_s <= summary["link_seconds"] <= most_s, "matching takes less than a second"
    without = loopback("--transport", "memory", "--service", service)
    assert without["link"] == "none"
    assert without["link_seconds"] is None
    # Discovery and a few hundred messages of 3 ms are all that comes on top of the link.
    on_top = summary["setup_seconds"] - summary["link_seconds"] - without["setup_seconds"]
    assert 0.0 <= on_top < 1.0
    assert summary["secc_states"] == without["secc_states"]
    assert summary["energy_charged_kwh"] == pytest.approx(without["energy_charged_kwh"], rel=0.01)


@pytest.mark.usefixtures("steady_clock")
@pytest.mark.parametrize(("link", "service"), [("slac", "dc"), ("spe", "mcs"), ("slac", "ac")])
def test_over_tcp(link: str, service: str) -> None:
    summary = loopback("--link", link, "--service", service)
    assert summary["transport"] == "tcp"
    assert summary["tls"]["version"] == "TLSv1.3"
    assert 0.4 < summary["link_seconds"] < 8.0, "T_conn_max_comm"
    assert summary["link_seconds"] < summary["setup_seconds"]
    assert "UDP port" in summary["sdp"]


@pytest.mark.usefixtures("steady_clock")
@pytest.mark.parametrize("transport", ["memory", "tcp"])
def test_alternating_current_of_the_older_edition_too(transport: str) -> None:
    summary = loopback("--link", "slac", "--service", "ac", "--edition", "iso2", "--transport", transport)
    assert (summary["edition"], summary["link"]) == ("iso2", "slac")
    assert "ChargingStatus" in summary["secc_states"]
    assert summary["energy_charged_kwh"] == pytest.approx(
        summary["hardware"]["battery_charged_kwh"], rel=0.001
    )


def test_alternating_current_has_a_control_pilot() -> None:
    printed = iso15118("loopback", "--link", "spe", "--service", "ac", "--json")
    assert printed.status == 2
    assert "did you mean 'slac'" in printed.err


@pytest.mark.usefixtures("steady_clock")
@pytest.mark.parametrize("held_by", ["a station", "a socket"])
def test_another_process_may_have_the_port(held_by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lo = find_interface("lo")
    taken = sdp_server_socket(lo, 0)
    port = taken.getsockname()[1]
    monkeypatch.setattr("iso15118.aio.plug.run_plugged.SDP_PORT", port)
    if held_by == "a station":  # one that listens, and does not answer discovery yet
        taken.close()
        lock = StationLock(lo, port)
        release = lock.release
    else:
        release = taken.close
    try:
        summary = loopback("--link", "spe", "--service", "mcs")
    finally:
        release()
    assert f"UDP port {port}," not in summary["sdp"]


def test_people_are_told_too() -> None:
    slac = iso15118("loopback", "--transport", "memory", "--link", "slac", *QUICK).out
    assert "plug-in to data link (SLAC) 0.7" in slac
    spe = iso15118("loopback", "--transport", "memory", "--link", "spe", "--service", "mcs", *QUICK).out
    assert "plug-in to data link (10BASE-T1S) 1.20 s, to energy" in spe
    assert "energy after" in iso15118("loopback", "--transport", "memory", *QUICK).out


def test_a_run_repeats_itself() -> None:
    options = ("--transport", "memory", "--link", "slac", "--seed", "7")
    one, other = loopback(*options), loopback(*options)
    for summary in (one, other):
        del summary["wall_seconds"]
    assert one == other


def test_plug_and_charge_comes_over_a_link_as_well() -> None:
    summary = loopback("--transport", "memory", "--link", "slac", "--auth", "pnc")
    assert summary["auth"] == "pnc"
    assert summary["link_seconds"] < 1.0


def test_a_session_folder_has_the_messages_of_a_run_with_a_link(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    summary = loopback("--transport", "memory", "--link", "slac", "--out", str(folder))
    lines = [json.loads(line) for line in (folder / "session.jsonl").read_text().splitlines()]
    assert len(lines) > summary["exchanges"]
    assert (folder / "session.pcapng").stat().st_size > 1000
