"""Presets of how strict a file's end is: ``field`` as vehicles and stations of today need it,
``conformance`` as the standards have it.

A preset sets what the file does not say itself; every deviation is a setting of its own (docs/tolerance.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

__all__ = ["DEVIATIONS", "Deviation", "Strictness", "apply"]

Strictness: TypeAlias = Literal["field", "conformance"]


class Deviation(Struct, frozen=True):
    """What is accepted in the field. ``key``: of the file, below [session]; ``field`` is its default."""

    key: str
    field: Any
    conformance: Any
    meaning: str


def _both(keys: str, field: Any, conformance: Any, meaning: str) -> Iterator[Deviation]:
    for key in keys.split():
        yield Deviation(key, field, conformance, meaning)


DEVIATIONS: Final[dict[str, tuple[Deviation, ...]]] = {
    "secc": (
        Deviation("overvoltage_v", 0.5, 0.0, "A voltage target a little above the vehicle's own maximum"),
        *_both(
            "iso2.session_stop_anywhere din.session_stop_anywhere",
            True,
            False,
            "SessionStopReq in the charge loop, without PowerDelivery(Stop) before it",
        ),
        *_both(
            "iso2.precharge_over_2a din.precharge_over_2a",
            "clip",
            "fail",
            "A pre-charge current above 2 A, which is not given",
        ),
        *_both(
            "iso2.welding_needs_cp_b din.welding_needs_cp_b",
            "note",
            "fail",
            "Welding detection while the control pilot still shows state C",
        ),
        *_both(
            "iso2.profile_check din.profile_check",
            "note",
            "strict",
            "A charging profile above the schedule; the limits of the loop hold anyway",
        ),
        *_both(
            "iso2.plausibility din.plausibility",
            "note",
            "strict",
            "Values that make no sense and on which nothing depends",
        ),
        Deviation(
            "iso2.dc_renegotiation_short",
            "accept",
            "refuse",
            "Power again after a new schedule without cable check and pre-charge, contactors having stayed closed",
        ),
        *_both(
            "iso2.timing.authorization_ongoing_timeout din.timing.authorization_ongoing_timeout",
            300.0,
            55.0,
            "A driver who takes longer than 55 s at the terminal",
        ),
    ),
    "evcc": (
        Deviation("strict_evse_id", False, True, "An EVSEID that is not formed as the standard says"),
        Deviation("iso2.plausibility", "note", "strict", "Limits of the station that make no sense"),
        Deviation("din.use_pmax", False, True, "PMax of the schedule below what the station says it gives"),
    ),
}
"""By role. What is not here has one value in both presets."""


def apply(table: dict[str, Any], role: str) -> None:
    """Put what ``strictness`` of this file means below [session], where the file says nothing itself. Other
    values of the key, and tables that are none, are left to who reads the file."""
    if table.get("strictness") != "conformance":
        return
    for one in DEVIATIONS[role]:
        *tables, name = ("session", *one.key.split("."))
        place: Any = table
        for part in tables:
            place = place.setdefault(part, {}) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.setdefault(name, one.conformance)
