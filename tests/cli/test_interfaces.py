"""What the commands say of interfaces: wrong names are not waited for, and two stations on one
interface are told apart."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.rig import iso15118

SDP_PORT = 41_000 + os.getpid() % 8_000


def written(folder: Path, text: str) -> str:
    path = folder / "file.toml"
    path.write_text(text + '[tls]\nmode = "plaintext"\n', encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    "more", ["", '[link]\nsignalling = "simulated"\n', '[link]\nsignalling = "simulated"\nbackend = "slac"\n']
)
@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_an_interface_that_nobody_has_is_said_and_not_waited_for(
    tmp_path: Path, role: str, more: str
) -> None:
    printed = iso15118(role, "-c", written(tmp_path, f'interface = "nowhere7"\n{more}'))
    assert printed.status == 3
    assert "no network interface 'nowhere7'" in printed.err
    assert "lo" in printed.err


def test_a_second_station_on_an_interface_is_refused_with_whoever_has_it(tmp_path: Path) -> None:
    file = written(tmp_path, f"sdp_port = {SDP_PORT}\n")
    command = [sys.executable, "-m", "iso15118", "secc", "-c", file]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as first:
        try:
            assert first.stderr is not None
            assert any("listening" in line for line in first.stderr)
            second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        finally:
            first.kill()
    assert second.returncode == 3
    assert f"process {first.pid}" in second.stderr
    assert str(SDP_PORT) in second.stderr
