"""Readings that are none, made of the real one: other classes, other numbers, levels that lie,
properties that block or call back."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any

import msgspec

from tests.aio.hostile import FloatLike, Lying, Unprintable

from .ways import BACK_TO, BLOCK_S, LOOK_UP, Hands, Make, Way, block, from_a_thread

__all__ = ["READ_WAYS"]


def _value(value: Any) -> Make:
    return lambda real, hands, place: value


def _numbers(change: Callable[[float], Any]) -> Make:
    """The real reading with all of its numbers changed, those of each phase and of values within it as well,
    past the checks of its class; a level becomes something else, too."""

    def broken(real: Any) -> Any:
        if type(real) is float:
            return change(real)
        if type(real) is tuple:
            return tuple(broken(part) for part in real)
        if not isinstance(real, msgspec.Struct):
            return real
        made = msgspec.structs.replace(real)
        for name in real.__struct_fields__:
            msgspec.structs.force_setattr(made, name, broken(getattr(real, name)))
        return made

    def make(real: Any, hands: Hands, place: str) -> Any:
        if isinstance(real, (bool, int)) and not isinstance(real, Enum):
            return change(float(real))
        return broken(real)

    return make


def _alike(real: Any, hands: Hands, place: str) -> Any:
    if isinstance(real, msgspec.Struct):
        return SimpleNamespace(**msgspec.structs.asdict(real))
    return int(real) if isinstance(real, bool) else real


def _inverted(real: Any, hands: Hands, place: str) -> Any:
    return not real if isinstance(real, bool) else real


def _calls(what: str, *, thread: bool = False) -> Make:
    def make(real: Any, hands: Hands, place: str) -> Any:
        call = getattr(hands, what)
        if thread:
            from_a_thread(call)
        else:
            call()
        return real

    return make


def _blocks(real: Any, hands: Hands, place: str) -> Any:
    block(BLOCK_S)
    return real


def _frozen(real: Any, hands: Hands, place: str) -> Any:
    """What it was when it was first asked, for ever."""
    kept: dict[str, Any] = hands.__dict__.setdefault("frozen", {})
    return kept.setdefault(place, real)


def _raises(real: Any, hands: Hands, place: str) -> Any:
    raise ValueError("misuse")


CLASSES: dict[str, Any] = {
    "None": None,
    "a number": 5,
    "a text": "800 V",
    "an object": object(),
    "a Decimal": Decimal(800),
    "without a text": Unprintable(),
    "a class": int,
    "infinite": math.inf,
}
NUMBERS: dict[str, Callable[[float], Any]] = {
    "numbers that are none": lambda x: math.nan,
    "infinite numbers": lambda x: math.inf,
    "negative numbers": lambda x: -x - 1.0,
    "huge numbers": lambda x: 1e300,
    "huge whole numbers": lambda x: 10**400,
    "Decimals": Decimal,
    "booleans": bool,
    "texts": str,
    "nothing": lambda x: None,
    "numbers without a text": lambda x: Unprintable(),
    "zeros": lambda x: 0.0,
}
READ_WAYS = [
    *LOOK_UP,
    *(Way(f"is {name}", _value(value), lies=True) for name, value in CLASSES.items()),
    *(Way(f"has {name}", _numbers(change), lies=True) for name, change in NUMBERS.items()),
    Way("has floats of a library", _numbers(FloatLike), prevents=False),
    Way("has numbers that lie", _numbers(Lying), prevents=False),
    Way("is of another class", _alike, lies=True),
    Way("is the contrary", _inverted, lies=True),
    Way("is frozen", _frozen, lies=True),
    Way("blocks", _blocks, prevents=False, times=3),
    Way("raises ValueError once", _raises, times=1),
    Way("raises ValueError the second time", _raises, times=1, skip=1),
    *(Way(f"calls {what} back", _calls(what), prevents=False) for what in BACK_TO),
    Way(
        "calls emergency from another thread",
        _calls("emergency", thread=True),
        prevents=False,
        times=3,
        threads=True,
    ),
]
