"""A connection outlives its session by a few seconds, so that the vehicle can say goodbye; the hardware
is the next session's by then.

What still comes over it is answered or dropped, and never looks at the hardware or asks for anything.
"""

from __future__ import annotations

import asyncio
from typing import Any

from iso15118.channel import MessageChannel, Received
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import MessageHeader, ResponseCode
from iso15118.sdp import Security
from iso15118.session.actions import EndReason
from tests.sample_messages import SAP_REQ, SETUP

from .rig import Raw
from .site import Plant, Site, evcc_config, secc_config, site
from .test_sessions_dropped import Charging


class Refused:
    """A peer that is refused for what it asks, and stays."""

    def __init__(self, raw: Raw) -> None:
        self.raw, self.channel = raw, MessageChannel()
        self.header = MessageHeader(session_id=bytes(8), time_stamp=1_790_000_000)

    @classmethod
    async def of(cls, here: Site) -> Refused:
        peer = cls(await Raw.to(here.server.ports[Security.NONE]))
        await peer.says(SAP_REQ)
        peer.channel.select("iso20-dc")
        answer = await peer.says(SETUP)
        peer.header = MessageHeader(session_id=answer.header.session_id, time_stamp=1_790_000_000)
        answer = await peer.says(cm.ServiceDiscoveryReq(header=peer.header))
        assert answer.response_code is ResponseCode.FAILED_SequenceError
        return peer

    async def says(self, message: Any) -> Any:
        await self.raw.send(self.channel.encode(message))
        (item,) = self.channel.receive_data(await self.raw.receive())
        assert isinstance(item, Received)
        return item.message


async def test_who_was_refused_and_stays_does_nothing_to_the_session_of_the_next_vehicle() -> None:
    plant = Plant()
    async with site(plant, tls=None, config=secc_config(allow_plaintext=True)) as here:
        refused = await Refused.of(here)
        await here.server.wait_finished(1)
        car = Charging(here, tls=None, config=evcc_config(allow_plaintext=True))
        await car.under_power(plant)
        for _ in range(3):
            await refused.raw.send(refused.channel.encode(cm.ServiceDiscoveryReq(header=refused.header)))
            await asyncio.sleep(0.15)
        stop = cm.SessionStopReq(header=refused.header, charging_session=cm.ChargingSession.Terminate)
        assert (await refused.says(stop)).response_code is ResponseCode.OK
        assert plant.current_a > 100.0
        assert plant.station.outlet.closed
        car.client.stop("enough")
        assert (await car.task).ended.reason is EndReason.STOPPED_BY_EV
        assert (await here.server.wait_finished(2)).ended.reason is EndReason.STOPPED_BY_EV
        refused.raw.close()
