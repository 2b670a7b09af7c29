"""Our own two ends on a cable of two network namespaces with the back-end of 10BASE-T1S: carrier and PLCA
over netlink, MCS, and no SLAC.

``python -m tests.interop.mcs`` from the project's root, as root. The programs are ``iso15118 secc`` and
``iso15118 evcc`` as they are; CE and ID are assumed at each end, and ``iso15118 slac watch`` beside the
vehicle counts the HomePlug frames, of which there must be none.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from iso15118.pki import issue_test_pki
from tests.interop.namespaces import INTERFACE, Cable, cable

_LINK = '[link]\nbackend = "spe"\nsignalling = "simulated"\n'


def start(ends: Cable, namespace: str, *arguments: str) -> subprocess.Popen[str]:
    command = ends.at(namespace, [sys.executable, "-m", "iso15118", *arguments])
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    if not any(words in line for line in process.stderr):
        raise OSError(f"it ended before it said {words!r}")


def session(ends: Cable, folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """One charge; what vehicle, station and listener printed last, and what the two said of PLCA."""
    issue_test_pki(at=datetime.now(UTC)).write(folder / "pki")
    head = f'interface = "{INTERFACE}"\n[tls]\npki = "{folder / "pki"}"\n{_LINK}'
    (folder / "secc.toml").write_text(f'{head}[station]\npreset = "mcs-gen1"\ntime_scale = 200\n')
    (folder / "evcc.toml").write_text(
        f'{head}[session]\nservices = ["mcs"]\ntarget_soc = 25\nminimum_soc = 10\nloop_interval_s = 0.02\n'
        "[vehicle]\nbattery_kwh = 300\nsoc = 20\ntime_scale = 200\n"
    )
    running: list[subprocess.Popen[str]] = []
    try:
        watch = start(ends, ends.evcc, "slac", "watch", INTERFACE, "--json")
        running.append(watch)
        until(watch, "listening")
        secc = start(ends, ends.secc, "secc", "-c", str(folder / "secc.toml"), "--sessions", "1", "--json")
        running.append(secc)
        until(secc, "listening")
        evcc = start(ends, ends.evcc, "evcc", "-c", str(folder / "evcc.toml"), "--json")
        running.append(evcc)
        said = [process.communicate(timeout=60.0) for process in (evcc, secc)]
        time.sleep(0.2)
        watch.terminate()
        said.append(watch.communicate(timeout=10.0))
    finally:
        for process in running:
            process.kill()
            process.wait()
    plca = [line for _, err in said for line in err.splitlines() if "PLCA" in line]
    return [json.loads(out.splitlines()[-1]) for out, _ in said if out], plca


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="iso15118-mcs-"))
    try:
        with cable() as ends:
            printed, plca = session(ends, folder)
    except OSError as error:
        print(
            f"skipped: network namespaces are not allowed here, or a program did not start: {error}",
            file=sys.stderr,
        )
        return 2
    *both, listener = printed
    for end in both:
        print(
            json.dumps(
                {key: end[key] for key in ("role", "result", "end_reason", "safe", "energy_charged_kwh")}
            )
        )
    print(*plca, sep="\n")
    print(f"HomePlug frames on the cable: {listener['frames']}")
    good = len(both) == 2 and all(end["result"] == "ok" and end["safe"] for end in both)
    return 0 if good and listener["frames"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
