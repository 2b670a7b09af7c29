"""A vehicle with contracts of ISO 15118-2: a PKI of the test's day, with one more contract per EMAID."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from iso15118.pki import IssuedPki, issue_leaf, issue_test_pki
from iso15118.pki.installation import provisioning_of
from iso15118.pki.signer import signer_of
from iso15118.pki.vehicle_contracts import VehicleContracts
from iso15118.session.secured import SecuredLink

EPOCH = 1.79e9
DAY = datetime.fromtimestamp(EPOCH, UTC)
TLS = SecuredLink(version="TLSv1.2", peer_chain=(b"station",))
EMAIDS = ("DE8AA000000001", "FRXYZ000000002")


@cache
def pki() -> IssuedPki:
    made = issue_test_pki("iso2", "p256", at=DAY)
    for number, emaid in enumerate(EMAIDS):
        made = issue_leaf(made, "contract", f"contract-{number}", at=DAY, names={"emaid": emaid})
    return made


def held(*names: str, **changes: Any) -> VehicleContracts:
    fields: dict[str, Any] = {
        "signers": tuple(signer_of(pki().credential(name)) for name in names),
        "provisioning": provisioning_of(pki().credential("oemprov")),
        "v2g_anchors": (pki().v2g_root,),
        "mo_anchors": (pki().certificates["mo-root"],),
    }
    return VehicleContracts(**(fields | changes))
