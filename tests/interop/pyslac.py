"""Runs our SLAC against the PyPI package ``pyslac`` over emulated modems between two network namespaces;
README.md says what came out.

``python -m tests.interop.pyslac`` from the project's root, as root. Not a test of pytest: it needs root,
the package index, and minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from iso15118.link.slac.frames import mmtype_in
from iso15118.link.slac.messages import MmType
from iso15118.simulation.modem import PlcModem
from tests.interop.namespaces import INTERFACE, modem_cables
from tests.interop.peer import CACHE
from tests.interop.site import Host, Site, site

HERE = Path(__file__).resolve().parent
PACKAGES = ("pyslac==0.8.3", "marshmallow<4", "scapy==2.6.1")
"""The peer; it does not start with marshmallow 4, and its script for a vehicle imports
scapy without asking for it."""
SCRIPT_INTERFACE = "enp0s3"
"""The interface that this script is written for."""


_ANSWERS = ("is ready to count", "is not ready", "declines the validation", "wants no validation")


@dataclass
class Result:
    """What came of a case. ``found``: one line for each thing looked at."""

    name: str
    good: bool
    found: list[str] = field(default_factory=list)


def environment(folder: Path) -> Path:
    """The peer's Python, installed at the first call."""
    python = folder / "venv-pyslac" / "bin" / "python"
    ready = folder / "venv-pyslac" / "ready"
    if not ready.exists():
        print(f"making the peer's environment in {ready.parent}", file=sys.stderr, flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ready.parent)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES], check=True)
        ready.touch()
    return python


def said(key: str, value: object, times: int = 1) -> Callable[[Host], bool]:
    """Whether a process printed this as JSON so many times."""

    def look(host: Host) -> bool:
        values = [json.loads(line).get(key) for line in host.out if line.startswith("{")]
        return values.count(value) >= times

    return look


async def their_station(here: Site, python: Path) -> Host:
    """pyslac as a station, with its key set."""
    # -P: the folder of the script has a module of the same name as the peer.
    command = [str(python), "-P", str(HERE / "pyslac_peer.py"), str(here.socket), INTERFACE]
    host = await here.start("pyslac", here.cables.secc, command)
    if not await host.until(said("note", "key set"), 30.0):
        raise RuntimeError("pyslac did not set its key: " + " | ".join(host.err[-3:]))
    await here.pilot.attached["station"].wait()
    return host


async def our_vehicle(here: Site) -> Host:
    host = await here.start_ours("evcc")
    await asyncio.wait_for(here.pilot.attached["vehicle"].wait(), 20.0)
    return host


async def matched(here: Site, python: Path) -> Result:
    """Plug in, match, carry data, unplug; and all over again."""
    result = Result("pyslac as station, our vehicle", good=True)
    theirs, ours = await their_station(here, python), await our_vehicle(here)
    for turn in (1, 2):
        plugged = here.now
        here.plug_in()
        up = await ours.until(said("link", True, turn), 20.0)
        took = here.now - plugged
        agreed = await theirs.until(said("state", "matched", turn), 2.0)
        data = up and await here.data_passes()
        here.unplug()
        down = await ours.until(said("link", False, turn), 5.0)
        await asyncio.sleep(0.5)
        parted = not await here.data_passes(attempts=1)
        parts = [
            f"plug-in {turn}: link {'up' if up else 'not up'} at our vehicle after {took:.2f} s",
            f"pyslac {'matched' if agreed else 'not matched'}",
            f"IP {'passes' if data else 'does not pass'}",
            f"after unplug {'no link, no IP' if down and parted else 'still linked'}",
        ]
        result.found.append(", ".join(parts))
        result.good = result.good and up and agreed and data and down and parted
    result.found.append(f"{here.watch.refused} of {here.watch.frames} frames refused by the listener")
    return result


async def a_lost_sound(here: Site, python: Path) -> Result:
    """The station does not hear one of ten sounds."""
    result = Result("a sound is lost", good=False)
    theirs, ours = await their_station(here, python), await our_vehicle(here)
    lost: list[bytes] = []

    def lose(data: bytes, sender: PlcModem, receiver: PlcModem) -> tuple[float, ...]:
        if receiver.measures and mmtype_in(data) == MmType.MNBC_SOUND_IND and not lost:
            lost.append(data)
            return ()
        return (0.0,)

    here.line.interference = lose
    plugged = here.now
    here.plug_in()
    up = await ours.until(said("link", True), 30.0)
    took = here.now - plugged
    agreed = await theirs.until(said("state", "matched"), 2.0)
    runs = sum("looks for stations" in what and "time" not in what for _, _, what in here.story)
    result.good = up and agreed and len(lost) == 1
    result.found.append(
        f"link {'up' if up else 'not up'} after {took:.2f} s, in matching process {runs}: "
        "pyslac waits for the tenth profile and gives up, where the others would do"
    )
    return result


async def validated(here: Site, python: Path) -> Result:
    """An attenuation at which our vehicle wants a validation, which pyslac does not know."""
    here.attenuation_db = 55.0
    result = Result("the same at 55 dB", good=False)
    theirs, ours = await their_station(here, python), await our_vehicle(here)
    here.plug_in()
    gave_up = await ours.until(said("note", "no station was found; wait for the basic signalling"), 20.0)
    asked = sum("asks EVSE" in what and "validation" in what for _, who, what in here.story if who == "slac")
    answered = sum(any(word in what for word in _ANSWERS) for _, who, what in here.story if who == "slac")
    linked = said("link", True)(ours)
    agreed = said("state", "matched")(theirs)
    result.good = asked > 0 and not linked and not agreed
    result.found.append(
        f"our vehicle asks for a validation ({asked} CM_VALIDATE.REQ), pyslac answers {answered}; "
        f"{'linked' if linked else 'not linked'}, and our vehicle {'gives up in the end' if gave_up else 'does not give up'}"
    )
    return result


async def their_vehicle(here: Site, python: Path) -> Result:
    """pyslac's script for a vehicle, which sends its messages blindly, against our station."""
    result = Result("pyslac's script as vehicle, our station", good=False)
    ours = await here.start_ours("secc", "--interface", SCRIPT_INTERFACE)
    await asyncio.wait_for(here.pilot.attached["station"].wait(), 20.0)
    await asyncio.sleep(0.5)
    here.plug_in()
    script = await here.start(
        "script", here.cables.evcc, [str(python), "-P", "-m", "pyslac.examples.ev_slac_scapy"]
    )
    status = await script.ended(60.0)
    await asyncio.sleep(1.0)
    steps = [what for _, who, what in here.story if who == "slac"]
    offered = any("answers" in what for what in steps)
    announced = [what for what in steps if "the announcement of EV" in what]
    chose = [what for what in steps if "chooses" in what or "CM_SLAC_MATCH.REQ" in what]
    linked = said("link", True)(ours)
    result.good = status == 0 and offered and not linked
    result.found.append(
        f"the script ends with {status}; our station {'answers' if offered else 'does not answer'} CM_SLAC_PARM.REQ"
    )
    result.found += announced[:1] + chose[:1]
    result.found.append(
        "linked" if linked else "no match: the script's CM_ATTEN_CHAR.RSP and CM_SLAC_MATCH.REQ go to itself"
    )
    return result


Case = Callable[[Site, Path], Awaitable[Result]]
CASES: dict[str, tuple[Case, str]] = {
    "station": (matched, INTERFACE),
    "lost-sound": (a_lost_sound, INTERFACE),
    "validation": (validated, INTERFACE),
    "vehicle-script": (their_vehicle, SCRIPT_INTERFACE),
}


async def run(name: str, python: Path, folder: Path) -> Result:
    case, interface = CASES[name]
    with modem_cables(interface) as cables:
        async with site(cables, folder, interface=interface) as here:
            try:
                return await case(here, python)
            except (RuntimeError, TimeoutError) as error:
                return Result(name, False, [f"not run to its end: {error}"])
            finally:
                lines = [f"{at:8.3f}  {who:8}  {what}" for at, who, what in here.story]
                (folder / "story.txt").write_text("\n".join(lines) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.pyslac", description=__doc__)
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="folder of the peer's environment (%(default)s)"
    )
    parser.add_argument("--out", type=Path, help="new folder for logs (default: a temporary one)")
    parser.add_argument("--only", default="*", metavar="PATTERN", help=f"cases by name: {', '.join(CASES)}")
    asked = parser.parse_args()
    folder = (asked.out or Path(tempfile.mkdtemp(prefix="iso15118-pyslac-"))).resolve()
    results = []
    try:
        python = environment(asked.cache.resolve())
        for name in CASES:
            if fnmatch(name, asked.only):
                (folder / name).mkdir(parents=True)
                results.append(asyncio.run(run(name, python, folder / name)))
                one = results[-1]
                print(f"{'as expected' if one.good else 'FAILED'}: {one.name}", flush=True)
                for line in one.found:
                    print(f"    {line}", flush=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"cannot run: {error}", file=sys.stderr)
        return 2
    print(f"\nlogs: {folder}")
    return 0 if results and all(one.good for one in results) else 1


if __name__ == "__main__":
    sys.exit(main())
