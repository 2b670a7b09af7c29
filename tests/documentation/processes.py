"""Programs of the documentation as processes in a folder: what they say is read as it comes,
and none outlives its test."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SDP_PORT = 20_000 + os.getpid() % 6_000
"""Below the range that the system gives away, and not the one of tests/test_readme.py."""


def environment() -> dict[str, str]:
    """The command is the module of this work tree, whether or not it is installed."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


def command_of(line: str) -> list[str]:
    """A line of a page, as `iso15118 ...` or `python examples/...`."""
    program, *words = shlex.split(line, comments=True)
    if program == "iso15118":
        return [sys.executable, "-m", "iso15118", *words]
    assert program == "python", line
    return [sys.executable, *(str(ROOT / word) if word.startswith("examples/") else word for word in words)]


class Program:
    """A running process; its output and errors are one."""

    def __init__(self, line: str, folder: Path) -> None:
        self.line = line
        self.process = subprocess.Popen(
            command_of(line),
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        self._news = threading.Condition()
        self._over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.said.append(line.rstrip())
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()

    def until_it_says(self, words: str, within_s: float = 120.0) -> None:
        """Fails if it ends first, or does not say it in time."""
        with self._news:
            self._news.wait_for(lambda: self._over or any(words in line for line in self.said), within_s)
            assert any(words in line for line in self.said), (self.line, self.said)

    def ended(self, within_s: float = 120.0) -> int:
        """Its exit status."""
        status = self.process.wait(within_s)
        self._reader.join(within_s)
        return status

    def close(self) -> None:
        """Kill it, if it still runs."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def interrupted(self) -> int:
        """As by Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.ended()


@contextlib.contextmanager
def running(line: str, folder: Path) -> Iterator[Program]:
    """Started here, and killed at the latest when this is left."""
    program = Program(line, folder)
    try:
        yield program
    finally:
        program.close()


def run(line: str, folder: Path, status: int = 0) -> str:
    """Run to its end; its output and errors."""
    done = subprocess.run(
        command_of(line),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300.0,
        check=False,
    )
    assert done.returncode == status, (line, done.stdout)
    return done.stdout
