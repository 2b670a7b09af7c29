"""A pair with contracts: a PKI of the virtual clock's day, a backend at the station, a
contract store in the vehicle."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization

from iso15118.pki import IssuedPki, issue_leaf, issue_test_pki
from iso15118.pki.chain.profiles import Edition
from iso15118.pki.keys.signer import signer_of
from iso15118.pnc.authorization import ContractTrust
from iso15118.pnc.contract_key import ISO20_P521, ISO20_X448, new_contract_key
from iso15118.pnc.contract_service import ContractService
from iso15118.pnc.installation import provisioning_of
from iso15118.pnc.vehicle_contracts import HeldContracts, VehicleContracts
from iso15118.simulation.backend import ContractBackend
from iso15118.testing import Pair
from iso15118.testing.pair import EPOCH
from tests.pair.rig import pair

DAY = datetime.fromtimestamp(EPOCH, UTC)
PCID = "WVW123456789ABCDE7"
EMAIDS = ("DE8AA000000001", "DE8AA000000002", "FRXYZ000000003")


@cache
def issued(algorithm: str) -> IssuedPki:
    """A PKI with one more contract per EMAID, under "contract-0" and so on; ``p256`` is the laboratory's."""
    edition = "lab" if algorithm == "p256" else "iso20"
    pki = issue_test_pki(edition, algorithm, at=DAY)
    for number, emaid in enumerate(EMAIDS):
        key = None
        if algorithm != "p256":
            fresh = new_contract_key(ISO20_X448 if algorithm == "ed448" else ISO20_P521)
            key = fresh.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        pki = issue_leaf(pki, "contract", f"contract-{number}", at=DAY, names={"emaid": emaid}, key=key)
    return pki


def edition_of(pki: IssuedPki) -> Edition:
    return "lab" if pki.edition == "lab" else "iso20"


def trust(pki: IssuedPki, **changes: Any) -> ContractTrust:
    """What a station of this PKI believes."""
    fields: dict[str, Any] = {"mo_anchors": (pki.certificates["mo-root"],), "edition": edition_of(pki)}
    return ContractTrust(**(fields | changes))


def held(pki: IssuedPki, *names: str, **changes: Any) -> HeldContracts:
    """A vehicle with these contracts, and all it needs to be given more."""
    fields: dict[str, Any] = {
        "signers": tuple(signer_of(pki.credential(name)) for name in names),
        "provisioning": provisioning_of(pki.credential("oemprov"), pki.alternative_keys["oemprov"]),
        "v2g_anchors": (pki.v2g_root,),
        "mo_anchors": (pki.certificates["mo-root"],),
        "edition": edition_of(pki),
    }
    return HeldContracts(VehicleContracts(**(fields | changes)))


def service(pki: IssuedPki, count: int = len(EMAIDS), **changes: Any) -> ContractService:
    """A provisioning service with so many contracts for the vehicle."""
    fields: dict[str, Any] = {
        "cps": pki.credential("cps"),
        "contracts": {PCID: [pki.credential(f"contract-{number}") for number in range(count)]},
        "oem_anchors": [pki.oem_root],
        "clock": lambda: DAY,
    }
    return ContractService(**(fields | changes))


def contract_pair(
    algorithm: str = "p521",
    *names: str,
    backend: ContractBackend | None = None,
    store: HeldContracts | None = None,
    installs: int = 0,
    evcc: dict[str, Any] | None = None,
    secc: dict[str, Any] | None = None,
    **options: Any,
) -> Pair:
    """A pair whose vehicle has the contracts ``names`` and no wish for external identification. ``installs``:
    contracts at the service."""
    from iso15118.evcc.config import Identification

    pki = issued(algorithm)
    if backend is None:
        backend = ContractBackend(trust(pki), service=service(pki, installs) if installs else None)
    return pair(
        station_options={"contracts": backend} | options.pop("station_options", {}),
        vehicle_options={"contracts": store or held(pki, *names)} | options.pop("vehicle_options", {}),
        evcc={"identification": (Identification.PNC,)} | (evcc or {}),
        secc=secc,
        **options,
    )
