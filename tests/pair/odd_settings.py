"""Whole sessions with settings that are legal and that nobody would choose: one to four of the station's or
of the vehicle's at the ends of their ranges, ten times more or less, or any other choice.

A session is its seed: ``python -m tests.pair.odd_settings --seed 17`` repeats one, ``--count 2000`` runs many
and prints how they ended. Settings may be refused with their name, and a session may end in any order; it may
not fail by a fault of its own, go against the safety monitor, stay for ever, or leave anything energized.
"""

from __future__ import annotations

import argparse
import enum
import random
import sys
import time
from collections import Counter
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from iso15118 import ranges
from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.secc import SeccConfig
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.testing import Pair
from iso15118.testing.monitor import SafetyViolation
from tests.pair.odd_values import MAKERS, OddError

_LATEST_S = 400.0
_MOST_STEPS = 40_000
"""A vehicle may ask as fast as it can (``loop_interval_s`` 0), which takes long to run: it is left alone."""
_GIVEN = frozenset(
    (
        "editions",
        "services",
        "control_modes",
        "control_mode",
        "allow_plaintext",
        "forbid_plaintext",
        "identification",
    )
)
"""Who speaks what is what the pair is made for."""


def _value(rng: random.Random, legal: Any, old: Any) -> Any:
    """Another one; the same where nothing else comes to mind."""
    if legal.optional and rng.random() < 0.2:
        return None
    if legal.number is not None:
        least = 0.0 if legal.number.least is None else legal.number.least
        most = 1e6 if legal.number.most is None else legal.number.most
        usual = old if type(old) in (int, float) else (least + most) / 2.0
        new = rng.choice(
            (least, most, usual * 2, usual / 2, usual * 10, usual / 10, rng.uniform(least, most))
        )
        new = min(max(new, least), most)
        return int(new) if legal.number.whole else float(new)
    if legal.choices:
        return rng.choice(legal.choices)
    if legal.many:
        return old
    if legal.kind is bool:
        return rng.random() < 0.5
    if isinstance(legal.kind, type) and issubclass(legal.kind, enum.Enum):
        return rng.choice(list(legal.kind))
    return odd(rng, old, 1) if isinstance(old, Struct) else old


def _fields(kind: Any) -> tuple[tuple[str, Any], ...]:
    return ranges._legal(kind)


def odd(rng: random.Random, settings: Any, times: int) -> Any:
    """These settings with so many others. Raises ``ConfigError`` where they are refused."""
    for _ in range(times):
        name, legal = rng.choice([one for one in _fields(type(settings)) if one[0] not in _GIVEN])
        settings = replace(settings, **{name: _value(rng, legal, getattr(settings, name))})
    return settings


def _changed(settings: Any) -> dict[str, Any]:
    usual = type(settings)()
    return {
        name: getattr(settings, name)
        for name in settings.__struct_fields__
        if getattr(settings, name) != getattr(usual, name)
    }


def run(seed: int, only: str = "") -> str:
    """One session; how both ended, or "refused". Raises ``OddError``."""
    rng = random.Random(f"settings {seed}")
    name = only or rng.choice(list(MAKERS))
    make, side = MAKERS[name], rng.choice(("secc", "evcc", "both"))
    chosen: dict[str, dict[str, Any]] = {"secc": {}, "evcc": {}}
    try:
        for role, kind in (("secc", SeccConfig), ("evcc", EvccConfig)):
            if side in (role, "both"):
                chosen[role] = _changed(odd(rng, kind(), rng.choice((1, 1, 2, 4))))
        rig: Pair = make(**{role: make.keywords.get(role, {}) | more for role, more in chosen.items()})
    except ConfigError:
        return "refused"
    where = f"seed {seed}, {name}, {chosen}"
    try:
        for tells in ((), (rig.tell_evcc, rig.tell_secc)):
            for tell in tells:
                if not rig.done:
                    tell(ev.StopRequested("long enough"))
            rig.run(max_s=1e6, max_steps=_MOST_STEPS, until=None if tells else lambda: rig.now > _LATEST_S)
        rig.let_pass(5.0)
    except SafetyViolation as error:
        raise OddError(f"{where}: {error}") from error
    except RuntimeError as error:
        if "no end after" in str(error) and rig.now < 2.0 * _LATEST_S:
            return "as fast as it goes"
        raise OddError(f"{where}: {error}") from error
    for session in (rig.secc, rig.evcc):
        ended = session.ended
        if session.error is not None or ended is None or ended.reason is EndReason.INTERNAL_ERROR:
            raise OddError(f"{where}: {session.error!r}, {ended}") from session.error
        if session.energized:
            raise OddError(f"{where}: energized after its end")
    assert rig.secc.ended is not None
    assert rig.evcc.ended is not None
    return f"vehicle {rig.evcc.ended.reason.name}, station {rig.secc.ended.reason.name}"


def main() -> int:
    """Run and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=200)
    asked = parser.parse_args()
    if asked.seed is not None:
        print(run(asked.seed))
        return 0
    began, ends, failed = time.monotonic(), Counter[str](), 0
    for seed in range(asked.first, asked.first + asked.count):
        try:
            ends[run(seed)] += 1
        except OddError as error:
            failed += 1
            print(f"{type(error).__name__}: {error}", flush=True)
    for name, count in ends.most_common():
        print(f"{count:6}  {name}")
    print(f"{sum(ends.values())} sessions, {failed} failed, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
