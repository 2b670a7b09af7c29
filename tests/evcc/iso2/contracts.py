"""A vehicle with contracts of ISO 15118-2: a PKI of the test's day, with one more contract per EMAID."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from iso15118 import exi
from iso15118.messages import iso2
from iso15118.pki import IssuedPki, issue_leaf, issue_test_pki
from iso15118.pki.keys.signer import signer_of
from iso15118.pnc.installation import provisioning_of
from iso15118.pnc.vehicle_contracts import VehicleContracts
from iso15118.session.secured import TlsPeer
from tests.evcc.iso2.station import BATTERY_V, Host

EPOCH = 1.79e9
DAY = datetime.fromtimestamp(EPOCH, UTC)
TLS = TlsPeer(version="TLSv1.2", peer_chain=(b"station",))
BOTH = iso2.PaymentOptionList(
    payment_option=(iso2.PaymentOption.Contract, iso2.PaymentOption.ExternalPayment)
)
CERTIFICATES = iso2.ServiceList(
    service=(
        iso2.Service(
            service_id=2,
            service_name="Certificate",
            service_category=iso2.ServiceCategory.ContractCertificate,
            free_service=True,
        ),
        iso2.Service(service_id=61_000, service_category=iso2.ServiceCategory.OtherCustom, free_service=True),
    )
)
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


def host(*names: str, tls: TlsPeer | None = TLS, contracts: Any = None, **settings: Any) -> Host:
    """In ServiceDiscovery, with these contracts."""
    return Host(contracts=contracts or held(*names), tls=tls, **settings).to("ServiceDiscovery")


def offered(one: Host, **changes: Any) -> Host:
    """Both ways to pay, and certificates."""
    one.answer(**({"payment_option_list": BOTH, "service_list": CERTIFICATES} | changes))
    return one


def octets(message: iso2.V2GMessage) -> iso2.V2GMessage:
    again = exi.decode("iso2", exi.encode("iso2", message))
    assert isinstance(again, iso2.V2GMessage)
    return again


def in_charge(*names: str, **settings: Any) -> Host:
    one = offered(host(*names, **settings)).to("CurrentDemand", 2)
    one.measure(BATTERY_V, 0.0)
    return one
