"""Runs this stack in ISO 15118-2, DIN 70121 and AC against every foreign stack; writes
docs/interop.md. README.md says how.

``python -m tests.interop.editions`` from the project's root, as root. Not a test of pytest: it needs
root, Java, cargo and minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

from iso15118.pki import issue_test_pki
from tests.interop.edition_cases import CASES, Case, Outcome
from tests.interop.namespaces import Cable, cable
from tests.interop.own_files import toml
from tests.interop.peer import CACHE
from tests.interop.processes import ROOT, Process, Role, our_process, session, summary_of
from tests.interop.stacks import STACKS, Stack

SESSION_S = 90.0
ATTEMPTS = 3
"""How often a session that ended as TIMEOUT is tried: the standard's timers are tight, and a busy machine or
a cold Java says nothing about the messages."""
EMAID = "DE8AACA2B3C4D5L"
"""Of the contract, without hyphens: two of the peers copy the common name into a field that
has room for 15 characters."""
AGAIN = f"A session that ends as TIMEOUT is tried again, {ATTEMPTS} attempts in all; the remark tells which one counts."
PAGE = ROOT / "docs" / "interop.md"


class Bench:
    """What the cases share: the cable, the stacks, and a folder for logs and certificates."""

    def __init__(self, ends: Cable, cache: Path, folder: Path) -> None:
        self.ends, self.cache, self.folder = ends, cache, folder
        self._stacks: dict[str, Stack] = {}
        self.pki = issue_test_pki("iso2", "p256", at=datetime.now(UTC), emaid=EMAID)
        self.pki.write(folder / "pki-iso2")

    def stack(self, name: str) -> Stack:
        if name not in self._stacks:
            self._stacks[name] = STACKS[name](self.cache, self.folder, self.pki)
        return self._stacks[name]

    def run(self, case: Case) -> Outcome:
        """One session from start to end; both processes are gone afterwards."""
        for attempt in range(1, ATTEMPTS + 1):
            outcome = self._once(case)
            outcome.attempt = attempt
            if outcome.good or outcome.ours.get("end_reason") != "TIMEOUT":
                break
            say(outcome)
        return outcome

    def _once(self, case: Case) -> Outcome:
        ours_as: Role = "secc" if case.peer == "evcc" else "evcc"
        theirs_as: Role = "evcc" if case.peer == "evcc" else "secc"
        stack = self.stack(case.stack)
        theirs = stack.process(case, theirs_as)
        path = self.folder / f"{case.name}.toml"
        path.write_text(toml(case, ours_as))
        ours = self._ours(case, ours_as, path)
        station, vehicle = (ours, theirs) if ours_as == "secc" else (theirs, ours)
        began = time.monotonic()
        lines, problem = session(self.ends, station, vehicle, waits_for=ours, limit_s=SESSION_S)
        outcome = Outcome(case=case, seconds=round(time.monotonic() - began, 1), problem=problem)
        outcome.complaints = stack.complaints(theirs.log.read_text(errors="replace"))
        (self.folder / f"{case.name}.ours.json").write_text("\n".join(lines[ours_as]))
        outcome.ours, outcome.problem = summary_of(ours, lines[ours_as], problem)
        return outcome

    def _ours(self, case: Case, role: Role, path: Path) -> Process:
        log = self.folder / f"{case.name}.ours.log"
        if not case.tls and case.service == "dc":
            return our_process(role, path, log)
        command = [sys.executable, "-m", "tests.interop.edition_end", role, "-c", str(path)]
        command += ["--auth", case.auth]
        command += ["--ac"] if case.service == "ac" else []
        command += ["--pki", str(self.folder / "pki-iso2")] if case.tls else []
        return Process(command, dict(os.environ), log, printed=True)


def row(outcome: Outcome) -> list[str]:
    case, ours = outcome.case, outcome.ours
    verdict = ("ok" if case.expected == "ok" else "as expected") if outcome.good else "FAILED"
    ended = outcome.problem or " ".join(filter(None, (ours.get("end_reason", ""), ours.get("detail", ""))))
    transport = ours["tls"]["version"] if ours.get("tls") else case.transport
    loops = str(ours.get("charge_loops", ""))
    again = f"attempt {outcome.attempt}, after TIMEOUT" if outcome.attempt > 1 else ""
    return [
        f"{case.stack} {case.peer.upper()}",
        case.edition,
        case.service,
        case.auth,
        transport,
        verdict,
        loops,
        ended,
        "; ".join(filter(None, (case.remark, again))),
    ]


HEADS = ["peer", "edition", "service", "auth", "transport", "result", "loops", "ended", "remark"]


def table(rows: list[list[str]]) -> str:
    """The results as a Markdown table."""
    return "\n".join("| " + " | ".join(one) + " |" for one in [HEADS, ["---"] * len(HEADS), *rows])


def page(rows: list[list[str]], told: str) -> str:
    """docs/interop.md, whole."""
    versions = "\n".join(f"- `{name}`: {STACKS[name].what}" for name in STACKS)
    return f"""# Sessions with foreign stacks

Written by `sudo python -m tests.interop.editions --write`; tests/interop/README.md says how the peers are set up, and has the runs of
ISO 15118-20 DC.
Every row is one session of our station or our vehicle, with simulated hardware, and another stack over discovery, TCP and where named
TLS, between two network namespaces. "Peer" is the other stack and its role. A session is "ok" that had a loop and was ended in order by the
vehicle, with safe hardware, TLS and contract as named, and energy that flowed unless the remark says why it cannot; "as expected" is an end
that the case asks for. "short of the target" is our simulated battery, not the session. The vehicle's message timers are longer than the
standard's in all of them (README.md).

{told}

{versions}

{table(rows)}
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.editions", description=__doc__)
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="folder of the peers' environments (%(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, help="new folder for logs and certificates (default: a temporary one)"
    )
    parser.add_argument("--only", default="*", metavar="PATTERN", help="cases by name, as josev-evcc-din-*")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument(
        "--write",
        action="store_true",
        help=f"write the results of all cases to {PAGE.name}; others keep their last",
    )
    asked = parser.parse_args()
    cases = [case for case in CASES if fnmatch(case.name, asked.only)]
    if asked.list or not cases:
        print("\n".join(case.name for case in CASES))
        return 0 if asked.list else 2
    folder = (asked.out or Path(tempfile.mkdtemp(prefix="iso15118-editions-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    try:
        with cable() as ends:
            bench = Bench(ends, asked.cache.resolve(), folder)
            for case in cases:
                outcome = bench.run(case)
                outcomes.append(outcome)
                say(outcome)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"cannot run: {error}", file=sys.stderr)
        return 2
    rows = [row(one) for one in outcomes]
    print(table(rows))
    if asked.write:
        known = remembered(asked.cache / "editions.json", {one.case.name: row(one) for one in outcomes})
        day = time.strftime("%Y-%m-%d")
        PAGE.write_text(
            page([known[case.name] for case in CASES if case.name in known], f"Last run {day}. {AGAIN}")
        )
    print(f"\nlogs: {folder}")
    return 0 if all(one.good for one in outcomes) else 1


def say(
    outcome: Outcome, to: Callable[[str], object] = lambda text: print(text, file=sys.stderr, flush=True)
) -> None:
    """What came of one session, and what the peer had to say."""
    verdict = "as expected" if outcome.good else "FAILED"
    to(f"{outcome.case.name}: {verdict}, {outcome.seconds:.0f} s, {row(outcome)[7]}")
    for line in outcome.complaints:
        to(f"    peer: {line}")


def remembered(path: Path, new: dict[str, list[str]]) -> dict[str, list[str]]:
    """The last row of every case, these included."""
    known: dict[str, list[str]] = json.loads(path.read_text()) if path.exists() else {}
    known |= new
    path.write_text(json.dumps(known, indent=1))
    return known


if __name__ == "__main__":
    sys.exit(main())
