"""A report as JSON values: what other tools take from it."""

from __future__ import annotations

from typing import Any

from .model import Finding, Line, Report, Session
from .rules import RULES, advice_of, requirement_of

__all__ = ["as_json"]


def as_json(report: Report) -> dict[str, Any]:
    """All of it. ``verdict`` and ``cause`` are those of the session that decides: the
    first that failed, if any did."""
    decisive = report.decisive
    cause = None if decisive is None or decisive.cause is None else _finding(decisive.cause, decisive)
    facts = report.facts
    return {
        "verdict": report.verdict.value,
        "cause": cause,
        "reason": "" if decisive is None else decisive.reason,
        "trust": [{"code": one.code, "text": one.text, "session": one.session} for one in report.trust],
        "sessions": [_session(one) for one in report.sessions],
        "capture": {
            "source": report.source,
            "kind": facts.kind,
            "packets": facts.packets,
            "first": facts.first,
            "last": facts.last,
            "broken": facts.broken,
        },
    }


def _finding(one: Finding, session: Session) -> dict[str, Any]:
    timer = (
        None
        if one.timer is None
        else {"name": one.timer.name, "limit_s": one.timer.seconds, "waited_s": one.waited}
    )
    return {
        "rule": one.rule,
        "side": one.side or None,
        "message": one.message,
        "expected": one.expected,
        "seen": one.seen,
        "requirement": requirement_of(one, session.edition),
        "confidence": one.confidence.value,
        "title": RULES[one.rule].title,
        "timer": timer,
        "t": one.t,
        "number": one.number,
        "times": one.repeats,
        "before": [_line(line) for line in one.before],
        "try": advice_of(one),
        "session": session.number,
    }


def _line(line: Line) -> dict[str, Any]:
    return {"t": line.t, "number": line.number, "from": line.side, "message": line.message, "said": line.said}


def _session(one: Session) -> dict[str, Any]:
    return {
        "number": one.number,
        "stream": one.stream,
        "verdict": one.verdict.value,
        "reason": one.reason,
        "edition": one.edition,
        "service": one.service or None,
        "control": one.control or None,
        "began": one.began,
        "ended": one.ended,
        "session_ids": one.session_ids,
        "messages": one.messages,
        "exchanges": one.exchanges,
        "charge_loops": one.loops,
        "identities": [{"side": who.side, "name": who.name, "value": who.value} for who in one.identities],
        "tls": _tls(one),
        "energy": {
            "charged_wh": one.charged_wh,
            "discharged_wh": one.discharged_wh,
            "metered_wh": one.metered_wh,
        },
        "latencies": [
            {
                "exchange": late.stem,
                "timer": late.limit.name,
                "limit_s": late.limit.seconds,
                "count": late.count,
                "mean_s": late.total / late.count,
                "longest_s": late.longest,
                "over": late.over,
            }
            for late in one.latencies.values()
        ],
        "quantities": [
            {
                "side": row.side,
                "kind": row.kind,
                "unit": row.unit,
                "points": len(row.values),
                "least": min(row.values),
                "greatest": max(row.values),
                "last": row.values[-1],
            }
            for row in one.series.values()
            if row.values
        ],
        "states": {
            role: [{"state": span.state, "t": span.began} for span in spans]
            for role, spans in one.states.items()
        },
        "deviations": [
            _finding(found, one) | {"tolerated": found is not one.cause} for found in one.findings
        ],
    }


def _tls(one: Session) -> dict[str, Any] | None:
    card = one.tls
    if card.version is None:
        return None
    return {
        "version": card.version,
        "suite": card.suite,
        "secrets": card.secrets,
        "records_closed": card.records_closed,
        "notes": card.notes,
        "certificates": [{"side": side} | described for side, described in card.certificates],
    }
