"""Why a session ended, one level finer than ``EndReason``: the table of all causes, with the
side that they point at, the timer behind them, the requirement, the MREC code of a charging
station's report, and what to try.

An end that says no more than its reason has the reason's first cause in the table. For reports on captures,
too: nothing here knows a session. ``docs/causes.md`` is made of it (``python -m iso15118.session``).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from iso15118.pnc.contracts import Refusal

from .cause_table import TABLE
from .edition import Fault
from .ends import EndReason
from .events import TransportLoss
from .supervision.rules import Rule

__all__ = [
    "CAUSES", "LOSSES", "POLLS", "UNVERIFIED_MREC", "Cause", "Side", "cause_of", "cause_of_fault", "cause_of_refusal",
    "refined", "undecided",
]  # fmt: skip


UNVERIFIED_MREC: Final = frozenset(("CX012",))
"""MREC codes of which no public source was found that gives their meaning: pre-charge stands for CX012 in the
lists of others by name alone."""


class Side(StrEnum):
    """Whom a cause points at. It is where to look first, and no verdict."""

    EVCC = "evcc"
    SECC = "secc"
    LINK = "link"
    """What lies between them: cable, pilot, network."""
    OWN = "own"
    """Whoever says so: its hardware, its software, its operator."""
    PEER = "peer"
    """The other one of the two."""

    def of(self, role: str) -> str:
        """``evcc``, ``secc`` or ``link``, as seen by ``role``."""
        if self is Side.OWN:
            return role
        if self is Side.PEER:
            return "secc" if role == "evcc" else "evcc"
        return self.value


class Cause(Struct, frozen=True, kw_only=True):
    """One row of the table."""

    code: str
    """Stable: lower-case words with hyphens; of a broken rule of the supervision the rule's name."""
    reason: EndReason
    side: Side
    meaning: str
    hint: str
    """What to try, or where to look."""
    timer: str = ""
    """As the standards call it; empty where no timer is behind it."""
    requirements: tuple[str, ...] = ()
    mrec: str = ""
    """Minimum Required Error Code ("CX009"); empty where none fits."""

    def requirement(self, edition: str) -> str:
        """Those of ``edition`` ("iso20", "iso2", "din"), or all where none of it is known."""
        prefix = {"iso20": "V2G20-", "iso2": "V2G2-", "din": "V2G-DC-"}.get(edition, "V2G")
        own = [one for one in self.requirements if one.startswith(prefix)]
        return " ".join(f"[{one}]" for one in own or self.requirements)


def _table() -> dict[str, Cause]:
    """Raises ValueError, or KeyError, for a row that is none: at import."""
    made: dict[str, Cause] = {}
    lines = [line for line in TABLE.splitlines() if line and not line.startswith("#")]
    for head, meaning, hint in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        code, reason, side, *more = (cell.strip() for cell in head.split("|"))
        timer, requirements, mrec = ("" if cell == "-" else cell for cell in more)
        if code in made or not meaning.startswith("    ") or not hint.startswith("    "):
            raise ValueError(f"the row of the cause {code} is none, or stands in the table twice")
        made[code] = Cause(
            code=code,
            reason=EndReason[reason],
            side=Side(side),
            timer=timer,
            requirements=tuple(requirements.split()),
            mrec=mrec,
            meaning=meaning.strip(),
            hint=hint.strip(),
        )
    return made


CAUSES: Final[Mapping[str, Cause]] = _table()
"""Code -> cause, in the order of the table."""

_FIRST: Final[dict[EndReason, Cause]] = {}
for _cause in CAUSES.values():
    _FIRST.setdefault(_cause.reason, _cause)

_OF_FAULT: Final[Mapping[Fault, str]] = {
    Fault.SERVICE_ID: "service-not-offered",
    Fault.SERVICE_SELECTION: "service-not-offered",
    Fault.NO_ENERGY_SERVICE: "service-not-offered",
    Fault.PAYMENT_SELECTION: "payment-not-offered",
    Fault.ENERGY_TRANSFER_MODE: "energy-mode-not-offered",
    Fault.CHARGE_PARAMETER: "parameters-refused",
    Fault.SCHEDULE: "schedule-not-offered",
    Fault.POWER_PROFILE: "power-profile-refused",
    Fault.POWER_PROFILE_VIOLATED: "power-profile-violated",
    Fault.ASSOCIATION: "wrong-place",
    Fault.SIGNATURE: "signature-refused",
    Fault.CHALLENGE: "challenge-refused",
    Fault.CERTIFICATE: "contract-refused",
    Fault.METERING_SIGNATURE: "receipt-refused",
    Fault.PAUSE: "pause-refused",
    Fault.SERVICE_RENEGOTIATION: "service-renegotiation-refused",
}


_OF_REFUSAL: Final[Mapping[Refusal, str]] = {
    Refusal.SIGNATURE: "signature-refused",
    Refusal.CHALLENGE: "challenge-refused",
    Refusal.NOT_AVAILABLE: "authorization-timeout",
}
LOSSES: Final[Mapping[TransportLoss, str]] = {
    TransportLoss.CLOSED: "connection-closed",
    TransportLoss.RESET: "connection-reset",
    TransportLoss.TLS_ALERT: "tls-alert",
    TransportLoss.CONNECTED_ANEW: "connected-anew",
}
"""What the way says in which a connection went away; the others say no more than that."""

POLLS: Final[Mapping[EndReason, str]] = {
    EndReason.PRE_CHARGE_FAILED: "pre-charge-timeout-vehicle",
    EndReason.CABLE_CHECK_FAILED: "cable-check-timeout-vehicle",
}
"""Of a vehicle that asked again and again, until the time was over."""


def cause_of_fault(reason: EndReason, fault: Fault) -> str:
    """The cause of a request that was refused for ``fault``; empty where the reason says as much."""
    code = _OF_FAULT.get(fault, "")
    return code if code and CAUSES[code].reason is reason else ""


def cause_of_refusal(why: Refusal) -> str:
    """The cause of an end because a contract was refused."""
    return _OF_REFUSAL.get(why, "contract-refused")


def refined(reason: EndReason, cause: str = "", rule: str = "") -> str:
    """What is kept of an end beside its reason: the cause where it says more. A broken rule
    of the supervision is one."""
    code = cause or rule
    if code not in CAUSES or CAUSES[code] is _FIRST[reason]:
        return ""
    return code


def cause_of(reason: EndReason, cause: str = "") -> Cause:
    """The row for an end: that of its cause, or the first one of its reason."""
    found = CAUSES.get(cause)
    return _FIRST[reason] if found is None else found


def undecided() -> list[str]:
    """Reasons and rules without a row: none, which a test holds."""
    missing = [reason.name for reason in EndReason if reason not in _FIRST]
    return missing + [rule.value for rule in Rule if rule.value not in CAUSES]
