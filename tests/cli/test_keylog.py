"""TLS secrets in a file: only when asked for, by option, by file or by environment,
and never without a warning."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_two_processes import evcc_toml, finish, process, secc_toml, station

WARNING = "whoever has it can read the traffic"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki") / "pki"
    done = subprocess.run([sys.executable, "-m", "iso15118", "pki", "init", str(folder)], check=True)
    assert done.returncode == 0
    return folder


def loopback(*options: str, env: dict[str, str]) -> tuple[int, str]:
    command = [sys.executable, "-m", "iso15118", "loopback", "--soc-target", "25", "--json", *options]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode == 0:
        assert json.loads(done.stdout)["result"] == "ok"
    return done.returncode, done.stderr


def is_keylog(path: Path) -> bool:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    labels = {line.split()[0] for line in path.read_text().splitlines()}
    return {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"} <= labels


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.delenv("SSLKEYLOGFILE", raising=False)
    return dict(os.environ)


def test_a_loopback_run_honours_the_environment(tmp_path: Path, env: dict[str, str]) -> None:
    path, quiet = tmp_path / "env.log", tmp_path / "memory.log"
    status, said = loopback(env=env | {"SSLKEYLOGFILE": str(path)})
    assert status == 0
    assert WARNING in said
    assert is_keylog(path)
    status, said = loopback("--transport", "memory", env=env | {"SSLKEYLOGFILE": str(quiet)})
    assert (status, quiet.exists()) == (0, False)
    assert WARNING not in said


def test_both_roles_honour_option_file_and_environment_in_this_order(
    tmp_path: Path, pki: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_option, by_file, by_environment = (tmp_path / name for name in ("option.log", "file.log", "env.log"))
    monkeypatch.setenv("SSLKEYLOGFILE", str(by_environment))
    tls = f'pki = "{pki}"'
    with (
        station(
            secc_toml(tmp_path, f'{tls}\nkeylog = "file.log"'), "--keylog", str(by_option), "--sessions", "1"
        ) as secc,
        process("evcc", evcc_toml(tmp_path, tls)) as evcc,
    ):
        status, _, said = finish(evcc)
        assert (status, WARNING in said) == (0, True)
        assert finish(secc)[0] == 0
    assert is_keylog(by_option)
    assert is_keylog(by_environment)
    assert not by_file.exists()


def test_nothing_is_written_unless_it_is_asked_for(tmp_path: Path, pki: Path, env: dict[str, str]) -> None:
    tls = f'pki = "{pki}"'
    before = {path.name for path in tmp_path.iterdir()}
    with (
        station(secc_toml(tmp_path, tls), "--sessions", "1") as secc,
        process("evcc", evcc_toml(tmp_path, tls)) as evcc,
    ):
        status, _, said = finish(evcc)
        assert status == 0, said
        assert WARNING not in said
        status, _, said = finish(secc)
        assert status == 0, said
        assert WARNING not in said
    assert {path.name for path in tmp_path.iterdir()} - before == {"secc.toml", "evcc.toml"}


def test_a_place_that_cannot_be_written_is_named_as_it_was_given(
    tmp_path: Path, pki: Path, env: dict[str, str]
) -> None:
    nowhere = str(tmp_path / "no" / "where")
    path = secc_toml(tmp_path, f'pki = "{pki}"')
    command = [sys.executable, "-m", "iso15118", "secc", "-c", str(path)]
    for options, variables, name in (
        (("--keylog", nowhere), {}, "--keylog"),
        ((), {"SSLKEYLOGFILE": nowhere}, "SSLKEYLOGFILE"),
    ):
        done = subprocess.run(
            [*command, *options],
            env=env | variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 2
        assert f"{name}: " in done.stderr
        assert "Traceback" not in done.stderr
