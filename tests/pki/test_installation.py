"""Contracts from the provisioning service into the vehicle (-20), and every broken part refused by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization

from iso15118 import exi
from iso15118.errors import ExiError
from iso15118.messages.iso20.common_messages import SignedInstallationData
from iso15118.pki import Credential, IssuedPki, issue_leaf, issue_test_pki
from iso15118.pki.keys.signer import signer_of
from iso15118.pnc.contract_key import ISO20_P521, ISO20_X448, new_contract_key
from iso15118.pnc.contract_service import ContractService, Offer
from iso15118.pnc.installation import (
    InstallationError,
    Provisioning,
    accept_contract,
    preferred,
    provisioning_of,
    request_chain,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PCID = "WVW123456789ABCDE7"
EMAIDS = ("DE8AA000000001", "DE8AA000000002", "FRXYZ000000003")


@cache
def issued(algorithm: str) -> IssuedPki:
    pki = issue_test_pki("iso20", algorithm, at=NOW)
    for number, emaid in enumerate(EMAIDS):
        key = new_contract_key(ISO20_X448 if algorithm == "ed448" else ISO20_P521).private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pki = issue_leaf(pki, "contract", f"contract-{number}", at=NOW, names={"emaid": emaid}, key=key)
    return pki


def service(pki: IssuedPki) -> ContractService:
    contracts = [pki.credential(f"contract-{number}") for number in range(len(EMAIDS))]
    return ContractService(cps=pki.credential("cps"), contracts={PCID: contracts}, oem_anchors=[pki.oem_root])


def offered(pki: IssuedPki, **options: Any) -> Offer:
    chain, signature = request_chain(signer_of(pki.credential("oemprov")))
    arguments: dict[str, Any] = {"at": NOW, "maximum": 3}
    return service(pki).issue(chain, signature, **(arguments | options))


def provisioning(pki: IssuedPki) -> Provisioning:
    return provisioning_of(pki.credential("oemprov"), pki.alternative_keys["oemprov"])


def accepted(pki: IssuedPki, offer: Offer, **changes: Any) -> Credential | None:
    arguments: dict[str, Any] = {
        "provisioning": provisioning(pki),
        "v2g_anchors": [pki.v2g_root],
        "mo_anchors": [pki.certificates["mo-root"]],
        "at": NOW,
    }
    return accept_contract(offer.data, offer.signature, offer.cps_chain, **(arguments | changes)).credential


@pytest.mark.parametrize("algorithm", ["p521", "ed448"])
def test_all_contracts_are_installed_one_by_one(algorithm: str) -> None:
    pki = issued(algorithm)
    installed = []
    for count in range(3):
        offer = offered(pki, issued=count, prioritized=["FR-XYZ"])
        assert offer.remaining == 2 - count
        wire = exi.encode("iso20-common", offer.data, fragment=True)
        again = exi.decode("iso20-common", wire, fragment=True)
        assert isinstance(again, SignedInstallationData)
        installed.append(accepted(pki, msgspec.structs.replace(offer, data=again)))
    assert installed == [pki.credential(f"contract-{number}") for number in (2, 0, 1)]
    with pytest.raises(InstallationError) as caught:
        offered(pki, issued=3)
    assert caught.value.fault == "no-contract"
    assert offered(pki, maximum=1).remaining == 0


@pytest.mark.parametrize("algorithm", ["p521", "ed448"])
def test_what_is_wrong_with_a_request_is_named(algorithm: str) -> None:
    pki, other = issued(algorithm), issue_test_pki("iso20", algorithm, at=NOW)
    chain, signature = request_chain(signer_of(pki.credential("oemprov")))
    strangers = request_chain(signer_of(other.credential("oemprov")))
    requests = {
        "chain": strangers,
        "signature": (chain, strangers[1]),
        "no-contract": None,
    }
    for fault, request in requests.items():
        asked = ContractService(
            cps=pki.credential("cps"),
            contracts={},
            oem_anchors=[pki.oem_root],
        )
        with pytest.raises(InstallationError) as caught:
            asked.issue(*(request or (chain, signature)), at=NOW, maximum=1)
        assert caught.value.fault == fault
    with pytest.raises(InstallationError) as caught:
        service(pki).issue(chain, None, at=NOW, maximum=1)
    assert caught.value.fault == "signature"


SPOILED: dict[str, tuple[str, Callable[[Offer], Offer]]] = {
    "data changed after signing": (
        "signature",
        lambda offer: msgspec.structs.replace(
            offer, data=msgspec.structs.replace(offer.data, dh_public_key=bytes(133))
        ),
    ),
    "service's chain without Sub-CAs": (
        "chain",
        lambda offer: msgspec.structs.replace(
            offer, cps_chain=msgspec.structs.replace(offer.cps_chain, sub_certificates=None)
        ),
    ),
}


@pytest.mark.parametrize("algorithm", ["p521", "ed448"])
@pytest.mark.parametrize("name", SPOILED)
def test_what_is_wrong_with_an_answer_is_named(name: str, algorithm: str) -> None:
    fault, spoil = SPOILED[name]
    pki = issued(algorithm)
    with pytest.raises(InstallationError) as caught:
        accepted(pki, spoil(offered(pki)))
    assert caught.value.fault == fault


@pytest.mark.parametrize("algorithm", ["p521", "ed448"])
def test_another_vehicle_and_other_roots_take_nothing(algorithm: str) -> None:
    pki, other = issued(algorithm), issue_test_pki("iso20", algorithm, at=NOW)
    offer = offered(pki)
    for changes, fault in (
        (
            {"provisioning": provisioning(other)},
            "contract-key",
        ),
        ({"v2g_anchors": [other.v2g_root]}, "chain"),
        ({"mo_anchors": [other.certificates["mo-root"]]}, "chain"),
    ):
        with pytest.raises(InstallationError) as caught:
            accepted(pki, offer, **changes)
        assert caught.value.fault == fault


def test_a_vehicle_without_the_transport_takes_nothing() -> None:
    pki = issued("p521")
    with pytest.raises(InstallationError, match="no key transport by secp521r1") as refused:
        accepted(pki, offered(pki), transports=(ISO20_X448,))
    assert refused.value.fault == "no-key"


def test_preferences_are_emaids_or_their_beginnings() -> None:
    assert preferred(EMAIDS, []) == list(EMAIDS)
    assert preferred(EMAIDS, ["FR"])[0] == "FRXYZ000000003"
    assert preferred(EMAIDS, ["DE-8AA-000000002", "FR-XYZ"]) == [EMAIDS[1], EMAIDS[2], EMAIDS[0]]


def test_keys_may_have_any_length_on_the_wire_and_nothing_else_may() -> None:
    """[V2G20-2495] wants 56 octets where the schema has 133; who uses a key looks at its length."""
    data = offered(issued("ed448")).data
    assert len(data.dh_public_key) == 56
    octets = exi.encode("iso20-common", data, fragment=True)
    again, notes = exi.decode_with_notes("iso20-common", octets, fragment=True)
    assert again == data
    assert [note.partition(":")[0] for note in notes] == ["short"]
    for length in (0, 2, 133, 1000):
        other = msgspec.structs.replace(
            data, dh_public_key=bytes(length), x448_encrypted_private_key=bytes(100)
        )
        octets = exi.encode("iso20-common", other, fragment=True)
        assert exi.decode("iso20-common", octets, fragment=True) == other
        with pytest.raises(ExiError):
            exi.decode("iso20-common", octets, fragment=True, strict=True)
    chain = data.contract_certificate_chain
    for changes in (
        {"contract_certificate_chain": msgspec.structs.replace(chain, certificate=bytes(1601))},
        {"x448_encrypted_private_key": None},
    ):
        with pytest.raises(ExiError):
            exi.encode("iso20-common", msgspec.structs.replace(data, **changes), fragment=True)
