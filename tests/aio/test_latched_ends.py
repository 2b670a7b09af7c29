"""An end that has to stay one, said in ``news`` of a whole program, with a plug and without one: no further
vehicle is served before somebody has looked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from iso15118.aio import EvccClient, LinkParts
from iso15118.aio.plug.media import NoMedium
from iso15118.aio.plug.plugged_evcc import PluggedEvcc
from iso15118.aio.run import run_station
from iso15118.link.plain import PlainLink
from iso15118.session import events as ev
from iso15118.session.actions import SessionEnded
from iso15118.simulation.cable import PlainCable
from tests.aio.site import LOOPBACK, Plant, evcc_config, secc_config
from tests.aio.test_plugged import free_port

LATCHED = "insulation: back in service when somebody has looked at it"

pytestmark = pytest.mark.usefixtures("steady_clock")


@pytest.mark.parametrize("plug", [False, True])
def test_an_end_is_latched_in_the_news_of_run_station(plug: bool) -> None:
    made: list[Any] = []
    states: list[Any] = []
    port = free_port()

    def hardware(sleep: Any, clock: Any) -> Any:
        plant = Plant()
        made.extend((plant, PlainCable(plant.clock, plant.circuit) if plug else None))
        return plant.secc

    def parts(end: Any) -> LinkParts:
        return LinkParts(link=PlainLink(), medium=NoMedium() if end is None else end, signalling=end)

    def news(what: Any) -> None:
        if isinstance(what, SessionEnded) and what.cause == "insulation":
            made[-1].out_of_service(LATCHED)

    def seen(_at: float, what: Any) -> None:
        if type(getattr(what, "message", None)).__name__ == "DCChargeLoopRes":
            made[-1].tell(ev.InsulationMeasured(1e4))

    async def drive() -> None:
        plant, cable = made[:2]
        following = asyncio.create_task(plant.follow())
        await asyncio.sleep(0.2)
        config = evcc_config(allow_plaintext=True)
        if plug:
            inlet = PluggedEvcc(
                config, plant.evcc, LOOPBACK, None, parts(cable.vehicle), sdp_port=port, observer=seen
            )
            cable.plug_in()
            await inlet.run()
        else:
            await EvccClient(config, plant.evcc, LOOPBACK, None, sdp_port=port, observer=seen).run()
        following.cancel()

    run_station(
        secc_config(allow_plaintext=True),
        hardware,
        "lo",
        None,
        sdp_port=port,
        sessions=1,
        listening=made.append,
        finished=lambda result: states.append(
            (result.cause.code, made[-1].state.name, made[-1].out_of_service_because)
        ),
        news=news,
        beside=drive,
        link=(lambda: parts(made[1].station)) if plug else None,
    )
    assert states == [("insulation", "OUT_OF_SERVICE", LATCHED)]
