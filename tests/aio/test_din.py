"""DIN 70121 over real TCP without TLS and discovery on ``::1``, with simulated hardware on both ends."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.aio import EvccClient
from iso15118.evcc.din.settings import DinEvccSettings
from iso15118.messages import din
from iso15118.session.actions import EndReason
from iso15118.session.services import ServiceID
from iso15118.simulation import Battery

from .site import Plant, evcc_config, secc_config, site

STATES = [
    "Connecting",
    "supportedAppProtocol",
    "SessionSetup",
    "ServiceDiscovery",
    "ServicePaymentSelection",
    "ContractAuthentication",
    "ChargeParameterDiscovery",
    "CableCheck",
    "PreCharge",
    "PowerDelivery",
    "CurrentDemand",
    "WeldingDetection",
    "Ended",
]
ONLY: dict[str, Any] = {"services": (ServiceID.DC,), "editions": ("din",)}


def car() -> Battery:
    """A large pack of 400 V that is nearly where it wants to be."""
    return Battery(capacity_wh=100e6, soc=79.99, target_soc=80.0, empty_v=320.0, full_v=400.0)


@pytest.mark.parametrize("both", [False, True], ids=["din alone", "din beside -20"])
async def test_a_vehicle_is_found_and_charged(both: bool) -> None:
    """A station that speaks ISO 15118-20 as well serves a vehicle without TLS on the same port."""
    editions = ("iso20", "din") if both else ("din",)
    plant = Plant(kind="ccs2", battery=car())
    config = secc_config(**(ONLY | {"editions": editions}))
    tls: Any = "" if both else None
    async with site(plant, config=config, tls=tls) as here:
        vehicle = evcc_config(**ONLY, din=DinEvccSettings(loop_interval_s=0.01))
        client = here.client(config=vehicle, tls=None)
        mine = await client.run()
        theirs = await here.server.wait_finished(1)
        assert [watcher.seen > 100 for watcher in here.watchers] == [True, True]
    for result in (mine, theirs):
        assert result.ended.reason is EndReason.STOPPED_BY_EV, result
        assert result.safe
        assert not result.faults
        assert result.tls is None
        assert result.charge_loops > 3
    assert list(theirs.states) == STATES
    assert theirs.evccid == "020000000001"


async def test_a_vehicle_that_breaks_off_in_the_loop_leaves_a_safe_station() -> None:
    plant = Plant(kind="ccs2", battery=car())
    async with site(plant, config=secc_config(**ONLY), tls=None) as here:
        vehicle = evcc_config(**ONLY, din=DinEvccSettings(loop_interval_s=0.01))
        alarm = _Alarm()
        client = alarm.client = here.client(config=vehicle, tls=None, observer=alarm)
        mine = await client.run()
        theirs = await here.server.wait_finished(1)
    assert mine.ended.reason is EndReason.EMERGENCY
    assert mine.safe
    assert not theirs.ended.reason.orderly
    assert theirs.safe


class _Alarm:
    """Presses the button with the first answer of the charge loop."""

    client: EvccClient

    def __call__(self, now: float, what: Any) -> None:
        message = getattr(what, "message", None)
        body = message.body.body_element if isinstance(message, din.V2GMessage) else None
        if isinstance(body, din.CurrentDemandRes):
            self.client.emergency_shutdown("button")
