"""The parts of a page that are words: the cause, what the capture cannot prove, who is
who, TLS, times, deviations.

Values in, markup out; every text is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from .drawing import SIDES, TimeAxis, number, text
from .model import Finding, Report, Session, Verdict
from .rules import RULES, advice_of, requirement_of

__all__ = [
    "cause_card",
    "deviations",
    "identities",
    "latencies",
    "side_badge",
    "summary_card",
    "table",
    "tls",
    "trust_card",
]

_VERDICTS: Final = {
    Verdict.OK: "✓ ok",
    Verdict.FAILED: "✗ failed",
    Verdict.UNDECIDABLE: "? undecidable",
}


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], numbers: set[int]) -> str:
    """Cells are markup already."""

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=number' if index in numbers else ''}>{cell}</{tag}>"
            for index, cell in enumerate(row)
        )

    lines = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<div class=scroll><table><thead><tr>{cells('th', titles)}</tr></thead><tbody>{lines}</tbody></table></div>"


def side_badge(side: str) -> str:
    """Who it was."""
    return f'<span class="side {side if side in SIDES else "other"}">{text(side or "?")}</span>'


def _pairs(rows: Sequence[tuple[str, str]]) -> str:
    """Names, and values that are markup already."""
    return (
        "<dl>" + "".join(f"<dt>{text(name)}</dt><dd>{value}</dd>" for name, value in rows if value) + "</dl>"
    )


def cause_card(report: Report) -> str:
    """The verdict, and why."""
    session, verdict = report.decisive, report.verdict
    head = f'<h2 id="cause"><span class="verdict">{_VERDICTS[verdict]}</span>'
    cause = None if session is None else session.cause
    if session is None or cause is None:
        reason = "nothing was found that belongs to charging" if session is None else session.reason
        return f'<section class="card cause {verdict.value}">{head}</h2><p>{text(reason)}</p></section>'
    where = f" in connection {session.number}" if len(report.sessions) > 1 else ""
    began = _began(session)
    when = "" if cause.t is None or began is None else f"{cause.t - began:.3f} s after the first message, "
    timer = ""
    if cause.timer is not None:
        waited = "" if cause.waited is None else f", waited {cause.waited:.2f} s"
        timer = f"{cause.timer.name}: {cause.timer.seconds:g} s{waited}"
    who = (
        f"{side_badge(cause.side)} the {SIDES[cause.side]}"
        if cause.side in SIDES
        else "the capture does not say"
    )
    rows = [
        ("Side", f"{who} <small>(confidence {cause.confidence.value})</small>"),
        ("Message", f"{text(cause.message)} <small>({text(when)}packet {cause.number})</small>"),
        ("Expected", text(cause.expected)),
        (
            "Seen",
            text(cause.seen) + (f" <small>({cause.repeats} times)</small>" if cause.repeats > 1 else ""),
        ),
        ("Timer", text(timer)),
        ("Rule", f"{text(cause.rule)} <small>[{text(requirement_of(cause, session.edition))}]</small>"),
    ]
    before = "".join(
        f"<li>{_time(line.t, began)} {side_badge(line.side)} <b>{text(line.message)}</b> <small>{text(_short(line.said))}</small></li>"
        for line in cause.before
    )
    if before:
        before = f"<h4>The messages before it</h4><ol>{before}</ol>"
    advice = "".join(f"<li>{text(one)}</li>" for one in advice_of(cause))
    return (
        f'<section class="card cause {verdict.value}">{head}: {text(RULES[cause.rule].title)}{text(where)}</h2>'
        f"{_pairs(rows)}{before}<h4>What to try</h4><ul>{advice}</ul></section>"
    )


def _began(session: Session) -> float | None:
    times = [spans[0].began for spans in session.states.values() if spans]
    return min(times) if times else session.began


def _time(t: float | None, began: float | None) -> str:
    return "" if t is None or began is None else f'<span class="t">{t - began:.3f} s</span>'


def _short(said: str) -> str:
    return said if len(said) <= 300 else f"{said[:300]}..."


def trust_card(report: Report) -> str:
    """What the capture cannot prove."""
    if not report.trust:
        body = "<p>Nothing is known to be missing: the beginning, both directions, every octet and the end are there.</p>"
    else:
        several = len(report.sessions) > 1
        rows = "".join(
            f"<li><b>{text(one.code)}</b>{f' (connection {one.session})' if several and one.session else ''}: {text(one.text)}</li>"
            for one in report.trust
        )
        body = f"<ul>{rows}</ul>"
    return f'<h2 id="trust">What this capture can prove</h2><div class="card">{body}</div>'


def deviations(session: Session, axis: TimeAxis | None) -> str:
    """All that was found, besides the cause."""
    others = [one for one in session.findings if one is not session.cause]
    if not others:
        return ""
    rows = [
        [
            "" if axis is None or one.t is None else axis.text(one.t),
            side_badge(one.side),
            f"{text(one.message)} <small>{text(one.rule)}</small>",
            f"{text(one.seen)} <small>expected: {text(one.expected)}</small>",
            text(_role(one)),
        ]
        for one in others
    ]
    body = table(("Time", "Side", "Message", "Seen", ""), rows, {0})
    return f"<h3>Other deviations</h3><div class=card>{body}</div>"


def _role(one: Finding) -> str:
    times = f"{one.repeats} times, " if one.repeats > 1 else ""
    return f"{times}{'taken by the other side' if one.tolerated else 'did not decide it'}"


def latencies(session: Session) -> str:
    """How long answers took."""
    rows = []
    for one in session.latencies.values():
        over = f'<span class="bad">{one.over}</span>' if one.over else "0"
        rows.append(
            [
                text(one.stem),
                number(one.count),
                _ms(one.total / one.count),
                _ms(one.longest),
                _ms(one.limit.seconds),
                over,
            ]
        )
    if not rows:
        return ""
    body = table(("Exchange", "Answers", "Mean ms", "Longest ms", "Timer ms", "Over"), rows, {1, 2, 3, 4, 5})
    return (
        f"<h3>Latency of the answers</h3><div class=card>{body}"
        "<p class=note>From the request to the answer as captured, against the vehicle's V2G_EVCC_Msg_Timeout.</p></div>"
    )


def _ms(seconds: float) -> str:
    return number(round(seconds * 1000.0, 1))


def identities(session: Session) -> str:
    """Who is who."""
    rows = [[side_badge(one.side), text(one.name), text(one.value)] for one in session.identities]
    facts = session.facts
    if facts is not None:
        rows += [
            [side_badge("evcc"), "address", text(facts.client)],
            [side_badge("secc"), "address", text(facts.server)],
        ]
    rows += [["", "SessionID", text(one)] for one in session.session_ids]
    if not rows:
        return ""
    return f"<h3>Who is who</h3><div class=card>{table(('Side', 'What', 'Value'), rows, set())}</div>"


def tls(session: Session) -> str:
    """The card of TLS."""
    card = session.tls
    if card.version is None:
        if session.facts is None or not session.messages:
            return ""
        return "<h3>TLS</h3><div class=card><p>None: the session is in the clear.</p></div>"
    opened = {
        None: "it stays closed: no secrets",
        "capture": "opened with secrets from the capture",
        "keylog": "opened with a key log",
    }
    rows = [
        ("Version", text(card.version)),
        ("Cipher suite", text(card.suite or "")),
        ("Secrets", text(opened.get(card.secrets, card.secrets or ""))),
        ("Records that stay closed", number(card.records_closed) if card.records_closed else ""),
        *((name, text(value)) for name, value in card.facts),
    ]
    notes = "".join(f'<li class="bad">{text(one)}</li>' for one in card.notes)
    chains = "".join(f"<li>{side_badge(side)} {_certificate(one)}</li>" for side, one in card.certificates)
    parts = [_pairs(rows)]
    if chains:
        parts.append(f"<h4>Certificates</h4><ul>{chains}</ul>")
    if notes:
        parts.append(f"<h4>Noted</h4><ul>{notes}</ul>")
    return f"<h3>TLS</h3><div class=card>{''.join(parts)}</div>"


def _certificate(one: Mapping[str, Any]) -> str:
    if "subject" not in one:
        return f"unreadable: {text(one.get('unreadable', ''))}"
    valid = f"{str(one['not_before'])[:10]} to {str(one['not_after'])[:10]}"
    return (
        f"<b>{text(one['subject'])}</b> <small>by {text(one['issuer'])}, {text(valid)}, {text(one['key'])},"
        f" serial {text(one['serial'])}</small>"
    )


def summary_card(summary: Mapping[str, Any]) -> str:
    """What the recorder of the session says itself."""
    rows = [[text(key), text(value)] for key, value in _flat(summary)]
    return (
        "<h2>Summary of the run</h2><div class=card><details class=more><summary>What the one who recorded it says</summary>"
        f"{table(('Key', 'Value'), rows, set())}</details></div>"
    )


def _flat(value: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping) and depth < 8:
            yield from _flat(inner, f"{prefix}{key}.", depth + 1)
        elif isinstance(inner, list | tuple):
            yield f"{prefix}{key}", ", ".join(map(str, inner)) or "none"
        else:
            yield f"{prefix}{key}", "none" if inner is None or inner == "" else str(inner)
