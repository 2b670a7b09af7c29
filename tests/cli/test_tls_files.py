"""TLS with keys of one's own: a station with single files and a vehicle with a store charge, and
neither has the key of a CA."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.rig import iso15118
from tests.cli.test_two_processes import PATIENCE_S, command, evcc_toml, secc_toml, station

PASSWORD = "staple battery horse"


def run(*arguments: str) -> None:
    printed = iso15118(*arguments)
    assert printed.status == 0, printed.err


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the authorities hand out, and nothing that they keep."""
    tmp_path = tmp_path_factory.mktemp("files")
    keys = tmp_path / "authority"
    (tmp_path / "password").touch(0o600)
    (tmp_path / "password").write_text(PASSWORD)
    secret = ("--passphrase-file", str(tmp_path / "password"))
    run("pki", "init", str(keys))
    for name in ("oem-root", "v2g-root"):
        (tmp_path / f"{name}.pem").write_bytes((keys / f"{name}.pem").read_bytes())
    run("pki", "export", str(keys), "secc", str(tmp_path / "secc.p12"), *secret)
    run("pki", "export", str(keys), "vehicle", str(tmp_path / "vehicle.pem"), *secret)
    store = str(tmp_path / "store")
    sealed = ("--store-passphrase-file", str(tmp_path / "password"))
    run("pki", "import", str(tmp_path / "vehicle.pem"), store, "--name", "vehicle", *secret, *sealed)
    run("pki", "import", str(tmp_path / "v2g-root.pem"), store, "--anchor", "v2g", *sealed)
    for key in keys.glob("*.key"):
        key.unlink()
    return tmp_path


def test_a_session_with_single_files_and_a_store(folder: Path) -> None:
    secc = secc_toml(folder, 'key = "secc.p12"\nkey_password_file = "password"\nanchors = ["oem-root.pem"]')
    evcc = evcc_toml(folder, 'store = "store"\nkey_password_file = "password"\nrevocation = "none"')
    for file in (secc, evcc):
        printed = iso15118("config", "validate", str(file))
        assert printed.status == 0, printed.err
        assert PASSWORD not in iso15118("config", "show", str(file)).out
    with station(secc, "--sessions", "1") as running:
        vehicle = subprocess.run(
            command("evcc", evcc), capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        told, said = running.communicate(timeout=PATIENCE_S)
    assert vehicle.returncode == 0, vehicle.stderr
    assert running.returncode == 0, said
    for one in (json.loads(vehicle.stdout), json.loads(told)):
        assert one["result"] == "ok"
        assert one["tls"]["version"] == "TLSv1.3"
        assert one["tls"]["client_certificate"]
    # The vehicle is who its certificate says it is.
    assert json.loads(told)["evccid"] == json.loads(vehicle.stdout)["evccid"]
    for text in (vehicle.stdout, vehicle.stderr, told, said, running.heard):
        assert PASSWORD not in text
        assert "PRIVATE KEY" not in text


@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_a_wrong_password_ends_the_command_with_key_file_and_remedy(folder: Path, role: str) -> None:
    (folder / "wrong").touch(0o600)
    (folder / "wrong").write_text("not the one")
    if role == "secc":
        file = secc_toml(folder, 'key = "secc.p12"\nkey_password_file = "wrong"\nanchors = ["oem-root.pem"]')
        said = ["tls.key:", "secc.p12", "tls.key_password_file"]
    else:
        file = evcc_toml(folder, 'store = "store"\nkey_password_file = "wrong"')
        said = ["tls.store:", "key.pem", "tls.key_password_file"]
    printed = iso15118(role, "-c", str(file))
    for words in said:
        assert words in printed.refusal
    assert "not the one" not in printed.refusal


@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_show_and_schema_know_the_keys(role: str) -> None:
    shown = iso15118("config", "show", "--role", role).out
    tls = iso15118("config", "schema", "--role", role).data["properties"]["tls"]["properties"]
    for key in ("certificate", "key", "chain", "anchors", "store", "key_password_file"):
        assert f"{key} =" in shown
        assert tls[key]["description"]
    assert tls["anchors"] == {
        "type": "array",
        "items": {"type": "string"},
        "description": tls["anchors"]["description"],
        "default": [],
    }
    assert "ISO15118_KEY_PASSWORD" in tls["key_password_file"]["description"]
