"""Files with several inlets: what is common, what is of one, and what cannot be together."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from iso15118.errors import ConfigError
from iso15118.session.services import ServiceID
from iso15118.settings.inlets import load_inlets
from iso15118.settings.roles import load_evcc
from tests.cli.rig import iso15118

COMMON = """
[tls]
mode = "plaintext"
[session]
target_soc = 70
[vehicle]
battery_kwh = 300
soc = 30
"""
CARRIES = "maximum_current_a = 500\nmaximum_power_kw = 400\n"
TWO = f"""{COMMON}
[inlets]
fresh_s = 0.5
[[inlet]]
name = "mcs"
interface = "eth1"
maximum_current_a = 1500
maximum_power_kw = 1250
[inlet.vehicle]
inlet = "mcs"
[[inlet]]
name = "ccs2"
interface = "eth2"
{CARRIES}[inlet.session]
services = ["dc"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "evcc.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_common_tables_hold_for_each_inlet_that_does_not_say_otherwise(tmp_path: Path) -> None:
    vehicle = load_inlets(written(tmp_path, TWO))
    mcs, ccs2 = vehicle.inlets
    assert vehicle.several
    assert (vehicle.together.several, vehicle.together.fresh_s) == (False, 0.5)
    assert (mcs.name, ccs2.name) == ("mcs", "ccs2")
    assert (mcs.settings.interface, ccs2.settings.interface) == ("eth1", "eth2")
    assert mcs.settings.session.services == (ServiceID.MCS,)
    assert ccs2.settings.session.services == (ServiceID.DC,)
    for one in (mcs, ccs2):
        assert (one.settings.session.target_soc, one.settings.vehicle.battery_kwh) == (70, 300.0)
    assert (mcs.inlet().name, mcs.inlet().maximum_power_w, mcs.inlet().maximum_current_a) == (
        "mcs",
        1_250_000.0,
        1500.0,
    )


def test_a_file_without_such_tables_is_one_inlet_as_ever(tmp_path: Path) -> None:
    path = written(tmp_path, COMMON)
    vehicle = load_inlets(path)
    (one,) = vehicle.inlets
    assert (vehicle.several, one.name, one.carries) == (False, "", None)
    assert one.settings == load_evcc(path)
    with pytest.raises(ConfigError, match="one inlet alone"):
        one.inlet()


def test_who_asks_for_the_one_inlet_of_several_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="several inlets"):
        load_evcc(written(tmp_path, TWO))


def test_what_is_of_an_inlet_may_be_another_one_at_another(tmp_path: Path) -> None:
    text = TWO.replace('services = ["dc"]', 'services = ["dc"]\n[inlet.vehicle]\nvalue_added = ["internet"]')
    mcs, ccs2 = load_inlets(written(tmp_path, text)).inlets
    assert (mcs.settings.vehicle.value_added, ccs2.settings.vehicle.value_added) == ((), ("internet",))


BOTH = f"[[inlet]]\ninterface = 'a'\n{CARRIES}[[inlet]]\ninterface = 'b'\n{CARRIES}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[inlet]]\n", ["inlet[0].maximum_current_a: is missing", "inlet[0].maximum_power_kw: is missing"]),
        (
            "[[inlet]]\nmaximum_current_a = 5000\nmaximum_power_kw = 1\n",
            ["inlet[0].maximum_current_a: 5000 is out of range", "3000"],
        ),
        (f"[[inlet]]\n{CARRIES}[[inlet]]\n{CARRIES}", ["inlet[1].interface", "'1' is on 'lo' too", "sdp_port"]),
        (f"[[inlet]]\nname = 'a'\n{CARRIES}[[inlet]]\nname = 'a'\n{CARRIES}", ["inlet[1].name", "another"]),
        ("inlets.several = true\n", ["inlets: there are no tables [[inlet]]"]),
        (f"inlets.sevral = true\n{BOTH}", ["inlets.sevral: there is no such key", "several"]),
        (f"inlets = 3\n{BOTH}", ["inlets: is no table"]),
        ("inlet = 3\n", ["inlet: 3 is no list of tables", "[[inlet]]"]),
        (
            f"{BOTH}vehicle.battery_kwh = 200\nvehicle.soc = 10\n",
            ["inlet[1].vehicle.battery_kwh: 200.0 here and 540.0 at inlet '1'", "battery_kwh in [vehicle]"],
        ),
        (f"{BOTH}session.target_soc = 90\n", ["inlet[1].session.target_soc: 90 here and 80"]),
        (f"[vehicle]\ncharger = 'ac-11'\n{BOTH}", ["vehicle.charger: an on-board charger has no contactors"]),
        (f"[vehicle]\nreceiver = 'wpt-11'\n{BOTH}", ["vehicle.receiver: a coil for a pad has no contactors"]),
        (f"{BOTH}session.servces = ['dc']\n", ["inlet[1].session.servces: there is no such key", "services"]),
        (
            f"[vehicle]\nsoc = 90\n{BOTH}port = 3\n",
            ["iso15118: vehicle.soc: for inlet '1': 90 is not below", "iso15118: inlet[1].port: there is no such key"],
        ),
        (
            f"[link]\nsignalling = 'simulated'\nbackend = 'slac'\ninterface = 'm'\n{BOTH}",
            ["inlet[1].link.interface", "modem or transceiver on 'm' is of inlet '1'"],
        ),
        (f"[[inlet]]\n{CARRIES}" * 9, ["inlet: there are 9", "1 to 8"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_where_it_is_written(tmp_path: Path, text: str, said: list[str]) -> None:
    file = str(written(tmp_path, 'tls.mode = "plaintext"\n' + text))
    for command in (("config", "validate", file), ("evcc", "-c", file)):
        refusal = iso15118(*command).refusal
        for words in said:
            assert words in refusal


def test_the_file_is_shown_with_every_key_of_every_inlet_and_reads_back_as_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, TWO)
    shown = iso15118("config", "show", str(path)).out
    tables = tomllib.loads(shown)
    assert set(tables) == {"inlet", "inlets"}
    assert iso15118("config", "show", str(path), "--json").data == tables
    assert [one["name"] for one in tables["inlet"]] == ["mcs", "ccs2"]
    before = load_inlets(path)
    path.write_text(shown, encoding="utf-8")
    assert load_inlets(path) == before
    assert iso15118("config", "show", str(path)).out == shown


def test_the_check_names_the_inlets(tmp_path: Path) -> None:
    file = str(written(tmp_path, TWO))
    checked = iso15118("config", "validate", "--json", file).data
    assert (checked["role"], checked["inlets"]) == ("evcc", ["mcs", "ccs2"])
    assert "inlets mcs, ccs2" in iso15118("config", "validate", file).out


def test_the_schema_has_the_tables_with_all_that_one_inlet_may_say(tmp_path: Path) -> None:
    schema = iso15118("config", "schema", "--role", "evcc").data["properties"]
    items = schema["inlet"]["items"]
    assert set(items["properties"]) == (
        {"name", "maximum_current_a", "maximum_power_kw"} | set(schema) - {"inlet", "inlets"}
    )
    assert items["required"] == ["maximum_current_a", "maximum_power_kw"]
    assert items["additionalProperties"] is False
    assert set(schema["inlets"]["properties"]) == {"several", "fresh_s"}
