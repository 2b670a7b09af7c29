"""The foreign stacks of ``editions.py``: how each is started in either role, and what it needs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import ClassVar, Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from iso15118.pki import IssuedPki
from iso15118.pki.chain.parsed import parse
from tests.interop.crate import EXAMPLE, node
from tests.interop.crate import VERSION as CRATE
from tests.interop.edition_cases import Case
from tests.interop.josev import HERE, complaints
from tests.interop.namespaces import INTERFACE
from tests.interop.peer import environment, lay_out_iso2, own_surroundings, pem
from tests.interop.processes import Process, Role
from tests.interop.rise import Rise

__all__ = ["STACKS", "Crate", "Josev", "Stack"]


class Stack(Protocol):
    """One of them, ready to be started."""

    what: ClassVar[str]

    def __init__(self, cache: Path, folder: Path, pki: IssuedPki) -> None:
        """``cache``: where it is built once; ``folder``: logs and certificates of this run; ``pki``: what
        both sides trust. Raises ``OSError`` with what is missing."""

    def process(self, case: Case, role: Role) -> Process:
        """The command that runs it in ``role``."""
        ...

    def complaints(self, log: str) -> list[str]:
        """What it says is wrong."""
        ...


class Josev:
    """The PyPI package; ``josev_peer.py`` gives it figures of a battery and a station."""

    what: ClassVar[str] = "the PyPI package iso15118 0.31.2 (Python, EXI by Java)"
    _PROTOCOLS: ClassVar[dict[tuple[str, str], str]] = {
        ("din", "dc"): "DIN_SPEC_70121",
        ("iso2", "dc"): "ISO_15118_2",
        ("iso2", "ac"): "ISO_15118_2",
        ("iso20", "ac"): "ISO_15118_20_AC",
        ("iso20", "dc"): "ISO_15118_20_DC",
    }

    def __init__(self, cache: Path, folder: Path, pki: IssuedPki) -> None:
        self.python, self.folder = environment(cache), folder
        lay_out_iso2(pki, folder / "josev-pki")

    def process(self, case: Case, role: Role) -> Process:
        protocol = self._PROTOCOLS[case.edition, case.service]
        settings = self.folder / f"{case.name}.json"
        settings.write_text(
            json.dumps(
                {
                    "supportedProtocols": [protocol],
                    "supportedEnergyServices": [case.service.upper()],
                    "energyTransferMode": "DC_extended" if case.service == "dc" else "AC_three_phase_core",
                    "isCertInstallNeeded": case.auth == "install",
                    "useTls": case.tls,
                    "enforceTls": case.tls,
                    "chargeLoopCycle": 60,
                }
            )
        )
        environ = own_surroundings() | {
            "NETWORK_INTERFACE": INTERFACE,
            "EVCC_CONFIG_PATH": str(settings),
            "PROTOCOLS": protocol,
            "AUTH_MODES": "PNC" if case.contract else "EIM",
            "SECC_ENFORCE_TLS": str(case.tls),
            "ALLOW_CERT_INSTALL_SERVICE": str(case.auth == "install"),
            "PKI_PATH": f"{self.folder / 'josev-pki'}/",
            "LOG_LEVEL": "DEBUG",
            "INTEROP_ORDER": json.dumps(
                {"figures": "plausible", "control": "scheduled", "evccid": "", "asks": case.asks}
            ),
        }
        command = [str(self.python), str(HERE / "josev_peer.py"), role]
        return Process(command, environ, self.folder / f"{case.name}.peer.log")

    def complaints(self, log: str) -> list[str]:
        return complaints(log)


class Crate:
    """The crate's example program, a scripted vehicle and a scripted station."""

    what: ClassVar[str] = f"the crate iso15118 {CRATE} (Rust), its example {EXAMPLE}"

    def __init__(self, cache: Path, folder: Path, pki: IssuedPki) -> None:
        self.program, self.folder, self.pki = node(cache), folder, pki

    def process(self, case: Case, role: Role) -> Process:
        asked = ["--iface", INTERFACE, "--generation", case.edition, "--service", case.service]
        if case.tls:
            asked += self._tls()
        if case.contract:
            asked += ["--contract", str(self._contract())]
        command = [str(self.program), role, *asked, "--deadline-ms", "60000"]
        return Process(command, dict(os.environ), self.folder / f"{case.name}.peer.log")

    def _tls(self) -> list[str]:
        if shutil.which("socat") is None:
            raise OSError("the crate's example reaches a station with TLS by socat, which is not there")
        root = self.folder / "crate-root.pem"
        root.write_text(pem([self.pki.certificates["v2g-root"]]))
        name = parse(self.pki.certificates["secc"]).common_names[0]
        return ["--tls", str(root), "--tls-name", name]

    def _contract(self) -> Path:
        """A folder as its example reads it."""
        home = self.folder / "crate-contract"
        home.mkdir(exist_ok=True)
        leaf, sub2, sub1 = self.pki.chain("contract")[:3]
        for name, certificate in (("leaf", leaf), ("sub1", sub2), ("sub2", sub1)):
            (home / f"{name}.der").write_bytes(certificate)
        key = serialization.load_der_private_key(self.pki.keys["contract"], None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise OSError("the contract's key is not on a curve")
        (home / "key.hex").write_text(f"{key.private_numbers().private_value:064x}")
        (home / "emaid.txt").write_text(parse(leaf).common_names[0])
        return home

    def complaints(self, log: str) -> list[str]:
        """The summary that it ends with, unless that says "pass"."""
        last = (log.strip().splitlines() or [""])[-1]
        return [] if '"outcome":"pass"' in last.replace(" ", "") else [last[:300]]


STACKS: dict[str, type[Stack]] = {"josev": Josev, "crate": Crate, "rise": Rise}
