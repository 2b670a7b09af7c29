"""Every service of ISO 15118-20 x control mode x authorization x transport through ``iso15118 loopback``: all
of them end as asked, and the energies of meter and battery agree.

``python -m tests.matrix.loopback [--transport memory|tcp] [--service NAME ...]`` runs them one after the
other in this process, prints one line for each, and the counts. Exit status 1 if one failed, or its
energies differ by more than 0.1 %.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

from iso15118.cli import main as cli

SERVICES = (
    "dc",
    "dc-bpt",
    "mcs",
    "mcs-bpt",
    "ac",
    "ac-bpt",
    "acdp",
    "acdp-bpt",
    "wpt",
    "ac-der-iec",
    "ac-der-sae",
)
GIVES = frozenset({"dc-bpt", "mcs-bpt", "ac-bpt", "acdp-bpt", "ac-der-iec", "ac-der-sae"})
"""Services by which energy comes back."""
CONTROLS, AUTHS, TRANSPORTS = ("scheduled", "dynamic"), ("eim", "pnc"), ("memory", "tcp")
MOST_OFF = 0.001
GIVEN_KWH = 1.0


def order(service: str, control: str, auth: str, transport: str) -> list[str]:
    """The words of one command: a small battery, so that it takes a moment."""
    words = ["loopback", "--service", service, "--control", control, "--auth", auth, "--transport", transport]
    words += ["--battery-kwh", "20", "--soc-start", "40", "--soc-target", "50", "--json"]
    if service in GIVES:
        words += ["--discharge-kwh", str(GIVEN_KWH)]
    return words


def problem(said: dict[str, Any], service: str, transport: str) -> str:
    """What is wrong with this summary; empty if nothing is."""
    if said["result"] != "ok":
        return f"{said['result']}: {said['detail']}"
    if transport == "tcp" and (said["tls"] or {}).get("version") != "TLSv1.3":
        return "without TLS 1.3"
    hardware = said["hardware"]
    for way, least in (("charged", 1.0), ("discharged", 0.9 * GIVEN_KWH if service in GIVES else 0.0)):
        meter, battery = hardware[f"meter_{way}_kwh"], hardware[f"battery_{way}_kwh"]
        if abs(meter - battery) > MOST_OFF * max(meter, battery):
            return f"the meter has {meter} kWh {way}, the battery {battery} kWh"
        if meter < least:
            return f"only {meter} kWh {way}"
        if said[f"energy_{way}_kwh"] != meter:
            return f"the summary has {said[f'energy_{way}_kwh']} kWh {way}, the meter {meter} kWh"
    if said["transfer_seconds"] <= 0.0:
        return "no time during which energy flowed"
    return ""


def cases(services: list[str], transports: list[str]) -> Iterator[tuple[str, str, str, str]]:
    """All that are wanted, those without a network first."""
    for transport in transports:
        for service, control, auth in itertools.product(services, CONTROLS, AUTHS):
            yield service, control, auth, transport


def run(case: tuple[str, str, str, str]) -> tuple[str, dict[str, Any]]:
    """What is wrong with it, and its summary."""
    out = io.StringIO()
    with redirect_stdout(out):
        status = cli(order(*case))
    lines = [line for line in out.getvalue().splitlines() if line.startswith("{")]
    if not lines:
        return f"exit status {status} without a summary", {}
    said = json.loads(lines[-1])
    return problem(said, case[0], case[3]) or (f"exit status {status}" if status else ""), said


def main() -> int:
    """Run and count."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix.loopback", description=__doc__)
    parser.add_argument("--transport", choices=TRANSPORTS, action="append")
    parser.add_argument("--service", choices=SERVICES, action="append")
    asked = parser.parse_args()
    began, failed, count = time.monotonic(), 0, 0
    for case in cases(asked.service or list(SERVICES), asked.transport or list(TRANSPORTS)):
        wrong, said = run(case)
        count += 1
        failed += bool(wrong)
        energy = said.get("energy_charged_kwh"), said.get("energy_discharged_kwh")
        print(*case, *(energy if not wrong else (wrong,)), flush=True)
    print(f"{count} sessions, {failed} of them wrong, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
