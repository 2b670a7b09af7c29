"""Our station against vehicles of other habits and our vehicle against such stations, under a pantograph and
over a pad: one session per seed, under the safety monitor.

A session is its seed: ``python -m tests.pair.coupling_contrary --family wpt --seed 17`` repeats one,
``--count 10000`` runs many and prints how they ended. Even seeds have a contrary station, odd ones a contrary
vehicle. The side that is ours must neither fail nor do anything that the monitor forbids, and nothing flows
and nothing is joined in the end.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from typing import Any

from iso15118.session.actions import EndReason
from iso15118.session.coupling import DevicePosition
from iso15118.session.services import ControlMode
from iso15118.testing import Pair
from iso15118.testing.contrary_coupling import Meddler
from iso15118.testing.monitor import SafetyViolation
from tests.pair.acdp_rig import SERVICES, pantograph_pair
from tests.pair.wpt_rig import pad_pair

FAMILIES = ("acdp", "wpt")
_LATEST_S = 900.0
SMALL = {"capacity_wh": 2e3, "soc": 40.0, "target_soc": 41.0}


class ContraryError(AssertionError):
    """A session did what it must not do; the message names the seed."""


def pair_of(family: str, seed: int) -> tuple[Pair, Meddler]:
    """The session of this seed, not started yet."""
    rng = random.Random(seed)
    meddler = Meddler("secc" if seed % 2 == 0 else "evcc", seed)
    mode = rng.choice(list(ControlMode))
    delay_s = rng.choice((0.0, 0.002, 0.04))
    options: dict[str, Any] = {"delay_s": delay_s, "battery": dict(SMALL)}
    pair: Pair

    def meddle(sender: str, message: object, now: float) -> bool:
        if sender != meddler.role:
            return True
        other = meddler(message)
        if other is message:
            return True
        if other is not None:
            (pair.to_evcc if sender == "secc" else pair.to_secc).send(
                other, now, beside=type(other).__name__.startswith("ACDPSystemStatus")
            )
        return False

    if family == "acdp":
        service = rng.choice(SERVICES)
        pair = pantograph_pair(service, mode, on_message=meddle, **options)
    else:
        pair = pad_pair(mode, on_message=meddle, **options)
    return pair, meddler


def run(family: str, seed: int) -> str:
    """One session; how our side ended. Raises ``ContraryError``."""
    pair, meddler = pair_of(family, seed)
    try:
        pair.run(max_s=4000.0, until=lambda: pair.now > _LATEST_S)
        if not pair.done:
            from iso15118.session.events import StopRequested

            pair.tell_evcc(StopRequested("long enough"))
            pair.run(max_s=4000.0)
        pair.let_pass(10.0)
        for _ in range(8):  # as drivers do, both ends look at their hardware for a while
            pair._measure_secc()
            pair._measure_evcc()
            pair.let_pass(1.5)
    except SafetyViolation as violation:
        raise ContraryError(f"{family} seed {seed}: {violation}") from violation
    except RuntimeError as stuck:
        raise ContraryError(f"{family} seed {seed}: {stuck}") from stuck
    ours = pair.evcc if meddler.role == "secc" else pair.secc
    for session in (pair.secc, pair.evcc):
        if session.error is not None or session.ended is None:
            raise ContraryError(f"{family} seed {seed}: {session.error!r}")
    station: Any = pair.station
    if abs(station.circuit.current_a) >= 1.0:
        raise ContraryError(f"{family} seed {seed}: something still flows")
    if family == "acdp" and (station.device is not DevicePosition.HOME or station.lowered_live):
        raise ContraryError(
            f"{family} seed {seed}: the pantograph is {station.device}, moved live {station.lowered_live}"
        )
    ended = ours.ended
    assert ended is not None
    if ended.reason is EndReason.INTERNAL_ERROR:
        raise ContraryError(f"{family} seed {seed}: {ended.detail}")
    return f"{'vehicle' if meddler.role == 'secc' else 'station'}: {ended.reason.name}"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=FAMILIES, default="acdp")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args()
    seeds = (
        [options.seed] if options.seed is not None else range(options.start, options.start + options.count)
    )
    began, ends, failed = time.monotonic(), Counter[str](), 0
    for seed in seeds:
        try:
            ends[run(options.family, seed)] += 1
        except ContraryError as error:
            failed += 1
            print(error)
    for end, count in sorted(ends.items()):
        print(f"{count:6d}  {end}")
    print(f"{sum(ends.values())} sessions, {failed} failures, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
