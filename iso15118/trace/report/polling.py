"""Exchanges that are repeated until somebody is finished: how long they take, who holds them up,
and whether that was too long.

A poll that ends in order is no deviation, however long it took within its timer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from iso15118.trace.entries import EVCC, SECC, MessageEntry

from .editions import OFF_KEYS, Limit, poll_limit
from .model import Confidence

if TYPE_CHECKING:
    from .judging import Judge

__all__ = ["SLACK_S", "Polls", "since"]

SLACK_S: Final = 0.05
"""What a capture may add to a time: it is taken somewhere between the two."""


def since(began: float | None, t: float | None) -> float | None:
    """The time between them in s; None where there is none, or the clock went back."""
    if began is None or t is None or t < began:
        return None
    return t - began


class _Poll(Struct):
    """The same exchange again and again. ``who`` is the side that is not finished, as
    far as the last pair says."""

    stem: str
    began: float | None
    who: str = ""
    count: int = 0
    said: bool = False
    """Somebody said Ongoing, or the exchange is repeated by nature."""


class Polls:
    """Of one connection."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._poll: _Poll | None = None

    def lost(self) -> None:
        """Something is missing from the capture."""
        self._poll = None

    def refused(self, entry: MessageEntry, stem: str, code: str) -> bool:
        """Whether the station gives up an exchange that took too long; then that is found."""
        poll = self._poll
        if poll is None or poll.stem != stem or poll.count < 2 or not poll.said:
            return False
        limit, earlier = poll_limit(self._judge.edition, stem)
        waited = since(poll.began, entry.t)
        if waited is None or waited < 0.9 * earlier:
            return False
        self._too_long(entry, limit, waited, f"; then {code}")
        return True

    def stuck(self, t: float | None) -> bool:
        """Whether it ends while an exchange has been repeated for longer than it may; then that is found."""
        poll, last = self._poll, self._judge.last
        if poll is None or last is None or not poll.said or poll.count < 2 or not poll.who:
            return False
        limit, earlier = poll_limit(self._judge.edition, poll.stem)
        waited = since(poll.began, t)
        if waited is None or waited < 0.9 * earlier:
            return False
        self._too_long(last, limit, waited, "; then the connection is closed")
        return True

    def request(self, entry: MessageEntry, stem: str, key: str) -> None:
        """A request: the same exchange again, or another one."""
        poll = self._poll
        if poll is not None and poll.stem != stem:
            if poll.said and poll.count > 1 and key in OFF_KEYS:
                limit, _ = poll_limit(self._judge.edition, poll.stem)
                waited = since(poll.began, entry.t)
                if waited is not None and waited >= 0.9 * limit.seconds:
                    self._too_long(entry, limit, waited, f"; then {entry.message}")
            self._poll = poll = None
        if poll is None:
            self._poll = poll = _Poll(stem, entry.t)
        poll.count += 1
        processing = getattr(entry.body, "ev_processing", None)
        if processing is not None and processing.value == "Ongoing":
            poll.said, poll.who = True, EVCC
        elif poll.who == EVCC:
            poll.who = ""

    def answer(self, stem: str, entry: MessageEntry) -> None:
        """An answer to a request of that exchange."""
        poll = self._poll
        processing = getattr(entry.body, "evse_processing", None)
        self._judge.ongoing = processing is not None and processing.value.startswith("Ongoing")
        self._judge.finished = (
            processing is not None
            and processing.value == "Finished"
            and (entry.response_code or "").startswith("OK")
        )
        if poll is None or poll.stem != stem:
            return
        if self._judge.ongoing:
            poll.said, poll.who = True, SECC
        if stem in ("PreCharge", "DC_PreCharge"):
            poll.said = True
            poll.who = EVCC if self._judge.content.pre_charged() else SECC
        elif stem in ("WeldingDetection", "DC_WeldingDetection"):
            poll.said, poll.who = True, EVCC
        if not poll.said or (
            not self._judge.ongoing and poll.who == SECC and stem not in ("PreCharge", "DC_PreCharge")
        ):
            return
        limit, _ = poll_limit(self._judge.edition, poll.stem)
        waited = since(poll.began, entry.t)
        if waited is not None and waited > limit.seconds + SLACK_S:
            self._too_long(entry, limit, waited, "")

    def _too_long(self, entry: MessageEntry, limit: Limit, waited: float, then: str) -> None:
        poll = self._poll
        if poll is None:
            return
        who = poll.who or SECC
        finding = self._judge.find(
            "ongoing-too-long", who, entry, f"{poll.stem} finished within {limit.seconds:g} s",
            f"{poll.count} times in {waited:.1f} s, still not finished{then}",
            timer=limit, waited=waited, needs_all=True, soft=limit.soft and not then,
            confidence=Confidence.LOW if "uthenti" in poll.stem or "uthoriz" in poll.stem else Confidence.HIGH,
        )  # fmt: skip
        finding.message = f"{poll.stem}{'Req' if who == EVCC else 'Res'}"
