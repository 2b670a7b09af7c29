"""Runs this stack against the crate ``iso15118`` over a cable of two network namespaces;
README.md says how and what came out.

``python -m tests.interop.crate`` from the project's root, as root. Not a test of pytest: it needs
root, cargo and the crate index.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from iso15118.pki import issue_test_pki
from tests.interop.namespaces import INTERFACE, Cable, cable
from tests.interop.peer import CACHE
from tests.interop.processes import Process, Role, our_process, session, summary_of

VERSION = "0.7.0"
EXAMPLE = "v2g_node"
MANIFEST = f"""[package]
name = "node"
version = "0.0.0"
edition = "2024"
publish = false

[workspace]

[dependencies]
iso15118 = {{ version = "={VERSION}", features = ["pnc-rustcrypto"] }}
serde_json = "1"
"""
"""The crate from the index, with the features that its example needs beside the default ones."""
SESSION_S = 60.0


@dataclass(frozen=True)
class Case:
    """One session. ``peer``: the role of the crate's node."""

    peer: str
    service: str = "dc"
    control: str = "dynamic"
    """What our side is set to: one control mode, or ``both``, our default. The node knows Dynamic only."""
    transport: str = "tcp"
    strict: bool = False
    """Our station without the setting for vehicles that leave pre-charge at Ongoing."""
    expected: str = "ok"
    """``end_reason`` of our side where the session cannot succeed, or what it says where there is
    none; README.md says why."""

    @property
    def name(self) -> str:
        parts = [self.peer, self.service, self.control, self.transport]
        return "-".join([*parts, *(["strict"] if self.strict else [])])


CASES = [
    *(Case(peer, control=control) for peer in ("evcc", "secc") for control in ("dynamic", "both")),
    Case("evcc", strict=True, expected="SEQUENCE_ERROR"),
    *(Case(peer, control="scheduled", expected="PARAMETERS_NOT_ACCEPTED") for peer in ("evcc", "secc")),
    Case("secc", transport="tls", expected="no station answered"),
]


@dataclass
class Outcome:
    """What came of a case: the summaries of both sides."""

    case: Case
    ours: dict[str, Any] = field(default_factory=dict)
    theirs: dict[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def good(self) -> bool:
        ours = self.ours
        if not ours:
            return self.case.expected in self.problem
        if self.problem:
            return False
        if self.case.expected != "ok":
            return bool(ours.get("end_reason") == self.case.expected) and ours.get("safe") is True
        return (
            ours.get("result") == "ok"
            and ours.get("safe") is True
            and ours.get("charge_loops", 0) > 0
            and self.theirs.get("outcome") == "pass"
        )


def node(folder: Path) -> Path:
    """The crate's example, built at the first call where cargo unpacked it. Raises
    ``OSError`` with what is missing."""
    home = folder / f"crate-{VERSION}"
    target = Path(os.environ.get("CARGO_TARGET_DIR", home / "target"))
    program = target / "release" / EXAMPLE
    if program.exists() and (home / "ready").exists():
        return program
    if shutil.which("cargo") is None:
        raise OSError("the crate is built with cargo, which is not there")
    print(f"building {EXAMPLE} of iso15118 {VERSION} in {home}", file=sys.stderr, flush=True)
    (home / "src").mkdir(parents=True, exist_ok=True)
    (home / "src" / "lib.rs").touch()
    manifest = home / "Cargo.toml"
    manifest.write_text(MANIFEST)
    # A package of its own around the example: the crate's other examples and tests need
    # a container engine's client.
    told = subprocess.run(
        ["cargo", "metadata", "--format-version", "1"], cwd=home, check=True, capture_output=True, text=True
    )
    source = next(
        Path(one["manifest_path"]).parent
        for one in json.loads(told.stdout)["packages"]
        if (one["name"], one["version"]) == ("iso15118", VERSION)
    )
    main = source / "examples" / EXAMPLE / "main.rs"
    manifest.write_text(f'{MANIFEST}\n[[bin]]\nname = "{EXAMPLE}"\npath = {json.dumps(str(main))}\n')
    subprocess.run(["cargo", "build", "--quiet", "--release"], cwd=home, check=True)
    (home / "ready").touch()
    return program


class Bench:
    """What the cases share: the cable, the crate's program, a folder for logs and certificates."""

    def __init__(self, ends: Cable, program: Path, folder: Path) -> None:
        self.ends, self.program, self.folder = ends, program, folder
        issue_test_pki(at=datetime.now(UTC)).write(folder / "pki")

    def run(self, case: Case) -> Outcome:
        """One session from start to end."""
        ours_as: Role = "secc" if case.peer == "evcc" else "evcc"
        theirs_as: Role = "evcc" if case.peer == "evcc" else "secc"
        path = self.folder / f"{case.name}.toml"
        path.write_text(toml(case, ours_as, self.folder / "pki"))
        ours = our_process(ours_as, path, self.folder / f"{case.name}.ours.log")
        asked = ["--iface", INTERFACE, "--generation", "iso20", "--service", case.service]
        deadline = ["--deadline-ms", str(int(1000 * SESSION_S))]
        command = [str(self.program), theirs_as, *asked, *deadline]
        theirs = Process(command, dict(os.environ), self.folder / f"{case.name}.peer.log", printed=True)
        station, vehicle = (ours, theirs) if ours_as == "secc" else (theirs, ours)
        lines, problem = session(self.ends, station, vehicle, waits_for=ours, limit_s=SESSION_S)
        outcome = Outcome(case, problem=problem)
        if lines[theirs_as]:
            outcome.theirs = json.loads(lines[theirs_as][-1])
        outcome.ours, outcome.problem = summary_of(ours, lines[ours_as], problem)
        return outcome


def toml(case: Case, role: Role, pki: Path) -> str:
    """Our side's file. A laboratory's settings, each of them explicit."""
    tls = 'mode = "plaintext"' if case.transport == "tcp" else f'pki = "{pki}"'
    control = "" if case.control == "both" else f'control_modes = ["{case.control}"]\n'
    head = f'interface = "{INTERFACE}"\n[tls]\n{tls}\n[session]\nservices = ["{case.service}"]\n{control}'
    if role == "secc":
        # The node goes from pre-charge Ongoing straight to PowerDelivery.
        habit = "" if case.strict else "accept_ongoing_pre_charge = true\n"
        return f'{head}{habit}[station]\npreset = "ccs2"\n'
    return (
        # The node delivers 100 A whatever is asked: a battery that takes them, and is near its target.
        f"{head}target_soc = 21\nminimum_soc = 10\nloop_interval_s = 0.1\n[vehicle]\nbattery_kwh = 20.0\nsoc = 20.0\n"
        "empty_v = 380.0\nfull_v = 420.0\nresistance_ohm = 0.05\nmaximum_current_a = 200.0\nmaximum_power_kw = 100.0\n"
    )


def table(outcomes: list[Outcome]) -> str:
    """The results as a Markdown table."""
    heads = ["peer", "service", "control", "transport", "result", "loops", "Wh in", "ended", "the peer says"]
    rows = [heads, ["---"] * len(heads)]
    for one in outcomes:
        case, ours, theirs = one.case, one.ours, one.theirs
        verdict = ("ok" if case.expected == "ok" else "as expected") if one.good else "FAILED"
        ended = one.problem or " ".join(filter(None, (ours.get("end_reason", ""), ours.get("detail", ""))))
        done = ["", ""]
        if ours:
            done = [str(ours["charge_loops"]), f"{1000 * ours['energy_charged_kwh']:.1f}"]
        said = theirs.get("reason") or theirs.get("outcome") or ""
        control = f"{case.control}, strict" if case.strict else case.control
        rows.append([case.peer.upper(), case.service, control, case.transport, verdict, *done, ended, said])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.crate", description=__doc__)
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="folder of the crate's program (%(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, help="new folder for logs and certificates (default: a temporary one)"
    )
    parser.add_argument("--only", default="*", metavar="PATTERN", help="cases by name, as evcc-dc-*")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    asked = parser.parse_args()
    cases = [case for case in CASES if fnmatch(case.name, asked.only)]
    if asked.list or not cases:
        print("\n".join(case.name for case in CASES))
        return 0 if asked.list else 2
    folder = (asked.out or Path(tempfile.mkdtemp(prefix="iso15118-crate-"))).resolve()
    outcomes = []
    try:
        program = node(asked.cache.resolve())
        folder.mkdir(parents=True, exist_ok=True)
        with cable() as ends:
            bench = Bench(ends, program, folder)
            for case in cases:
                began = time.monotonic()
                outcome = bench.run(case)
                outcomes.append(outcome)
                verdict = "as expected" if outcome.good else "FAILED"
                print(
                    f"{case.name}: {verdict}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True
                )
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"cannot run: {error}", file=sys.stderr)
        return 2
    print(table(outcomes))
    print(f"\nlogs: {folder}")
    return 0 if all(one.good for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
