"""Whole sessions in which one side's messages have values that their schema allows and nobody expects: ends
of the types, other literals, lists of other lengths, elements left out or added, one to three at a time.

A session is its seed: ``python -m tests.pair.odd_values --seed 17`` repeats one, ``--count 2000`` runs many
and prints how they ended, ``--only din`` those of one name. Even seeds have an odd station, odd ones an odd
vehicle. The other side may refuse, or leave; it may not fail by a fault of its own, go against the safety
monitor, stay for ever, or leave anything energized.
"""

from __future__ import annotations

import argparse
import enum
import random
import sys
import time
import types
import typing
from collections import Counter
from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import msgspec
from msgspec import Struct

from iso15118.errors import ExiError, MisuseError
from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.messages.neutral import neutral
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from iso15118.testing.monitor import SafetyViolation
from tests.pair.ac_rig import ac_pair
from tests.pair.acdp_rig import pantograph_pair
from tests.pair.contracts import contract_pair
from tests.pair.der_rig import der_pair
from tests.pair.rig import pair
from tests.pair.test_iso2 import Heard, contracted
from tests.pair.wpt_rig import pad_pair

_LATEST_S = 900.0
_TRIES = 12
_INTEGERS = (
    0,
    1,
    -1,
    2,
    7,
    10,
    127,
    -128,
    255,
    32_767,
    -32_768,
    65_535,
    2**31 - 1,
    -(2**31),
    2**32 - 1,
    2**63 - 1,
)
_TEXTS = ("", "x", "0", "\x7f", "\u202e", "ü" * 7, "-", "urn:x", "x" * 65, "x" * 300)
_ENDS = frozenset({"header", "response_code"})
_EXPONENTS = (-128, -3, 0, 3, 127)


class OddError(AssertionError):
    """A session did what it must not do; the message names the seed."""


# -- values ------------------------------------------------------------------------------------------------


@cache
def _hints(kind: type[Struct]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every field below ``value``, as the way to it and its annotation."""
    if isinstance(value, Struct):
        for name, hint in _hints(type(value)).items():
            yield (*path, name), hint
            yield from _places(getattr(value, name), (*path, name))
    elif isinstance(value, tuple):
        for number, one in enumerate(value[:8]):
            yield from _places(one, (*path, number))


def _get(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step] if isinstance(step, int) else getattr(value, step)
    return value


def _put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return (*value[:step], _put(value[step], rest, new), *value[step + 1 :])
    return msgspec.structs.replace(value, **{step: _put(getattr(value, step), rest, new)})


def _other(rng: random.Random, hint: Any, old: Any) -> Any:
    """Another value of this annotation; the same where nothing else comes to mind."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        chosen = rng.choice(parts)
        if chosen is type(None):
            return None
        if (
            old is not None
            and isinstance(old, chosen if isinstance(chosen, type) else object)
            and rng.random() < 0.5
        ):
            return _other(rng, chosen, old)
        return _new(rng, chosen)
    if origin is tuple:
        some = old or (_new(rng, parts[0]),)
        return rng.choice(((), some[:1], some[::-1], some + some, (*some, some[0]), some * 20, some[1:]))
    if hint is RationalNumber:
        return RationalNumber(
            exponent=rng.choice(_EXPONENTS), value=rng.choice((0, 1, -1, 32_767, -32_768, 12_345))
        )
    return _new(rng, hint) if not isinstance(old, Struct) else old


def _new(rng: random.Random, hint: Any) -> Any:
    if hint is bool:
        return rng.random() < 0.5
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return rng.choice(list(hint))
    if hint is int:
        return rng.choice(_INTEGERS)
    if hint is float:
        return rng.choice((0.0, -1.0, 1e9))
    if hint is str:
        return rng.choice(_TEXTS)
    if hint is bytes:
        return rng.choice((b"", b"\x00" * 8, b"\xff" * 8, b"\x00", rng.randbytes(20), rng.randbytes(64)))
    if typing.get_origin(hint) is tuple:
        return (_new(rng, typing.get_args(hint)[0]),)
    try:
        return neutral(hint, {})
    except (MisuseError, TypeError):
        return None


def odd(rng: random.Random, message: Any, *, often_left: bool) -> Any:
    """``message`` with one to three other values. ``often_left``: header and response code stay as they are,
    since another one ends almost any session."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = [one for one in _places(message) if not (often_left and _ENDS.intersection(one[0]))]
        if not places:
            return message
        path, hint = rng.choice(places)
        message = _put(message, path, _other(rng, hint, _get(message, path)))
    return message


class OddSender:
    """Stands before one direction of the link. What cannot be written by the schema is not sent that way."""

    def __init__(self, seed: int, link: Any) -> None:
        self._rng, self._link = random.Random(f"values {seed}"), link
        self._often = self._rng.choice((0.01, 0.05, 0.2, 0.5))
        self._from = self._rng.choice((0, 0, 2, 4, 8, 12, 20))
        self._sent = self.changed = 0
        self.send = link.send
        link.send = self

    def __call__(self, message: Any, now: float, *, beside: bool = False) -> None:
        self._sent += 1
        if self._sent > self._from and self._rng.random() < self._often:
            for _ in range(_TRIES):
                other = odd(self._rng, message, often_left=self._rng.random() < 0.9)
                try:
                    self.send(other, now, beside=beside)
                except (ExiError, MisuseError, TypeError, ValueError, AttributeError, OverflowError):
                    continue
                self.changed += other != message
                return
        self.send(message, now, beside=beside)


# -- sessions ----------------------------------------------------------------------------------------------

_SCHEDULED, _DYNAMIC = ControlMode.SCHEDULED, ControlMode.DYNAMIC
_DC, _AC = (
    {"capacity_wh": 20e3, "soc": 40.0, "target_soc": 41.0},
    {"capacity_wh": 5e3, "soc": 40.0, "target_soc": 41.0},
)


class _Unheard(Heard):
    """Keeps nothing of what is said."""

    def __call__(self, sender: str, message: object, now: float) -> None:
        pass


MAKERS: dict[str, partial[Any]] = {
    "dc": partial(pair, ServiceID.DC, _SCHEDULED, battery=_DC),
    "dc-dynamic": partial(pair, ServiceID.DC, _DYNAMIC, battery=_DC),
    "mcs-bpt": partial(pair, ServiceID.MCS_BPT, _SCHEDULED, battery=_DC, discharge_wh=50.0),
    "mcs-bpt-dynamic": partial(pair, ServiceID.MCS_BPT, _DYNAMIC, battery=_DC, discharge_wh=50.0),
    "ac": partial(ac_pair, ServiceID.AC, _SCHEDULED, battery=_AC),
    "ac-bpt-dynamic": partial(ac_pair, ServiceID.AC_BPT, _DYNAMIC, battery=_AC),
    "ac-der-iec": partial(der_pair, ServiceID.AC_DER_IEC, _DYNAMIC),
    "ac-der-sae": partial(der_pair, ServiceID.AC_DER_SAE, _SCHEDULED),
    "acdp": partial(pantograph_pair, ServiceID.DC_ACDP, _SCHEDULED),
    "wpt": partial(pad_pair, _DYNAMIC),
    "pnc": partial(contract_pair, "p521", "contract-0", secc={"metering_confirmation_s": 2.0}),
    "iso2": partial(pair, battery=_DC, secc={"editions": ("iso2",)}, evcc={"editions": ("iso2",)}, secure=False),
    "iso2-pnc": partial(contracted, _Unheard(), "contract-0", secc={"metering_confirmation_s": 2.0}),
    "din": partial(pair, battery=_DC, secc={"editions": ("din",)}, evcc={"editions": ("din",)}, secure=False),
    "iso2-ac": partial(
        ac_pair, ServiceID.AC, _SCHEDULED, battery=_AC, secc={"editions": ("iso2",)}, evcc={"editions": ("iso2",)},
        secure=False,
    ),
}  # fmt: skip


def run(seed: int, only: str = "") -> str:
    """One session; how the side that is not odd ended. Raises ``OddError``."""
    rng = random.Random(seed)
    name = only or rng.choice(list(MAKERS))
    rig = MAKERS[name]()
    station_is_odd = seed % 2 == 0
    OddSender(seed, rig.to_evcc if station_is_odd else rig.to_secc)
    ours = rig.evcc if station_is_odd else rig.secc
    where = f"seed {seed}, {name}, our {'vehicle' if station_is_odd else 'station'}"
    try:
        rig.run(max_s=4 * _LATEST_S, until=lambda: rig.now > _LATEST_S or ours.ended is not None)
        if ours.ended is None:
            for tell in (rig.tell_evcc, rig.tell_secc):
                tell(ev.StopRequested("long enough"))
            rig.run(max_s=4 * _LATEST_S, until=lambda: ours.ended is not None)
        rig.let_pass(5.0)
    except (SafetyViolation, RuntimeError) as error:
        raise OddError(f"{where}: {type(error).__name__}: {error}; {ours.states[-3:]}") from error
    ended = ours.ended
    if ours.error is not None or ended is None or ended.reason is EndReason.INTERNAL_ERROR or ours.energized:
        raise OddError(f"{where}: {ours.error!r}, {ended}, energized: {ours.energized}") from ours.error
    return f"{name}, our {'vehicle' if station_is_odd else 'station'}: {ended.reason.name}"


def main() -> int:
    """Run and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--only", default="", choices=["", *MAKERS])
    asked = parser.parse_args()
    if asked.seed is not None:
        print(run(asked.seed, asked.only))
        return 0
    began, ends, failed = time.monotonic(), Counter[str](), 0
    for seed in range(asked.first, asked.first + asked.count):
        try:
            ends[run(seed, asked.only)] += 1
        except OddError as error:
            failed += 1
            print(f"{type(error).__name__}: {error}", flush=True)
    for name, count in sorted(ends.items()):
        print(f"{count:6}  {name}")
    print(f"{sum(ends.values())} sessions, {failed} failed, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
