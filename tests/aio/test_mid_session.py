"""A mind that is changed over real TCP and TLS: side streams, standby, another service; and what
remains of it in the results."""

from __future__ import annotations

import dataclasses
from typing import Any

from iso15118.evcc.config import Renegotiation
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.aio.site import Plant, Stopper, evcc_config, secc_config, site


class Script:
    """An observer that tells the client what is next after so many charge loops each."""

    def __init__(self, *steps: tuple[int, ev.Event]) -> None:
        self.steps = list(steps)
        self.loops = 0
        self.client: Any = None

    def __call__(self, now: float, what: Any) -> None:
        if type(getattr(what, "message", None)).__name__ != "DCChargeLoopRes":
            return
        self.loops += 1
        while self.client is not None and self.steps and self.loops >= self.steps[0][0]:
            self.client.tell(self.steps.pop(0)[1])


async def test_everything_in_one_session_over_tls() -> None:
    """Beside the loop, in standby and out of it, with another service, and out again with a reason."""
    told: list[act.Notify] = []
    theirs: list[act.Notify] = []
    script = Script(
        (5, ev.ScheduleRenegotiationRequested("a better price")),
        (40, ev.StandbyRequested("not now")),
        (60, ev.StandbyRequested("now", wanted=False)),
        (80, ev.ServiceRenegotiationRequested("another power")),
        (100, ev.StopRequested("the driver is back")),
    )
    config = secc_config(service_renegotiation=True)
    async with site(config=config, news=theirs.append) as at:
        client = at.client(
            config=evcc_config(renegotiation=Renegotiation.BESIDE), observer=script, news=told.append
        )
        script.client = client
        mine = await client.run()
        station = await at.server.wait_finished(1)
    assert (mine.ended.reason, station.ended.reason) == (EndReason.STOPPED_BY_EV,) * 2
    assert mine.safe
    assert station.safe
    for news in (told, theirs):
        assert act.ScheduleRenegotiated(beside=True, agreed=True) in news
        assert act.StandbyChanged(True) in news
        assert act.StandbyChanged(False) in news
        assert act.ServiceRenegotiated() in news
    assert station.states.count("ServiceDiscovery") == 2
    assert station.leaving == act.VehicleLeaves("STOPPED_BY_EV", "the driver is back")
    assert station.display is not None
    assert station.display.target_soc == 80
    assert mine.leaving is None


class Manager:
    """An energy manager that also hears what there is to show."""

    def __init__(self) -> None:
        self.shown: list[act.VehicleDisplay] = []

    def needs(self, needs: act.ChargingNeeds) -> None:
        pass

    def display(self, display: act.VehicleDisplay) -> None:
        self.shown.append(display)

    def listen(self, listener: object) -> None:
        pass


async def test_the_energy_manager_hears_what_the_vehicle_lets_it_show() -> None:
    manager, plant, stopper = Manager(), Plant(), Stopper(5)
    station = dataclasses.replace(plant.secc, energy=manager)
    async with site(plant, station=station) as at:
        client = stopper.client = at.client(observer=stopper)
        await client.run()
        result = await at.server.wait_finished(1)
    assert manager.shown
    assert manager.shown[-1] == result.display
