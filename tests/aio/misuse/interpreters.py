"""``python -m tests.aio.misuse --python 3.12``: the package built for another interpreter, and the
tests of the drivers run there.

Looks for the interpreter where pyenv keeps its own, then on the path. What is installed stays in a
folder of its own, for next time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["tests_with"]

ROOT = Path(__file__).parents[3]
NEEDS = ("pytest>=8", "hypothesis>=6", "uvloop>=0.21", "pyroute2>=0.9", "maturin>=1.7,<2")
TESTS = (
    "tests/aio/test_calls.py",
    "tests/aio/test_port_calls.py",
    "tests/aio/test_port_faults.py",
    "tests/aio/test_guard.py",
    "tests/aio/test_heartbeat.py",
    "tests/aio/test_inbox.py",
    "tests/aio/test_service.py",
    "tests/aio/test_port_checks.py",
    "tests/aio/test_output.py",
    "tests/aio/test_sessions.py",
    "tests/aio/test_sessions_dropped.py",
    "tests/aio/test_sessions_server.py",
    "tests/aio/test_sessions_signals.py",
    "tests/aio/test_stream.py",
    "tests/aio/misuse",
)


def find(version: str) -> Path:
    """The interpreter of this version; ends the program where there is none."""
    kept = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}*/bin/python"))
    found = kept[-1] if kept else shutil.which(f"python{version}")
    if not found:
        raise SystemExit(f"there is no Python {version} on this machine")
    return Path(found)


def tests_with(version: str, more: list[str]) -> int:
    """Build, install and run; gives the exit status of pytest."""
    folder = Path(tempfile.gettempdir()) / f"iso15118-python-{version}"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([find(version), "-m", "venv", folder], check=True)
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *NEEDS)
    wheels = folder / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    _run(
        folder / "bin" / "maturin", "build", "--release", "--quiet", "--interpreter", python, "--out", wheels
    )
    (wheel,) = wheels.glob("*.whl")
    _run(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--force-reinstall",
        "--no-deps",
        wheel,
    )
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    # Not from the sources: the package is the one that was installed, the tests are those of here.
    here = folder / "here"
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir()
    for name in ("tests", "pyproject.toml", "examples", "docs", "benchmarks"):
        (here / name).symlink_to(ROOT / name)
    print(
        subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.strip(),
        flush=True,
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {
        "PYTHONFAULTHANDLER": "1"
    }
    tests = more or list(TESTS)
    return subprocess.run(
        [python, "-m", "pytest", "-q", *tests], cwd=here, env=environment, check=False
    ).returncode


def _run(*command: object) -> None:
    done = subprocess.run([str(word) for word in command], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(str(word) for word in command)} failed")
