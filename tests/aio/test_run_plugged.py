"""Both ends in one process with a cable between them: one plug-in from beginning to end, with a pause or
without, and what is left open where something fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.aio.plug import run_plugged as module
from iso15118.aio.plug.connector import LinkParts
from iso15118.aio.plug.plugged_evcc import PluggedEvcc
from iso15118.aio.plug.plugged_secc import PluggedSecc
from iso15118.aio.plug.run_plugged import run_both_plugged
from iso15118.aio.run import Both
from iso15118.aio.service import ServiceState
from iso15118.connector import Phase
from iso15118.errors import ConfigError
from iso15118.link.ports import Listener
from iso15118.link.primitives import DLinkReady
from iso15118.link.spe.ev import EvSpe
from iso15118.link.spe.evse import EvseSpe
from iso15118.sdp import Answer
from iso15118.session.actions import EndReason
from iso15118.session.events import Event, PauseRequested, StopRequested
from iso15118.simulation import Battery, DcCircuit, SimulatedStation, SimulatedVehicle, preset
from iso15118.simulation.cable import CableEnd, McsCable
from tests.aio.site import evcc_config, secc_config
from tests.aio.test_plugged import free_port
from tests.aio.test_settling import now

TICK_S = 0.1
LATER_S = 0.2
WAKES_S = 0.3
"""What waking up takes: link, discovery and connection."""


class Cable(McsCable):
    """Notes when it is plugged in and pulled; ``stuck``: it cannot be pulled."""

    stuck = False

    def plug_in(self) -> None:
        self.plugged_at = self.clock()
        super().plug_in()

    def unplug(self) -> None:
        self.pulled_at = self.clock()
        if not self.stuck:
            super().unplug()


class Late:
    """One end of a cable, which hears a little later of its carrier than the other one."""

    def __init__(self, end: CableEnd) -> None:
        self._end = end
        self.carry, self.close = end.carry, end.close

    async def open(self, tell: Listener) -> None:
        loop = asyncio.get_running_loop()
        await self._end.open(lambda event: _later(loop, tell, event))


def _later(loop: asyncio.AbstractEventLoop, tell: Listener, event: Event) -> None:
    loop.call_later(LATER_S, tell, event)


class Run:
    """One plug-in on simulated hardware; ``secc`` and ``evcc`` are its ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sdp_port = free_port()
        monkeypatch.setattr(module, "SDP_PORT", self.sdp_port)
        monkeypatch.setattr(module, "PluggedSecc", self._station)
        monkeypatch.setattr(module, "PluggedEvcc", self._vehicle)
        self.circuit = DcCircuit(time_scale=300.0)
        self.stuck = False
        self.ends: dict[str, Any] = {}
        self.closed_at = 0.0
        self.linked_at: list[float] = []

    def _linked(self, news: Callable[[Any], None]) -> Callable[[Any], None]:
        def hears(what: Any) -> None:
            if what == DLinkReady(True):
                self.linked_at.append(now())
            news(what)

        return hears

    def _station(self, *given: Any, **settings: Any) -> PluggedSecc:
        settings["news"] = self._linked(settings["news"])
        secc = PluggedSecc(*given, **settings)
        really = secc.close

        async def close() -> None:
            self.closed_at = now()
            await really()

        secc.close = close  # type: ignore[method-assign]
        self.ends["secc"] = secc
        return secc

    def _vehicle(self, *given: Any, **settings: Any) -> PluggedEvcc:
        settings["news"] = self._linked(settings["news"])
        self.ends["evcc"] = evcc = PluggedEvcc(*given, **settings)
        return evcc

    def _cable(self, clock: Callable[[], float]) -> Any:
        self.cable = cable = Cable(clock, self.circuit, link_s=0.3)
        cable.stuck = self.stuck
        return (
            cable,
            LinkParts(link=EvseSpe(), medium=cable.station, signalling=cable.station),
            LinkParts(link=EvSpe(), medium=Late(cable.vehicle), signalling=cable.vehicle),
        )

    def __call__(self, **settings: Any) -> Both:
        station = SimulatedStation(self.circuit, preset("mcs-max"))
        battery = Battery(capacity_wh=50e6, soc=50.0, target_soc=80.0)
        vehicle = SimulatedVehicle(self.circuit, battery)
        merged: dict[str, Any] = {"tls": None, "at_most_s": 60.0} | settings
        return run_both_plugged(
            secc_config(allow_plaintext=True),
            evcc_config(allow_plaintext=True, loop_interval_s=0.05),
            lambda sleep, clock: (station.ports(sleep, clock), vehicle.ports(sleep, clock)),
            self._cable,
            **merged,
        )


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(monkeypatch)


class Ticks:
    """When it was called, in the time of the loop."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def __call__(self, *_: Any) -> None:
        self.at.append(now())

    def came_until(self, end: float) -> bool:
        """Ten times a second, to the end."""
        gaps = [later - earlier for earlier, later in zip(self.at, [*self.at[1:], end], strict=True)]
        return len(self.at) > 3 and max(gaps) < 2.0 * TICK_S


@pytest.mark.usefixtures("steady_clock")
def test_one_plug_in_from_its_beginning_to_its_end(run: Run) -> None:
    ticks, heard = Ticks(), dict[str, int]()
    asked: list[Any] = []
    meddled: list[bool] = []

    def observer(name: str) -> Callable[[float, Any], None]:
        return lambda when, what: heard.update({name: heard.get(name, 0) + 1})

    def meddle(when: float, tell: Callable[[Any], None]) -> None:
        meddled.append(run.ends["evcc"].session is not None)
        if len(meddled) == 10:
            tell(StopRequested("enough"))

    both = run(
        tick=ticks,
        meddle=meddle,
        observer=observer("vehicle"),
        station_observer=observer("station"),
        on_request=lambda *what: asked.append(what),
    )
    assert both.evcc.ended.reason is both.secc.ended.reason is EndReason.STOPPED_BY_EV
    assert (both.secc.role, both.evcc.role, both.earlier) == ("secc", "evcc", None)
    assert both.sdp_port == run.sdp_port
    assert both.port > 1024
    assert {port for port, _, _ in asked} == {both.sdp_port}
    assert any(isinstance(outcome, Answer) for _, _, outcome in asked)
    assert min(heard["vehicle"], heard["station"]) > 10
    assert all(meddled)
    assert both.begun == pytest.approx(run.cable.plugged_at, abs=0.01)
    assert ticks.came_until(run.cable.pulled_at)
    assert both.linked is not None
    assert both.linked - both.begun > 0.3
    assert len(run.linked_at) == 2
    assert both.linked == pytest.approx(max(run.linked_at), abs=1e-3)
    assert max(run.linked_at) - min(run.linked_at) == pytest.approx(LATER_S, abs=0.01)
    assert run.ends["secc"].connection.phase is Phase.UNPLUGGED
    assert run.ends["secc"].state is ServiceState.CLOSED


@pytest.mark.usefixtures("steady_clock")
@pytest.mark.parametrize("settings", [{}, {"rest_s": 20.0}], ids=["no rest", "a rest"])
def test_a_session_that_was_paused_goes_on_when_the_vehicle_wakes_the_station_up(
    settings: dict[str, float], run: Run
) -> None:
    told: list[str] = []
    ticks = Ticks()

    def meddle(when: float, tell: Callable[[Any], None]) -> None:
        session = run.ends["evcc"].session
        if session.state == "DC_ChargeLoop":
            told.append("stop" if run.ends["evcc"].results else "pause")
            tell(StopRequested("enough") if run.ends["evcc"].results else PauseRequested("a rest"))

    both = run(meddle=meddle, tick=ticks, **settings)
    assert both.earlier is not None
    assert [one.evcc.ended.reason for one in (both.earlier, both)] == [
        EndReason.PAUSED,
        EndReason.STOPPED_BY_EV,
    ]
    assert [one.secc.ended.reason for one in (both.earlier, both)] == [
        EndReason.PAUSED,
        EndReason.STOPPED_BY_EV,
    ]
    slept = both.evcc.started - both.earlier.evcc.finished
    assert slept == pytest.approx(settings.get("rest_s", 0.0) + WAKES_S, abs=0.2)
    assert (both.earlier.earlier, both.earlier.begun, both.earlier.linked) == (None, both.begun, both.linked)
    assert both.linked is not None
    assert both.linked < both.earlier.evcc.finished, "when the plug-in was linked first"
    assert (both.earlier.port, both.earlier.sdp_port) == (both.port, both.sdp_port)


@pytest.mark.usefixtures("steady_clock")
def test_a_station_that_does_not_notice_that_it_is_unplugged_is_an_error(run: Run) -> None:
    run.stuck = True
    stop: Callable[..., None] = lambda when, tell: tell(StopRequested("enough"))  # noqa: E731
    with pytest.raises(TimeoutError):
        run(meddle=stop)
    assert run.closed_at - run.cable.pulled_at == pytest.approx(2.0, abs=0.05)
    assert run.ends["secc"].state is ServiceState.CLOSED


@pytest.mark.usefixtures("steady_clock")
def test_a_vehicle_that_cannot_be_made_leaves_no_station_open(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise ConfigError("link", "it does not fit", "another one")

    monkeypatch.setattr(module, "PluggedEvcc", refused)
    with pytest.raises(ConfigError, match="it does not fit"):
        run()
    assert run.ends["secc"].state is ServiceState.CLOSED
    assert run.ends["secc"].server.ports == {}
