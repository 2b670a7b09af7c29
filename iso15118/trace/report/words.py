"""A report in a few lines for a terminal: verdict, cause, what the capture cannot prove."""

from __future__ import annotations

from collections.abc import Iterator

from .drawing import SIDES, number
from .model import Finding, Report, Session
from .rules import RULES, advice_of, requirement_of

__all__ = ["in_words"]


def in_words(report: Report) -> Iterator[str]:
    """Line by line. What a peer said is in them: whoever prints them escapes it."""
    session = report.decisive
    several = len(report.sessions) > 1
    if session is None:
        yield "undecidable: nothing was found that belongs to charging"
    else:
        where = f" (connection {session.number} of {len(report.sessions)})" if several else ""
        cause = session.cause
        if cause is None:
            yield f"{report.verdict.value}: {session.reason}{where}"
        else:
            yield f"{report.verdict.value}: {RULES[cause.rule].title}{where}"
            yield from _cause(cause, session)
        yield from _facts(session)
    for one in report.trust:
        of = f" (connection {one.session})" if several and one.session else ""
        yield f"  not proven: {one.text}{of}"


def _cause(cause: Finding, session: Session) -> Iterator[str]:
    who = f"the {SIDES[cause.side]}" if cause.side in SIDES else "unknown"
    yield f"  side:        {who} (confidence {cause.confidence.value})"
    yield f"  message:     {cause.message}, packet {cause.number}"
    yield f"  expected:    {cause.expected}"
    yield f"  seen:        {cause.seen}"
    if cause.timer is not None:
        waited = "" if cause.waited is None else f", waited {cause.waited:.2f} s"
        yield f"  timer:       {cause.timer.name}, {cause.timer.seconds:g} s{waited}"
    yield f"  rule:        {cause.rule} [{requirement_of(cause, session.edition)}]"
    for line in cause.before:
        yield f"  before:      {line.side} {line.message} {line.said[:100]}"
    for advice in advice_of(cause):
        yield f"  try:         {advice}"


def _facts(session: Session) -> Iterator[str]:
    said = [one for one in (session.edition, session.service, session.control) if one]
    if session.began is not None and session.ended is not None:
        said.append(f"{session.ended - session.began:.1f} s")
    said.append(f"{session.exchanges} exchanges")
    if session.charged_wh:
        said.append(f"{number(round(session.charged_wh / 1000.0, 3))} kWh")
    yield f"  session:     {', '.join(said)}"
    for who in session.identities:
        if who.name in ("EVCCID", "EVSEID", "EMAID"):
            yield f"  {who.name + ':':<12} {who.value}"
