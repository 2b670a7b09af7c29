"""Captures of our own sessions, of every edition and service: all that was said is read, from its sender, and
is the same octets again."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from iso15118 import exi
from iso15118.exi.content import content_of
from iso15118.trace.entries import Entry, MessageEntry, SdpEntry, TlsEntry, V2gtpEntry
from iso15118.trace.reading.files import entries_of, open_capture
from tests.cli.rig import iso15118
from tests.trace.foreign import look
from tests.trace.made import iso20_frames, pcapng_file, spoken
from tests.trace.mutated import one
from tests.trace.tshark import compare, needs_tshark

SESSIONS = {
    "dc": ["--service", "dc"],
    "dc-bpt": ["--service", "dc-bpt", "--control", "dynamic"],
    "mcs": ["--service", "mcs"],
    "ac": ["--service", "ac"],
    "ac-bpt": ["--service", "ac-bpt", "--control", "dynamic"],
    "iso2-dc": ["--edition", "iso2"],
    "iso2-ac": ["--edition", "iso2", "--service", "ac", "--station", "ac-11"],
    "iso2-pnc": ["--edition", "iso2", "--auth", "pnc", "--install-contract"],
    "iso20-pnc": ["--auth", "pnc", "--install-contract"],
    "din": ["--edition", "din"],
}
EDITIONS = {name: "iso2" if "iso2-" in name else "din" if name == "din" else "iso20" for name in SESSIONS}


def recorded(folder: Path, *options: str) -> Path:
    printed = iso15118("loopback", "--soc-target", "20.3", "--out", str(folder), *options)
    assert printed.status == 0, printed.err
    return folder / "session.pcapng"


def names(path: Path) -> list[tuple[str, str]]:
    """Sender and message of every message in the recording, as the schema calls it."""
    lines = [json.loads(line) for line in (path.parent / "session.jsonl").read_text().splitlines()]
    return [(line["from"], line["message"]) for line in lines if line["layer"] == "message"]


def found_names(found: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.sender, entry.message) for entry in found if isinstance(entry, MessageEntry)]


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_in_memory(tmp_path: Path, name: str) -> None:
    path = recorded(tmp_path / "out", "--transport", "memory", *SESSIONS[name])
    found = list(entries_of(path))
    assert found_names(found) == names(path)
    assert not [entry for entry in found if isinstance(entry, V2gtpEntry)]
    report = look(path)
    assert report.different == []
    assert set(report.editions) == {"app", EDITIONS[name]}
    assert report.streams[0].edition_agreed
    assert not any("fits best" in note for note in report.notes)


@pytest.fixture(scope="module")
def over_sockets(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The capture of a short session of this edition over TLS, made once."""

    @cache
    def made(edition: str) -> Path:
        folder = tmp_path_factory.mktemp(edition) / "out"
        return recorded(folder, "--edition", edition, "--battery-kwh", "2")

    return made


@pytest.mark.parametrize("edition", ["iso20", "iso2"])
def test_a_session_over_tls(over_sockets: Callable[[str], Path], edition: str) -> None:
    path = over_sockets(edition)
    reader = open_capture(path)
    found = list(entries_of(path, reader=reader))
    assert found_names(found) == names(path)
    assert len([entry for entry in found if isinstance(entry, SdpEntry)]) >= 2
    tls = {entry.message: entry for entry in found if isinstance(entry, TlsEntry)}
    assert tls["Certificate"].notes == ()  # our own stations and vehicles are as our own rules want them
    assert reader.streams[0].tls == ("TLSv1.3" if edition == "iso20" else "TLSv1.2")
    assert reader.streams[0].from_server.records_closed == 0


def test_the_content_is_what_json_has_for_it(tmp_path: Path) -> None:
    """The fast way and the one that is held against the schema say the same."""
    seen = 0
    for name in ("dc-bpt", "iso2-pnc", "iso20-pnc", "din"):
        path = recorded(tmp_path / name, "--transport", "memory", *SESSIONS[name])
        for entry in entries_of(path):
            if isinstance(entry, MessageEntry):
                (content,) = json.loads(exi.to_json(entry.value, schema=entry.schema)).values()
                assert json.loads(json.dumps(content_of(entry.schema, entry.value))) == content
                seen += 1
    assert seen > 200


@needs_tshark
@pytest.mark.parametrize("edition", ["iso20", "iso2", "din"])
def test_tshark_opens_our_recordings_and_finds_what_both_sides_said(
    over_sockets: Callable[[str], Path], tmp_path: Path, edition: str
) -> None:
    """With the secrets that stand in them and no others; DIN 70121 is in the clear."""
    memory = ("--transport", "memory", "--edition", "din")
    path = recorded(tmp_path / "out", *memory) if edition == "din" else over_sockets(edition)
    count = len(names(path))
    assert count > 50
    assert compare(path, own_secrets=True) == (count, [])


@needs_tshark
@pytest.mark.parametrize("tls", [None, "TLSv1.3", "TLSv1.2"])
def test_tshark_finds_the_same_frames(tmp_path: Path, tls: str | None) -> None:
    """And opens our captures, which hold their secrets."""
    made = spoken(tls, iso20_frames(5))
    (tmp_path / "a.pcapng").write_bytes(pcapng_file(made.frames, secrets=made.key_log))
    assert compare(tmp_path / "a.pcapng") == (8, [])


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_whatever_is_changed_nothing_is_raised(first: int) -> None:
    """The seeded part of ``python -m tests.trace.mutated``."""
    outcomes = [one(seed) for seed in range(first, first + 100)]
    assert [outcome.error for outcome in outcomes if outcome.error] == []
    assert sum(outcome.entries for outcome in outcomes) > 200
