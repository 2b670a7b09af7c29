"""A pantograph with its bus and a pad with its car, as two processes made from files: found over WLAN,
charged, and what the files refuse."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from iso15118.errors import ConfigError
from iso15118.session.services import ServiceID
from iso15118.settings.hardware import station_of, vehicle_of
from iso15118.settings.roles import load, load_evcc, load_secc
from tests.cli.test_two_processes import drive, finish, station

SDP_PORT = 15_200 + os.getpid() % 1_000
PLAIN = '[tls]\nmode = "plaintext"\n'


def written(folder: Path, role: str, text: str, coupling: str = "") -> Path:
    path = folder / f"{role}.toml"
    found = f'[wireless]\ncoupling = "{coupling}"\n' if coupling else ""
    path.write_text(f"sdp_port = {SDP_PORT}\n{found}{text}\n{PLAIN}")
    return path


QUICK = "[session]\nloop_interval_s = 0.02\npoll_interval_s = 0.02\ntarget_soc = 21\n"


@pytest.mark.parametrize(
    ("coupling", "preset", "vehicle", "scale", "kwh", "kilowatts"),
    [
        ("wpt", "wpt-11", 'receiver = "wpt-22"\nbattery_kwh = 10', 60, 0.1, 11.1),
        ("pantograph-1", "pantograph", 'inlet = "pantograph"\nbattery_kwh = 350', 50, 3.5, 450.0),
    ],
    ids=["pad", "pantograph"],
)
def test_two_processes_charge_without_a_plug(
    tmp_path: Path, coupling: str, preset: str, vehicle: str, scale: int, kwh: float, kilowatts: float
) -> None:
    there = written(tmp_path, "secc", f'[station]\npreset = "{preset}"\ntime_scale = {scale}', coupling)
    here = written(tmp_path, "evcc", f"{QUICK}[vehicle]\n{vehicle}\ntime_scale = {scale}", coupling)
    with station(there, "--sessions", "1") as secc:
        status, (ours,), said = drive(here)
        assert status == 0, said
        status, (theirs,), _ = finish(secc)
    assert status == 0
    for one in (ours, theirs):
        assert (one["end_reason"], one["safe"], one["edition"]) == ("STOPPED_BY_EV", True, "iso20")
    # What flows until the vehicle's next turn is the machine's affair.
    assert ours["soc_end"] >= 20.99
    assert ours["energy_charged_kwh"] > 0.99 * kwh
    assert theirs["energy_charged_kwh"] == pytest.approx(ours["energy_charged_kwh"], rel=0.5)
    assert theirs["peak_power_kw"] == pytest.approx(kilowatts, rel=0.01)


@pytest.mark.parametrize(
    ("preset", "vehicle", "offered", "wanted"),
    [
        ("wpt-3.7", 'receiver = "wpt-3.7"', (ServiceID.WPT,), (ServiceID.WPT,)),
        (
            "pantograph",
            'inlet = "pantograph"',
            (ServiceID.DC_ACDP, ServiceID.DC_ACDP_BPT),
            (ServiceID.DC_ACDP,),
        ),
    ],
)
def test_what_is_not_written_fits(
    tmp_path: Path,
    preset: str,
    vehicle: str,
    offered: tuple[ServiceID, ...],
    wanted: tuple[ServiceID, ...],
) -> None:
    secc = load_secc(written(tmp_path, "secc", f'[station]\npreset = "{preset}"'))
    evcc = load_evcc(written(tmp_path, "evcc", f"[vehicle]\n{vehicle}"))
    assert secc.session.services == offered
    assert evcc.session.services == wanted
    there, _ = station_of(secc.station)
    here, _ = vehicle_of(evcc)
    assert (there.pad_limits is None) == (here.receiver_limits is None) == (preset == "pantograph")


def test_a_bus_may_want_the_service_in_both_directions(tmp_path: Path) -> None:
    text = '[vehicle]\ninlet = "pantograph"\n[session]\nservices = ["dc-acdp-bpt", "dc-acdp"]'
    evcc = load_evcc(written(tmp_path, "evcc", text))
    assert evcc.session.services == (ServiceID.DC_ACDP_BPT, ServiceID.DC_ACDP)


PLUG = '[link]\nbackend = "slac"\nsignalling = "simulated"\n'


@pytest.mark.parametrize(
    ("role", "text", "key"),
    [
        ("secc", '[station]\npreset = "pantograph"\n[session]\nservices = ["dc"]', "session.services"),
        ("secc", '[station]\npreset = "wpt-11"\n[session]\nservices = ["dc-acdp"]', "session.services"),
        ("secc", '[session]\nservices = ["wpt"]', "session.services"),
        (
            "secc",
            '[station]\npreset = "wpt-11"\n[session]\neditions = ["iso20", "iso2"]',
            "session.editions",
        ),
        ("secc", f'{PLUG}[station]\npreset = "pantograph"', "link.backend"),
        ("secc", '[station]\npreset = "wpt-11"\npad_code = 0', "station.pad_code"),
        ("secc", '[station]\npreset = "wpt-11"\ngrid_code = "european"', "station.grid_code"),
        ("evcc", '[vehicle]\nreceiver = "wpt-11"\n[session]\nservices = ["dc"]', "session.services"),
        ("evcc", '[session]\nservices = ["wpt"]', "session.services"),
        ("evcc", '[session]\nservices = ["dc-acdp"]', "session.services"),
        ("evcc", '[vehicle]\ninlet = "pantograph"\nreceiver = "wpt-11"', "vehicle.inlet"),
        ("evcc", '[vehicle]\ncharger = "ac-11"\nreceiver = "wpt-11"', "vehicle.receiver"),
        ("evcc", f'{PLUG}[vehicle]\nreceiver = "wpt-11"', "link.backend"),
        ("evcc", '[vehicle]\ninlet = "pantograph"\n[session]\neditions = ["din"]', "session.editions"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(tmp_path: Path, role: str, text: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, role, text), role)
    assert key in [one.key for one in caught.value.each]
