"""Scenario files: what they may say, and how what they may not say is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from iso15118.errors import ConfigError
from iso15118.scenario import read
from tests.cli.rig import iso15118

GOOD = """
[scenario]
name = "the driver comes back early"
requirements = ["V2G20-1643"]

[session]
battery_kwh = 50
soc_target = 40

[[step]]
side = "evcc"
do = "stop"
when = { loops = 20 }
until = { ended = true }

[expect]
evcc = ["STOPPED_BY_EV"]
"""


def written(folder: Path, text: str, name: str = "one.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_file_is_run_and_judged(tmp_path: Path) -> None:
    printed = iso15118("scenario", "run", str(written(tmp_path, GOOD)), "--json")
    assert printed.status == 0, printed.err
    assert printed.data["verdict"] == "pass"
    assert printed.data["requirements"] == ["V2G20-1643"]
    assert printed.data["ends"]["evcc"]["reason"] == "STOPPED_BY_EV"


def test_several_files_have_the_status_of_the_worst(tmp_path: Path) -> None:
    good = written(tmp_path, GOOD)
    bad = written(tmp_path, GOOD.replace('["STOPPED_BY_EV"]', '["TIMEOUT"]'), "two.toml")
    printed = iso15118("scenario", "run", str(good), str(bad))
    assert printed.status == 1
    assert [line.split(":")[0] for line in printed.out.splitlines() if not line.startswith(" ")] == [
        "pass",
        "fail",
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('do = "stop"', 'do = "stopp"', "step[0].do: 'stopp' is not one of its values"),
        ('do = "stop"', 'do = "stop"\npower_kw = 5', "step[0].power_kw: means nothing with do = 'stop'"),
        ('do = "stop"', 'do = "wire"', "step[0].wire: is missing"),
        ('do = "stop"', 'do = "set-point"', "step[0].side: 'set-point' cannot be done to evcc"),
        ('do = "stop"', 'do = "limits"', "step[0]: do = 'limits' says nothing"),
        ("loops = 20", "loopz = 20", "step[0].when.loopz: there is no such key"),
        ("loops = 20", 'message = "DCChargeLopReq"', "step[0].when.message: 'DCChargeLopReq'"),
        ("loops = 20", 'state = "DC_ChargeLop"', "step[0].when.state: 'DC_ChargeLop'"),
        ("loops = 20", "nth = 3", "step[0].when.nth: counts messages"),
        ("soc_target = 40", "soc_target = 10", "session.soc_target: 10 is not above"),
        ('["STOPPED_BY_EV"]', '["STOPPED"]', "expect.evcc: 'STOPPED'"),
        ("[expect]", "[expected]", "table: 'expected'"),
        ('side = "evcc"', 'side = "ev"', "step[0].side: 'ev'"),
    ],
)
def test_what_is_wrong_is_said_by_its_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ConfigError):
        read(path)
    assert said in iso15118("scenario", "run", str(path)).refusal


@pytest.mark.parametrize("transport", ["memory", "tcp"])
@pytest.mark.parametrize(
    ("step", "end"),
    [
        ('side = "evcc"\ndo = "stop"\nwhen = { loops = 20 }', "STOPPED_BY_EV"),
        ('side = "secc"\ndo = "stop"\nwhen = { loops = 20 }', "STOPPED_BY_STATION"),
        ('side = "secc"\ndo = "cut"\ncut = "reset"\nwhen = { loops = 20 }', "PEER_VANISHED"),
    ],
)
def test_a_recording_becomes_a_scenario_that_ends_as_it_did(
    tmp_path: Path, step: str, end: str, transport: str
) -> None:
    text = f"[session]\nbattery_kwh = 50\n[[step]]\n{step}\n"
    first = iso15118(
        "scenario",
        "run",
        str(written(tmp_path, text)),
        "--transport",
        transport,
        "--out",
        str(tmp_path / "out"),
        "--json",
    )
    assert first.data["ends"]["evcc"]["reason"] == end, first
    made = tmp_path / "made.toml"
    capture = tmp_path / "out" / "session.pcapng"
    assert iso15118("scenario", "from-capture", str(capture), "--out", str(made)).status == 0
    again = iso15118("scenario", "run", str(made), "--json")
    assert again.data["verdict"] == "pass", (made.read_text(), json.dumps(again.data["reasons"]))
    assert again.data["ends"]["evcc"]["reason"] == end


def test_a_capture_without_a_session_makes_none(tmp_path: Path) -> None:
    path = written(tmp_path, "no capture at all", "no.pcap")
    assert "is no capture" in iso15118("scenario", "from-capture", str(path)).refusal
