"""Charge-loop pairs of the two sessions alone: request, answer, EXI and V2GTP both ways, no
network and no simulated hardware.

What is left when this is taken off the figure over TCP is asyncio, TLS and the hardware's ports.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from iso15118.channel import MessageChannel, Received
from iso15118.evcc import EvccConfig
from iso15118.secc import SeccConfig
from iso15118.session.actions import Action, ReadMeter, Send
from iso15118.session.events import Event, InletMeasured, MessageReceived, MeterRead, PowerMeasured
from iso15118.session.services import ServiceID
from iso15118.simulation import Battery, DcCircuit, SimulatedStation, SimulatedVehicle, preset
from iso15118.testing import Pair

from .figure import Figure, Scale

__all__ = ["run"]

_STEP_S = 0.25  # protocol time from one request to the next, as on a cable
_VOLTAGES = 500  # different readings, so that no cache holds the answer from the turn before


def run(scale: Scale) -> Iterator[Figure]:
    """Pairs per second."""
    talk = _Talk()
    talk.turns(scale.pairs // 10 + 1)
    began, cpu = time.perf_counter(), time.process_time()
    talk.turns(scale.pairs)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - began
    yield Figure(
        figure="charge-loop-pairs",
        case="sessions in memory",
        value=scale.pairs / wall,
        unit="pairs/s",
        more_is_better=True,
        details={"pairs": scale.pairs, "cpu_us_per_pair": cpu / scale.pairs * 1e6},
    )


class _Talk:
    """Both sessions in their charge loop (MCS, scheduled), with the channel of each end."""

    def __init__(self) -> None:
        circuit = DcCircuit()
        pair = Pair(
            SeccConfig(services=(ServiceID.MCS,)),
            EvccConfig(services=(ServiceID.MCS,), loop_interval_s=0.0),
            SimulatedStation(circuit, preset("mcs-gen1")),
            SimulatedVehicle(circuit, Battery(capacity_wh=540e3, soc=20.0, target_soc=80.0)),
            wire=False,
        )
        pair.run(until=lambda: pair.loops == 3)
        self.secc, self.evcc, self.now = pair.secc, pair.evcc, pair.now
        self.battery = pair.vehicle.battery_state(pair.now)
        self.station, self.vehicle = MessageChannel(), MessageChannel()
        self.station.select("iso20-dc")
        self.vehicle.select("iso20-dc")
        # The vehicle has answered at once: its next request is on the link.
        (self.request,) = pair.to_secc.deliver(pair.now)

    def turns(self, times: int) -> None:
        """So many requests and answers, as bytes between the ends; fresh measurements for each, as
        a driver would bring them."""
        for turn in range(times):
            self.now += _STEP_S
            volts = 700.0 + turn % _VOLTAGES / 10.0
            self.secc.handle(PowerMeasured(volts + 0.5, 1000.0), self.now)
            actions = self.secc.handle(self.request, self.now)
            if any(
                type(action) is ReadMeter for action in actions
            ):  # now and then, as the vehicle asks for it
                actions += self.secc.handle(MeterRead("M", float(turn)), self.now)
            answer = _sent(actions)
            received = _read(self.vehicle, self.station.encode(answer))
            self.evcc.handle(InletMeasured(volts, 1000.0), self.now)
            self.evcc.handle(self.battery, self.now)
            request = _sent(self.evcc.handle(received, self.now))
            self.request = _read(self.station, self.vehicle.encode(request))


def _sent(actions: list[Action]) -> Any:
    for action in actions:
        if type(action) is Send:
            return action.message
    raise RuntimeError(f"the charge loop ended: {actions}")


def _read(channel: MessageChannel, octets: bytes) -> Event:
    (item,) = channel.receive_data(octets)
    if type(item) is not Received:
        raise RuntimeError(f"no message: {item}")
    return MessageReceived(item.message)
