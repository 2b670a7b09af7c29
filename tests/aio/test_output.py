"""What the commands say and what the drivers log goes by threads.

A pipe that nobody reads, a closed one, a handler that fails or blocks cost lines and nothing
else: shown with real pipes.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from iso15118.aio import PortLimits
from iso15118.session.actions import EndReason
from iso15118.session.events import HardwareFault
from iso15118.session.supervision import SupervisionLimits
from iso15118.timing import Timing

from .site import Plant, Stopper, evcc_config, secc_config, site

ENOUGH_S = 60.0


def program(text: str, **settings: object) -> subprocess.Popen[bytes]:
    """Run this with the package; ``settings`` as of ``Popen``."""
    return subprocess.Popen([sys.executable, "-c", dedent(text)], **settings)  # type: ignore[call-overload, no-any-return]


def full_pipe() -> tuple[int, int]:
    """Both ends of a pipe into which nothing fits any more."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    for size in (65536, 1):
        try:
            while True:
                os.write(write, b"x" * size)
        except BlockingIOError:
            continue
    os.set_blocking(write, True)
    return read, write


SAYS = """
    import sys, time
    from iso15118.aio.output import say, flush, lost
    began = time.monotonic()
    for number in range(20_000):
        say(f"line {number} " + "x" * 100)
        say("and an error", error=True)
    assert time.monotonic() - began < 30.0
    open(sys.argv[1] if len(sys.argv) > 1 else %r, "w").write("went on")
"""


def test_lines_come_out_in_order_and_names_that_cannot_be_printed_are_escaped() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            dedent("""
                from iso15118.aio.output import say, flush
                for number in range(100): say(f"line {number}")
                say("half \\ud800 of \\xfc")
                say("wrong", error=True)
                assert flush(20)
            """),
        ],
        capture_output=True,
        timeout=ENOUGH_S,
        check=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    lines = done.stdout.decode().splitlines()
    assert lines[:100] == [f"line {number}" for number in range(100)]
    assert lines[100] == "half \\ud800 of \\xfc"
    assert done.stderr.decode() == "wrong\n"


@pytest.mark.parametrize("which", ["stdout", "stderr", "both"])
def test_a_pipe_that_nobody_reads_costs_lines_and_the_program_ends(which: str, tmp_path: Path) -> None:
    read, write = full_pipe()
    streams = {name: write for name in ("stdout", "stderr") if which in (name, "both")}
    process = program(
        SAYS % str(tmp_path / "mark"),
        **({"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | streams),
    )
    try:
        assert process.wait(ENOUGH_S) == 0
    finally:
        process.kill()
        os.close(read)
        os.close(write)
    assert (tmp_path / "mark").read_text() == "went on"


@pytest.mark.parametrize("which", ["stdout", "stderr", "both"])
def test_a_pipe_whose_reader_is_gone_costs_lines(which: str, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    streams = {name: write for name in ("stdout", "stderr") if which in (name, "both")}
    process = program(
        SAYS % str(tmp_path / "mark"),
        **({"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | streams),
    )
    try:
        assert process.wait(ENOUGH_S) == 0
    finally:
        process.kill()
        os.close(write)
    assert (tmp_path / "mark").read_text() == "went on"


def test_a_full_disk_costs_lines() -> None:
    if not Path("/dev/full").exists():
        raise AssertionError("Linux has /dev/full")
    with open("/dev/full", "w") as full:
        process = program("from iso15118.aio.output import say\nfor n in range(100): say('x')", stdout=full)
        assert process.wait(ENOUGH_S) == 0


@pytest.mark.parametrize("stream", ["None", "Broken()"])
def test_a_stream_that_is_none_costs_lines(stream: str) -> None:
    process = program(f"""
        import sys
        from iso15118.aio.output import say, flush, lost
        class Broken:
            def write(self, text): raise SystemExit(7)
            flush = write
        sys.stdout = {stream}
        for number in range(10): say("x")
        assert flush(20)
        say("y")
        assert flush(20)
        sys.stdout = None
    """)
    assert process.wait(ENOUGH_S) == 0


# -- the log ------------------------------------------------------------------------------------------------

WORDS = {
    "a handler raises": "class H(logging.Handler):\n    def emit(self, record): raise ValueError('full')",
    "a handler wants to end the program": "class H(logging.Handler):\n    def emit(self, record): raise SystemExit(9)",
    "a formatter raises": "class F(logging.Formatter):\n    def format(self, record): raise ValueError('no text')",
    "a filter raises": "class P(logging.Filter):\n    def filter(self, record): raise KeyboardInterrupt",
    "a record factory raises": "def factory(*a, **k): raise SystemExit(8)\nlogging.setLogRecordFactory(factory)",
    "a record factory blocks": "def factory(*a, **k): time.sleep(3)\nlogging.setLogRecordFactory(factory)",
    "a handler blocks": "class H(logging.Handler):\n    def emit(self, record): time.sleep(5)",
}


@pytest.mark.parametrize("what", WORDS)
def test_the_log_of_the_drivers_never_raises_and_never_waits(what: str) -> None:
    process = program(
        "import logging, time, sys\n"
        + WORDS[what]
        + dedent("""
            from iso15118.aio.logs import Log
            root = logging.getLogger()
            root.setLevel(logging.DEBUG)
            handler = globals()["H"]() if "H" in globals() else logging.StreamHandler()
            if "F" in globals(): handler.setFormatter(F())
            if "P" in globals(): handler.addFilter(P())
            root.addHandler(handler)
            class Unprintable:
                def __repr__(self): raise ValueError
                __str__ = __repr__
            log = Log("iso15118.aio.test")
            began = time.monotonic()
            for number in range(50):
                log.error("%s %s", number, Unprintable(), error=ValueError("x"))
                log.info("%d", "no number")
                log.debug("wrong", 1, 2)
                log.warning("w")
                log.critical("c")
            took = time.monotonic() - began
            import os
            os._exit(0 if took < 2.5 else 3)
        """),
        stderr=subprocess.DEVNULL,
    )
    assert process.wait(ENOUGH_S) == 0


def test_a_child_that_was_forked_writes_its_own_log() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            dedent("""
                import logging, os, sys
                from iso15118.aio import logs
                from iso15118.aio.output import say, flush
                logging.basicConfig(stream=sys.stderr, format="%(message)s")
                log = logs.Log("iso15118.aio.test")
                log.warning("parent")
                say("parent says")
                assert logs.flush(20) and flush(20)
                child = os.fork()
                if child == 0:
                    log.warning("child")
                    say("child says")
                    os._exit(0 if logs.flush(20) and flush(20) else 1)
                assert os.waitpid(child, 0)[1] == 0
            """),
        ],
        capture_output=True,
        timeout=ENOUGH_S,
        check=True,
    )
    assert done.stderr.decode().split() == ["parent", "child"]
    assert done.stdout.decode().splitlines() == ["parent says", "child says"]


# -- a station as a process
# -------------------------------------------------------------------------------------


def settings(folder: Path, sdp_port: int) -> Path:
    path = folder / "secc.toml"
    path.write_text(
        f'sdp_port = {sdp_port}\n[tls]\nmode = "plaintext"\n[station]\npreset = "mcs-gen1"\ntime_scale = 20\n'
    )
    return path


def secc(path: Path, streams: dict[str, Any]) -> subprocess.Popen[bytes]:
    words = ["--log-level", "info", "secc", "-c", str(path), "--sessions", "1"]
    return subprocess.Popen([sys.executable, "-m", "iso15118", *words], **streams)


@contextmanager
def vehicle(folder: Path, sdp_port: int) -> Iterator[subprocess.Popen[bytes]]:
    path = folder / "evcc.toml"
    path.write_text(
        f'sdp_port = {sdp_port}\n[tls]\nmode = "plaintext"\n[session]\nservices = ["mcs"]\nloop_interval_s = 0.05\n'
        "[vehicle]\ntime_scale = 20\n"
    )
    words = [sys.executable, "-m", "iso15118", "evcc", "-c", str(path), "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.mark.parametrize(("how", "which"), [("full", "stdout"), ("full", "both"), ("closed", "both")])
def test_a_station_whose_pipe_is_of_no_use_charges_and_ends_in_order(
    how: str, which: str, tmp_path: Path
) -> None:
    """Nobody reads what it says; its loop goes on, and a signal in the middle of charging
    ends the session in order."""
    read, write = full_pipe() if how == "full" else os.pipe()
    if how == "closed":
        os.close(read)
    streams = {
        name: write if which in (name, "both") else subprocess.DEVNULL for name in ("stdout", "stderr")
    }
    with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as free:
        free.bind(("::1", 0))
        sdp_port = free.getsockname()[1]
    process = secc(settings(tmp_path, sdp_port), streams)
    try:
        with vehicle(tmp_path, sdp_port) as car:
            assert car.stderr is not None
            for line in car.stderr:
                if b"in the charge loop" in line:
                    break
            process.send_signal(signal.SIGTERM)
            out, _ = car.communicate(timeout=ENOUGH_S)
        summary = json.loads(out)
        assert summary["end_reason"] == "STOPPED_BY_STATION", summary
        assert summary["safe"]
        assert process.wait(ENOUGH_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(write)
        if how == "full":
            os.close(read)


PATIENT: dict[str, Any] = {
    "timing": Timing(sequence_timeout_loop=20.0, message_timeout_loop=20.0),
    "supervision": SupervisionLimits(stale_s=20.0),
}
SLOW_PORTS = PortLimits(power_s=10.0, contactors_s=10.0, signal_s=10.0)
"""On the real clock: a machine that is busy ends no session before the fault."""


class Blocks(logging.Handler):
    """Takes this long for each line, until ``over``: a loop that was held up once has been seen."""

    seconds = 10.0

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.over.wait(self.seconds)
        if threading.current_thread() is threading.main_thread():
            self.over.set()


@pytest.mark.real_time  # on the clock of the other tests a handler that blocks the loop takes no time
@pytest.mark.parametrize("what", ["a handler blocks", "a formatter raises", "a filter raises"])
async def test_contactors_open_in_time_whatever_the_log_of_an_application_does(what: str) -> None:
    """A library's user with a handler of its own: the loop goes on while that one is at work, so that
    the time from a fault to an open outlet has no call of the handler in it."""
    plant, blocks = Plant(), Blocks()
    kinds: dict[str, Any] = {"logging": logging}
    if what != "a handler blocks":
        exec(WORDS[what], kinds)
    handler = logging.StreamHandler(io.StringIO()) if kinds.keys() & {"F", "P"} else blocks
    if "F" in kinds:
        handler.setFormatter(kinds["F"]())
    if "P" in kinds:
        handler.addFilter(kinds["P"]())
    package = logging.getLogger("iso15118")
    package.addHandler(handler)
    package.propagate = False
    package.setLevel(logging.DEBUG)
    faults: list[float] = []
    try:
        async with site(plant, config=secc_config(**PATIENT), port_limits=SLOW_PORTS) as here:

            def fault(client: Any) -> None:
                plant.station.faults.raises("stop_power", times=1)  # a line at ERROR before the outlet opens
                plant.station.faults.late("open_contactors", 0.1, times=1)
                assert plant.station.outlet.closed
                faults.append(time.monotonic())
                here.server.tell(HardwareFault("cooling", "no flow"))

            stopper = Stopper(5, fault)
            patient = evcc_config(**PATIENT)
            stopper.client = client = here.client(observer=stopper, config=patient, port_limits=SLOW_PORTS)
            charging = asyncio.create_task(client.run())
            while not (faults and not plant.station.outlet.closed):  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.01)
            took = time.monotonic() - faults[0]
            blocks.over.set()
            assert took < 0.5 * Blocks.seconds
            await charging
            theirs = await here.server.wait_finished(1)
            assert theirs.ended.reason is EndReason.HARDWARE_FAULT
            assert theirs.safe
            assert plant.station_safe
            plant.station.faults.clear()
    finally:
        blocks.over.set()
        package.removeHandler(handler)
        package.propagate = True
        package.setLevel(logging.NOTSET)
