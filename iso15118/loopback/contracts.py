"""Plug and Charge in a loopback run: a backend and a provisioning service at the station, a
contract store in the vehicle.

All of it stands on the certificates of two test PKIs, one of each edition with contracts,
which are issued for the run.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from iso15118.pki import IssuedPki
from iso15118.pki.issuing.issue import DEFAULT_PCID
from iso15118.pki.keys.signer import Signer, signer_of
from iso15118.pnc.authorization import ContractTrust
from iso15118.pnc.contract_service import ContractService
from iso15118.pnc.installation import provisioning_of
from iso15118.pnc.installation_iso2 import ContractServiceIso2
from iso15118.pnc.vehicle_contracts import HeldContracts, VehicleContracts
from iso15118.simulation.backend import ContractBackend

__all__ = ["BothContracts", "contracts_of"]


class BothContracts(Struct, frozen=True):
    """The station's side and the vehicle's."""

    backend: ContractBackend
    store: HeldContracts
    price_signers: tuple[Signer, ...] = ()
    """The provider's keys for prices, one of each edition."""


def contracts_of(
    pki: IssuedPki, older: IssuedPki, *, install: bool, clock: Callable[[], datetime]
) -> BothContracts:
    """``pki`` is of ISO 15118-20, ``older`` of ISO 15118-2: either has a contract, since they are of
    different kinds of keys. ``install``: the vehicle begins without its contract, and finds it at the
    station. ``clock``: the service's."""
    contracts = [one.credential("contract") for one in (pki, older)]
    mo_anchors = tuple(one.certificates["mo-root"] for one in (pki, older))
    service = ContractService(
        cps=pki.credential("cps"),
        contracts={DEFAULT_PCID: [contracts[0]]},
        oem_anchors=[pki.oem_root],
        clock=clock,
    )
    service_iso2 = ContractServiceIso2(
        cps=older.credential("cps"),
        contracts=lambda pcid: [contracts[1]] if pcid == DEFAULT_PCID else [],
        renewed=lambda emaid: None,  # what was issued for this run does not run out in it
        oem_anchors=[older.oem_root],
        oem_intermediates=older.chain("oemprov")[1:],
        mo_anchors=[older.certificates["mo-root"]],
        clock=clock,
    )
    held = VehicleContracts(
        signers=() if install else tuple(signer_of(one) for one in contracts),
        provisioning=provisioning_of(pki.credential("oemprov"), pki.alternative_keys.get("oemprov")),
        provisioning_iso2=provisioning_of(older.credential("oemprov")),
        v2g_anchors=(pki.v2g_root, older.v2g_root),
        mo_anchors=mo_anchors,
    )
    backend = ContractBackend(
        ContractTrust(mo_anchors=mo_anchors), service=service, service_iso2=service_iso2
    )
    # Prices are signed by the Sub-CA that issues contracts.
    signers = tuple(signer_of(one.credential("mo-sub2")) for one in (pki, older))
    return BothContracts(backend, HeldContracts(held), signers)
