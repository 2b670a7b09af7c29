"""What messages say of the moment, judged: values against the limits that the other side gave, and
faults that a side reports itself.

A limit that was lowered holds a little later: what was on its way then is no deviation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from iso15118.trace.entries import EVCC, SECC, MessageEntry

from .editions import LOOPS
from .quantities import LIMIT, MEASURED, TARGET, Quantity, quantities

if TYPE_CHECKING:
    from .judging import Judge

__all__ = ["Contents"]

_GRACE_S: Final = 3.0
_SHARE: Final = 1.05
_MORE: Final = {"A": 5.0, "V": 10.0, "W": 1500.0}
"""What a value may be beyond a limit: measuring, rounding and control."""
_PRE_CHARGED_V: Final = 20.0
_STATION_FAULTS: Final = frozenset(
    ("EVSE_EmergencyShutdown", "EVSE_Malfunction", "EVSE_UtilityInterruptEvent")
)
_NO_ERROR: Final = frozenset(("NO_ERROR", "NoData"))


class _Bound:
    """The greatest value that was allowed within the last seconds."""

    __slots__ = ("_recent", "value")

    def __init__(self) -> None:
        self._recent: list[tuple[float, float]] = []
        self.value = 0.0

    def set(self, t: float, value: float) -> None:
        recent = [(at, old) for at, old in self._recent if t - at < _GRACE_S and old > value]
        if self.value > value:
            recent.append((t, self.value))
        self._recent = recent[-8:]
        self.value = value

    def at(self, t: float) -> float:
        return max([self.value, *(old for at, old in self._recent if t - at < _GRACE_S)])


class Contents:
    """What both sides allow, ask for and measure."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._bounds: dict[tuple[str, str, str], _Bound] = {}
        self._latest: dict[tuple[str, str, str], float] = {}
        self._lost = False
        self._known_from: float | None = None
        """When something was heard again behind a gap."""

    def lost(self) -> None:
        """Limits may have changed meanwhile."""
        self._bounds.clear()
        self._latest.clear()
        self._lost, self._known_from = True, None

    def pre_charged(self) -> bool:
        """The station's voltage is where the vehicle asked it to be."""
        there, asked = self._latest.get((SECC, "V", MEASURED)), self._latest.get((EVCC, "V", TARGET))
        return there is not None and asked is not None and abs(there - asked) <= _PRE_CHARGED_V

    def request(self, entry: MessageEntry, stem: str) -> None:
        """What the vehicle says."""
        body = entry.body
        error = getattr(getattr(body, "dc_ev_status", None), "ev_error_code", None)
        if error is not None and error.value not in _NO_ERROR:
            self._judge.find(
                "ev-fault",
                EVCC,
                entry,
                "EVErrorCode NO_ERROR",
                f"EVErrorCode {error.value}",
                detail=error.value,
            )
        self._take(entry, stem, EVCC)

    def answer(self, entry: MessageEntry, stem: str) -> None:
        """What the station says."""
        code = entry.response_code or ""
        if not code.startswith("FAILED"):
            self._status(entry)
        self._take(entry, stem, SECC)

    def _status(self, entry: MessageEntry) -> None:
        status = getattr(entry.body, "dc_evse_status", None)
        code = getattr(status, "evse_status_code", None)
        if code is not None and code.value in _STATION_FAULTS:
            self._judge.find(
                "evse-fault",
                SECC,
                entry,
                "EVSEStatusCode EVSE_Ready",
                f"EVSEStatusCode {code.value}",
                detail=code.value,
            )
        isolation = getattr(status, "evse_isolation_status", None)
        if isolation is not None and isolation.value == "Fault":
            self._judge.find(
                "evse-fault",
                SECC,
                entry,
                "EVSEIsolationStatus Valid",
                "EVSEIsolationStatus Fault",
                detail="Isolation",
            )
        if getattr(getattr(entry.body, "ac_evse_status", None), "rcd", False):
            self._judge.find(
                "evse-fault",
                SECC,
                entry,
                "RCD false",
                "RCD true: the residual current device has tripped",
                detail="RCD",
            )

    def _take(self, entry: MessageEntry, stem: str, side: str) -> None:
        for one in quantities(entry.body):
            if one.side != side or one.discharge:
                continue
            key = side, one.unit, one.kind
            self._latest[key] = one.value
            if one.kind in (LIMIT, TARGET) and one.value > 0.0 and entry.t is not None:
                self._bounds.setdefault(key, _Bound()).set(entry.t, one.value)
            if stem in LOOPS and one.unit in _MORE:
                self._check(entry, one)

    def _check(self, entry: MessageEntry, one: Quantity) -> None:
        if entry.t is None:
            return
        if self._lost:
            if self._known_from is None:
                self._known_from = entry.t
            if entry.t - self._known_from < _GRACE_S:
                return
            self._lost = False
        other = SECC if one.side == EVCC else EVCC
        against = [(other, LIMIT)]
        if one.side == SECC and one.kind == MEASURED:
            against.append((other, TARGET))
        if one.kind not in (TARGET, MEASURED) or (
            one.side == EVCC and one.kind == MEASURED and one.unit == "V"
        ):
            return
        for whose, kind in against:
            bound = self._bounds.get((whose, one.unit, kind))
            if bound is None or (kind == TARGET and one.unit == "V"):
                continue
            most = bound.at(entry.t)
            if most > 0.0 and one.value > most * _SHARE + _MORE[one.unit]:
                what = "limit" if kind == LIMIT else "set-point"
                who = "vehicle" if whose == EVCC else "station"
                self._judge.find(
                    "limit-ignored", one.side, entry, f"at most {most:.6g} {one.unit}, the {who}'s {what}",
                    f"{one.kind} {one.value:.6g} {one.unit}", soft=True,
                )  # fmt: skip
                return
