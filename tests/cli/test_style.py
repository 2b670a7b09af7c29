"""All commands in one style: their help, their errors in words and as JSON, variables for their
options, and what --quiet leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from iso15118.cli.ending import ExitStatus
from iso15118.cli.shell import COMMANDS, app
from tests.cli.rig import iso15118

DOCS = Path(__file__).parents[2] / "docs" / "command-line.md"


def leaves() -> Iterator[tuple[tuple[str, ...], Any]]:
    group: Any = typer.main.get_command(app)
    context = type("Context", (), {"resilient_parsing": False})()
    for name in COMMANDS:
        yield from below((name,), group.get_command(context, name))


def below(path: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    inside = getattr(command, "commands", None)
    if inside is None:
        yield path, command
    for name, one in (inside or {}).items():
        yield from below((*path, name), one)


LEAVES = list(leaves())
each = pytest.mark.parametrize(("path", "command"), LEAVES, ids=[" ".join(path) for path, _ in LEAVES])


def test_there_are_commands_to_look_at() -> None:
    assert len(LEAVES) > 25


@each
def test_every_help_has_the_same_parts(path: tuple[str, ...], command: Any) -> None:
    printed = iso15118(*path, "-h")
    assert printed.status == 0
    assert printed.out.startswith(f"Usage: iso15118 {' '.join(path)} ")
    assert printed.out == iso15118(*path, "--help").out
    assert re.search(r"[\u2500-\u257f]|\[/?bold|env var", printed.out) is None, "plain text"
    for option in ("-h, --help", "-q, --quiet", "--log-level", "--json"):
        assert option in printed.out, option
    assert "completion" not in printed.out or path == ("completion",)
    for one in command.params:
        assert one.help, one.name
        assert one.help[0] == one.help[0].strip(), one.help
        assert one.help.rstrip().endswith("."), f"{one.name}: {one.help}"
        if one.param_type_name == "argument":
            assert one.metavar, one.name
            assert one.metavar.replace("IFACE|", "").strip("[]").isupper() or "." in one.metavar
    assert command.help.partition("\n\n")[0].rstrip().endswith((".", '".')), command.help


@each
def test_every_error_has_the_same_form(path: tuple[str, ...], command: Any) -> None:
    said = iso15118(*path, "--no-such-thing").refusal.splitlines()
    assert said[0] == "iso15118: --no-such-thing: there is no such option"
    assert said[1].startswith("  did you mean '--")
    assert len(said) == 2
    printed = iso15118(*path, "--no-such-thing", "--json")
    assert printed.err.splitlines() == said
    error = printed.data["error"]
    assert (error["kind"], error["exit_status"], printed.status) == ("configuration", 2, 2)
    [problem] = error["problems"]
    assert problem["key"] == "--no-such-thing"
    needed = [one for one in command.params if one.required]
    if needed:
        first, hint = iso15118(*path).refusal.splitlines()[:2]
        assert re.fullmatch(r"iso15118: [^ ]+: is missing", first)
        assert hint.startswith("  ")


@pytest.mark.parametrize("words", [["pki"], ["exi"], ["config"], ["scenario"], []])
def test_a_group_alone_prints_its_help_and_is_wrong_use(words: list[str]) -> None:
    printed = iso15118(*words)
    assert (printed.status, printed.out) == (2, "")
    assert printed.err.startswith("Usage: iso15118 ")
    said = iso15118(*words, "nonsense").refusal
    assert "COMMAND: there is no command 'nonsense'" in said
    assert "did you mean '" in said


@pytest.mark.parametrize(
    ("words", "status", "kind"),
    [
        (["exi", "decode", "80ff"], 7, "input"),
        (["exi", "diff", "80ff", "80ff"], 7, "input"),
        (["decode", "{folder}/nothing.log"], 7, "input"),
        (["exi", "decode", "hello"], 2, "configuration"),
        (["decode", "{folder}/absent.pcap"], 2, "configuration"),
        (["pki", "explain", "{folder}/absent.pem"], 2, "configuration"),
        (["pki", "explain", "{folder}/nothing.log"], 4, "trust"),
        (["secc", "-c", "{folder}/absent.toml"], 2, "configuration"),
        (["evcc", "-c", "{folder}/evcc.toml", "--set", "interface=absent0"], 3, "link"),
    ],
)
def test_the_exit_status_says_whose_fault_it_is(
    words: list[str], status: int, kind: str, tmp_path: Path
) -> None:
    (tmp_path / "nothing.log").write_text("nothing of interest\n")
    (tmp_path / "evcc.toml").write_text('tls.mode = "plaintext"\n')
    printed = iso15118(*(word.format(folder=tmp_path) for word in words), "--json")
    error = json.loads(printed.out.splitlines()[-1])["error"]
    assert (printed.status, error["exit_status"], error["kind"]) == (status, status, kind)
    assert error["message"]
    assert "Traceback" not in printed.err


def test_the_table_of_exit_statuses_has_all_of_them() -> None:
    rows = re.findall(r"^\| (\d+) \| ", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(row) for row in rows] == [int(one) for one in ExitStatus]


def test_an_interface_without_ipv6_is_said_with_the_line_to_type(tmp_path: Path) -> None:
    (tmp_path / "evcc.toml").write_text('tls.mode = "plaintext"\n')
    said = iso15118("evcc", "-c", str(tmp_path / "evcc.toml"), "--set", "interface=absent0")
    assert said.status == 3
    assert "absent0" in said.err
    assert "ip " in said.err or "interfaces are" in said.err or "lo" in said.err


def test_options_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISO15118_LOOPBACK_TRANSPORT", "carrier-pigeon")
    assert "'carrier-pigeon'" in iso15118("loopback").refusal
    assert iso15118("loopback", "--transport", "memory", "--soc-start", "79.95", "--json").status == 0
    monkeypatch.setenv("ISO15118_LOOPBACK_TRANSPROT", "tcp")
    printed = iso15118("loopback", "--transport", "memory", "--soc-start", "79.95", "--json")
    assert (
        "ISO15118_LOOPBACK_TRANSPROT is for no option of loopback; did you mean ISO15118_LOOPBACK_TRANSPORT"
        in printed.err
    )
    quiet = iso15118("loopback", "--transport", "memory", "--soc-start", "79.95", "--json", "--quiet")
    assert quiet.data["result"] == "ok"
    monkeypatch.setenv("ISO15118_LOG_LEVEL", "loud")
    assert "--log-level: 'loud'" in iso15118("config", "show", "--role", "secc").refusal


def test_quiet_leaves_errors_and_results(tmp_path: Path) -> None:
    frame = "01fe80010000000e809a004011d01800608c44000000"
    assert "V2GTP" in iso15118("exi", "decode", frame).err
    for words in (["-q", "exi", "decode", frame], ["exi", "decode", "--quiet", frame]):
        printed = iso15118(*words)
        assert (printed.status, printed.err) == (0, "")
        assert printed.out
    assert "'FILE'" not in iso15118("exi", "decode", "--quiet", "nonsense").refusal


PLAIN = '[tls]\nmode = "plaintext"\n'


def test_several_wrong_keys_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "evcc.toml"
    file.write_text(
        'intrface = "lo"\nsdp_port = 0\n[tls]\nmode = "tsl"\n[vehicle]\nsoc = "x"\n[session.timing]\nanser = 3\n'
    )
    printed = iso15118("config", "validate", str(file), "--json")
    keys = [problem["key"] for problem in printed.data["error"]["problems"]]
    assert keys == ["intrface", "sdp_port", "tls.mode", "vehicle.soc", "session.timing.anser"]
    assert printed.err.count("iso15118: ") == 5
    # What does not go together is told at once as well, when each key is right by itself.
    file.write_text('[session]\nservices = ["ac"]\n[vehicle]\nsoc = 90\nempty_v = 900\nfull_v = 800\n')
    printed = iso15118("config", "validate", str(file), "--json")
    keys = [problem["key"] for problem in printed.data["error"]["problems"]]
    assert {"session.services", "vehicle.soc", "vehicle.full_v"} <= set(keys)
    assert len(keys) == 4  # and no certificates


def test_keys_are_set_on_the_command_line_and_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "evcc.toml"
    file.write_text(PLAIN + "[vehicle]\nsoc = 30\n")
    monkeypatch.chdir(tmp_path)

    def shown(*sets: str) -> Any:
        words = [word for one in sets for word in ("--set", one)]
        return iso15118("config", "show", str(file), *words, "--json").data

    assert shown()["vehicle"]["soc"] == 30.0
    monkeypatch.setenv("ISO15118_EVCC__VEHICLE__SOC", "40")
    assert shown()["vehicle"]["soc"] == 40.0
    assert shown("vehicle.soc=50")["vehicle"]["soc"] == 50.0
    monkeypatch.delenv("ISO15118_EVCC__VEHICLE__SOC")
    assert shown("interface=eth1", "session.editions=iso20,iso2")["session"]["editions"] == ["iso20", "iso2"]
    assert shown('session.editions=["iso2"]')["session"]["editions"] == ["iso2"]
    # Paths count from here, and not from the folder of the file.
    assert shown("tls.mode=tls", "tls.store=here")["tls"]["store"] == str(tmp_path / "here")
    for wrong, says in (
        ("vehicle.scc=1", "--set: vehicle.scc: there is no such key"),
        ("vehicle=1", "--set: vehicle: there is no such key"),
        ("vehicle.soc", "is no KEY=VALUE"),
        ("vehicle.soc=much", "vehicle.soc: 'much' is no number"),
        ("session.quirks=1", "is a list of tables"),
        ("=", "is no KEY=VALUE"),
    ):
        assert says in iso15118("config", "validate", str(file), "--set", wrong).refusal
    monkeypatch.setenv("ISO15118_EVCC__VEHICLE__SCC", "1")
    assert (
        "ISO15118_EVCC__VEHICLE__SCC: vehicle.scc: there is no such key"
        in iso15118("config", "validate", str(file)).refusal
    )
