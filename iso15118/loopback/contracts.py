"""Plug and Charge in a loopback run: a backend and a provisioning service at the station, a contract store in the vehicle.

All of it stands on the certificates of one test PKI, which is issued for the run.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from iso15118.pki import IssuedPki
from iso15118.pki.authorization import ContractTrust
from iso15118.pki.contract_service import ContractService
from iso15118.pki.installation import provisioning_of
from iso15118.pki.issue import DEFAULT_PCID
from iso15118.pki.signer import signer_of
from iso15118.pki.vehicle_contracts import HeldContracts, VehicleContracts
from iso15118.simulation.backend import ContractBackend

__all__ = ["BothContracts", "contracts_of"]


class BothContracts(Struct, frozen=True):
    """The station's side and the vehicle's."""

    backend: ContractBackend
    store: HeldContracts


def contracts_of(pki: IssuedPki, *, install: bool, clock: Callable[[], datetime]) -> BothContracts:
    """``install``: the vehicle begins without its contract, and finds it at the station. ``clock``: the service's."""
    mo_root, contract = pki.certificates["mo-root"], pki.credential("contract")
    service = ContractService(
        cps=pki.credential("cps"),
        contracts={DEFAULT_PCID: [contract]},
        oem_anchors=[pki.oem_root],
        clock=clock,
    )
    held = VehicleContracts(
        signers=() if install else (signer_of(contract),),
        provisioning=provisioning_of(pki.credential("oemprov"), pki.alternative_keys.get("oemprov")),
        v2g_anchors=(pki.v2g_root,),
        mo_anchors=(mo_root,),
    )
    return BothContracts(
        ContractBackend(ContractTrust(mo_anchors=(mo_root,)), service=service), HeldContracts(held)
    )
