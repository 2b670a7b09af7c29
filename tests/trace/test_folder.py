"""The session folder of a run: a capture that decrypts itself to exactly what was said, secrets
nowhere else, a report of it."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from scapy.layers.inet import TCP, UDP

from iso15118.channel import MessageChannel, Received
from iso15118.errors import TlsError
from iso15118.loopback import LoopbackSpec
from iso15118.loopback.recording import SessionFolder
from iso15118.loopback.rig import Rig, evcc_config, secc_config
from iso15118.sdp import SdpRequest, SdpResponse
from iso15118.testing import Pair
from iso15118.tls import TlsContext
from iso15118.trace.recording import SessionRecord
from tests.cli.rig import iso15118
from tests.trace.reading import Read, intact, read
from tests.trace.tls13 import plaintext, secrets_of


def run(folder: Path, *options: str) -> dict[str, Any]:
    printed = iso15118("loopback", "--json", "--soc-target", "25", "--out", str(folder), *options)
    assert printed.status == 0, printed.err
    data: dict[str, Any] = printed.data
    return data


def written(folder: Path, sender: str) -> list[str]:
    """Names of the messages in the lines, as their classes are called."""
    lines = [json.loads(line) for line in (folder / "session.jsonl").read_text().splitlines()]
    names = [line["message"] for line in lines if (line["from"], line["layer"]) == (sender, "message")]
    return [f"{name[0].upper()}{name[1:].replace('_', '')}" for name in names]


def spoken(stream: bytes) -> list[str]:
    """Names of the messages in a stream of V2GTP frames."""
    channel = MessageChannel()
    names = []
    items = channel.receive_data(stream)
    while items:
        for item in items:
            assert isinstance(item, Received)
            names.append(type(item.message).__name__)
            if names[-1].startswith("SupportedAppProtocol"):
                channel.select("iso20-dc")
        items = channel.receive_data(b"")
    return names


def check_packets(found: Read) -> int:
    """Every packet is whole and in order; returns the vehicle's port."""
    assert all(intact(packet) for _, packet in found.packets)
    times = [at for at, _ in found.packets]
    assert times == sorted(times)
    segments = found.of(TCP)
    assert [str(segment.flags) for segment in segments[:3]] == ["S", "SA", "A"]
    assert sum(1 for segment in segments if segment.flags & 1) == 2
    port: int = segments[0].sport
    return port


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    folder = tmp_path_factory.mktemp("tls")
    printed = iso15118("loopback", "--json", "--soc-target", "25", "--out", str(folder))
    assert printed.status == 0, printed.err
    return folder, printed.data, printed.err


def test_the_capture_decrypts_itself_to_what_both_sides_said(
    over_tls: tuple[Path, dict[str, Any], str],
) -> None:
    folder, summary, _ = over_tls
    found = read(folder / "session.pcapng")
    port = check_packets(found)
    # Whatever was written before the secrets is in the clear: the discovery, the
    # opening, the vehicle's hello.
    early = found.packets[: found.blocks[: found.blocks.index(0x0A)].count(6)]
    assert [
        one for _, one in early if TCP in one and one[TCP].sport != port and bytes(one[TCP].payload)
    ] == []
    secrets = secrets_of(found.key_log)
    for side, from_client, sender in (("CLIENT", True, "evcc"), ("SERVER", False, "secc")):
        handshake, application = (
            secrets[f"{side}_HANDSHAKE_TRAFFIC_SECRET"],
            secrets[f"{side}_TRAFFIC_SECRET_0"],
        )
        stream = found.stream(port, from_client=from_client)
        _, data = plaintext(stream, summary["tls"]["cipher"], handshake, application)
        assert spoken(data) == written(folder, sender)
        with pytest.raises(InvalidTag):
            plaintext(stream, summary["tls"]["cipher"], bytes(len(handshake)), application)


def test_the_discovery_is_in_the_capture(over_tls: tuple[Path, dict[str, Any], str]) -> None:
    folder, summary, _ = over_tls
    found = read(folder / "session.pcapng")
    request, answer = found.of(UDP)[-2:]
    assert SdpRequest.parse(bytes(request.payload)).security.name == "TLS"
    told = SdpResponse.parse(bytes(answer.payload), loopback=True)
    assert told.port == found.of(TCP)[0].dport
    assert (request.sport, request.dport) == (answer.dport, answer.sport)
    assert f"UDP port {request.dport}," in summary["sdp"]


def test_only_the_owner_reads_the_capture(over_tls: tuple[Path, dict[str, Any], str]) -> None:
    folder, _, _ = over_tls
    # Who was here, who pays and what was measured is in each of them.
    assert {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()} == {0o600}


def test_the_user_is_warned_once_of_secrets_and_not_shown_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = SessionRecord(tmp_path, role="evcc", epoch=0.0)
    assert caplog.text == ""
    record.secret("CLIENT_RANDOM 00 c0ffee")
    record.secret("EXPORTER_SECRET 00 c0ffee")
    record.close()
    (said,) = caplog.messages
    assert said.startswith(f"TLS secrets are written to {tmp_path / 'session.pcapng'}")
    assert "c0ffee" in read(tmp_path / "session.pcapng").key_log


def test_the_secrets_are_in_the_capture_and_nowhere_else(over_tls: tuple[Path, dict[str, Any], str]) -> None:
    folder, _, said = over_tls
    secrets = [secret.hex() for secret in secrets_of(read(folder / "session.pcapng").key_log).values()]
    assert len(secrets) >= 4
    others = [path for path in folder.iterdir() if path.name != "session.pcapng"]
    assert {path.name for path in others} == {"session.jsonl", "summary.json", "report.html"}
    for text in [said, *(path.read_text() for path in others)]:
        assert "TRAFFIC_SECRET" not in text
        assert not any(secret in text for secret in secrets)


def test_without_tls_the_frames_stand_in_the_clear_and_nobody_is_warned(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(tmp_path, "--no-tls")
    assert "secrets" not in caplog.text
    found = read(tmp_path / "session.pcapng")
    port = check_packets(found)
    assert found.key_log == ""
    assert spoken(found.stream(port, from_client=True)) == written(tmp_path, "evcc")
    assert spoken(found.stream(port, from_client=False)) == written(tmp_path, "secc")


def test_a_run_in_memory_has_its_frames_on_a_made_up_connection(tmp_path: Path) -> None:
    summary = run(tmp_path, "--transport", "memory")
    found = read(tmp_path / "session.pcapng")
    port = check_packets(found)
    assert found.of(UDP) == []
    assert found.key_log == ""
    assert spoken(found.stream(port, from_client=True)) == written(tmp_path, "evcc")
    assert len(written(tmp_path, "secc")) == summary["exchanges"]
    assert spoken(found.stream(port, from_client=False)) == written(tmp_path, "secc")
    lasted = found.packets[-1][0] - found.packets[0][0]
    assert lasted == pytest.approx(summary["session_seconds"], abs=1.0)


def test_the_report_shows_states_of_both_sides_and_all_four_quantities(
    over_tls: tuple[Path, dict[str, Any], str],
) -> None:
    folder, summary, _ = over_tls
    page = (folder / "report.html").read_text(encoding="utf-8")
    for name in ("Voltage", "Current", "Power", "State of charge"):
        assert f"{name} in " in page
    titles = re.findall(r'title="(\w+), from ', page)
    # Where a side is, is what it says: it connects and ends without a message.
    assert set(summary["evcc_states"]) | set(summary["secc_states"]) <= {*titles, "Connecting", "Ended"}
    peak = re.search(r"Peak power</span><b>([\d.]+) kW", page)
    assert peak is not None
    assert float(peak[1]) == pytest.approx(summary["peak_power_kw"], rel=0.01)
    assert "hardware_time_scale" in page


def test_a_run_that_fails_leaves_its_capture_and_a_report_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> TlsContext:
        raise TlsError("the <peer> is refused")

    monkeypatch.setattr("iso15118.loopback.tcp.evcc_context", refuse)
    printed = iso15118("loopback", "--out", str(tmp_path))
    assert printed.status == 4
    assert read(tmp_path / "session.pcapng").blocks == [0x0A0D0D0A, 1]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "undecidable" in page
    assert "TlsError: the &lt;peer&gt; is refused" in page
    assert not (tmp_path / "summary.json").exists()


def test_an_older_recording_is_never_overwritten_and_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    for name in ("session.pcapng", "session.jsonl", "summary.json", "report.html"):
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        (folder / name).symlink_to(elsewhere)
        refused = iso15118("loopback", "--transport", "memory", "--out", str(folder)).refusal
        assert (
            f"--out: {folder} has a recording already\n  name another folder, or delete that one" in refused
        )
        assert [one.name for one in folder.iterdir()] == [name]
    assert elsewhere.read_text() == "precious"


def test_a_pair_is_recorded_by_what_it_is_given(tmp_path: Path) -> None:
    order = LoopbackSpec(transport="memory", soc_target=21.0)
    rig = Rig.build(order)
    with SessionFolder(tmp_path, memory=True) as folder:
        ends = secc_config(order, allow_plaintext=False), evcc_config(order, allow_plaintext=False)
        pair = Pair(*ends, rig.station, rig.vehicle, recorder=folder)
        pair.run()
    assert len(written(tmp_path, "secc")) == pair.exchanges
    assert written(tmp_path, "evcc")[-1] == "SessionStopReq"


def test_a_numbered_folder_takes_the_next_number(tmp_path: Path) -> None:
    for name in ("run", "run-2", "run-3"):
        with SessionFolder(tmp_path / "run", memory=True, numbered=True) as folder:
            assert folder.directory == tmp_path / name
