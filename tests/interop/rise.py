"""RISE-V2G 1.2.6, a stack of ISO 15118-2 in Java: built once in the folder of the peers, outside the
project, and how it is started."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from iso15118.pki import IssuedPki
from tests.interop.edition_cases import Case
from tests.interop.namespaces import INTERFACE
from tests.interop.processes import Process, Role
from tests.interop.rise_stores import write_stores

__all__ = ["Rise"]

REPOSITORY = "https://github.com/SwitchEV/RISE-V2G"
VERSION = "1.2.6"
_MODES = {"dc": "DC_extended", "ac": "AC_three_phase_core"}


class Rise:
    """Its programs with the simulated hardware that they are shipped with."""

    what: ClassVar[str] = f"RISE-V2G {VERSION} (Java)"

    def __init__(self, cache: Path, folder: Path, pki: IssuedPki) -> None:
        self.folder, self.pki = folder, pki
        self.jars = build(cache / "rise")

    def process(self, case: Case, role: Role) -> Process:
        home = self.folder / f"{case.name}.peer"
        if not home.exists():
            home.mkdir()
            if case.tls:
                write_stores(self.pki, home, contract=case.auth == "pnc")
        (home / f"{role.upper()}Config.properties").write_text(properties(case, role))
        command = ["env", "-C", str(home), "java", "-jar", str(self.jars[role])]
        return Process(command, dict(os.environ), self.folder / f"{case.name}.peer.log")

    def complaints(self, log: str) -> list[str]:
        found = re.findall(r"^\S+ (?:(?:ERROR|FATAL|WARN) .*)|^\S*(?:Exception|Error)\b.*", log, re.MULTILINE)
        return list(dict.fromkeys(re.sub(r"^\S+ ", "", line)[:200] for line in found))


def properties(case: Case, role: Role) -> str:
    """Its file. Every key it does not find stops it."""
    mode = _MODES[case.service]
    kind = "Contract" if case.contract else "ExternalPayment"
    common = {
        "network.interface": INTERFACE,
        "exi.messages.showxml": "false",
        "exi.messages.showhex": "false",
        "signature.verification.showlog": "true",
        "exi.codec": "exificient",
    }
    if role == "evcc":
        own = {
            "tls": str(case.tls).lower(),
            "contract.certificate.update.timespan": "14",
            "session.id": "00",
            "authentication.mode": kind,
            "energy.transfermode.requested": mode,
            "implementation.evcc.controller": "com.v2gclarity.risev2g.evcc.evController.DummyEVController",
            "voltage.accuracy": "5",
        }
    else:
        at = "com.v2gclarity.risev2g.secc"
        own = {
            "energy.transfermodes.supported": mode,
            "charging.free": "false",
            "authentication.modes.supported": kind,
            "environment.private": "false",
            "implementation.secc.backend": f"{at}.backend.DummyBackendInterface",
            "implementation.secc.acevsecontroller": f"{at}.evseController.DummyACEVSEController",
            "implementation.secc.dcevsecontroller": f"{at}.evseController.DummyDCEVSEController",
        }
    return "".join(f"{key} = {value}\n" for key, value in (common | own).items())


def build(folder: Path) -> dict[str, Path]:
    """The two programs, built at the first call. Raises ``OSError`` with what is missing."""
    jars = {
        role: folder / f"RISE-V2G-{role.upper()}" / "target" / f"rise-v2g-{role}-{VERSION}.jar"
        for role in ("evcc", "secc")
    }
    if all(jar.exists() for jar in jars.values()):
        return jars
    for tool, why in (("git", "fetched with git"), ("mvn", "built with maven"), ("java", "run by Java")):
        if shutil.which(tool) is None:
            raise OSError(f"RISE-V2G is {why}, which is not there")
    print(f"building RISE-V2G {VERSION} in {folder}", file=sys.stderr, flush=True)
    if not (folder / "RISE-V2G-PARENT").exists():
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", REPOSITORY, str(folder)], check=True)
    maven = ["mvn", "--quiet", "--batch-mode", "-DskipTests", "package"]
    subprocess.run(maven, cwd=folder / "RISE-V2G-PARENT", check=True)
    return jars
