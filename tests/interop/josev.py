"""Runs this stack against the PyPI package ``iso15118`` over a cable of two network namespaces;
README.md says how and what came out.

``python -m tests.interop.josev`` from the project's root, as root. Not a test of pytest: it
needs root, Java and minutes.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from itertools import product
from pathlib import Path
from typing import Any

from msgspec import structs

from iso15118.pki import issue_test_pki
from iso15118.pki.cases import Variant, find_case
from iso15118.pki.cases.make import make
from iso15118.pki.issuing.issue import DEFAULT_EVCCID
from tests.interop.namespaces import INTERFACE, Cable, cable
from tests.interop.peer import CACHE, environment, lay_out_pki, own_surroundings, their_pki
from tests.interop.processes import Process, Role, our_process, session, summary_of

HERE = Path(__file__).resolve().parent
SESSION_S = 90.0
"""How long one session may take; the peer needs 20 to 40 ms for every message."""

HABITS = {"accept_ongoing_pre_charge": "true", "first_meter_reading": "false"}
"""What our station bears with: the peer goes from pre-charge Ongoing straight to PowerDelivery, and reads no
meter that counts both ways."""


@dataclass(frozen=True)
class Case:
    """One session. ``peer``: the role of the other stack."""

    peer: str
    service: str = "dc"
    control: str = "scheduled"
    transport: str = "tcp"
    """``tcp``, ``tls`` (certificates of our issuer) or ``tls-their-pki``
    (certificates of the peer's script)."""
    figures: str = "plausible"
    """What the peer's application says: ``plausible``, ``reversing``, ``shipped`` or
    ``misnamed``; see ``josev_peer.py``."""
    strict: str = ""
    """Our station without this setting of ``HABITS``."""
    contract: bool = False
    """Plug and Charge instead of external identification."""
    central: str = ""
    """The station knows no root of a contract and asks its backend, which does: the contract is ``honest``,
    or a ``stranger``'s whose root nobody knows, or spoiled as a case of ``iso15118 pki cases``."""
    expected: str = "ok"
    """``end_reason`` of our side where the session cannot succeed; README.md says why."""

    @property
    def name(self) -> str:
        parts = [self.peer, self.service, self.control, self.transport, self.figures]
        return "-".join(
            [
                *parts,
                *(["strict"] if self.strict else []),
                *(["pnc"] if self.contract else []),
                *self.central.split(),
            ]
        )

    @property
    def pki(self) -> str:
        """The certificates it is run with."""
        return self.transport if self.central in ("", "honest") else f"{self.transport}-{self.central}"

    @property
    def tls(self) -> bool:
        return self.transport != "tcp"


CASES = [
    *(
        Case(*row)
        for row in product(("evcc", "secc"), ("dc", "dc-bpt"), ("scheduled", "dynamic"), ("tcp", "tls"))
    ),
    *(Case(peer, "dc-bpt", figures="reversing") for peer in ("evcc", "secc")),
    *(Case(peer, transport="tls-their-pki") for peer in ("evcc", "secc")),
    *(Case(peer, figures="shipped", expected="PRE_CHARGE_FAILED") for peer in ("evcc", "secc")),
    Case("evcc", strict="accept_ongoing_pre_charge", expected="SEQUENCE_ERROR"),
    Case("evcc", "dc-bpt", strict="first_meter_reading", expected="TIMEOUT"),
    Case("evcc", transport="tls", figures="misnamed", expected="AUTHORIZATION_FAILED"),
    *(Case(peer, transport="tls", contract=True) for peer in ("evcc", "secc")),
    Case("evcc", transport="tls", contract=True, central="honest"),
    *(
        Case("evcc", transport="tls", contract=True, central=hostile, expected="SEQUENCE_ERROR")
        for hostile in ("stranger", "expired-leaf", "leaf-foreign-signer")
    ),
]


@dataclass
class Outcome:
    """What came of a case."""

    case: Case
    seconds: float = 0.0
    ours: dict[str, Any] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    """What the peer found wrong."""
    problem: str = ""

    @property
    def good(self) -> bool:
        if self.problem:
            return False
        if self.case.expected != "ok":
            return bool(self.ours.get("end_reason") == self.case.expected) and bool(self.ours.get("safe"))
        ours = self.ours
        return (
            ours.get("result") == "ok"
            and ours.get("safe") is True
            and ours.get("charge_loops", 0) > 0
            and ours.get("energy_charged_kwh", 0.0) > 0.0
            and (ours.get("energy_discharged_kwh", 0.0) > 0.0) is (self.case.figures == "reversing")
            and (ours.get("tls") is not None) is self.case.tls
            and bool(ours.get("emaid")) is self.case.contract
        )


class Bench:
    """Everything the cases share: the cable, the peer's Python, the certificates, a folder for the logs."""

    def __init__(self, ends: Cable, python: Path, folder: Path) -> None:
        self.ends, self.python, self.folder = ends, python, folder
        pki = issue_test_pki("lab", "p256", at=datetime.now(UTC))
        pki.write(folder / "pki-tls")
        lay_out_pki(pki, folder / "pki-tls", folder / "peer-tls")
        (folder / "no-roots").mkdir()
        their_pki(python, folder / "pki-tls-their-pki", folder / "peer-tls-their-pki")

    def _lay_out_hostile(self, case: Case) -> None:
        ours, at = self.folder / f"pki-{case.pki}", datetime.now(UTC)
        if case.central == "stranger":
            pki, other = (issue_test_pki("lab", "p256", at=at) for _ in range(2))
            pki.write(ours)
            names = [name for name in other.certificates if name == "contract" or name.startswith("mo-")]
            pki = structs.replace(
                pki,
                certificates={**pki.certificates, **{name: other.certificates[name] for name in names}},
                keys={**pki.keys, "contract": other.keys["contract"]},
            )
            ours = self.folder / "pki-of-the-stranger"
        else:
            pki = make(Variant(find_case(case.central), "contract", "lab", "p256"), at=at, whole=True).pki
        pki.write(ours)
        lay_out_pki(pki, ours, self.folder / f"peer-{case.pki}")

    def run(self, case: Case) -> Outcome:
        """One session from start to end; both processes are gone afterwards."""
        if not (self.folder / f"peer-{case.pki}").exists() and case.tls:
            self._lay_out_hostile(case)
        began = time.monotonic()
        theirs_as: Role = "evcc" if case.peer == "evcc" else "secc"
        ours_as: Role = "secc" if case.peer == "evcc" else "evcc"
        ours, theirs = self._ours(case, ours_as), self._theirs(case, theirs_as)
        station, vehicle = (ours, theirs) if ours_as == "secc" else (theirs, ours)
        lines, problem = session(self.ends, station, vehicle, waits_for=ours, limit_s=SESSION_S)
        outcome = Outcome(case, time.monotonic() - began, problem=problem)
        outcome.complaints = complaints(theirs.log.read_text(errors="replace"))
        outcome.ours, outcome.problem = summary_of(ours, lines[ours_as], problem)
        return outcome

    def _ours(self, case: Case, role: Role) -> Process:
        path = self.folder / f"{case.name}.toml"
        path.write_text(toml(case, role, self.folder))
        return our_process(role, path, self.folder / f"{case.name}.ours.log")

    def _theirs(self, case: Case, role: Role) -> Process:
        settings = self.folder / f"{case.name}.json"
        settings.write_text(
            json.dumps(
                {
                    "supportedProtocols": ["ISO_15118_20_DC"],
                    "supportedEnergyServices": [case.service.upper().replace("-", "_")],
                    "useTls": case.tls,
                    "enforceTls": case.tls,
                    "chargeLoopCycle": 100,
                }
            )
        )
        environ = own_surroundings() | {
            "NETWORK_INTERFACE": INTERFACE,
            "EVCC_CONFIG_PATH": str(settings),
            "PROTOCOLS": "ISO_15118_20_DC",
            "AUTH_MODES": "PNC" if case.contract else "EIM",
            "SECC_ENFORCE_TLS": str(case.tls),
            "ENABLE_TLS_1_3": "True",
            "PKI_PATH": str(self.folder / f"peer-{case.pki}"),
            "LOG_LEVEL": "DEBUG",
            "INTEROP_ORDER": json.dumps(
                {"figures": case.figures, "control": case.control, "evccid": DEFAULT_EVCCID}
            ),
        }
        command = [str(self.python), str(HERE / "josev_peer.py"), role]
        return Process(command, environ, self.folder / f"{case.name}.peer.log")


def toml(case: Case, role: str, folder: Path) -> str:
    """Our side's file. A laboratory's settings, each of them explicit."""
    tls = f'pki = "{folder / f"pki-{case.pki}"}"\nprofile = "lab"' if case.tls else 'mode = "plaintext"'
    head = f'interface = "{INTERFACE}"\n[tls]\n{tls}\n[session]\n'
    if role == "secc":
        habits = "".join(f"{key} = {value}\n" for key, value in HABITS.items() if key != case.strict)
        offer = "[contracts]\noffer = true\n" if case.contract else ""
        offer += f'central_validation = true\nstore = "{folder / "no-roots"}"\n' if case.central else ""
        return f'{head}{habits}{offer}[station]\npreset = "ccs2"\n'
    identification = 'identification = ["pnc"]\n' if case.contract else ""
    use = "[contracts]\nuse = true\n" if case.contract else ""
    return (
        f'{head}{identification}services = ["{case.service}"]\ncontrol_modes = ["{case.control}"]\ntarget_soc = 21\nminimum_soc = 10\n'
        # A small battery near its target: some tens of turns at the peer's pace.
        f"{use}[vehicle]\nbattery_kwh = 4.0\nsoc = 20.0\nempty_v = 380.0\nfull_v = 420.0\nresistance_ohm = 0.05\n"
        "maximum_current_a = 60.0\nmaximum_power_kw = 25.0\n"
    )


def complaints(log: str) -> list[str]:
    """The lines of the peer's log that say something is wrong; each once."""
    found = dict.fromkeys(
        re.sub(r"^(ERROR|WARNING)\s+\S+ \S+ - ", r"\1 ", line)[:200]
        for line in log.splitlines()
        if line.startswith(("ERROR", "WARNING")) or re.match(r"\w*(Error|Exception)\b", line)
    )
    return list(found)


def table(outcomes: list[Outcome]) -> str:
    """The results as a Markdown table."""
    heads = [
        "peer",
        "service",
        "control",
        "transport",
        "figures",
        "result",
        "loops",
        "Wh in / out",
        "session",
        "ended",
    ]
    rows = [heads, ["---"] * len(heads)]
    for one in outcomes:
        case, ours = one.case, one.ours
        verdict = ("ok" if case.expected == "ok" else "as expected") if one.good else "FAILED"
        figures = f"{case.figures}, strict: {case.strict}" if case.strict else case.figures
        figures += ", contract" if case.contract else ""
        figures += f", central: {case.central}" if case.central else ""
        ended = one.problem or " ".join(filter(None, (ours.get("end_reason", ""), ours.get("detail", ""))))
        done = ["", "", ""]
        if ours:
            energy = [f"{1000 * ours[f'energy_{way}_kwh']:.1f}" for way in ("charged", "discharged")]
            done = [str(ours["charge_loops"]), " / ".join(energy), f"{ours['session_seconds']:.1f} s"]
        rows.append(
            [case.peer.upper(), case.service, case.control, case.transport, figures, verdict, *done, ended]
        )
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def protection(tls: dict[str, Any]) -> str:
    """What TLS agreed on, and where that is less than ISO 15118-20 wants."""
    client = "with" if tls["client_certificate"] else "without"
    agreed = ", ".join(str(tls[key]) for key in ("version", "cipher", "group", "signature"))
    return f"{agreed}, {client} client certificate; deviations: {'; '.join(map(str, tls['deviations'])) or 'none'}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.josev", description=__doc__)
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="folder of the peer's environment (%(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, help="new folder for logs and certificates (default: a temporary one)"
    )
    parser.add_argument("--only", default="*", metavar="PATTERN", help="cases by name, as evcc-dc-*-tls-*")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    asked = parser.parse_args()
    cases = [case for case in CASES if fnmatch(case.name, asked.only)]
    if asked.list or not cases:
        print("\n".join(case.name for case in CASES))
        return 0 if asked.list else 2
    folder = (asked.out or Path(tempfile.mkdtemp(prefix="iso15118-interop-"))).resolve()
    outcomes = []
    try:
        python = environment(asked.cache.resolve())
        with cable() as ends:
            bench = Bench(ends, python, folder)
            for case in cases:
                outcome = bench.run(case)
                outcomes.append(outcome)
                verdict = "as expected" if outcome.good else "FAILED"
                print(f"{case.name}: {verdict}, {outcome.seconds:.0f} s", file=sys.stderr, flush=True)
                for line in outcome.complaints:
                    print(f"    peer: {line}", file=sys.stderr, flush=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"cannot run: {error}", file=sys.stderr)
        return 2
    print(table(outcomes))
    for agreed in sorted({protection(one.ours["tls"]) for one in outcomes if one.ours.get("tls")}):
        print(f"\nTLS: {agreed}")
    print(f"\nlogs: {folder}")
    return 0 if all(one.good for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
