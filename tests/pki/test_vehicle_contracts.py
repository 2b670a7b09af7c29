"""What a vehicle holds: which contract is tried first, what a store on disk keeps, and keys
that are wrapped for a TPM."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization

from iso15118.errors import MisuseError, PkiError
from iso15118.messages.iso20.common_messages import CertificateInstallationReq
from iso15118.messages.iso20.common_types import MessageHeader
from iso15118.pki import IssuedPki, Store, issue_leaf, issue_test_pki
from iso15118.pki.cases.messages import TRANSPORTS
from iso15118.pki.chain.identifiers import is_emaid
from iso15118.pki.chain.parsed import parse
from iso15118.pki.keys.signer import Signer, SoftwareSigner, signer_of
from iso15118.pnc.authorization import signed_authorization
from iso15118.pnc.contract_service import ContractService, emaid_for, issuing
from iso15118.pnc.installation import InstallationError, provisioning_of
from iso15118.pnc.signature import SignedElement, sign
from iso15118.pnc.vehicle_contracts import HeldContracts, StoredContracts, VehicleContracts

NOW = datetime(2027, 1, 1, tzinfo=UTC)
EMAIDS = ("DE8AA000000001", "FRXYZ000000003")


@cache
def issued(algorithm: str = "ed448") -> IssuedPki:
    pki = issue_test_pki("iso20", algorithm, at=NOW)
    for number, emaid in enumerate(EMAIDS):
        pki = issue_leaf(pki, "contract", f"c{number}", at=NOW, names={"emaid": emaid})
    return pki


def signers(*names: str, algorithm: str = "ed448") -> tuple[SoftwareSigner, ...]:
    return tuple(signer_of(issued(algorithm).credential(name)) for name in names)


def emaids(contracts: VehicleContracts, **wanted: Any) -> list[str]:
    return [one.emaid for one in contracts.usable(**wanted)]


def test_contracts_are_chosen_by_preference_provider_and_time() -> None:
    held = VehicleContracts(signers=signers("c0", "c1"))
    assert emaids(held) == list(EMAIDS)
    assert emaids(held, preferences=("FR-XYZ",)) == [EMAIDS[1], EMAIDS[0]]
    for provider in ("FRXYZ", "XYZ", "fr-xyz"):
        assert emaids(held, providers=(provider,)) == [EMAIDS[1]]
    assert emaids(held, providers=("ZZZZZ", "")) == []
    assert emaids(held, unix_time=NOW.timestamp()) == list(EMAIDS)
    assert emaids(held, unix_time=(NOW - timedelta(days=400)).timestamp()) == []
    assert emaids(held, unix_time=(NOW + timedelta(days=4000)).timestamp()) == []


def test_what_cannot_be_sent_or_is_no_contract_is_not_tried() -> None:
    alone = SoftwareSigner(signers("c0")[0]._key, signers("c0")[0].chain[:1])
    assert emaids(VehicleContracts(signers=(alone,))) == []
    with pytest.raises(MisuseError, match="Sub-CA"):
        signed_authorization(alone, bytes(16))
    assert emaids(VehicleContracts(signers=signers("vehicle"))) == []
    assert emaids(VehicleContracts(signers=(SoftwareSigner(alone._key),))) == []
    p256 = issue_test_pki("lab", "p256", at=NOW)
    held = VehicleContracts(signers=(signer_of(p256.credential("contract")),))
    assert emaids(held) == []
    assert len(emaids(msgspec.structs.replace(held, edition="lab"))) == 1


def test_a_contract_that_is_left_out_is_named_with_the_reason() -> None:
    held = VehicleContracts(signers=signers("c0", "c1"))
    assert held.set_aside() == held.set_aside(unix_time=NOW.timestamp()) == ()
    late, early = NOW + timedelta(days=4000), NOW - timedelta(days=400)
    end = parse(held.signers[0].chain[0]).not_after
    assert held.set_aside(unix_time=late.timestamp()) == tuple(
        f"{emaid}: expired on {end:%Y-%m-%d}" for emaid in EMAIDS
    )
    begin = parse(held.signers[0].chain[0]).not_before
    assert held.set_aside(unix_time=early.timestamp())[0] == (
        f"{EMAIDS[0]}: valid only from {begin:%Y-%m-%d}, by this clock it is {early:%Y-%m-%d}"
    )
    for provider in ("FRXYZ", "FR\x1b[2J", "F" * 500):  # what a station says is in the text, and does not act
        (said, *_) = held.set_aside(providers=(provider,))
        assert said.startswith(f"{EMAIDS[0]}: the station knows the providers F")
        assert said.isprintable()
        assert len(said) < 150
    assert held.set_aside(edition="iso2") == tuple(
        f"{emaid}: its key is of ed448, ISO 15118-2 takes secp256r1" for emaid in EMAIDS
    )
    alone = SoftwareSigner(signers("c0")[0]._key, signers("c0")[0].chain[:1])
    no_contracts = VehicleContracts(signers=(SoftwareSigner(alone._key), alone)).set_aside()
    assert [one.split(": ")[0] for one in no_contracts] == ["a certificate without a name", EMAIDS[0]]


def test_a_contract_that_is_there_anew_is_not_named() -> None:
    old = issue_leaf(
        issued(), "contract", "old", at=NOW - timedelta(days=2000), names={"emaid": EMAIDS[0]}
    ).credential("old")
    held = VehicleContracts(signers=(signer_of(old), *signers("c0")))
    assert held.set_aside(unix_time=NOW.timestamp()) == ()
    assert len(VehicleContracts(signers=(signer_of(old),)).set_aside(unix_time=NOW.timestamp())) == 1


def test_a_fresh_contract_takes_the_place_of_the_old_one() -> None:
    held = VehicleContracts(signers=signers("c0", "c1"))
    again = issue_leaf(issued(), "contract", "new", at=NOW, names={"emaid": EMAIDS[0]}).credential("new")
    fresh = held.with_contract(signer_of(again))
    assert emaids(fresh) == [EMAIDS[1], EMAIDS[0]]
    assert again.chain in [one.chain for one in fresh.signers]
    assert repr(again.key)[2:60] not in repr(fresh)


def test_a_contract_of_the_other_edition_stays() -> None:
    """The same EMAID with a key of P-256 is the contract of ISO 15118-2, and with another that of -20."""
    older = issue_leaf(
        issue_test_pki("iso2", "p256", at=NOW), "contract", "c", at=NOW, names={"emaid": EMAIDS[0]}
    )
    held = VehicleContracts(signers=signers("c0")).with_contract(signer_of(older.credential("c")))
    assert emaids(held) == emaids(held, edition="iso2") == [EMAIDS[0]]
    assert len(held.signers) == 2
    assert held.provisioning_for("iso2") is None
    own = provisioning_of(older.credential("oemprov"))
    assert msgspec.structs.replace(held, provisioning_iso2=own).provisioning_for("iso2") is own
    assert msgspec.structs.replace(held, provisioning=own).provisioning_for("iso2") is own
    assert msgspec.structs.replace(held, provisioning_iso2=own).provisioning_for("iso20") is None


def test_an_older_contract_never_takes_the_place_of_a_newer_one() -> None:
    later = NOW + timedelta(days=1)
    newer = issue_leaf(issued(), "contract", "new", at=later, names={"emaid": EMAIDS[0]}).credential("new")
    held = HeldContracts(VehicleContracts(signers=(signer_of(newer),)))
    with pytest.raises(PkiError, match="there is a newer one"):
        held.keep(issued().credential("c0"))
    assert [one.chain for one in held.present.signers] == [newer.chain]
    assert held.stored == []


def test_without_provisioning_certificate_or_roots_nothing_is_asked_for() -> None:
    for held, fault in (
        (VehicleContracts(), "no-key"),
        (VehicleContracts(provisioning=provisioning_of(issued().credential("oemprov"))), "chain"),
    ):
        with pytest.raises(InstallationError) as caught:
            held.request()
        assert caught.value.fault == fault


# -- a store on disk


def filled(folder: Path, algorithm: str) -> tuple[StoredContracts, IssuedPki]:
    pki, store = issued(algorithm), Store(folder)
    store.add_anchor("v2g", "v2g", pki.v2g_root)
    store.add_anchor("mo", "mo", pki.certificates["mo-root"])
    store.add_own("oemprov", pki.credential("oemprov"))
    pem = serialization.load_der_private_key(pki.alternative_keys["oemprov"], None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return StoredContracts(store, alternative_key=pem), pki


def request(held: VehicleContracts) -> CertificateInstallationReq:
    chain, signature, roots = held.request()
    return CertificateInstallationReq(
        header=MessageHeader(session_id=bytes(range(8)), time_stamp=1, signature=signature),
        oem_provisioning_certificate_chain=chain,
        list_of_root_certificate_ids=roots,
        maximum_contract_certificate_chains=2,
    )


def service(pki: IssuedPki, **changes: Any) -> ContractService:
    fields: dict[str, Any] = {
        "cps": pki.credential("cps"),
        "contracts": issuing(pki, clock=lambda: NOW),
        "oem_anchors": [pki.oem_root],
        "clock": lambda: NOW,
    }
    return ContractService(**(fields | changes))


@pytest.mark.parametrize("algorithm", ["p521", "ed448"])
def test_an_installed_contract_is_in_the_store_next_time(algorithm: str, tmp_path: Path) -> None:
    stored, pki = filled(tmp_path / "store", algorithm)
    assert stored.present.signers == ()
    taken = stored.present.accept(service(pki).answer(request(stored.present)), NOW.timestamp())
    assert taken.credential is not None
    asyncio.run(stored.store(taken.credential))
    assert emaids(stored.present) == [emaid_for("WVW123456789ABCDE7")[:14]]
    assert is_emaid(emaid_for("WVW123456789ABCDE7"))
    assert repr(stored) == f"StoredContracts(Store({tmp_path / 'store'}, keys not encrypted))"


def test_contracts_in_memory_say_how_many_and_nothing_else() -> None:
    held = HeldContracts(VehicleContracts(signers=signers("c0")))
    asyncio.run(held.store(issued().credential("c1")))
    assert repr(held) == "HeldContracts(2 contracts)"
    assert held.stored == [issued().credential("c1")]


# -- a key for a TPM


class Tpm:
    """Takes what is wrapped for it."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.given: list[bytes] = []

    def import_key(self, blob: bytes, dh_public_key: bytes, chain: tuple[bytes, ...]) -> Signer:
        self.given.append(blob)
        return self.signer


def test_a_key_for_a_tpm_is_refused_by_name_unless_there_is_one() -> None:
    pki = issued("p521")
    provisioning = provisioning_of(pki.credential("oemprov"))
    held = VehicleContracts(
        provisioning=provisioning, v2g_anchors=(pki.v2g_root,), mo_anchors=(pki.certificates["mo-root"],)
    )
    good = service(pki).answer(request(held))
    data = msgspec.structs.replace(
        good.signed_installation_data,
        secp521_encrypted_private_key=None,
        tpm_encrypted_private_key=bytes(206),
    )
    header = msgspec.structs.replace(
        good.header, signature=sign(signer_of(pki.credential("cps")), [SignedElement("iso20-common", data)])
    )
    answer = msgspec.structs.replace(good, header=header, signed_installation_data=data)
    with pytest.raises(InstallationError) as caught:
        held.accept(answer, NOW.timestamp())
    assert caught.value.fault == "tpm"
    tpm = Tpm(signers("c0", algorithm="p521")[0])
    with_tpm = msgspec.structs.replace(held, provisioning=msgspec.structs.replace(provisioning, tpm=tpm))
    taken = with_tpm.accept(answer, NOW.timestamp())
    assert (taken.signer, taken.credential) == (tpm.signer, None)
    assert tpm.given == [bytes(206)]


def test_the_transport_is_a_profile_that_both_sides_have_to_share() -> None:
    """Public stacks disagree on its parameters: another empty one is told by its tag, the same one works."""
    pki = issued("p521")
    other = msgspec.structs.replace(TRANSPORTS["p521"], name="lab", other_info=b"", additional_data="none")
    transports = (other, TRANSPORTS["ed448"])
    held = VehicleContracts(
        provisioning=provisioning_of(pki.credential("oemprov")),
        v2g_anchors=(pki.v2g_root,),
        mo_anchors=(pki.certificates["mo-root"],),
    )
    answer = service(pki, transports=transports).answer(request(held))
    with pytest.raises(InstallationError, match="contract installation: tag"):
        held.accept(answer, NOW.timestamp())
    same = msgspec.structs.replace(held, transports=transports)
    assert same.accept(answer, NOW.timestamp()).credential is not None
