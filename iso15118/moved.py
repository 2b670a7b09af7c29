"""Modules that moved and classes that were renamed: the old name still works for one release, with a
warning that names the new one.

The old name gives the same classes and functions, so that old and new code can stand side by side. To
be removed with version 0.3.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["MOVED", "install", "renamed"]

_PNC = "authorization contract_key contract_service installation installation_iso2 iso2 signature vehicle_contracts"
_ROOMS = {
    "pki.chain": "identifiers profiles verify violations",
    "pki.status": "crl evidence ocsp renewal responder revocation",
    "pki.issuing": "asn1 fleet issue",
    "pki.keys": "credential exchange hsm protect raw signer",
}

MOVED: dict[str, str] = {
    "iso15118.connection": "iso15118.connector",
    "iso15118.connection.evcc": "iso15118.connector.evcc",
    "iso15118.connection.secc": "iso15118.connector.secc",
    "iso15118.connection.settings": "iso15118.connector.settings",
    "iso15118.connection.vocabulary": "iso15118.connector.news",
    "iso15118.contracts": "iso15118.pnc.contracts",
    "iso15118.loopback.order": "iso15118.loopback.spec",
    "iso15118.aio.ocsp_client": "iso15118.aio.net.ocsp_client",
    "iso15118.aio.online": "iso15118.aio.net.online",
    "iso15118.aio.plca": "iso15118.aio.plug.plca",
    "iso15118.aio.powerline": "iso15118.aio.plug.powerline",
    "iso15118.simulation.ce_plug": "iso15118.simulation.mcs_plug",
    "iso15118.simulation.plug": "iso15118.simulation.ccs_plug",
    "iso15118.simulation.presumed": "iso15118.simulation.assumed_pilot",
    "iso15118.simulation.stand_ins": "iso15118.simulation.remote_peer",
    **{f"iso15118.pki.{name}": f"iso15118.pnc.{name}" for name in _PNC.split()},
    **{
        f"iso15118.pki.{name}": f"iso15118.{room}.{name}"
        for room, names in _ROOMS.items()
        for name in names.split()
    },
}
"""Old name -> new name."""


class _Moved:
    """Finds old names only; whatever else is asked for is left to the import system.
    (``importlib.abc`` would take 9 ms.)"""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in MOVED:
            return None
        package = fullname == "iso15118.connection"
        return ModuleSpec(fullname, self, is_package=package)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = MOVED[spec.name]
        warnings.warn(f"{spec.name} is now {new}", DeprecationWarning, stacklevel=2)
        module = import_module(new)
        # The import system writes the old spec and name into what it is given: the new module keeps its own.
        stand_in = ModuleType(spec.name, module.__doc__)
        stand_in.__dict__.update(
            {key: value for key, value in vars(module).items() if not key.startswith("__")}
        )
        stand_in.__dict__["__all__"] = getattr(module, "__all__", [])
        return stand_in

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to run: the new module has run, and its names are here."""


def install() -> None:
    """Let old names be found, once."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())


def renamed(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module whose classes have new names: ``names`` is old name -> new name."""

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warnings.warn(f"{module}.{name} is now {names[name]}", DeprecationWarning, stacklevel=2)
        return getattr(sys.modules[module], names[name])

    return get
