"""The other side vanishes, in every state of both roles: current zero and contactors open are asked for
before the connection is given up, the hardware is safe, and the next session is served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import pytest

from iso15118.aio import SessionResult
from iso15118.aio.net.stream import MessageStream
from iso15118.errors import TlsError
from iso15118.session.actions import EndReason
from iso15118.session.supervision import StationSupervisor
from iso15118.session.supervision.station import _Asked
from iso15118.timing import Timing

from .site import Plant, Stopper, evcc_config, in_turn, secc_config, site
from .vanishing import Vanishing, Way

SHORT = 0.4
SLOW: dict[str, Any] = {"authorization_s": 0.02, "cable_check_s": 10.0}
"""Slow enough for the driver and the cable check to be waited for at least once."""
SILENCE = Timing(
    communication_setup_performance=SHORT,
    sequence_timeout=SHORT,
    message_timeout=SHORT,
    message_timeout_long=SHORT,
)
DEAD = Timing(message_timeout=60.0, message_timeout_long=60.0, message_timeout_loop=60.0)
"""Timers of a vehicle that is dead, and does not stop by itself either."""

STATION_WAITS_FOR = {
    # state of the station -> the request that does not come, and which of its kind
    "supportedAppProtocol": ("SupportedAppProtocolReq", 1),
    "SessionSetup": ("SessionSetupReq", 1),
    "AuthorizationSetup": ("AuthorizationSetupReq", 1),
    "Authorization": ("AuthorizationReq", 1),
    "Authorization, waiting for the driver": ("AuthorizationReq", 2),
    "ServiceDiscovery": ("ServiceDiscoveryReq", 1),
    "ServiceDetail": ("ServiceDetailReq", 1),
    "ServiceSelection": ("ServiceSelectionReq", 1),
    "DC_ChargeParameterDiscovery": ("DCChargeParameterDiscoveryReq", 1),
    "ScheduleExchange": ("ScheduleExchangeReq", 1),
    "DC_CableCheck": ("DCCableCheckReq", 1),
    "DC_CableCheck, test voltage on": ("DCCableCheckReq", 2),
    "DC_PreCharge": ("DCPreChargeReq", 1),
    "DC_PreCharge, voltage on": ("DCPreChargeReq", 2),
    "PowerDelivery": ("PowerDeliveryReq", 1),
    "DC_ChargeLoop": ("DCChargeLoopReq", 1),
    "DC_ChargeLoop, under power": ("DCChargeLoopReq", 6),
    "DC_ChargeLoop, at its end": ("PowerDeliveryReq", 2),
    "DC_WeldingDetection": ("DCWeldingDetectionReq", 1),
    "SessionStop": ("SessionStopReq", 1),
}
VEHICLE_WAITS_FOR = {
    # what the vehicle does -> the response that does not come, and which of its kind
    "supportedAppProtocol": ("SupportedAppProtocolRes", 1),
    "SessionSetup": ("SessionSetupRes", 1),
    "AuthorizationSetup": ("AuthorizationSetupRes", 1),
    "Authorization": ("AuthorizationRes", 1),
    "Authorization, waiting for the driver": ("AuthorizationRes", 2),
    "ServiceDiscovery": ("ServiceDiscoveryRes", 1),
    "ServiceDetail": ("ServiceDetailRes", 1),
    "ServiceSelection": ("ServiceSelectionRes", 1),
    "DC_ChargeParameterDiscovery": ("DCChargeParameterDiscoveryRes", 1),
    "ScheduleExchange": ("ScheduleExchangeRes", 1),
    "DC_CableCheck": ("DCCableCheckRes", 1),
    "DC_CableCheck, test voltage on": ("DCCableCheckRes", 2),
    "DC_PreCharge": ("DCPreChargeRes", 1),
    "DC_PreCharge, voltage on": ("DCPreChargeRes", 2),
    "PowerDelivery": ("PowerDeliveryRes", 1),
    "DC_ChargeLoop": ("DCChargeLoopRes", 1),
    "DC_ChargeLoop, under power": ("DCChargeLoopRes", 6),
    "PowerDelivery, at its end": ("PowerDeliveryRes", 2),
    "DC_WeldingDetection": ("DCWeldingDetectionRes", 1),
    "SessionStop": ("SessionStopRes", 1),
}


class Spy:
    """Notes which calls reach a port, and whether the connection was still there."""

    def __init__(
        self, port: Any, name: str, log: list[tuple[str, bool]], connected: Callable[[], bool]
    ) -> None:
        self._port, self._name, self._log, self._connected = port, name, log, connected

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if not callable(value) or name == "listen":
            return value

        def call(*arguments: Any) -> Any:
            self._log.append((f"{self._name}.{name}", self._connected()))
            return value(*arguments)

        return call


class Line:
    """The subject's connections: which is the present one, and is its socket still open."""

    def __init__(self) -> None:
        self.stream: MessageStream | None = None
        self.calls: list[tuple[str, bool]] = []

    def make(self, *arguments: Any, **settings: Any) -> MessageStream:
        self.calls.clear()
        self.stream = MessageStream(*arguments, **settings)
        return self.stream

    def open(self) -> bool:
        transport = self.stream._transport if self.stream is not None else None
        return transport is not None and transport.get_extra_info("socket").fileno() != -1

    def check(self, *needed: str) -> None:
        """These calls were made, in this order, while the socket was open."""
        made = [call for call, connected in self.calls if connected and call in needed]
        while needed[-1] in made and made[-1] == needed[0] != needed[-1]:
            made.pop()  # the stop again, when a call that it had contradicted has ended
        assert list(dict.fromkeys(reversed(made)))[::-1] == list(needed), self.calls

    def spied(self, bundle: Any, **names: str) -> Any:
        spies = {name: Spy(getattr(bundle, name), name, self.calls, self.open) for name in names}
        return replace(bundle, **cast("Any", spies))


def judged(result: SessionResult, way: Way, late: float) -> None:
    """Why it ended, and how fast."""
    expected = EndReason.TIMEOUT if way is Way.SILENCE else EndReason.PEER_VANISHED
    assert result.ended.reason is expected, result.ended
    assert result.safe
    assert not result.faults
    assert late < (1.5 if way is Way.SILENCE else 0.5), f"{late:.3f} s"


@pytest.mark.parametrize("way", Way, ids=lambda way: way.name)
async def test_the_vehicle_vanishes_in_every_state(way: Way) -> None:
    await in_turn(STATION_WAITS_FOR, lambda state: vehicle_vanishes(state, way))


@pytest.mark.parametrize("way", Way, ids=lambda way: way.name)
async def test_the_station_vanishes_in_every_state(way: Way) -> None:
    await in_turn(VEHICLE_WAITS_FOR, lambda state: station_vanishes(state, way))


async def vehicle_vanishes(state: str, way: Way) -> None:
    name, count = STATION_WAITS_FOR[state]
    plant = Plant(**SLOW)
    line = Line()
    streams: list[Vanishing] = []

    def vanishing(*arguments: Any, **settings: Any) -> MessageStream:
        streams.append(Vanishing(*arguments, name=name, count=count, way=way, **settings))
        return streams[-1]

    timing = SILENCE if way is Way.SILENCE else Timing()
    station = line.spied(plant.secc, power="", contactors="")
    async with site(plant, config=secc_config(timing=timing), station=station, connection=line.make) as here:
        stopper = Stopper(8)
        client = here.client(config=evcc_config(timing=DEAD), connection=vanishing, observer=stopper)
        stopper.client = client
        car = asyncio.create_task(client.run())
        result = await here.server.wait_finished(1)
        # The vehicle is dead and its contactors are as they were: all that follows is the station's doing.
        assert streams[0].gone is not None
        judged(result, way, result.finished - streams[0].gone)
        assert result.states[-2] == state.partition(",")[0]
        assert plant.station_safe
        line.check("power.stop", "contactors.open")
        car.cancel()
        await asyncio.wait([car])
        assert plant.vehicle_safe
        if state == "DC_ChargeLoop, under power":
            assert result.peak_current_a > 100.0
            assert plant.circuit.record.peak_current_a > 100.0
        await here.charge(loops=1)


async def station_vanishes(state: str, way: Way) -> None:
    name, count = VEHICLE_WAITS_FOR[state]
    plant = Plant(**SLOW)
    line = Line()
    streams: list[Vanishing] = []

    def vanishing(*arguments: Any, **settings: Any) -> MessageStream:
        if streams:
            return MessageStream(*arguments, **settings)
        streams.append(Vanishing(*arguments, name=name, count=count, way=way, **settings))
        return streams[-1]

    timing = SILENCE if way is Way.SILENCE else Timing()
    vehicle = line.spied(plant.evcc, contactors="", signal="")
    async with site(plant, connection=vanishing) as here:
        stopper = Stopper(8)
        stopper.client = client = here.client(
            config=evcc_config(timing=timing), vehicle=vehicle, connection=line.make, observer=stopper
        )
        if name == "SupportedAppProtocolRes" and way is Way.ALERT:
            # To a vehicle this is a station that refuses its certificate: the session does not begin.
            with pytest.raises(TlsError):
                await client.run()
        else:
            result = await client.run()
            assert streams[0].gone is not None
            judged(result, way, result.finished - streams[0].gone)
            assert result.states[-2] == state.partition(",")[0]
        assert plant.vehicle_safe
        line.check("contactors.open")
        # The station that is dead is dropped, as a watchdog would.
        driver = here.server.sessions.driver
        if driver is not None:
            driver.abandon(EndReason.EMERGENCY, "watchdog")
        streams[0].abort()
        await here.server.wait_finished(1)
        await here.charge(loops=1)


async def test_the_output_is_looked_at_from_when_it_comes_alive_though_nobody_speaks_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until then once a second is enough."""
    judged_at: dict[StationSupervisor, list[float]] = {}
    measured = StationSupervisor.measured

    def seen(self: StationSupervisor, voltage_v: float, current_a: float, at: float, now: float) -> Any:
        if self._asked is _Asked.CABLE_CHECK:
            judged_at.setdefault(self, []).append(now)
        return measured(self, voltage_v, current_a, at, now)

    monkeypatch.setattr(StationSupervisor, "measured", seen)
    await vehicle_vanishes("DC_CableCheck, test voltage on", Way.SILENCE)
    gaps = [after - before for one in judged_at.values() for before, after in pairwise(one)]
    assert max(gaps) < 0.06
