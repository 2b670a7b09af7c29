"""The verdict of a session, and which of its deviations is the cause: the first one that it did not survive.

A deviation after which the two went on as before was tolerated; it is listed, and explains nothing.
"""

from __future__ import annotations

from typing import Final

from .judging import Judge
from .model import Confidence, Finding, Session, Verdict
from .trust import WEAKENS

__all__ = ["decide"]

_GOES_ON: Final = 2
"""Exchanges behind a deviation after which it was survived."""
_SLOWLY: Final = {"limit-ignored": 12}
"""Of a value beyond its limit: whoever notices it takes a while to act."""


def decide(session: Session, judge: Judge, *, cut_short: bool, clock_steps: int) -> None:
    """Sets verdict, reason and cause. ``cut_short``: the file breaks off. ``clock_steps``: how often the
    capture's clock went back."""
    codes = {one.code for one in session.trust}
    weak, stepped = codes & WEAKENS, "clock-step-forward" in codes
    for one in session.findings:
        # A clock that was set measures nothing.
        if (one.needs_all and weak) or (one.timer is not None and (clock_steps or stepped)):
            one.tolerated = True
    fatal = [one for one in session.findings if _is_fatal(one, session, judge)]
    orderly = judge.stopped
    if orderly:
        fatal = [one for one in fatal if not one.soft]
    if fatal:
        session.verdict, session.cause = Verdict.FAILED, fatal[0]
        session.reason = ""
        if "missing-secrets" in weak or "lost-at-the-end" in weak:
            _less_sure(fatal[0])
    elif orderly and session.loops:
        session.verdict, session.reason = Verdict.OK, "the session was stopped in order"
    else:
        session.verdict = Verdict.UNDECIDABLE
        session.reason = _why_undecided(session, judge, weak, cut_short)


def _is_fatal(one: Finding, session: Session, judge: Judge) -> bool:
    goes_on = _SLOWLY.get(one.rule, _GOES_ON)
    return not one.tolerated and judge.answered - one.last_place <= goes_on


def _less_sure(one: Finding) -> None:
    one.confidence = Confidence.LOW if one.confidence is Confidence.LOW else Confidence.MEDIUM


def _why_undecided(session: Session, judge: Judge, weak: set[str], cut_short: bool) -> str:
    if "missing-secrets" in weak:
        return "TLS stays closed: without its secrets nobody can see how it went on"
    if "one-direction" in weak:
        return "only one direction was captured: nobody can say who did not answer"
    if judge.last is None:
        return "nothing was said that belongs to a session"
    if judge.stopped:
        return "the session was stopped in order before energy flowed; nothing in it says why"
    if not judge.sure:
        return "octets are missing from the capture where it ended"
    if cut_short:
        return "the file breaks off in mid-session"
    return "the capture ends in mid-session, before anybody's time was over"
