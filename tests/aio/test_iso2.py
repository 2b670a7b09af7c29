"""ISO 15118-2 over real TCP, in the clear and over TLS 1.2, with discovery on ``::1`` and
simulated hardware on both ends."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from iso15118.evcc.iso2.settings import Iso2EvccSettings
from iso15118.pki import IssuedPki, issue_leaf, issue_test_pki
from iso15118.pki.keys.signer import signer_of
from iso15118.pnc.authorization import ContractTrust
from iso15118.pnc.vehicle_contracts import HeldContracts, VehicleContracts
from iso15118.session.actions import EndReason
from iso15118.session.services import ServiceID
from iso15118.settings.trust import evcc_context, secc_context
from iso15118.simulation import Battery
from iso15118.simulation.backend import ContractBackend, accept_emaids

from .site import Plant, evcc_config, secc_config, site

ONLY: dict[str, Any] = {"services": (ServiceID.DC,), "editions": ("iso2",)}
EMAIDS = ("DE8AA000000001", "FRXYZ000000002")


@cache
def issued() -> IssuedPki:
    """Certificates of now: the clocks of this test are real."""
    now = datetime.now(UTC)
    made = issue_test_pki("iso2", "p256", at=now)
    for number, emaid in enumerate(EMAIDS):
        made = issue_leaf(made, "contract", f"contract-{number}", at=now, names={"emaid": emaid})
    return made


def plant(accepted: tuple[str, ...] = ("*",)) -> Plant:
    """Two contracts in the vehicle, and a backend that takes these; a large pack that is
    nearly where it wants to be."""
    root = issued().certificates["mo-root"]
    made = Plant(
        kind="ccs2",
        battery=Battery(capacity_wh=100e6, soc=79.99, target_soc=80.0, empty_v=320.0, full_v=400.0),
        contracts=ContractBackend(ContractTrust(mo_anchors=(root,), edition="iso2"), accept_emaids(accepted)),
    )
    signers = tuple(signer_of(issued().credential(f"contract-{number}")) for number in range(2))
    made.vehicle.contracts = HeldContracts(VehicleContracts(signers=signers, mo_anchors=(root,)))
    made.evcc = made._vehicle_ports.bundle()  # with the store
    return made


def vehicle() -> Any:
    return evcc_config(**ONLY, iso2=Iso2EvccSettings(loop_interval_s=0.01))


async def test_a_vehicle_is_charged_in_the_clear() -> None:
    async with site(plant(), config=secc_config(**ONLY), tls=None) as here:
        mine = await here.client(config=vehicle(), tls=None).run()
        theirs = await here.server.wait_finished(1)
    for result in (mine, theirs):
        assert result.ended.reason is EndReason.STOPPED_BY_EV, result
        assert result.safe
        assert not result.faults
        assert result.emaid == ""  # there is no Plug and Charge without TLS
        assert result.charge_loops > 3


async def test_contracts_are_tried_in_turn_from_session_to_session() -> None:
    """A refusal ends a session of this edition: the client begins the next one with another
    contract, until one has paid."""
    here_plant = plant(accepted=(EMAIDS[1],))
    tls = secc_context(issued(), profile="iso2")
    async with site(here_plant, config=secc_config(**ONLY), tls=tls) as here:
        client = here.client(config=vehicle(), tls=evcc_context(issued(), profile="iso2"))
        first = await client.run()
        assert first.ended.reason is EndReason.REFUSED, first
        assert first.refusals[-1].startswith(f"{EMAIDS[0]}: ")
        assert first.safe
        await here.server.wait_finished(1)
        second = await client.run()
        assert second.ended.reason is EndReason.STOPPED_BY_EV, second
        assert second.emaid == EMAIDS[1]
        assert second.safe
        await here.server.wait_finished(2)
        assert second.tls is not None
        assert second.tls.version == "TLSv1.2"
        assert client._refused == ()  # the next stay begins with the preferred one again
