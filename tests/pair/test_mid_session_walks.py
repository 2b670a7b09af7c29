"""Whole sessions in which both sides change their minds at any moment and in any order, under the
monitor: all of them end in order.

A walk is its seed: a failing one is repeated by ``walk(seed)``. ISO15118_WALKS sets the number of steps in
other walks; here it is a part.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

from iso15118.evcc.config import Renegotiation
from iso15118.secc.renegotiation_settings import RenegotiationSettings
from iso15118.session import events as ev
from iso15118.session.services import ControlMode, MobilityNeedsMode, ServiceID
from iso15118.testing import Pair
from tests.pair.ac_rig import ac_pair
from tests.pair.rig import pair

WALKS = max(int(os.environ.get("ISO15118_WALKS", "20000")) // 1000, 10)
SERVICES = (ServiceID.DC, ServiceID.DC_BPT, ServiceID.MCS_BPT, ServiceID.AC, ServiceID.AC_BPT)
LATEST_S = 4000.0


def _both(rng: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of station and vehicle."""
    secc = {
        "service_renegotiation": rng.random() < 0.7,
        "mobility_needs_modes": tuple(MobilityNeedsMode) if rng.random() < 0.5 else (MobilityNeedsMode(1),),
        "renegotiation": RenegotiationSettings(
            beside_the_loop=rng.random() < 0.8, standby=rng.random() < 0.8, exit_standby_delay_s=5.0
        ),
    }
    evcc = {
        "renegotiation": rng.choice(list(Renegotiation)),
        "service_renegotiation": rng.random() < 0.7,
        "pause_if_asked": rng.random() < 0.5,
        "adopt_station_needs": rng.random() < 0.7,
        "mobility_needs": (rng.choice(list(MobilityNeedsMode)),),
        "departure_time_s": rng.choice((None, 900, 3000)),
    }
    return secc, evcc


def _vehicle_event(rng: random.Random, service: ServiceID) -> ev.Event:
    return rng.choice(
        (
            ev.ScheduleRenegotiationRequested("v"),
            ev.ScheduleRenegotiationRequested("v"),
            ev.ServiceRenegotiationRequested("v", rng.choice(((), (service,)))),
            ev.StandbyRequested("v", wanted=True),
            ev.StandbyRequested("v", wanted=False),
            ev.StandbyRequested("v", wanted=False),
            ev.NeedsChanged(rng.choice((None, 300.0, 2000.0)), None, rng.choice((None, 41, 43))),
        )
    )


def _station_event(rng: random.Random) -> ev.Event:
    return rng.choice(
        (
            ev.ScheduleRenegotiationRequested("s"),
            ev.ServiceRenegotiationRequested("s"),
            ev.StandbyRequested("s", wanted=False),
            ev.MobilityNeedsChanged(
                rng.choice((None, 600.0, 3000.0)), rng.choice((None, 20)), rng.choice((None, 42)), 3.0
            ),
            ev.SetPointChanged(rng.choice((None, 0.0, 7000.0, 50_000.0))),
            ev.PlanChanged((((600.0, 8000.0), (600.0, 40_000.0)),)),
            ev.PauseRequested("s"),
            ev.ReceiptIssued(energy=ev.Cost(12.5, 0.39), taxes=((1, 2.0),)),
        )
    )


def walk(seed: int) -> str:
    """One session; how the vehicle ended it."""
    rng = random.Random(f"mind {seed}")
    service, mode = rng.choice(SERVICES), rng.choice(list(ControlMode))
    secc, evcc = _both(rng)
    make: Any = ac_pair if service in (ServiceID.AC, ServiceID.AC_BPT) else pair
    rig: Pair = make(service, mode, secc=secc, evcc=evcc, delay_s=rng.choice((0.0, 0.02, 0.08)))
    moments = sorted(rng.uniform(0.1, 120.0) for _ in range(rng.randint(1, 14)))
    stop_at = rng.choice((None, None, rng.uniform(1.0, 150.0)))
    stops: tuple[ev.Event, ...] = (ev.StopRequested("x"), ev.PauseRequested("x"))

    def meddle() -> bool:
        nonlocal stop_at
        while moments and rig.now >= moments[0]:
            moments.pop(0)
            if rng.random() < 0.6:
                _tell(rig, "evcc", _vehicle_event(rng, service))
            else:
                _tell(rig, "secc", _station_event(rng))
        if stop_at is not None and rig.now >= stop_at:
            stop_at = None
            _tell(rig, rng.choice(("secc", "evcc")), rng.choice(stops))
        if rig.now > 300.0 and not rig.done and rig.evcc._talk.standby_wanted:
            _tell(rig, "evcc", ev.StandbyRequested("go on", wanted=False))
        if rig.now > 300.0 and rig.secc._facts.set_point_w is not None:
            _tell(rig, "secc", ev.SetPointChanged(None))
        return rig.now > LATEST_S

    rig.run(until=meddle)
    ended = rig.secc.ended, rig.evcc.ended
    assert all(end is not None and end.reason.orderly for end in ended), (seed, service, mode, ended, rig.now)
    assert not rig.station.outlet.closed, seed
    assert not rig.secc.energized, seed
    assert ended[1] is not None
    return ended[1].reason.name


def _tell(rig: Pair, role: str, event: ev.Event) -> None:
    session = rig.secc if role == "secc" else rig.evcc
    if session.ended is None:
        (rig.tell_secc if role == "secc" else rig.tell_evcc)(event)


def test_whatever_the_order_they_end_in_order() -> None:
    ends = Counter(walk(seed) for seed in range(WALKS))
    assert ends["STOPPED_BY_EV"] > 0.3 * WALKS, ends
    assert set(ends) <= {"STOPPED_BY_EV", "STOPPED_BY_STATION", "PAUSED"}


def test_a_walk_is_its_seed() -> None:
    assert [walk(seed) for seed in range(2)] == [walk(seed) for seed in range(2)]
