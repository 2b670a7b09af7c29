"""The charger of ``examples/firmware`` with its board as a process: hung in mid-charge, and against a
board that tells nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from iso15118.aio.ports.inbox import checked
from tests.documentation.processes import ROOT, SDP_PORT, run, running


def module(name: str) -> Any:
    """A program of the example, as a module."""
    path = ROOT / "examples" / "firmware" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"firmware_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


BOARD_PARTS, CHARGER_PARTS = module("board"), module("charger")
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
            charger.until_it_says("plugged in")
            charger.until_it_says("out of service: ")
            assert "no station answered" in run("iso15118 evcc -c car.toml", folder, status=3)


class Bench:
    """The two programs' parts in this process: the test says when a line of telemetry comes and
    when time passes."""

    def __init__(self, charger: Any, board: Any) -> None:
        self.board = board.Board(beat_within_s=1e9)
        self.ours, self.wire = socket.socketpair()
        self.wire.setblocking(False)
        self.link = charger.Link(self.ours)
        self.check = charger.CableCheck(self.link)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.ours)
        self.ours.close()
        self.wire.close()

    async def asked(self) -> asyncio.Task[Any]:
        """The check has begun and the board has its command."""
        running = asyncio.create_task(self.check.run(500.0, 100e3))
        await asyncio.sleep(0)
        for line in self.wire.recv(4096).decode().splitlines():
            self.board.command(line)
        return running

    async def pass_s(self, seconds: float) -> None:
        """This much time of the board's, told every 20 ms; the charger looks after each line."""
        for _ in range(round(seconds / 0.02)):
            self.board.step(0.02)
            await self.tell(self.board.line())

    async def tell(self, line: str) -> None:
        self.link._take(line)
        await asyncio.sleep(2 * CHARGER_PARTS.WAIT_S)


async def with_a_bench(tried: Callable[[Bench], Awaitable[None]]) -> None:
    with contextlib.closing(Bench(CHARGER_PARTS, BOARD_PARTS)) as bench:
        await tried(bench)


def test_a_test_of_the_insulation_that_was_not_made_is_none() -> None:
    """A line that says "done" of the test before is still on its way when the next one is asked for."""

    async def tried(bench: Bench) -> None:
        first = await bench.asked()
        await bench.pass_s(2.0)
        assert await first is True
        late = bench.board.line()
        second = await bench.asked()
        await bench.tell(late)
        assert not second.done()
        await bench.pass_s(2.0)
        assert await second is True

    asyncio.run(with_a_bench(tried))


def test_a_test_at_too_low_a_voltage_or_given_up_is_none() -> None:
    async def tried(bench: Bench) -> None:
        low = await bench.asked()
        bench.board.test_v = 480.0
        await bench.pass_s(2.0)
        assert await low == "480 V at most, 500 V asked for"
        ended = await bench.asked()
        await bench.pass_s(0.1)
        bench.board.command("stop")
        await bench.pass_s(0.1)
        assert await ended == "the board gave the test up"
        assert bench.board.output_v < 60.0

    asyncio.run(with_a_bench(tried))


def test_what_the_insulation_monitor_measures_is_told_and_garbage_is_not() -> None:
    """Each line of the board has it. A number that is none ends nothing but its line."""

    async def tried(bench: Bench) -> None:
        told: list[Any] = []

        def tell(event: Any) -> None:
            told.append(checked(event))

        await bench.tell("0 0 0 B 0:none 5e6 0")
        bench.link.tell = tell
        await bench.tell("0 0 0 B 0:none 4e4 0")
        bench.wire.sendall(b"0 0 0 B 0:none nan 0\n400 0 0 B 0:none 3e4 0\n")
        while bench.link.measured.voltage_v != 400.0:  # noqa: ASYNC110 - the loop reads it
            await asyncio.sleep(0.001)
        assert [type(one).__name__ for one in told] == ["InsulationMeasured"] * 2
        assert [one.resistance_ohm for one in told] == [4e4, 3e4]
        assert told[-1].at == bench.link.measured.at

    asyncio.run(with_a_bench(tried))


def test_a_certificate_that_is_not_there_is_said_with_its_key(folder: Path) -> None:
    (folder / "charger.toml").write_text('[tls]\ncertificate = "a.pem"\nkey = "a.pem"\nanchors = ["b.pem"]\n')
    with running(BOARD, folder) as board:
        board.until_it_says("ready")
        said = run(CHARGER, folder, status=2)
    assert "tls.key" in said
    assert "a.pem" in said
    assert "Traceback" not in said
