"""One session between two processes at the ends of a cable: the station starts first,
and both are gone afterwards.

Who they are is the caller's business: this stack's command line here, another stack there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from tests.interop.namespaces import Cable

__all__ = ["ROOT", "Process", "Role", "our_process", "session", "summary_of"]

ROOT = Path(__file__).resolve().parents[2]
Role = Literal["secc", "evcc"]

_READY_S = 30.0
_LAST_WORDS_S = 0.5


@dataclass(frozen=True)
class Process:
    """A command line with its environment. ``log``: where its standard error goes; ``printed``: its
    standard output is kept apart."""

    command: list[str]
    environ: dict[str, str]
    log: Path
    printed: bool = False


def our_process(role: Role, settings: Path, log: Path) -> Process:
    """``iso15118 secc`` or ``evcc`` for one session, with its summary as JSON on standard output."""
    command = [sys.executable, "-m", "iso15118", "--log-level", "info", role, "-c", str(settings), "--json"]
    return Process(
        command + (["--sessions", "1"] if role == "secc" else []), dict(os.environ), log, printed=True
    )


def session(
    ends: Cable, station: Process, vehicle: Process, *, waits_for: Process, limit_s: float
) -> tuple[dict[str, list[str]], str]:
    """Run both until ``waits_for`` has ended. What each printed, by role, and what kept the session from
    being run ("" if nothing did)."""
    problem = ""
    running: dict[Role, subprocess.Popen[str]] = {}
    with (
        tempfile.TemporaryFile("w+") as of_station,
        tempfile.TemporaryFile("w+") as of_vehicle,
        station.log.open("w") as station_log,
        vehicle.log.open("w") as vehicle_log,
    ):
        try:
            running["secc"] = _start(ends, ends.secc, station, of_station, station_log)
            if _answers_discovery(ends, running["secc"]):
                running["evcc"] = _start(ends, ends.evcc, vehicle, of_vehicle, vehicle_log)
                running["secc" if waits_for is station else "evcc"].wait(limit_s)
                time.sleep(_LAST_WORDS_S)
            else:
                problem = "the station did not start"
        except subprocess.TimeoutExpired:
            problem = f"no end within {limit_s:g} s"
        finally:
            for process in running.values():
                process.terminate()
            for process in running.values():
                try:
                    process.wait(5.0)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        lines = {}
        for role, printed in (("secc", of_station), ("evcc", of_vehicle)):
            printed.seek(0)
            lines[role] = printed.read().splitlines()
    return lines, problem


def summary_of(ours: Process, lines: list[str], problem: str) -> tuple[dict[str, Any], str]:
    """The summary that our side printed, empty if there was no session, and what kept it from one."""
    said: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    if "end_reason" in said:
        return said, problem
    log = ours.log.read_text().strip().splitlines() if ours.log.exists() else []
    return {}, problem or said.get("error", {}).get("message") or (log or ["our side said nothing"])[-1]


def _start(
    ends: Cable, where: str, process: Process, printed: IO[str], log: IO[str]
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ends.at(where, process.command),
        cwd=ROOT,
        env=process.environ,
        stdout=printed if process.printed else log,
        stderr=log,
        text=True,
    )


def _answers_discovery(ends: Cable, station: subprocess.Popen[str]) -> bool:
    """Wait until the station's discovery port is open."""
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and station.poll() is None:
        command = ends.at(ends.secc, ["cat", "/proc/net/udp6"])
        sockets = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        if ":3B0E " in sockets:  # 15118
            return True
        time.sleep(0.1)
    return False
