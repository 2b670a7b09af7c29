"""Taking turns: the codecs code the same message in short rounds, A B C A B C, so that whatever disturbs
the machine disturbs all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from benchmarks.figure import median

from .codecs import Codec, CodecError

__all__ = ["Taken", "Verb", "take_turns"]

Verb = Literal["decode", "encode"]

_ROUND_NS = 1_000_000.0
"""A round is about that long: long beside the pipe and the clock, short beside what
the machine does meanwhile."""
_WARM_CALLS = 30
"""Before the first round, for caches, branch predictors and a virtual machine's compiler."""


class Taken(Struct, frozen=True):
    """What one codec took for a message one way: an entry for each round, in ns."""

    rounds: list[float]

    @property
    def least(self) -> float:
        """Of the round that was disturbed least."""
        return min(self.rounds)

    @property
    def median(self) -> float:
        """Of the rounds."""
        return median(self.rounds)

    def ratio(self, other: Taken) -> float:
        """To another codec: the median over the rounds, each beside the other's
        round that came next to it."""
        return median([one / another for one, another in zip(self.rounds, other.rounds, strict=False)])


def take_turns(codecs: Sequence[Codec], verb: Verb, index: int, rounds: int) -> dict[str, Taken]:
    """Of each codec that takes the message, by its name."""
    calls: dict[str, int] = {}
    taken: dict[str, list[float]] = {}
    for codec in codecs:
        try:
            warm = codec.takes_ns(verb, index, _WARM_CALLS)
        except CodecError:
            continue
        calls[codec.name] = max(1, int(_ROUND_NS / warm))
        taken[codec.name] = []
    for _ in range(rounds):
        for codec in codecs:
            if codec.name in calls:
                taken[codec.name].append(codec.takes_ns(verb, index, calls[codec.name]))
    return {name: Taken(rounds) for name, rounds in taken.items()}
