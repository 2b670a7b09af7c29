"""Attenuation: what a station makes of its modem's profiles, and how a vehicle chooses a station by them.

One profile has a value in dB for each of 58 groups of carriers; the mean over groups is
what stations are ranked by.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from msgspec import Struct

from .settings import SlacSettings

__all__ = ["GROUPS", "Answer", "Choice", "Finding", "average", "choose", "mean"]

GROUPS = 58


def average(profiles: Sequence[bytes], correction: float = 0.0) -> bytes:
    """Mean of several profiles group by group, rounded down as stations in the field do, less
    ``correction`` dB and never below 0.

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
    """The decision: ``FOUND`` with one candidate, ``POTENTIALLY_FOUND`` with those to
    validate in their order, or nothing.

    ``fallbacks``: in their order, whom to take where validation settles nothing.
    """

    finding: Finding
    candidates: tuple[Answer, ...]
    reason: str
    fallbacks: tuple[Answer, ...] = ()


_MOST_CANDIDATES = 3  # a station waits 10 s for the match, and a validation takes up to 3.5 s


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
    near = tuple(a for a in ranked if a.attenuation - best.attenuation < settings.margin)
    if len(near) > 1:
        reason = (
            f"two stations within {settings.margin:g} dB "
            f"({best.attenuation:.1f} and {near[1].attenuation:.1f}): validation decides"
        )
    elif silent:
        reason = f"{best.attenuation:.1f} dB, but {silent} announced did not answer: validation decides"
    elif settings.always_validate:
        reason = f"{best.attenuation:.1f} dB; the settings want a validation"
    else:
        runner_up = f", the next one {ranked[1].attenuation:.1f} dB" if len(ranked) > 1 else ""
        return Choice(Finding.FOUND, (best,), f"{best.attenuation:.1f} dB{runner_up}")
    strict = settings.strict_choice or settings.always_validate
    if strict:
        return Choice(Finding.POTENTIALLY_FOUND, ranked, reason)
    within = tuple(a for a in ranked if a.attenuation <= settings.direct_limit)
    return Choice(Finding.POTENTIALLY_FOUND, near[:_MOST_CANDIDATES], reason, within)
