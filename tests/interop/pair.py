"""Our own two ends on a cable of two network namespaces, from plug-in over SLAC on real AF_PACKET
sockets to charging and unplug.

``python -m tests.interop.pair`` from the project's root, as root. Pytest runs it too,
where namespaces are allowed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from iso15118.pki import issue_test_pki
from tests.interop.namespaces import INTERFACE, modem_cables
from tests.interop.site import Site, site

__all__ = ["Outcome", "charge"]

_READY_S, _SESSION_S = 60.0, 120.0


@dataclass
class Outcome:
    """Seconds count from the moment of plug-in."""

    scenario: str
    link_s: float | None = None
    session_s: float | None = None
    energy_s: float | None = None
    secc: dict[str, Any] = field(default_factory=dict)
    evcc: dict[str, Any] = field(default_factory=dict)
    linked_after: bool = True
    """Whether the two modems still share a network when all is over."""
    refused: int = 0
    tracebacks: list[str] = field(default_factory=list)
    problem: str = ""


def secc_toml(folder: Path) -> Path:
    path = folder / "secc.toml"
    path.write_text(
        f'interface = "{INTERFACE}"\n[tls]\npki = "{folder / "pki"}"\n[station]\npreset = "ccs2"\ntime_scale = 200\n'
    )
    return path


def evcc_toml(folder: Path, *, target_soc: int) -> Path:
    path = folder / "evcc.toml"
    path.write_text(
        f'interface = "{INTERFACE}"\n[tls]\npki = "{folder / "pki"}"\n'
        f'[session]\nservices = ["dc"]\ntarget_soc = {target_soc}\nminimum_soc = 10\nloop_interval_s = 0.02\n'
        "[vehicle]\nbattery_kwh = 60\nsoc = 20\ntime_scale = 200\n"
    )
    return path


async def charge(here: Site, *, pull_the_plug: bool = False) -> Outcome:
    """Plug in, charge, and unplug at the end, or in mid-session."""
    outcome = Outcome("unplug in mid-session" if pull_the_plug else "charge")
    if not (here.folder / "pki").exists():
        issue_test_pki(at=datetime.now(UTC)).write(here.folder / "pki")
    files = secc_toml(here.folder), evcc_toml(here.folder, target_soc=80 if pull_the_plug else 25)
    secc, evcc = [
        await here.start_ours(role, "-c", str(path))
        for role, path in zip(("secc", "evcc"), files, strict=True)
    ]
    try:
        async with asyncio.timeout(_READY_S):
            for attached in here.pilot.attached.values():
                await attached.wait()
            await asyncio.sleep(0.3)  # the station's modem takes its key
    except TimeoutError:
        outcome.problem = "an end did not start: " + " ".join((secc.err + evcc.err)[-2:])
        return outcome
    plugged = here.now
    here.plug_in()
    await evcc.until(lambda host: any("in a session" in line for line in host.err), _SESSION_S)
    if pull_the_plug:
        for host in (evcc, secc):
            await host.until(lambda host: any("in the charge loop" in line for line in host.err), _SESSION_S)
        await asyncio.sleep(0.2)  # a few turns
        here.unplug()
    status = [await host.ended(_SESSION_S) for host in (evcc, secc)]
    for host, found in ((secc, outcome.secc), (evcc, outcome.evcc)):
        if host.out:
            found.update(json.loads(host.out[-1]))
        outcome.tracebacks += [line for line in host.err if line.startswith("Traceback")]
    if None in status:
        outcome.problem = f"not over within {_SESSION_S:g} s"
    await asyncio.sleep(0.2)  # the modems take the keys of afterwards
    outcome.linked_after = bool(
        here.line.linked(here.modems[here.cables.evcc_modem], asyncio.get_running_loop().time())
    )
    if not pull_the_plug:
        here.unplug()
    outcome.link_s = _since(plugged, here.when("evcc", "D-LINK_READY(link established)"))
    outcome.session_s = _since(plugged, here.when("evcc", "in a session"))
    outcome.energy_s = _since(plugged, here.when("vehicle", "shows state C"))
    outcome.refused = here.watch.refused
    return outcome


def _since(start: float, moment: float | None) -> float | None:
    return None if moment is None else round(moment - start, 3)


async def run(folder: Path, scenario: str) -> Outcome:
    """One scenario on cables of its own. Raises ``OSError`` where namespaces are not allowed."""
    with modem_cables() as cables:
        async with site(cables, folder, tell=lambda line: print(line, flush=True)) as here:
            return await charge(here, pull_the_plug=scenario == "unplug")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.pair", description=__doc__)
    parser.add_argument("--scenario", choices=["charge", "unplug"], default="charge")
    parser.add_argument(
        "--out", type=Path, help="new folder for logs and certificates (default: a temporary one)"
    )
    asked = parser.parse_args()
    folder = (asked.out or Path(tempfile.mkdtemp(prefix="iso15118-pair-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        outcome = asyncio.run(run(folder, asked.scenario))
    except OSError as error:
        print(f"skipped: network namespaces are not allowed here: {error}", file=sys.stderr)
        return 2
    for name, ended in (("secc", outcome.secc), ("evcc", outcome.evcc)):
        print(
            f"{name}: "
            + json.dumps(
                {key: ended.get(key) for key in ("result", "end_reason", "safe", "energy_charged_kwh", "tls")}
            )
        )
    print(
        f"plug-in to link {outcome.link_s} s, to session {outcome.session_s} s, to state C {outcome.energy_s} s"
    )
    print(f"logs: {folder}")
    if outcome.problem:
        print(outcome.problem, file=sys.stderr)
    return 1 if outcome.problem else 0


if __name__ == "__main__":
    sys.exit(main())
