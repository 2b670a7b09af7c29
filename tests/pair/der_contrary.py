"""Conversations of an energy resource with a contrary peer, by seeds: ``python -m
tests.pair.der_contrary --count 10000 --first 0``.

A seeded part runs with the tests; whatever the peer says, our side ends without a fault
of its own and without power.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from typing import Any

from iso15118.energy.grid_functions import DsoSetPoint
from iso15118.session import events as ev
from iso15118.session.services import ControlMode
from iso15118.simulation import european, north_american
from iso15118.testing import AcPair
from tests.pair.der_rig import DER_SERVICES, contrary, der_pair, go_on

__all__ = ["conversation", "disturb"]


def conversation(seed: int) -> str:
    """One with a peer that bends what it says; what our side says how it ended."""
    rng = random.Random(seed)
    station = rng.random() < 0.5
    pair = der_pair(
        rng.choice(DER_SERVICES),
        rng.choice(list(ControlMode)),
        phases=rng.choice((1, 3)),
        battery={"soc": 41.9 + rng.random() * 0.08},
        evcc={"no_power_s": 30.0, "below_minimum_s": 10.0},
        look_s=1.0,
    )
    contrary(rng, pair, station=station)
    pair.monitor = _OwnSide(pair.monitor, secc=not station)  # type: ignore[assignment]
    for _ in range(6):
        if pair.done:
            break
        until = pair.now + rng.uniform(0.5, 6.0)
        go_on(pair, until)
        disturb(rng, pair)
    pair.tell_secc(ev.StopRequested("over"))
    pair.run(max_s=pair.now + 400.0)
    ours = pair.evcc if station else pair.secc
    assert ours.error is None, ours.error
    assert ours.ended is not None
    assert not ours.energized
    assert pair.secc.error is None, pair.secc.error
    assert pair.evcc.error is None, pair.evcc.error
    pair.let_pass(3.0)
    assert not any(pair.station.circuit.power_w)
    return ours.ended.reason.name


class _OwnSide:
    """The monitor of the side that is not contrary."""

    def __init__(self, monitor: Any, *, secc: bool) -> None:
        self._monitor, self._secc = monitor, secc

    def secc(self, event: Any, actions: Any, now: float) -> Any:
        return self._monitor.secc(event, actions, now) if self._secc else actions

    def evcc(self, event: Any, actions: Any, now: float) -> Any:
        return actions if self._secc else self._monitor.evcc(event, actions, now)

    def measured(self, values: Any, now: float) -> None:
        """The outlet is the contrary side's."""

    def inlet(self, values: Any, now: float) -> None:
        """So may the charger be."""


def disturb(rng: random.Random, pair: AcPair) -> None:
    """Something of the grid, of its operator or of the site."""
    match rng.randrange(8):
        case 0 | 1:
            pair.tell_secc(
                ev.SetPointChanged(rng.choice((None, 0.0, 6e3, -6e3, -3e4)), rng.choice((None, 900.0)))
            )
        case 2:
            volts = rng.choice((180.0, 205.0, 230.0, 250.0, 262.0))
            pair.station.circuit.grid_v = tuple(volts if one else 0.0 for one in pair.station.circuit.grid_v)  # type: ignore[assignment]
        case 3:
            pair.station.circuit.frequency_hz = rng.choice((47.0, 49.5, 50.0, 50.5, 52.5))
        case 4:
            pair.tell_secc(
                ev.DsoSetPointChanged(
                    rng.choice(
                        (
                            DsoSetPoint(),
                            DsoSetPoint(maximum_discharge_w=rng.uniform(0.0, 9e3)),
                            DsoSetPoint(reactive_var=rng.uniform(-5e3, 5e3)),
                            DsoSetPoint(cos_phi=rng.random(), over_excited=rng.random() < 0.5),
                        )
                    )
                )
            )
        case 5:
            pair.tell_secc(
                ev.GridCodeChanged(rng.choice((None, european(), north_american(230.0, 50.0, delay_s=3.0))))
            )
        case 6:
            pair.tell_evcc(rng.choice((ev.StopRequested("enough"), ev.PauseRequested("later"))))
        case _:
            pair.tell_secc(ev.SetPointChanged(None))


def main() -> int:
    """Run so many, and say how they ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    ends: Counter[str] = Counter()
    failed = 0
    for seed in range(options.first, options.first + options.count):
        try:
            ends[conversation(seed)] += 1
        except Exception as error:
            failed += 1
            print(f"seed {seed}: {type(error).__name__}: {error}")
    print(f"{options.count} conversations, {failed} failed; ends: {dict(ends.most_common())}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
