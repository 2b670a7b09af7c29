"""Attenuation: what a station makes of its modem's profiles, and how a vehicle chooses a station by them.

One profile has a value in dB for each of 58 groups of carriers; the mean over groups is what stations are ranked by.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from msgspec import Struct

from .settings import SlacSettings

__all__ = ["GROUPS", "Answer", "Choice", "Finding", "average", "choose", "mean"]

GROUPS = 58


def average(profiles: Sequence[bytes], correction: float = 0.0) -> bytes:
    """Mean of several profiles group by group, rounded down as stations in the field do, less ``correction`` dB and never below 0.

    ``profiles`` has at least one; all have ``GROUPS`` values.
    """
    count = len(profiles)
    return bytes(max(0, int(sum(values) / count - correction)) for values in zip(*profiles, strict=True))


def mean(aag: bytes) -> float:
    """Mean attenuation over the groups in dB."""
    return sum(aag) / len(aag)


class Finding(Enum):
    """What attenuation says about a station."""

    FOUND = "EVSE_FOUND"
    POTENTIALLY_FOUND = "EVSE_POTENTIALLY_FOUND"
    NOT_FOUND = "EVSE_NOT_FOUND"


class Answer(Struct, frozen=True):
    """A station that answered the sounds."""

    evse_mac: bytes
    attenuation: float


class Choice(Struct, frozen=True):
    """The decision: ``FOUND`` with one candidate, ``POTENTIALLY_FOUND`` with those to validate in their order, or nothing."""

    finding: Finding
    candidates: tuple[Answer, ...]
    reason: str


def choose(answers: Sequence[Answer], settings: SlacSettings, *, silent: int = 0) -> Choice:
    """Rank by attenuation and decide. The vehicle's own station is the one that hears it best.

    ``silent``: stations that announced themselves and did not answer the sounds; ours may be among them.
    """
    ranked = tuple(
        sorted((a for a in answers if a.attenuation <= settings.indirect_limit), key=lambda a: a.attenuation)
    )
    if not ranked:
        heard = (
            f"{len(answers)} answered, all above {settings.indirect_limit:g} dB"
            if answers
            else "no station answered"
        )
        return Choice(Finding.NOT_FOUND, (), heard)
    best = ranked[0]
    if best.attenuation > settings.direct_limit:
        return Choice(
            Finding.POTENTIALLY_FOUND,
            ranked,
            f"the best of {len(ranked)} has {best.attenuation:.1f} dB, above {settings.direct_limit:g} dB: validation decides",
        )
    if len(ranked) > 1 and ranked[1].attenuation - best.attenuation < settings.margin:
        return Choice(
            Finding.POTENTIALLY_FOUND,
            ranked,
            f"two stations within {settings.margin:g} dB ({best.attenuation:.1f} and {ranked[1].attenuation:.1f}): validation decides",
        )
    if silent:
        return Choice(
            Finding.POTENTIALLY_FOUND,
            ranked,
            f"{best.attenuation:.1f} dB, but {silent} announced did not answer: validation decides",
        )
    if settings.always_validate:
        return Choice(
            Finding.POTENTIALLY_FOUND, ranked, f"{best.attenuation:.1f} dB; the settings want a validation"
        )
    runner_up = f", the next one {ranked[1].attenuation:.1f} dB" if len(ranked) > 1 else ""
    return Choice(Finding.FOUND, (best,), f"{best.attenuation:.1f} dB{runner_up}")
