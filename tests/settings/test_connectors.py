"""Files with several connectors: what is common, what is of one, and what cannot be together."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from iso15118.errors import ConfigError
from iso15118.session.services import ServiceID
from iso15118.settings.connectors import load_connectors
from iso15118.settings.roles import load_evcc, load_secc
from tests.cli.rig import iso15118

COMMON = """
strictness = "conformance"
[tls]
mode = "plaintext"
[session]
stop_delay_s = 7.0
[session.timing]
answer_time = 0.2
[station]
preset = "mcs-gen1"
authorization_s = 3.0
"""
TWO = (
    COMMON
    + """
[[connector]]
name = "left"
interface = "eth1"
[[connector]]
name = "right"
interface = "eth2"
[connector.session.timing]
answer_time = 0.1
[connector.session.iso2]
plausibility = "note"
[connector.station]
preset = "ccs2"
"""
)


def written(folder: Path, text: str) -> Path:
    path = folder / "secc.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_common_tables_hold_for_each_connector_that_does_not_say_otherwise(tmp_path: Path) -> None:
    left, right = load_connectors(written(tmp_path, TWO))
    assert (left.name, right.name) == ("left", "right")
    for one in (left.settings, right.settings):
        assert one.tls.mode == "plaintext"
        assert one.session.stop_delay_s == 7.0
        assert one.station.authorization_s == 3.0
        assert one.session.din.plausibility == "strict"
    assert (left.settings.interface, right.settings.interface) == ("eth1", "eth2")
    assert left.settings.session.services == (ServiceID.MCS, ServiceID.MCS_BPT)
    assert right.settings.session.services == (ServiceID.DC, ServiceID.DC_BPT)
    assert left.settings.session.timing.answer_time == 0.2
    assert right.settings.session.timing.answer_time == 0.1
    assert left.settings.session.iso2.plausibility == "strict"
    assert right.settings.session.iso2.plausibility == "note"


def test_a_file_without_such_tables_is_one_connector_as_ever(tmp_path: Path) -> None:
    path = written(tmp_path, COMMON)
    (one,) = load_connectors(path)
    assert one.name == ""
    assert one.settings == load_secc(path)


def test_connectors_without_names_are_numbered(tmp_path: Path) -> None:
    text = COMMON + '[[connector]]\ninterface = "a"\n[[connector]]\ninterface = "b"\n'
    assert [one.name for one in load_connectors(written(tmp_path, text))] == ["1", "2"]


def test_who_asks_for_the_one_connector_of_several_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="several connectors"):
        load_secc(written(tmp_path, TWO))


def test_certificates_of_a_connector_take_the_place_of_the_common_ones_as_a_whole(tmp_path: Path) -> None:
    text = """
[tls]
pki = "pki"
revocation = "none"
[[connector]]
interface = "a"
[[connector]]
interface = "b"
[connector.tls]
certificate = "b.pem"
key = "b.key"
anchors = ["oem.pem"]
"""
    one, other = (one.settings.tls for one in load_connectors(written(tmp_path, text)))
    assert (one.pki, one.certificate) == (tmp_path / "pki", None)
    assert (other.pki, other.certificate, other.anchors) == (
        None,
        tmp_path / "b.pem",
        (tmp_path / "oem.pem",),
    )
    assert other.revocation == "none"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[connector]]\n[[connector]]\n", ["connector[1].interface", "'1' is on 'lo' too", "sdp_port"]),
        ('[[connector]]\nname = "a"\n[[connector]]\nname = "a"\n', ["connector[1].name", "another"]),
        ('[[connector]]\nname = "a/b"\n', ["connector[0].name: 'a/b' is no name"]),
        ('[[connector]]\nname = ""\n', ["connector[0].name: '' is no name"]),
        ("[[connector]]\nname = 3\n", ["connector[0].name: 3 is no name"]),
        ("[connector]\nname = 'a'\n", ["connector: a table is no list of tables", "[[connector]]"]),
        (
            "[[connector]]\n[connector.station]\npreset = 'ccs3'\n",
            ["connector[0].station.preset: 'ccs3'", "'ccs2'"],
        ),
        (
            "[[connector]]\n[connector.station]\nprset = 'ccs2'\n",
            ["connector[0].station.prset", "no such key"],
        ),
        ("[[connector]]\n[[connector.connector]]\n", ["connector[0].connector: there is no such key"]),
        ("[sesion]\n[[connector]]\n", ["iso15118: sesion: there is no such key", "'session'"]),
        (
            "[station]\npreset = 'ccs3'\n[[connector]]\ninterface = 'a'\n[[connector]]\ninterface = 'b'\nport = 5\n"
            "[connector.session]\nstop_delay_s = -1\n",
            ["iso15118: station.preset: 'ccs3'", "connector[1].session.stop_delay_s"],
        ),
        (
            "[[connector]]\nport = 50000\nsdp_port = 20001\n[[connector]]\nport = 50000\n",
            ["connector[1].port", "'1' listens at TCP port 50000"],
        ),
        (
            "[session]\nevse_id = 'DE*ICE*E1'\n[[connector]]\ninterface = 'a'\n[[connector]]\ninterface = 'b'\n",
            ["connector[1].session.evse_id", "names one outlet"],
        ),
        (
            "[link]\nsignalling = 'simulated'\nbackend = 'slac'\ninterface = 'm'\n"
            "[[connector]]\ninterface = 'a'\n[[connector]]\ninterface = 'b'\n",
            ["connector[1].link.interface", "modem or transceiver on 'm' is of connector '1'"],
        ),
        (
            "[station]\npreset = 'mcs-gen1'\n[session]\nservices = ['mcs']\n[[connector]]\ninterface = 'a'\n"
            "[[connector]]\ninterface = 'b'\n[connector.station]\npreset = 'ccs2'\n",
            ["session.services: for connector '2': MCS does not fit", "dc, dc-bpt"],
        ),
        ("connector = []\n", ["connector: there are 0", "1 to 64"]),
        ("[[connector]]\n" * 65, ["connector: there are 65"]),
    ],
)
def test_what_is_wrong_is_refused_where_it_is_written(tmp_path: Path, text: str, said: list[str]) -> None:
    file = str(written(tmp_path, 'tls.mode = "plaintext"\n' + text))
    for command in (("config", "validate", file), ("secc", "-c", file)):
        refusal = iso15118(*command).refusal
        for words in said:
            assert words in refusal


def test_a_key_on_the_command_line_is_said_as_one_of_the_command_line(tmp_path: Path) -> None:
    path = str(written(tmp_path, TWO))
    refusal = iso15118("config", "validate", path, "--set", "session.stop_delay_s=-1").refusal
    assert "iso15118: session.stop_delay_s: -1 is out of range" in refusal
    assert "connector[" not in refusal
    refusal = iso15118("config", "validate", path, "--set", "sesion.x=1").refusal
    assert "iso15118: --set: sesion.x: there is no such key" in refusal


def test_a_connector_may_say_a_port_that_another_has_on_another_interface(tmp_path: Path) -> None:
    text = "tls.mode = 'plaintext'\nport = 50000\n[[connector]]\ninterface = 'a'\n[[connector]]\ninterface = 'b'\n"
    assert len(load_connectors(written(tmp_path, text))) == 2


def test_the_file_is_shown_with_every_key_of_every_connector_and_reads_back_as_the_same(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, TWO)
    shown = iso15118("config", "show", str(path)).out
    tables = tomllib.loads(shown)
    assert set(tables) == {"connector"}
    assert [one["name"] for one in tables["connector"]] == ["left", "right"]
    assert tables["connector"][1]["session"]["timing"]["answer_time"] == 0.1
    before = load_connectors(path)
    path.write_text(shown, encoding="utf-8")
    assert load_connectors(path) == before
    assert iso15118("config", "show", str(path)).out == shown


def test_the_check_names_the_connectors(tmp_path: Path) -> None:
    file = str(written(tmp_path, TWO))
    assert iso15118("config", "validate", "--json", file).data == {
        "file": file,
        "role": "secc",
        "valid": True,
        "connectors": ["left", "right"],
    }
    assert "connectors left, right" in iso15118("config", "validate", file).out


def test_the_schema_has_the_tables_with_all_that_one_connector_may_say(tmp_path: Path) -> None:
    schema = iso15118("config", "schema", "--role", "secc").data
    items = schema["properties"]["connector"]["items"]
    assert set(items["properties"]) == {"name"} | set(schema["properties"]) - {"connector"}
    assert items["additionalProperties"] is False


def test_a_scenario_drives_one_connector(tmp_path: Path) -> None:
    file = str(written(tmp_path, TWO))
    assert "drives one connector" in iso15118("secc", "-c", file, "--scenario", "x.toml").refusal


# -- couplers of MCS
# ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "connector"), [("chaoji", 2), ("ultra-chaoji-gen1", 3), ("ultra-chaoji", 3), ("mcs-max", None)]
)
def test_a_preset_brings_its_coupler(tmp_path: Path, preset: str, connector: int | None) -> None:
    settings = load_secc(written(tmp_path, f'tls.mode = "plaintext"\n[station]\npreset = "{preset}"\n'))
    assert settings.session.connector == connector
    assert settings.session.services == (ServiceID.MCS, ServiceID.MCS_BPT)


def test_an_inlet_brings_its_coupler(tmp_path: Path) -> None:
    path = written(tmp_path, 'tls.mode = "plaintext"\n[vehicle]\ninlet = "chaoji"\nfull_v = 1400\n')
    session = load_evcc(path).session
    assert (session.services, session.connectors) == ((ServiceID.MCS,), (2,))


@pytest.mark.parametrize(
    ("role", "text", "said"),
    [
        (
            "secc",
            '[station]\npreset = "chaoji"\n[session]\nconnector = 1',
            ["session.connector: 1 is not", "2"],
        ),
        ("secc", '[station]\npreset = "mcs-max"\n[session]\nconnector = 2', ["is the coupler chaoji"]),
        ("secc", '[station]\npreset = "chaoji"\n[session]\nservices = ["dc"]', ["does not fit", "mcs"]),
        ("evcc", '[vehicle]\ninlet = "chaoji"\n[session]\nconnectors = [1]', ["session.connectors", "[2]"]),
        ("evcc", '[vehicle]\ninlet = "mcs"\n[session]\nservices = ["dc"]', ["DC does not fit vehicle.inlet"]),
        ("evcc", '[vehicle]\ninlet = "mcs"\nfull_v = 1300', ["vehicle.full_v: 1300", "1250"]),
        ("evcc", '[vehicle]\ninlet = "chaogi"', ["did you mean 'chaoji'?"]),
        ("evcc", "[vehicle]\ninlet = 3", ["vehicle.inlet: 3 is no text"]),
        ("evcc", "[session]\nconnectors = [0]", ["session.connectors[0]: 0 is out of range"]),
    ],
)
def test_a_coupler_that_does_not_fit_is_refused(
    tmp_path: Path, role: str, text: str, said: list[str]
) -> None:
    path = written(tmp_path, 'tls.mode = "plaintext"\n' + text)
    refusal = iso15118("config", "validate", "--role", role, str(path)).refusal
    for words in said:
        assert words in refusal
