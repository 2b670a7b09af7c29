"""Contracts that a vehicle has and cannot use: the end of the session names each, why, and a way out; the
station hears nothing of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from iso15118.evcc.config import Identification, InstallContracts
from iso15118.messages.iso20 import common_messages as cm
from iso15118.pki import IssuedPki, issue_leaf
from iso15118.pki.chain.parsed import parse
from iso15118.pki.keys.signer import signer_of
from iso15118.pnc.vehicle_contracts import HeldContracts, VehicleContracts
from iso15118.session.actions import EndReason
from iso15118.simulation.backend import ContractBackend, accept_emaids
from iso15118.testing import Pair
from tests.evcc.iso2.contracts import DAY as DAY_ISO2
from tests.evcc.iso2.contracts import EMAIDS as EMAIDS_ISO2
from tests.evcc.iso2.contracts import held as held_iso2
from tests.evcc.iso2.contracts import pki as pki_iso2
from tests.pair.contracts import DAY, EMAIDS, contract_pair, held, issued, trust
from tests.pair.test_iso2 import Heard as HeardIso2
from tests.pair.test_iso2 import spoken
from tests.pair.test_plug_and_charge import Heard, charged

NEVER = {"install_contracts": InstallContracts.NEVER}
NONE = "the vehicle has no contract that could be used here"


def with_old(pki: IssuedPki, emaid: str, day: Any) -> tuple[IssuedPki, str]:
    """With a contract "old" that ended long ago, and the day of its end."""
    made = issue_leaf(pki, "contract", "old", at=day - timedelta(days=2000), names={"emaid": emaid})
    return made, f"{parse(made.certificates['old']).not_after:%Y-%m-%d}"


def detail(rig: Pair) -> str:
    ended = rig.evcc.ended
    assert ended is not None
    assert (ended.reason, ended.cause) == (EndReason.AUTHORIZATION_FAILED, "no-contract")
    assert len(ended.detail) <= 300
    return ended.detail


def test_an_expired_contract_is_named_to_its_owner_and_not_to_the_station() -> None:
    pki, day = with_old(issued("ed448"), EMAIDS[0], DAY)
    heard = Heard()
    rig = contract_pair("ed448", store=held(pki, "old"), evcc=NEVER, on_message=heard)
    rig.run()
    assert detail(rig) == (
        f"{NONE}; {EMAIDS[0]}: expired on {day}; "
        'session.install_contracts = "if-needed" has a station install one'
    )
    assert f"{EMAIDS[0]}: expired on {day}" in rig.evcc.refusals
    (stop,) = heard.of(cm.SessionStopReq)
    assert stop.ev_termination_explanation == NONE
    assert rig.secc.ended is not None
    assert EMAIDS[0] not in rig.secc.ended.detail


def test_where_nothing_is_installed_the_store_is_the_way_out() -> None:
    pki, day = with_old(issued("ed448"), EMAIDS[0], DAY)
    rig = contract_pair("ed448", store=held(pki, "old"))
    rig.run()
    said = detail(rig)
    assert said.startswith(f"the station installs no contracts; {NONE}; {EMAIDS[0]}: expired on {day}; ")
    assert "a station that installs contracts gives a new one, or `iso15118 pki import`" in said
    rig = contract_pair("ed448", store=held(pki, "old", provisioning=None))
    rig.run()
    assert detail(rig).endswith("; `iso15118 pki import` puts a new one into the store")


def test_a_provider_that_the_station_does_not_know_is_named() -> None:
    backend = ContractBackend(trust(issued("ed448"), providers=("FRXYZ",)))
    rig = contract_pair("ed448", "contract-0", backend=backend, evcc=NEVER)
    rig.run()
    assert f"{EMAIDS[0]}: the station knows the providers FRXYZ only" in detail(rig)


def test_a_contract_of_the_other_edition_is_named_with_its_key() -> None:
    rig = contract_pair("ed448", store=held(issued("p256"), "contract-0", edition="iso20"), evcc=NEVER)
    rig.run()
    assert f"{EMAIDS[0]}: its key is of secp256r1, ISO 15118-20 takes ed448 or secp521r1" in detail(rig)


def test_more_of_them_than_an_end_can_carry_are_counted_and_all_in_the_refusals() -> None:
    pki, _ = with_old(issued("ed448"), EMAIDS[0], DAY)
    signers = []
    for number in range(30):
        emaid = f"DE8AA0000001{number:02d}"
        old = issue_leaf(pki, "contract", "old", at=DAY - timedelta(days=2000), names={"emaid": emaid})
        signers.append(signer_of(old.credential("old")))
    store = HeldContracts(VehicleContracts(signers=tuple(signers)))
    rig = contract_pair("ed448", store=store, evcc=NEVER)
    rig.run()
    said = detail(rig)
    named = said.count("expired on")
    assert named >= 3
    assert f"; and {30 - named} more; session.install_contracts" in said
    assert sum("expired on" in one for one in rig.evcc.refusals) == 30


def test_those_that_had_no_turn_and_those_that_were_refused_stand_beside_them() -> None:
    """The driver holds a card there; why no contract paid is told all the same."""
    pki, day = with_old(issued("p521"), "DE8AA000000009", DAY)
    rig = contract_pair(
        "p521",
        store=held(pki, "contract-0", "contract-1", "old"),
        backend=ContractBackend(trust(pki), accept_emaids(("SE9ZZ",))),
        evcc={"identification": (Identification.PNC, Identification.EIM), "contract_attempts": 1},
    )
    rig.run()
    charged(rig)
    assert rig.evcc.refusals == (
        f"{EMAIDS[0]}: WARNING_eMSPUnknown",
        f"DE8AA000000009: expired on {day}",
        f"{EMAIDS[1]}: not tried, session.contract_attempts is 1",
    )


def test_a_contract_that_pays_leaves_nothing_to_be_told() -> None:
    pki, _ = with_old(issued("p521"), "DE8AA000000009", DAY)
    rig = contract_pair("p521", store=held(pki, "contract-0", "old"), backend=ContractBackend(trust(pki)))
    rig.run()
    charged(rig)
    assert rig.evcc.refusals == ()


@pytest.mark.parametrize("never", [True, False])
def test_the_same_in_iso2(never: bool) -> None:
    pki, day = with_old(pki_iso2(), EMAIDS_ISO2[0], DAY_ISO2)
    store = held_iso2(signers=(signer_of(pki.credential("old")),))
    rig = spoken(
        HeardIso2(),
        secure=True,
        tls_version="TLSv1.2",
        station_options={"contracts": ContractBackend(trust(pki_iso2(), edition="iso2"))},
        vehicle_options={"contracts": HeldContracts(store)},
        evcc={"identification": (Identification.PNC,)} | (NEVER if never else {}),
    )
    rig.run()
    said = detail(rig)
    assert f"{NONE}; {EMAIDS_ISO2[0]}: expired on {day}; " in said
    assert said.startswith("the station installs no contracts") is not never
    assert ("session.install_contracts" in said) is never


def test_a_contract_whose_key_is_gone_is_not_told_to_the_station() -> None:
    heard = Heard()
    rig = contract_pair("p521", "contract-0", evcc=NEVER, on_message=heard)
    rig.vehicle.faults.raises("use_key", OSError("taken out"))
    rig.run()
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.AUTHORIZATION_FAILED
    assert rig.evcc.refusals[0].startswith(EMAIDS[0])
    assert heard.of(cm.AuthorizationReq) == []
    assert all(EMAIDS[0] not in repr(one) for one in heard.all)
