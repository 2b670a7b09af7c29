"""The end of what is held for Plug and Charge is said as that of TLS: contracts, provisioning, roots, and
the keys that prices are signed with."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from iso15118.aio.identity import RenewableTls
from iso15118.aio.logs import flush
from iso15118.aio.ports.held_certificates import held_by_station, held_by_vehicle
from iso15118.evcc.config import Identification
from iso15118.pki import IssuedPki, issue_test_pki
from iso15118.pki.chain.parsed import parse
from iso15118.pki.issuing.issue import issue_leaf
from iso15118.pki.keys.signer import signer_of
from iso15118.pki.status.renewal import Expiry
from iso15118.pnc.authorization import ContractTrust
from iso15118.pnc.installation import provisioning_of
from iso15118.pnc.vehicle_contracts import HeldContracts, VehicleContracts
from iso15118.session.actions import EndReason
from iso15118.simulation.backend import ContractBackend
from tests.tls.rig import NOW, car, issued, station

from .site import Plant, evcc_config, site

PKI = issued()
EMAID = "DE8AA000000001"
ALL = timedelta(days=40_000)
"""So far ahead, every certificate ends soon."""


def contract_until(day: datetime) -> IssuedPki:
    """With a contract "c" that ends then."""
    made = issue_leaf(PKI, "contract", "c", at=NOW, names={"emaid": EMAID})
    early = NOW - (parse(made.certificates["c"]).not_after - day)
    made = issue_leaf(PKI, "contract", "c", at=early, names={"emaid": EMAID})
    assert parse(made.certificates["c"]).not_after == day
    return made


def contracts_until(day: datetime) -> VehicleContracts:
    pki = contract_until(day)
    return VehicleContracts(
        signers=(signer_of(pki.credential("c")),),
        provisioning=provisioning_of(PKI.credential("oemprov")),
        v2g_anchors=(PKI.v2g_root,),
        mo_anchors=(PKI.certificates["mo-root"],),
    )


class Prices:
    """An energy manager whose prices are signed."""

    def __init__(self, *signers: Any) -> None:
        self.price_signers = signers

    def needs(self, needs: object) -> None:
        """Of a vehicle."""

    def listen(self, listener: object) -> None:
        """To limits."""


def trusting(root: bytes) -> ContractBackend:
    return ContractBackend(ContractTrust(mo_anchors=(root,)))


def with_contracts(store: HeldContracts) -> Plant:
    plant = Plant(contracts=trusting(PKI.certificates["mo-root"]))
    plant.vehicle.contracts = store
    plant.evcc = plant._vehicle_ports.bundle()
    return plant


def client_tls(told: list[Expiry]) -> RenewableTls:
    return RenewableTls(car(PKI), clock=lambda: NOW, news=told.append)


def test_all_that_a_vehicle_holds_is_looked_at() -> None:
    told: list[Expiry] = []
    tls = RenewableTls(car(PKI), clock=lambda: NOW, news=told.append, ahead=ALL)
    tls.look_at(held_by_vehicle(contracts_until(NOW + timedelta(days=3))))
    seen = {(one.kind, one.purpose, one.name) for one in told}
    installing = "the installation of contracts"
    for kind, purpose, der in (
        ("own", "contracts", contract_until(NOW + timedelta(days=3)).certificates["c"]),
        ("own", "contracts", PKI.certificates["mo-sub2"]),
        ("own", installing, PKI.certificates["oemprov"]),
        ("anchor", "contracts", PKI.certificates["mo-root"]),
        ("anchor", installing, PKI.v2g_root),
    ):
        assert (kind, purpose, parse(der).name) in seen
    assert [one.not_after for one in told] == sorted(one.not_after for one in told)
    count = len(told)
    tls.look_at(held_by_vehicle(contracts_until(NOW + timedelta(days=3))))
    tls.look_at(held_by_vehicle(None))
    assert len(told) == count, "each once"
    tls.check()
    root = parse(PKI.v2g_root).name
    assert [one.name for one in told].count(root) == 1, "the same root for TLS, too"


async def test_a_contract_that_ends_soon_is_said_when_a_session_begins(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[Expiry] = []
    store = HeldContracts(contracts_until(NOW + timedelta(days=3)))
    plant = with_contracts(store)
    async with site(plant) as here:
        tls = client_tls(told)
        await here.charge(tls=tls)
        (one,) = told
        assert (one.kind, one.purpose, one.expired) == ("own", "contracts", False)
        assert EMAID in one.name
        flush(60.0)
        assert f"the certificate of ours for contracts DC=MO,O=Test,CN={EMAID} expires on" in caplog.text
        store.present = contracts_until(NOW + timedelta(days=5))
        await here.charge(tls=tls)
        assert len(told) == 2, "another contract, said again"
        await here.charge(tls=tls)
        assert len(told) == 2


async def test_a_contract_that_has_expired_ends_no_start_and_is_named_in_the_result() -> None:
    told: list[Expiry] = []
    plant = with_contracts(HeldContracts(contracts_until(NOW - timedelta(days=3))))
    async with site(plant) as here:
        epoch = NOW.timestamp() - asyncio.get_running_loop().time()
        config = evcc_config(identification=(Identification.PNC,))
        mine = await here.client(tls=client_tls(told), config=config, epoch=epoch).run()
    assert (mine.ended.reason, mine.ended.cause) == (EndReason.AUTHORIZATION_FAILED, "no-contract")
    assert f"{EMAID}: expired on 2026-12-29" in mine.refusals
    assert f"{EMAID}: expired on 2026-12-29" in mine.ended.detail
    assert [(one.purpose, one.expired) for one in told] == [("contracts", True)]


async def test_roots_and_price_signers_of_a_station_and_roots_that_change() -> None:
    told: list[Expiry] = []
    tls = RenewableTls(station(PKI), clock=lambda: NOW, news=told.append, ahead=ALL)
    plant, backend = Plant(), Backend(PKI.certificates["mo-root"])
    prices = Prices(signer_of(PKI.credential("mo-sub2")))
    bundle = replace(plant.secc, contract_authorizer=backend, energy=prices)
    async with site(plant, station=bundle, tls=tls) as here:
        said = {(one.kind, one.purpose) for one in told}
        assert said == {("own", ""), ("anchor", ""), ("anchor", "contracts"), ("own", "prices")}
        count = len(told)
        await here.charge()
        assert len(told) == count
        other = issue_test_pki("iso20", "p521", at=NOW - timedelta(days=1)).certificates["mo-root"]
        backend.roots = (other,)
        await here.charge()
        assert [one.not_after for one in told[count:]] == [parse(other).not_after]
        await here.charge()
        assert len(told) == count + 1


class Backend:
    """Says whom it trusts."""

    def __init__(self, *roots: Any) -> None:
        self.roots = roots

    @property
    def trust(self) -> ContractTrust:
        """Now."""
        return ContractTrust(mo_anchors=self.roots)

    async def authorize_contract(self, claim: object) -> bool:
        """Everyone."""
        return True


class Broken(Backend):
    """Cannot say anything."""

    @property
    def trust(self) -> ContractTrust:
        """Raises."""
        raise RuntimeError("no disk")


class BrokenPrices(Prices):
    """Its token is gone."""

    def __getattribute__(self, name: str) -> Any:
        if name == "price_signers":
            raise OSError("no token")
        return super().__getattribute__(name)


async def test_a_port_that_raises_costs_the_notice_only(caplog: pytest.LogCaptureFixture) -> None:
    plant = Plant()
    bundle = replace(plant.secc, contract_authorizer=Broken(), energy=BrokenPrices())
    held = held_by_station(bundle)
    assert all(not one.chains and not one.anchors for one in held)
    flush(60.0)
    assert (
        "when certificates end is not known here: contract_authorizer.trust raised RuntimeError"
        in caplog.text
    )
    assert "energy.price_signers raised OSError" in caplog.text
    async with site(plant, station=bundle) as here:
        await here.charge()


def test_what_is_no_contract_at_all_costs_its_part_only() -> None:
    good = contracts_until(NOW + timedelta(days=3))
    wrong: Any = structs.replace(good, signers=(object(),), mo_anchors=("text",), v2g_anchors=7)
    contracts, installing = held_by_vehicle(wrong)
    assert (contracts.chains, contracts.anchors, installing.anchors) == ((), (), ())
    assert installing.chains == (PKI.chain("oemprov"),)
    assert all(not one.chains and not one.anchors for one in held_by_vehicle(object()))
