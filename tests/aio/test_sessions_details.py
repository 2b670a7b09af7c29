"""What sessions owe to their driver: a goodbye after a refusal, a throttled start that is released,
readings with their moment."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from iso15118.aio import SeccServer
from iso15118.channel import MessageChannel, Received
from iso15118.messages import app
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import MessageHeader, ResponseCode
from iso15118.sdp import Security
from iso15118.session import events as ev
from iso15118.session.limits import StationLimits

from .rig import Raw
from .site import LOOPBACK, QUICK_PORTS, Plant, Stopper, secc_config, site

OFFER = app.SupportedAppProtocolReq(
    app_protocol=(
        app.AppProtocol(
            protocol_namespace="urn:iso:std:iso:15118:-20:DC",
            version_number_major=1,
            version_number_minor=0,
            schema_id=1,
            priority=1,
        ),
    )
)


async def test_a_vehicle_that_was_refused_says_goodbye_and_is_answered() -> None:
    plant = Plant()
    config = secc_config(allow_plaintext=True)
    async with SeccServer(
        config, plant.secc, LOOPBACK, sdp=False, sdp_port=0, port_limits=QUICK_PORTS
    ) as server:
        raw = await Raw.to(server.ports[Security.NONE])
        channel = MessageChannel()

        async def ask(message: Any) -> Any:
            await raw.send(channel.encode(message))
            while True:
                for item in channel.receive_data(await raw.receive()):
                    assert isinstance(item, Received)
                    return item.message

        await ask(OFFER)
        channel.select("iso20-dc")
        setup = await ask(
            cm.SessionSetupReq(header=MessageHeader(session_id=bytes(8), time_stamp=0), evccid="X")
        )
        header = MessageHeader(session_id=setup.header.session_id, time_stamp=0)
        refused = await ask(cm.SessionSetupReq(header=header, evccid="X"))  # once is enough
        assert refused.response_code is ResponseCode.FAILED_SequenceError
        goodbye = await ask(cm.SessionStopReq(header=header, charging_session=cm.ChargingSession.Terminate))
        assert isinstance(goodbye, cm.SessionStopRes)
        assert goodbye.response_code is ResponseCode.OK
        raw.close()
        await server.wait_finished(1)


class Rated:
    """A supply that says what it could give at best."""

    def __init__(self, power: Any, capabilities: StationLimits) -> None:
        self._power, self.capabilities = power, capabilities

    def __getattr__(self, name: str) -> Any:
        return getattr(self._power, name)


async def test_a_station_that_is_throttled_at_plug_in_charges_with_more_when_it_is_released() -> None:
    plant = Plant()
    whole = plant.station.kind.limits
    less = replace_limits(whole, maximum_charge_power_w=20_000.0)
    plant.station.derate(less, plant.clock())
    station = replace(plant.secc, power=Rated(plant.secc.power, whole))
    async with site(plant, station=station) as here:

        def release(client: Any) -> None:
            plant.station.derate(whole, plant.clock())
            stopper.left, stopper.then = 200, lambda client: client.stop("enough")

        stopper = Stopper(20, release)
        stopper.client = client = here.client(observer=stopper)
        await client.run()
        result = await here.server.wait_finished(1)
        assert result.safe
        assert result.peak_power_kw > 100.0


def replace_limits(limits: StationLimits, **changes: float) -> StationLimits:
    fields = {name: getattr(limits, name) for name in limits.__struct_fields__}
    return StationLimits(**(fields | changes))


async def test_a_meter_reading_carries_the_moment_at_which_it_was_read() -> None:
    plant = Plant()
    readings: list[ev.MeterRead] = []

    def hear(now: float, what: Any) -> None:
        if isinstance(what, ev.MeterRead):
            readings.append(what)

    async with site(plant, observer=hear) as here:
        began = asyncio.get_running_loop().time()
        await here.charge(loops=30)
        ended = asyncio.get_running_loop().time()
    assert readings
    assert all(reading.at is not None and began <= reading.at <= ended for reading in readings)
