"""``iso15118 pki init`` and ``verify``: what they print, write and exit with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from iso15118.cli.pki import app


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert run("init", tmp_path / "pki", "--algorithm", "ed448")[0] == 0
    return tmp_path / "pki"


def judged(folder: Path, *options: str, leaf: str = "secc", role: str = "secc") -> tuple[int, str]:
    files = [folder / f"{name}.pem" for name in (leaf, "cpo-sub1", "cpo-sub2")]
    root = folder / "v2g-root.pem"
    return run("verify", *files, "--role", role, "--anchor", root, "--anchor-role", "V2G", *options)


def test_what_init_makes_is_accepted(folder: Path) -> None:
    assert judged(folder) == (0, "ok\n")
    status, text = judged(folder, "--json")
    assert status == 0
    assert json.loads(text) == {"ok": True, "violations": [], "tolerated": []}


def test_a_refused_chain_is_explained(folder: Path) -> None:
    status, text = judged(folder, "--at", "2099-01-01")
    assert status == 4
    assert text.startswith("refused\n")
    assert "expired: certificate 0: past its validity" in text
    status, text = judged(folder, "--json", leaf="vehicle")
    assert status == 4
    assert json.loads(text)["violations"][0]["code"] == "issuer-unknown"


def test_a_tolerated_violation_is_still_shown(folder: Path) -> None:
    status, text = judged(
        folder, "--at", "2099-01-01", "--tolerate", "expired", "--tolerate", "anchor-expired"
    )
    assert status == 0
    assert "tolerated expired" in text


def test_a_folder_with_something_in_it_is_left_alone(folder: Path) -> None:
    before = (folder / "secc.key").read_bytes()
    status, text = run("init", folder)
    assert status == 2
    assert "not empty" in text
    assert (folder / "secc.key").read_bytes() == before
    assert run("init", folder, "--force")[0] == 0
    assert (folder / "secc.key").read_bytes() != before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--edition", "iso21"], "iso20"),
        (["--at", "yesterday"], "--at"),
        (["--tolerate", "all"], "all"),
    ],
)
def test_wrong_options_name_themselves(folder: Path, options: list[str], said: str) -> None:
    status, text = judged(folder, *options)
    assert status == 2
    assert said in text


def test_a_file_that_is_missing_or_no_certificate(folder: Path) -> None:
    (folder / "cpo-sub1.pem").write_bytes(b"\x00\x01")
    status, text = judged(folder)
    assert status == 4
    assert "malformed" in text
    (folder / "cpo-sub1.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n!\n")
    assert judged(folder)[0] == 4
    (folder / "cpo-sub1.pem").unlink()
    assert judged(folder)[0] == 4
