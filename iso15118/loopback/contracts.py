"""Plug and Charge in a loopback run: a backend and a provisioning service at the station, a contract store in the vehicle.

All of it stands on the certificates of a test PKI for each edition, which are issued for the run.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from iso15118.pki import IssuedPki
from iso15118.pki.authorization import ContractTrust
from iso15118.pki.contract_service import ContractService
from iso15118.pki.installation import provisioning_of
from iso15118.pki.installation_iso2 import ContractServiceIso2
from iso15118.pki.issue import DEFAULT_PCID
from iso15118.pki.signer import signer_of
from iso15118.pki.vehicle_contracts import HeldContracts, VehicleContracts
from iso15118.simulation.backend import ContractBackend

__all__ = ["BothContracts", "contracts_of"]


class BothContracts(Struct, frozen=True):
    """The station's side and the vehicle's."""

    backend: ContractBackend
    store: HeldContracts


def contracts_of(
    pki: IssuedPki, *, install: bool, clock: Callable[[], datetime], older: IssuedPki | None = None
) -> BothContracts:
    """``install``: the vehicle begins without its contract, and finds it at the station. ``clock``: the service's. ``older``: certificates
    of ISO 15118-2, for runs that may speak it."""
    pkis = (pki,) if older is None else (pki, older)
    mo_roots = tuple(one.certificates["mo-root"] for one in pkis)
    service = ContractService(
        cps=pki.credential("cps"),
        contracts={DEFAULT_PCID: [pki.credential("contract")]},
        oem_anchors=[pki.oem_root],
        clock=clock,
    )
    held = VehicleContracts(
        signers=() if install else tuple(signer_of(one.credential("contract")) for one in pkis),
        provisioning=provisioning_of(pki.credential("oemprov"), pki.alternative_keys.get("oemprov")),
        provisioning_iso2=None if older is None else provisioning_of(older.credential("oemprov")),
        v2g_anchors=tuple(one.v2g_root for one in pkis),
        mo_anchors=mo_roots,
    )
    backend = ContractBackend(
        ContractTrust(mo_anchors=mo_roots),
        service=service,
        service_iso2=None if older is None else _service_iso2(older, clock),
    )
    return BothContracts(backend, HeldContracts(held))


def _service_iso2(pki: IssuedPki, clock: Callable[[], datetime]) -> ContractServiceIso2:
    contract = pki.credential("contract")
    return ContractServiceIso2(
        cps=pki.credential("cps"),
        contracts=lambda pcid: (contract,),
        renewed=lambda emaid: contract,
        oem_anchors=[pki.oem_root],
        oem_intermediates=pki.chain("oemprov")[1:],
        mo_anchors=[pki.certificates["mo-root"]],
        clock=clock,
    )
