"""Benches whose frames are written down as somebody beside one host would capture them."""

from __future__ import annotations

from iso15118.link.slac.events import FrameReceived, SendFrame
from iso15118.session.actions import Action
from iso15118.session.events import Event
from iso15118.simulation.link_bench import LinkBench, LinkEnd
from iso15118.simulation.modem import PowerLine

from .rig import CAR, CAR2, EVSE, EVSE2, add_station, add_vehicle

__all__ = ["TappedBench", "two_bays"]


class TappedBench(LinkBench):
    """``tap``: time and bytes of every frame that the host ``at`` sent and received; of
    all hosts if it is empty."""

    def __init__(self, line: PowerLine | None = None, *, at: str = "") -> None:
        super().__init__(line)
        self.at = at
        self.tap: list[tuple[float, bytes]] = []

    def tell(self, end: LinkEnd, event: Event) -> None:
        if isinstance(event, FrameReceived) and self.at in ("", end.name):
            self.tap.append((self.now, event.data))
        super().tell(end, event)

    def _perform(self, end: LinkEnd, actions: list[Action]) -> None:
        sends = [action for action in actions if isinstance(action, SendFrame)]
        if self.at in ("", end.name):
            self.tap += [(self.now, action.frame.to_bytes()) for action in sends]
        super()._perform(end, actions)


def two_bays(at: str = "CAR_1", *, own_db: float = 15.0, across_db: float = 30.0) -> TappedBench:
    """A car at its station, beside another station that is occupied and answers too; run until the link is up
    and the plug is out again."""
    bench = TappedBench(PowerLine(seed=4), at=at)
    stations = [add_station(bench, mac) for mac in (EVSE, EVSE2)]
    car = add_vehicle(bench, CAR)
    other = add_vehicle(bench, CAR2)
    assert car.modem is not None
    assert stations[1].modem is not None
    assert stations[1].plug is not None
    bench.line.couple(car.modem, stations[1].modem, across_db)
    bench.run(1.0)
    stations[1].plug.plug_in()  # by a vehicle that does not speak
    bench.plug_in(car, stations[0], own_db)
    assert bench.run(20.0, lambda: car.ready and stations[0].ready), bench.notes()
    bench.run(1.0)
    bench.unplug(car, stations[0])
    bench.run(1.0)
    assert other.machine.deadline is None
    return bench
