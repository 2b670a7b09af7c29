"""Our outlet against vehicles of other habits, and our vehicle with an on-board charger against such outlets,
in AC and AC_BPT of ISO 15118-20: one session per seed, judged while it runs.

A session is its seed: ``python -m tests.pair.ac_contrary --seed 17`` repeats one, ``--count 2000`` runs many
and prints how they ended. Even seeds have a contrary outlet, odd ones a contrary vehicle. The judge reads by
itself what both sides said; the side that is ours must neither fail nor go beyond that, and nothing flows in
the end.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from typing import Any

from iso15118.messages.iso20 import ac
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from iso15118.testing import AcPair
from iso15118.testing.contrary_ac import AcMeddler
from iso15118.testing.monitor import SafetyViolation
from iso15118.testing.oddities import Hand
from tests.pair.ac_rig import AC_SERVICES, ac_pair
from tests.pair.der_contrary import _OwnSide

_LATEST_S = 600.0
_ROOM_W = 1.0
SMALL = {"capacity_wh": 5e3, "soc": 40.0, "target_soc": 41.0}


class ContraryError(AssertionError):
    """A session did what it must not do; the message names the seed."""


def total_w(mode: Any, name: str) -> float | None:
    """A power as it was said: of all phases together, or the sum of what each has; None: it was not said.
    One below zero is none; of discharge both signs are in use."""
    base = getattr(mode, name, None)
    if base is None:
        return None
    said = [base, *(getattr(mode, f"{name}_{phase}", None) for phase in ("l2", "l3"))]
    numbers = [Hand.read(one) for one in said if one is not None]
    return sum(abs(one) if "discharge" in name else max(one, 0.0) for one in numbers)


class Judge:
    """What the other side said that it can do, and whether ours keeps within it."""

    def __init__(self, seed: int, role: str) -> None:
        self.seed, self.role = seed, role
        self._most: dict[str, float] = {}
        self._target_w: float | None = None
        """What the outlet asks for, where it says something of that; below zero nothing may be taken."""
        self.looked = 0

    def look(self, event: ev.Event | None, actions: list[act.Action]) -> None:
        """One call of our session."""
        if isinstance(event, ev.MessageReceived):
            self._learn(event.message)
        for action in actions:
            match action:
                case act.SetAcPower(bounds=bounds) if self.role == "secc":
                    self._within("charge", sum(bounds.charge_w))
                    self._within("discharge", sum(bounds.discharge_w))
                case act.SetCharger(bounds=bounds) if self.role == "evcc":
                    total = sum(bounds.power_w)
                    self._within("charge", max(total, 0.0))
                    if self._target_w is not None and total > self._target_w * 1.001 + _ROOM_W:
                        raise ContraryError(
                            f"seed {self.seed}: {total:.1f} W where the outlet asks for {self._target_w:.1f}"
                        )
                    self._within("discharge", max(-total, 0.0))

    def _learn(self, message: Any) -> None:
        match message:
            case ac.ACChargeParameterDiscoveryReq() if self.role == "secc":
                self._said(message.ac_cpd_req_energy_transfer_mode, "ev")
            case ac.ACChargeParameterDiscoveryRes() if self.role == "evcc":
                self._said(message.ac_cpd_res_energy_transfer_mode, "evse")
            case ac.ACChargeLoopRes() if self.role == "evcc":
                self._target_w = total_w(message.cl_res_control_mode, "evse_target_active_power")

    def _said(self, mode: Any, role: str) -> None:
        for way in ("charge", "discharge"):
            self._most[way] = total_w(mode, f"{role}_maximum_{way}_power") or 0.0

    def _within(self, way: str, told_w: float) -> None:
        self.looked += 1
        most = self._most.get(way, 0.0)
        if told_w > most * 1.001 + _ROOM_W:
            raise ContraryError(f"seed {self.seed}: {told_w:.1f} W of {way} where the peer said {most:.1f}")


def pair_of(seed: int) -> tuple[AcPair, AcMeddler, Judge]:
    """The session of this seed, not started yet."""
    rng = random.Random(seed)
    meddler = AcMeddler("secc" if seed % 2 == 0 else "evcc", seed)
    service = rng.choice(AC_SERVICES)
    pair: AcPair

    def meddle(sender: str, message: object, now: float) -> bool:
        if sender != meddler.role:
            return True
        others = meddler(message)
        if others == (message,):
            return True
        for other in others:
            (pair.to_evcc if sender == "secc" else pair.to_secc).send(other, now)
        return False

    pair = ac_pair(
        service,
        rng.choice(list(ControlMode)),
        phases=rng.choice((1, 3)),
        car_phases=1 if rng.random() < 0.3 else None,
        car_a=rng.choice((6.0, 16.0, 32.0)),
        battery=dict(SMALL) | {"soc": 40.0 + rng.random()},
        discharge_wh=10.0 if service is ServiceID.AC_BPT and rng.random() < 0.3 else 0.0,
        evcc={"no_power_s": 30.0, "below_minimum_s": 10.0},
        look_s=1.0,
        delay_s=rng.choice((0.0, 0.002, 0.04)),
        on_message=meddle,
    )
    judge = Judge(seed, "evcc" if meddler.role == "secc" else "secc")
    pair.monitor = _Judged(pair.monitor, judge)  # type: ignore[assignment]
    return pair, meddler, judge


class _Judged(_OwnSide):
    """The monitor of our side, and the judge beside it."""

    def __init__(self, monitor: Any, judge: Judge) -> None:
        super().__init__(monitor, secc=judge.role == "secc")
        self._judge = judge

    def secc(self, event: Any, actions: Any, now: float) -> Any:
        if self._judge.role == "secc":
            self._judge.look(event, actions)
        return super().secc(event, actions, now)

    def evcc(self, event: Any, actions: Any, now: float) -> Any:
        if self._judge.role == "evcc":
            self._judge.look(event, actions)
        return super().evcc(event, actions, now)


def disturb(rng: random.Random, pair: AcPair) -> None:
    """Somebody at the site, or the driver, wants something else."""
    match rng.randrange(8):
        case 0 | 1 | 2:
            pair.tell_secc(ev.SetPointChanged(rng.choice((None, 0.0, 4e3, 1e5, -3e3))))
        case 3:
            pair.tell_evcc(ev.ScheduleRenegotiationRequested("another price"))
        case 4:
            pair.tell_evcc(rng.choice((ev.StopRequested("enough"), ev.PauseRequested("later"))))
        case 5:
            pair.tell_evcc(ev.StandbyRequested("later", wanted=rng.random() < 0.5))
        case _:
            pass


def run(seed: int) -> str:
    """One session; how our side ended. Raises ``ContraryError``."""
    rng = random.Random(f"moments {seed}")
    pair, meddler, _ = pair_of(seed)
    try:
        for _ in range(4):
            if pair.done:
                break
            until = pair.now + rng.uniform(2.0, 15.0)
            pair.run(max_s=4000.0, until=lambda until=until: pair.now >= until)  # type: ignore[misc]
            disturb(rng, pair)
        pair.run(max_s=4000.0, until=lambda: pair.now > _LATEST_S)
        if not pair.done:
            pair.tell_evcc(ev.StopRequested("long enough"))
            pair.tell_secc(ev.StopRequested("long enough"))
            pair.run(max_s=4000.0)
        pair.let_pass(10.0)
    except (SafetyViolation, RuntimeError) as error:
        raise ContraryError(f"seed {seed}: {type(error).__name__}: {error}") from error
    ours = pair.evcc if meddler.role == "secc" else pair.secc
    for session in (pair.secc, pair.evcc):
        if session.error is not None or session.ended is None:
            raise ContraryError(
                f"seed {seed}: {session.error!r}, SECC {pair.secc.state}, EVCC {pair.evcc.state}"
            )
    ended = ours.ended
    if ended is None or ended.reason is EndReason.INTERNAL_ERROR or ours.energized:
        raise ContraryError(f"seed {seed}: {ended}, energized: {ours.energized}")
    if any(pair.station.circuit.power_w):
        raise ContraryError(f"seed {seed}: something still flows: {pair.station.circuit.power_w}")
    return f"our {'vehicle' if meddler.role == 'secc' else 'outlet'}: {ended.reason.name}"


def main() -> int:
    """Run and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=200)
    asked = parser.parse_args()
    seeds = [asked.seed] if asked.seed is not None else range(asked.first, asked.first + asked.count)
    began, ends, failed = time.monotonic(), Counter[str](), 0
    for seed in seeds:
        try:
            ends[run(seed)] += 1
        except Exception as error:  # whatever it is, it belongs to this seed
            failed += 1
            print(f"{type(error).__name__}: {error}"[:700], flush=True)
    for end, count in sorted(ends.items()):
        print(f"{count:6d}  {end}")
    print(f"{sum(ends.values())} sessions, {failed} failures, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
