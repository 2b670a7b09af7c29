"""The charger of ``examples/firmware`` with its board as a process: hung in mid-charge, and against a
board that tells nonsense."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from tests.documentation.processes import SDP_PORT, run, running

BOARD = "python examples/firmware/board.py board.sock"
CHARGER = "python examples/firmware/charger.py board.sock charger.toml 1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "charger.toml").write_text(
        f'interface = "lo"\nsdp_port = {SDP_PORT}\n[tls]\nmode = "plaintext"\n'
    )
    (tmp_path / "car.toml").write_text(
        f'interface = "lo"\nsdp_port = {SDP_PORT}\n[session]\nloop_interval_s = 0.05\n'
        '[tls]\nmode = "plaintext"\n[vehicle]\nbattery_kwh = 100\ntime_scale = 1\n'
    )
    return tmp_path


@pytest.mark.real_time
def test_the_board_opens_when_the_process_hangs_in_mid_charge(folder: Path) -> None:
    with running(BOARD, folder) as board:
        board.until_it_says("ready")
        with running(CHARGER, folder) as charger:
            charger.until_it_says("listening")
            with running("iso15118 evcc -c car.toml", folder) as vehicle:
                board.until_it_says("contactors closed")
                charger.process.send_signal(signal.SIGSTOP)
                board.until_it_says("contactors open: the heartbeat stays away")
                charger.process.send_signal(signal.SIGCONT)
                assert vehicle.ended() != 0
            assert charger.ended() == 1
            assert any("hardware safe" in line for line in charger.said), charger.said
        assert board.interrupted() == 0


@pytest.mark.real_time
def test_without_its_board_the_charger_does_not_charge(folder: Path) -> None:
    """The board takes the connection, says half a line of telemetry and garbage, and goes away: its last
    readings grow old, and no vehicle finds the charger."""
    with socket.socket(socket.AF_UNIX) as here:
        where = os.path.relpath(folder / "board.sock")
        here.bind(where if len(where) < 100 else str(folder / "board.sock"))
        here.listen()
        here.settimeout(60.0)

        def board() -> None:
            wire, _ = here.accept()
            with wire:
                wire.sendall(b"nan inf 1 Q\n\xff\xfe\n0 0 0 B none 5e6 0\n400 10")

        thread = threading.Thread(target=board)
        thread.start()
        with running(CHARGER, folder) as charger:
            thread.join()
            charger.until_it_says("stale-readings: power.present was")
            assert "no station answered" in run("iso15118 evcc -c car.toml", folder, status=3)
            charger.interrupted()
        assert not any("ChargeLoop" in line for line in charger.said), charger.said


def test_a_certificate_that_is_not_there_is_said_with_its_key(folder: Path) -> None:
    (folder / "charger.toml").write_text('[tls]\ncertificate = "a.pem"\nkey = "a.pem"\nanchors = ["b.pem"]\n')
    with running(BOARD, folder) as board:
        board.until_it_says("ready")
        said = run(CHARGER, folder, status=2)
    assert "tls.key" in said
    assert "a.pem" in said
    assert "Traceback" not in said
