"""One truck with several contracts at chargers that accept one each: they are tried in turn, and the
terminal is the last way."""

from __future__ import annotations

import pytest

from iso15118.evcc.config import Identification
from iso15118.messages.iso20 import common_messages as cm
from iso15118.pnc.contracts import Refusal
from iso15118.session.services import ServiceID
from iso15118.simulation.backend import ContractBackend, accept_emaids
from iso15118.testing import Pair
from tests.pair.contracts import EMAIDS, contract_pair, held, issued, service, trust
from tests.pair.test_plug_and_charge import Heard, charged

BOTH = {"identification": (Identification.PNC, Identification.EIM)}


def at_the_charger(backend: ContractBackend, store: object, **options: object) -> tuple[Pair, Heard]:
    heard = Heard()
    rig = contract_pair(
        "p521",
        backend=backend,
        store=store,  # type: ignore[arg-type]
        service=ServiceID.MCS,
        evcc=BOTH,
        on_message=heard,
        **options,  # type: ignore[arg-type]
    )
    rig.run()
    return rig, heard


def codes(heard: Heard) -> list[str]:
    """What the decisions about contracts and driver were, without those that were not made yet."""
    answers = heard.of(cm.AuthorizationRes)
    return [one.response_code.value for one in answers if one.evse_processing.value == "Finished"]


def test_three_contracts_three_chargers_and_a_fourth_at_the_terminal() -> None:
    store = held(issued("p521"), "contract-0", "contract-1", "contract-2")
    paid = []
    for emaid in EMAIDS:
        backend = ContractBackend(trust(issued("p521")), accept_emaids((emaid,)))
        rig, heard = at_the_charger(backend, store)
        charged(rig)
        assert rig.secc.emaid == rig.evcc.emaid == emaid
        assert codes(heard)[-1] == "OK"
        assert all(code.startswith("WARNING") for code in codes(heard)[:-1])
        assert [claim.emaid for claim in backend.claims][-1] == emaid
        paid.append(rig.secc.emaid)
    assert paid == list(EMAIDS)
    # A charger whose operator knows none of the providers: each is refused, and the
    # driver holds his card there.
    backend = ContractBackend(trust(issued("p521")), accept_emaids(("SE9ZZ",)))
    rig, heard = at_the_charger(backend, store)
    charged(rig)
    assert rig.secc.emaid == ""
    assert codes(heard) == ["WARNING_eMSPUnknown"] * 3 + ["OK"]
    ways = [one.selected_authorization_service.value for one in heard.of(cm.AuthorizationReq)]
    assert ways[-1] == "EIM"
    assert len(rig.evcc.refusals) == 3


@pytest.mark.parametrize(
    "refusal", [one for one in Refusal if one is not Refusal.SIGNATURE], ids=lambda one: one.name
)
def test_whatever_the_reason_the_next_one_is_tried(refusal: Refusal) -> None:
    """A bad signature alone is no warning: the vehicle's key is broken, or somebody is between the two."""
    store = held(issued("p521"), "contract-0", "contract-2")
    first = []

    def decide(claim: object) -> Refusal | None:
        first.append(claim)
        return refusal if len(first) == 1 else None

    rig, heard = at_the_charger(ContractBackend(trust(issued("p521")), decide), store)
    charged(rig)
    assert rig.secc.emaid == EMAIDS[2]
    assert len(codes(heard)) == 2


def test_providers_that_the_station_names_come_alone() -> None:
    store = held(issued("p521"), "contract-0", "contract-1", "contract-2")
    backend = ContractBackend(trust(issued("p521"), providers=("FRXYZ",)), accept_emaids((EMAIDS[2],)))
    rig, heard = at_the_charger(backend, store)
    charged(rig)
    assert [claim.emaid for claim in backend.claims] == [EMAIDS[2]]
    assert codes(heard) == ["OK"]


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_so_many_are_tried_and_then_the_driver(attempts: int) -> None:
    store = held(issued("p521"), "contract-0", "contract-1", "contract-2")
    heard = Heard()
    rig = contract_pair(
        "p521",
        backend=ContractBackend(trust(issued("p521")), accept_emaids(("SE9ZZ",))),
        store=store,
        evcc=BOTH | {"contract_attempts": attempts},
        on_message=heard,
    )
    rig.run()
    charged(rig)
    assert codes(heard) == ["WARNING_eMSPUnknown"] * attempts + ["OK"]


def test_contracts_are_installed_until_none_remains_and_then_tried_in_turn() -> None:
    store = held(issued("p521"))
    pki = issued("p521")
    backend = ContractBackend(trust(pki), accept_emaids((EMAIDS[1],)), service=service(pki, 3))
    rig, heard = at_the_charger(backend, store)
    charged(rig)
    assert rig.evcc.installed == 3
    left = [one.remaining_contract_certificate_chains for one in heard.of(cm.CertificateInstallationRes)]
    assert left[-1] == 0
    assert rig.secc.emaid == EMAIDS[1]


@pytest.mark.parametrize(
    ("vehicle", "station", "pays"),
    [("iso20", "iso20", False), ("lab", "iso20", False), ("iso20", "lab", False), ("lab", "lab", True)],
)
def test_a_contract_of_iso2_pays_here_only_where_both_sides_say_so(
    vehicle: str, station: str, pays: bool
) -> None:
    """Its key is of P-256, which ISO 15118-20 does not have: the setting ``edition = "lab"`` of either
    side is the explicit policy."""
    pki = issued("p256")
    rig, heard = at_the_charger(
        ContractBackend(trust(pki, edition=station), accept_emaids(("*",))),
        held(pki, "contract-0", edition=vehicle),
    )
    charged(rig)
    assert (rig.secc.emaid == EMAIDS[0]) is pays
    ways = {one.selected_authorization_service.value for one in heard.of(cm.AuthorizationReq)}
    assert ways == ({"PnC"} if pays else {"EIM"} if vehicle == "iso20" else {"PnC", "EIM"})
