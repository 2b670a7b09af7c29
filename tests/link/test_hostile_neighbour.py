"""Our vehicle and our station on one line with neighbours of every kind: other pairs, occupied stations as
near as ours, and strangers who send every message at every moment. Ours find each other within
T_conn_max_comm (8 s) and stay together.

``ISO15118_NEIGHBOURS=1000 pytest tests/link/test_hostile_neighbour.py`` runs a thousand different lines.
"""

from __future__ import annotations

import os
import random

import pytest

from iso15118.link.primitives import LinkState
from iso15118.link.slac.settings import SlacSettings, ValidationPolicy
from iso15118.simulation.link_bench import LinkBench, LinkEnd
from iso15118.simulation.modem import PlcModem, PowerLine

from .rig import CAR, EVSE, add_station, add_vehicle, modem_for
from .strangers import Gossip, Stranger

RUNS = int(os.environ.get("ISO15118_NEIGHBOURS", "40"))
T_CONN_MAX_COMM_S = 8.0
MARGIN_DB = 3.0


class Neighbourhood:
    """One line, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(seed)
        self.own_db = chance.uniform(8.0, 25.0)
        self.bench = LinkBench(PowerLine(seed=seed, loss=chance.choice((0.0, 0.0, 0.01))))
        gossip = Gossip()
        self.bench.line.interference = gossip.overhear
        # A station that declines leaves attenuation alone to decide, also where it is doubtful.
        policy = chance.choice(
            (ValidationPolicy.SUPPORTED, ValidationPolicy.SUPPORTED, ValidationPolicy.NOT_REQUIRED)
        )
        self.near = policy is ValidationPolicy.SUPPORTED
        self.station = add_station(self.bench, EVSE, settings=SlacSettings(validation=policy))
        self.vehicle = add_vehicle(self.bench, CAR)
        self.pairs = [self._pair(n) for n in range(chance.randrange(3))]
        self.occupied = [self._occupied(n) for n in range(chance.randrange(3) if self.near else 0)]
        self.strangers = [self._stranger(gossip, n) for n in range(chance.randrange(1, 5))]
        self._cross_talk()
        self.bench.run(1.0)

    def _pair(self, number: int) -> tuple[LinkEnd, LinkEnd]:
        station = add_station(self.bench, b"\x02EVS" + bytes([0x61 + number, 0x31]))
        return station, add_vehicle(self.bench, b"\x02CAR" + bytes([0x61 + number, 0x31]))

    def _occupied(self, number: int) -> LinkEnd:
        """A station whose vehicle does not speak: it answers everybody, and cannot see our toggles."""
        station = add_station(self.bench, b"\x02OCC" + bytes([0x61 + number, 0x31]))
        assert station.plug is not None
        station.plug.plug_in()
        return station

    def _stranger(self, gossip: Gossip, number: int) -> LinkEnd:
        mac = b"\x02STR" + bytes([0x61 + number, 0x31])
        machine = Stranger(
            mac,
            gossip,
            random.Random(self.chance.randrange(1 << 30)),
            claim_db=int(self.own_db + MARGIN_DB) + 2,
            rate=self.chance.choice((2.0, 10.0, 40.0)),
            silent=self.chance.random() < 0.25,
        )
        return self.bench.vehicle(machine.mac.hex(), machine, modem_for(mac, measures=False))

    def _cross_talk(self) -> None:
        ours = (self.station, self.vehicle)
        others = [end for end in self.bench.ends if end not in ours]
        for end in others:
            for own in ours:
                self._couple(end, own, self._distance(end))
            for other in others:
                if end is not other:
                    self._couple(end, other, self.own_db + self.chance.uniform(6.0, 20.0))
        for station, vehicle in self.pairs:
            self._couple(station, vehicle, self.own_db)

    def _distance(self, end: LinkEnd) -> float:
        if end in self.occupied:
            return self.own_db + self.chance.uniform(0.0, MARGIN_DB)
        return self.own_db + self.chance.uniform(MARGIN_DB + 3.0, 25.0)

    def _couple(self, one: LinkEnd, other: LinkEnd, attenuation_db: float) -> None:
        assert isinstance(one.modem, PlcModem)
        assert isinstance(other.modem, PlcModem)
        self.bench.line.couple(one.modem, other.modem, attenuation_db)

    def plug_in(self) -> float:
        """Everybody plugs in within a second; when ours did."""
        order = [(self.vehicle, self.station), *((vehicle, station) for station, vehicle in self.pairs)]
        self.chance.shuffle(order)
        at = 0.0
        for vehicle, station in order:
            self.bench.plug_in(vehicle, station, self.own_db)
            if vehicle is self.vehicle:
                at = self.bench.now
            self.bench.run(self.chance.uniform(0.0, 0.5))
        return at

    @property
    def together(self) -> bool:
        return self.station.ready and self.vehicle.ready

    def assert_ours(self) -> None:
        assert self.vehicle.machine.peer == EVSE  # type: ignore[attr-defined]
        assert self.station.machine.peer == CAR  # type: ignore[attr-defined]
        assert self.station.machine.state is self.vehicle.machine.state is LinkState.MATCHED
        for end in (self.station, self.vehicle):
            assert end.modem is not None
            assert end.modem.amplitude_map is None


@pytest.mark.parametrize("seed", range(RUNS))
def test_our_vehicle_and_our_station_find_each_other_and_stay_together(seed: int) -> None:
    line = Neighbourhood(seed)
    plugged = line.plug_in()
    assert line.bench.run(30.0, lambda: line.together), line.bench.notes()
    line.assert_ours()
    assert line.bench.now - plugged <= T_CONN_MAX_COMM_S, line.bench.notes()
    line.bench.run(4.0)
    assert line.together, line.bench.notes()
    line.assert_ours()
