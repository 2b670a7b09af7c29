"""The charger of ``examples/firmware``, with its board, against the vehicle of the PyPI package
``iso15118`` over TLS on a cable.

``python -m tests.interop.firmware`` from the project's root, as root; as ``josev.py``, whose peer it runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.interop.josev import HABITS, Bench, Case, complaints
from tests.interop.namespaces import INTERFACE, cable
from tests.interop.peer import CACHE, environment
from tests.interop.processes import ROOT, Process, session

EXAMPLE = ROOT / "examples" / "firmware"
SESSION_S = 120.0


def charger_file(folder: Path) -> Path:
    """As docs/firmware.md has it, with what the peer's habits and its P-256 need."""
    keys, habits = folder / "pki-tls", "".join(f"{key} = {value}\n" for key, value in HABITS.items())
    path = folder / "charger.toml"
    path.write_text(
        f'interface = "{INTERFACE}"\n[session]\n{habits}[tls]\nprofile = "lab"\ncertificate = "{keys / "secc.pem"}"\n'
        f'key = "{keys / "secc.key"}"\nchain = "{keys / "chain.pem"}"\nanchors = ["{keys / "oem-root.pem"}"]\n'
    )
    (keys / "chain.pem").write_text(
        "".join((keys / f"{name}.pem").read_text() for name in ("cpo-sub2", "cpo-sub1"))
    )
    return path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.firmware", description=__doc__)
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="folder of the peer's environment (%(default)s)"
    )
    parser.add_argument("--control", choices=["scheduled", "dynamic"], default="scheduled")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="iso15118-firmware-"))
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    try:
        python = environment(asked.cache.resolve())
        with cable() as ends, (folder / "board.log").open("w") as board_log:
            bench = Bench(ends, python, folder)
            wire = folder / "board.sock"
            board = subprocess.Popen(
                [sys.executable, str(EXAMPLE / "board.py"), str(wire), "5"],
                env=environ,
                stdout=board_log,
                stderr=board_log,
            )
            try:
                while not wire.exists():
                    if board.poll() is not None:
                        raise OSError("the board did not start")
                command = [
                    sys.executable,
                    str(EXAMPLE / "charger.py"),
                    str(wire),
                    str(charger_file(folder)),
                    "1",
                ]
                charger = Process(command, environ, folder / "charger.log", printed=True)
                theirs = bench._theirs(Case("evcc", control=asked.control, transport="tls"), "evcc")
                lines, problem = session(ends, charger, theirs, waits_for=charger, limit_s=SESSION_S)
            finally:
                board.terminate()
                board.wait()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"cannot run: {error}", file=sys.stderr)
        return 2
    for line in (*lines["secc"], *(folder / "board.log").read_text().splitlines()):
        print(line)
    for line in complaints(theirs.log.read_text(errors="replace")):
        print(f"    peer: {line}")
    print(f"{problem or 'it ended by itself'}; logs: {folder}")
    good = [
        line
        for line in lines["secc"]
        if "STOPPED_BY_EV" in line and "hardware safe" in line and " TLS" in line
    ]
    return 0 if good and not problem else 1


if __name__ == "__main__":
    sys.exit(main())
