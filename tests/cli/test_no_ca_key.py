"""No process opens the key of an authority: every file that a station and a vehicle open is watched while
they charge, with the keys of their CAs beside their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.rig import iso15118
from tests.cli.test_two_processes import drive, evcc_toml, finish, secc_toml, station

HOOK = """
import os, sys
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        name = os.path.realpath(os.fsdecode(arguments[0]))
        if name.endswith((".key", ".pem", ".p12", ".toml")):
            handle = os_open(os.environ["WATCHED_BY_THE_TEST"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(handle, (os.path.relpath(name, os.environ["WATCHED_FROM"]) + "\\n").encode())
            os.close(handle)
os_open = os.open
sys.addaudithook(watch)
"""


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with certificates and keys of everybody; what processes open there is in ``opened``."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(HOOK)
    folder = tmp_path / "keys"
    assert iso15118("pki", "init", str(folder)).status == 0
    monkeypatch.setenv("PYTHONPATH", f"{hook}:{Path(__file__).parents[2]}")
    monkeypatch.setenv("WATCHED_BY_THE_TEST", str(tmp_path / "opened"))
    monkeypatch.setenv("WATCHED_FROM", str(tmp_path))
    return tmp_path


FILES = {
    "secc": 'certificate = "keys/secc.pem"\nkey = "keys/secc.key"\nchain = "chain.pem"\nanchors = ["keys/oem-root.pem"]',
    "evcc": 'store = "store"\nrevocation = "none"',
}
STORE = {
    "secc": 'store = "store"',
    "evcc": 'key = "vehicle.p12"\nanchors = ["keys/v2g-root.pem"]\nrevocation = "none"',
}
TEST_PKI = {"secc": 'pki = "keys"', "evcc": 'pki = "keys"'}


@pytest.mark.parametrize(
    ("tls", "opened"),
    [
        (FILES, {"keys/secc.key", "store/own/secc/key.pem", "store/own/vehicle/key.pem"}),
        (STORE, {"store/own/secc/key.pem", "store/own/vehicle/key.pem", "vehicle.p12"}),
        # A test PKI staples its own responses: by the keys of responders, which are no CAs'.
        (TEST_PKI, {"keys/secc.key", "keys/vehicle.key", "keys/ocsp-cpo-sub1.key", "keys/ocsp-cpo-sub2.key", "keys/ocsp-v2g-root.key"}),
    ],
    ids=["files", "store", "test-pki"],
)  # fmt: skip
def test_only_the_own_keys_are_opened(watched: Path, tls: dict[str, str], opened: set[str]) -> None:
    keys = watched / "keys"
    (watched / "chain.pem").write_bytes(
        (keys / "cpo-sub2.pem").read_bytes() + (keys / "cpo-sub1.pem").read_bytes()
    )
    if tls is not TEST_PKI:
        for words in (
            ("export", str(keys), "vehicle", str(watched / "vehicle.p12")),
            ("export", str(keys), "secc", str(watched / "secc.p12")),
            ("import", str(watched / "vehicle.p12"), str(watched / "store"), "--name", "vehicle"),
            ("import", str(watched / "secc.p12"), str(watched / "store"), "--name", "secc"),
            ("import", str(keys / "v2g-root.pem"), str(watched / "store"), "--anchor", "v2g"),
            ("import", str(keys / "oem-root.pem"), str(watched / "store"), "--anchor", "oem"),
        ):
            assert iso15118("pki", *words).status == 0
    secc, evcc = secc_toml(watched, tls["secc"]), evcc_toml(watched, tls["evcc"])
    with station(secc, "--sessions", "1") as running:
        status, [summary], said = drive(evcc)
        assert (status, summary["result"]) == (0, "ok"), said
        assert finish(running)[0] == 0
    names = set((watched / "opened").read_text().splitlines())
    assert {"secc.toml", "evcc.toml"} <= names, "the watch is there, in both"
    secrets = {name for name in names if name.endswith((".key", ".p12", "key.pem"))}
    assert secrets == opened & secrets
    authorities = {
        f"keys/{name}.key"
        for name in json.loads((keys / "pki.json").read_text())["issuers"]
        if ("root" in name or "-sub" in name) and not name.startswith("ocsp")
    }
    assert len(authorities) > 8
    assert secrets.isdisjoint(authorities)
    own = {
        name
        for name in secrets
        if name
        in (
            "keys/secc.key",
            "store/own/vehicle/key.pem",
            "vehicle.p12",
            "keys/vehicle.key",
            "store/own/secc/key.pem",
        )
    }
    assert len(own) >= 2, names
