"""Alternating current by the files of ``secc`` and ``evcc``: outlets and on-board chargers by name, in both
editions that have it, and what the files refuse."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.session.services import ServiceID
from iso15118.settings.hardware import station_of, vehicle_of
from iso15118.settings.roles import load, load_evcc, load_secc
from tests.cli.rig import iso15118
from tests.cli.test_two_processes import drive, finish, station

SDP_PORT = 14_000 + os.getpid() % 1_000
FAST = "time_scale = 60\n"


def written(folder: Path, role: str, text: str) -> Path:
    path = folder / f"{role}.toml"
    path.write_text(f'sdp_port = {SDP_PORT}\n{text}\n[tls]\nmode = "plaintext"\n')
    return path


@pytest.mark.parametrize("edition", ["iso20", "iso2"])
@pytest.mark.parametrize(
    ("outlet", "charger", "kilowatts"), [("ac-11", "ac-22", 11.04), ("ac-22", "ac-7-single", 7.36)]
)
def test_two_processes(tmp_path: Path, edition: str, outlet: str, charger: str, kilowatts: float) -> None:
    session = f'[session]\neditions = ["{edition}"]\n'
    secc_file = written(tmp_path, "secc", f'{session}[station]\npreset = "{outlet}"\n{FAST}')
    hardware = f'[vehicle]\ncharger = "{charger}"\nsoc = 79\n{FAST}'
    with station(secc_file, "--sessions", "1") as secc:
        status, (car,), said = drive(written(tmp_path, "evcc", f"{session}{hardware}"))
        assert status == 0, said
        status, (outlet_seen,), _ = finish(secc)
    assert status == 0
    assert car["edition"] == outlet_seen["edition"] == edition
    assert car["soc_end"] == pytest.approx(80.0, abs=0.2)
    assert car["energy_charged_kwh"] == pytest.approx(0.4, abs=0.1), "1 % of 40 kWh"
    assert car["peak_power_kw"] == pytest.approx(kilowatts, rel=0.01)
    assert outlet_seen["safe"]


@pytest.mark.parametrize("preset", ["ac-11", "ac-22", "ac-7-single"])
def test_what_is_not_written_fits(tmp_path: Path, preset: str) -> None:
    secc = load_secc(written(tmp_path, "secc", f'[station]\npreset = "{preset}"'))
    assert secc.session.services == (ServiceID.AC, ServiceID.AC_BPT)
    there, _ = station_of(secc.station)
    assert there.ac_capabilities is not None
    evcc = load_evcc(written(tmp_path, "evcc", f'[vehicle]\ncharger = "{preset}"'))
    assert evcc.session.services == (ServiceID.AC,)
    assert (evcc.vehicle.battery_kwh, evcc.vehicle.full_v) == (40.0, 420.0)
    car, _ = vehicle_of(evcc)
    assert car.charger_limits is not None
    assert sum(car.charger_limits.maximum_charge_power_w) == sum(there.ac_capabilities.maximum_charge_power_w)


def test_what_is_written_holds(tmp_path: Path) -> None:
    text = '[vehicle]\ncharger = "ac-11"\nbattery_kwh = 77\n[session]\nservices = ["ac-bpt"]'
    evcc = load_evcc(written(tmp_path, "evcc", text))
    assert (evcc.vehicle.battery_kwh, evcc.vehicle.empty_v) == (77.0, 330.0)
    assert evcc.session.services == (ServiceID.AC_BPT,)


def test_an_outlet_that_takes_nothing_back(tmp_path: Path) -> None:
    secc = load_secc(written(tmp_path, "secc", '[station]\npreset = "ac-11"\nbidirectional = false'))
    there, _ = station_of(secc.station)
    assert there.ac_capabilities is not None
    assert not there.ac_capabilities.bidirectional


BASIC = '[link]\nsignalling = "simulated"\n[link.connection.basic]\nmode = "fallback"\n'


@pytest.mark.parametrize(
    ("role", "text", "key"),
    [
        ("secc", '[station]\npreset = "ac-11"\n[session]\nservices = ["dc"]', "session.services"),
        ("secc", '[station]\npreset = "ac-11"\n[session]\neditions = ["din"]', "station.preset"),
        (
            "secc",
            '[station]\npreset = "ac-11"\n[link]\nbackend = "spe"\nsignalling = "simulated"',
            "link.backend",
        ),
        ("secc", BASIC, "link.connection.basic.mode"),
        (
            "secc",
            '[station]\npreset = "ac-11"\n[link.connection.basic]\nmode = "only"',
            "link.connection.basic.mode",
        ),
        ("secc", '[station]\npreset = "ac-12"', "station.preset"),
        ("evcc", '[vehicle]\ncharger = "ac-11"\n[session]\nservices = ["dc"]', "session.services"),
        ("evcc", '[session]\nservices = ["ac"]', "session.services"),
        ("evcc", '[vehicle]\ncharger = "ac-11"\n[session]\neditions = ["din"]', "vehicle.charger"),
        ("evcc", BASIC, "link.connection.basic.mode"),
        (
            "secc",
            '[station]\npreset = "ac-11"\n[link.connection.basic]\ngive_up_s = 0',
            "link.connection.basic.give_up_s",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path: Path, role: str, text: str, key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path, role, text), role)
    assert refused.value.key == key


def test_basic_charging_stands_in_the_files(tmp_path: Path) -> None:
    path = written(tmp_path, "secc", f'[station]\npreset = "ac-22"\n{BASIC}give_up_s = 8\n')
    settings = load_secc(path)
    assert settings.link.connection.basic.give_up_s == 8.0
    assert iso15118("config", "validate", str(path)).status == 0
    shown = iso15118("config", "show", "--role", "secc").out
    assert "[link.connection.basic]" in shown
    assert "autocharge" in shown
    schema: Any = iso15118("config", "schema", "--role", "secc").out
    assert "ac-7-single" in schema
