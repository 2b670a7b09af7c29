"""Configuration files: shown with every default, described by a schema, and refused by
name when they are wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from iso15118.errors import ConfigError
from iso15118.link.slac.settings import KeyAcceptance
from iso15118.session.supervision import Reaction, Rule
from iso15118.settings.roles import load, load_evcc, load_secc
from tests.cli.rig import iso15118

PLAIN = '[tls]\nmode = "plaintext"\n'


def write(folder: Path, text: str, name: str = "file.toml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('intface = "lo"', ["intface: there is no such key", "'interface'"]),
        ("port = 70000", ["port: 70000 is out of range", "0 to 65535"]),
        ('port = "61000"', ["port: '61000' is no whole number"]),
        ("port = true", ["port: True is no whole number"]),
        ("[session.timing]\nanser_time = 1", ["session.timing.anser_time", "'session.timing.answer_time'"]),
        (
            "[session.timing]\nanswer_time = -1",
            ["session.timing.answer_time: -1 is out of range", "0.001 to 86400", "seconds"],
        ),
        ("[session.timing]\nsdp_requests = 1.5", ["session.timing.sdp_requests: 1.5 is no whole number"]),
        ('[session]\nservices = "dc"', ["session.services: 'dc' is no list"]),
        ('[session]\nservices = ["dcc"]', ["session.services[0]: 'dcc'", "did you mean 'dc'?"]),
        ('[session]\nservices = ["mcs"]', ["session.services: MCS does not fit", "dc, dc-bpt"]),
        ("[session]\nallow_plaintext = true", ["session.allow_plaintext", "tls.mode"]),
        ('[session]\nevse_id = ""', ["session.evse_id: 0 characters"]),
        ("[session]\nconnector = 9", ["session.connector: 9 is out of range", "1 to 7"]),
        ("[session]\nconnector = 7", ["session.connector: 7 does not exist for DC", "1 to 4"]),
        ("[station]\ncable_check = 3", ["station.cable_check", "'station.cable_check_s'"]),
        ('[station]\ncable_check_s = "3 s"', ["station.cable_check_s: '3 s' is no number", "in seconds"]),
        ("[station]\ninsulation_ohm = inf", ["station.insulation_ohm: inf is no number", "in ohm"]),
        ("[station]\nbidirectional = 1", ["station.bidirectional: 1 is neither true nor false"]),
        ('[station]\npreset = "mcs_max"', ["station.preset: 'mcs_max'", "did you mean 'mcs-max'?"]),
        ("station = 3", ["station: 3 is no table"]),
        ('session = "x"', ["session: 'x' is no table"]),
        ('[tls]\nmode = "off"', ["tls.mode: 'off'", "tls, plaintext"]),
        (
            '[tls]\nmode = "plaintext"\nrefuse = ["validity-nested"]',
            ["tls.refuse: 'validity-nested'", "'validity-not-nested'"],
        ),
        ('[status]\nresponder = "ocsp.example"', ["status.responder: 'ocsp.example'", "http://..."]),
        ('[status]\nlists = ["ftp://a"]', ["status.lists: 'ftp://a'", "http://..."]),
        ("[tls]\n", ["tls.pki: is missing", "iso15118 pki init"]),
        ('[link]\nbackend = "slack"', ["link.backend: 'slack'", "did you mean 'slac'?"]),
        ('[link]\nbackend = "slac"', ["link.signalling", "begins with the basic signalling", "simulated"]),
        ("[link.slac]\ndirect_limit = -1", ["link.slac.direct_limit: -1 is out of range", "0 to 200, in dB"]),
        ("[link.slac]\ndirect_limt = 1", ["link.slac.direct_limt", "'link.slac.direct_limit'"]),
        ('[link.slac]\nkey_acceptance = "any"', ["link.slac.key_acceptance: 'any'", "modem-compat, hpgp"]),
        ('[link.slac]\nmodem = "00:b0:52"', ["link.slac.modem: this is no MAC address"]),
        ('[link.slac]\nmodem = "modem"', ["link.slac.modem: 'modem' is not hexadecimal"]),
        ("[link.slac_timing]\ntt_match_join = 0", ["link.slac_timing.tt_match_join: 0 is out of range"]),
        ('[link.slac_timing]\ntt_match_join = "12 s"', ["no number", "in seconds"]),
        ("[link.spe]\nc_conn_retry = 9", ["link.spe.c_conn_retry: 9 is out of range"]),
        ("[link.plca]\nnode_id = 300", ["link.plca.node_id: 300 is out of range", "0 to 254"]),
        ("[link.connection]\nrestarts = 21", ["link.connection.restarts: 21 is out of range"]),
        ("[link.connection]\nclose_s = 0", ["link.connection.close_s: 0 is out of range"]),
        (
            '[link]\nbackend = "slac"\nsignalling = "simulated"\n[station]\npreset = "mcs-max"',
            ["link.backend: there is no SLAC on MCS", "'spe'"],
        ),
        ("interface = ", ["is no TOML"]),
        ("port = 1\nport = 2", ["is no TOML"]),
    ],
)
def test_a_wrong_station_file_is_refused_by_key(tmp_path: Path, text: str, said: list[str]) -> None:
    file = write(tmp_path, text)
    for command in (("config", "validate", "--role", "secc", file), ("secc", "-c", file)):
        refusal = iso15118(*command).refusal
        for words in said:
            assert words in refusal


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[vehicle]\nbattery_mwh = 0.5", ["vehicle.battery_mwh", "'vehicle.battery_kwh'"]),
        ('[vehicle]\nbattery_kwh = "540 kWh"', ["vehicle.battery_kwh: '540 kWh' is no number", "in kWh"]),
        ("[vehicle]\nsoc = -1", ["vehicle.soc: -1 is out of range", "percent"]),
        (PLAIN + "[vehicle]\nsoc = 90", ["vehicle.soc: 90 is not below session.target_soc = 80"]),
        (PLAIN + "[vehicle]\nfull_v = 700", ["vehicle.full_v: 700 is not above empty_v = 720"]),
        ("[vehicle]\npower_kw = nan", ["vehicle.power_kw: nan is no number"]),
        ('[session]\ncontrol_mode = "dynamc"', ["session.control_mode: 'dynamc'", "did you mean 'dynamic'?"]),
        ("[session]\nminimum_soc = 90", ["session.minimum_soc: 90 is above target_soc"]),
        ("[session]\nloop_interval_s = 1", ["session.loop_interval_s: 1.0 would end every session"]),
        ("[station]", ["station: there is no such key"]),
        (
            '[link]\nbackend = "slac"\nsignalling = "simulated"\n[session]\nservices = ["mcs"]',
            ["link.backend: there is no SLAC on MCS, which session.services asks for"],
        ),
    ],
)
def test_a_wrong_vehicle_file_is_refused_by_key(tmp_path: Path, text: str, said: list[str]) -> None:
    file = write(tmp_path, text)
    for command in (("config", "validate", "--role", "evcc", file), ("evcc", "-c", file)):
        refusal = iso15118(*command).refusal
        for words in said:
            assert words in refusal


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    for command in (("config", "validate"), ("secc", "-c"), ("evcc", "-c")):
        assert "nowhere_secc.toml" in iso15118(*command, str(tmp_path / "nowhere_secc.toml")).refusal


@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_the_defaults_are_shown_as_a_file_that_says_the_same(tmp_path: Path, role: str) -> None:
    shown = iso15118("config", "show", "--role", role).out
    assert tomllib.loads(shown)["interface"] == "lo"
    plain = shown.replace('mode = "tls"', 'mode = "plaintext"')
    file = write(tmp_path, plain)
    assert iso15118("config", "show", file).out == plain
    assert iso15118("config", "validate", "--json", file).data == {"file": file, "role": role, "valid": True}


@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_what_stands_above_a_table_are_whole_sentences(role: str) -> None:
    lines = iso15118("config", "show", "--role", role).out.splitlines()
    above = {line: lines[place - 1] for place, line in enumerate(lines) if line.startswith("[")}
    assert len(above) > 10
    cut = {table: said for table, said in above.items() if not (said.startswith("# ") and said.endswith("."))}
    assert cut == {}
    text = " ".join(line.removeprefix("# ") for line in lines)
    assert "a rule is switched off by its name in ``off``. [supervision]" in text
    assert "for both roles. [link.connection]" in text
    assert "ConfigError" not in text
    assert "# The same for " not in "".join(above.values()), "the same as what?"


def test_every_number_says_its_unit_and_every_key_its_meaning(tmp_path: Path) -> None:
    for role, schema in iso15118("config", "schema").data.items():
        for key, one in _keys(role, schema):
            assert one.get("description"), key
            unitless = (
                "port",
                "pad_code",
                "sdp_port",
                "sdp_requests",
                "connector",
                "meter_info_every",
                "authorization_attempts",
                "contract_attempts",
                "maximum_contracts",
                "taper_floor",
                "time_scale",
                "restarts",
                "set_key_retries",
                "link_poll_losses",
                "node_id",
                "node_count",
                "burst_count",
                "limits_ignored_loops",
                "maximum_schedule_entries",
                "three_phase_connector",
                "attempts",
                "metering_attempts",
                "reserve",
                "maximum_points",
            )
            name = key.rpartition(".")[2]
            counts = (
                name in unitless
                or name.startswith(("c_", "most_"))
                or name.endswith(("_factor", "_share", "_loops"))
            )
            if one.get("type") in ("number", "integer") and not counts:
                assert one.get("unit"), key


@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_the_supervision_has_a_table_of_its_own(role: str, tmp_path: Path) -> None:
    file = tmp_path / f"{role}.toml"
    file.write_text(
        'tls.mode = "plaintext"\n[supervision]\nstale_s = 2.5\noff = ["over-power"]\nstale_reaction = "stop"\n'
    )
    read = load(file, role).session.supervision
    assert (read.stale_s, read.off, read.stale_reaction) == (2.5, (Rule.OVER_POWER,), Reaction.STOP)
    for wrong, key in (
        ("[supervision]\nstale_s = -1.0\n", "supervision.stale_s"),
        ('[supervision]\noff = ["x"]\n', "supervision.off"),
        ("[session.supervision]\nstale_s = 1.0\n", "session.supervision"),
        ("[supervision]\nstale = 1.0\n", "supervision.stale"),
    ):
        file.write_text('tls.mode = "plaintext"\n' + wrong)
        with pytest.raises(ConfigError, match=key):
            load(file, role)


def _keys(where: str, schema: dict[str, object]) -> list[tuple[str, dict[str, object]]]:
    found: list[tuple[str, dict[str, object]]] = []
    properties = schema["properties"]
    assert isinstance(properties, dict)
    for name, one in properties.items():
        found += _keys(f"{where}.{name}", one) if one.get("type") == "object" else [(f"{where}.{name}", one)]
    return found


def test_whose_file_it_is_shows_in_its_tables_or_its_name(tmp_path: Path) -> None:
    assert iso15118("config", "validate", write(tmp_path, PLAIN + "[vehicle]\n")).status == 0
    assert iso15118("config", "validate", write(tmp_path, PLAIN, "secc.toml")).status == 0
    assert "--role" in iso15118("config", "validate", write(tmp_path, PLAIN)).refusal


def test_services_follow_the_connector_unless_they_are_said(tmp_path: Path) -> None:
    mcs = load_secc(Path(write(tmp_path, PLAIN + '[station]\npreset = "mcs-max"')))
    assert [service.name for service in mcs.session.services] == ["MCS", "MCS_BPT"]
    one = load_secc(Path(write(tmp_path, PLAIN + '[session]\nservices = ["dc-bpt"]')))
    assert [service.name for service in one.session.services] == ["DC_BPT"]


def test_the_link_of_a_file_has_every_timer_and_threshold(tmp_path: Path) -> None:
    text = PLAIN + (
        '[link]\nbackend = "slac"\nsignalling = "simulated"\ninterface = "eth9"\n'
        '[link.slac]\nkey_acceptance = "either"\nmodem = "00:B0:52:00:00:02"\ndirect_limit = 20\n'
        "[link.slac_timing]\ntt_match_join = 9.5\n[link.plca]\nnode_id = 3\n"
    )
    link = load_secc(Path(write(tmp_path, text))).link
    assert (link.backend, link.interface, link.plugged) == ("slac", "eth9", True)
    assert link.slac.key_acceptance is KeyAcceptance.EITHER
    assert (link.slac.modem.hex(), link.slac.direct_limit) == ("00b052000002", 20.0)
    assert (link.slac_timing.tt_match_join, link.plca.node_id) == (9.5, 3)
    assert not load_evcc(Path(write(tmp_path, PLAIN))).link.plugged


def test_plaintext_is_allowed_only_where_it_is_asked_for(tmp_path: Path) -> None:
    plain = load_evcc(Path(write(tmp_path, PLAIN)))
    assert plain.session.allow_plaintext
    secured = load_evcc(Path(write(tmp_path, '[tls]\npki = "keys"')))
    assert not secured.session.allow_plaintext
    assert secured.tls.pki == tmp_path / "keys"
