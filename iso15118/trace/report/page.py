"""A report as one page of HTML that needs nothing else, to be read by a person.

It loads nothing and runs nothing, and says so to the browser; whatever came from a peer is escaped.
"""

from __future__ import annotations

from typing import Any, Final

from iso15118 import __version__

from .cards import cause_card, deviations, identities, latencies, summary_card, table, tls, trust_card
from .drawing import TimeAxis, chart, lanes, number, text
from .messages import messages
from .model import Report, Series, Session, Verdict
from .quantities import SOC
from .style import STYLE

__all__ = ["MARKER", "page"]

MARKER: Final = "<!-- a report of iso15118-stack -->"
"""The second line of each report: what has it may be replaced by another."""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_ROWS: Final = 60
"""Lines of the table of values."""
_CHARTS: Final = (("Voltage", "V"), ("Current", "A"), ("Power", "W"), ("State of charge", SOC))
_ORDER: Final = (
    "measured",
    "target",
    "limit",
    "measured discharge",
    "target discharge",
    "limit discharge",
    "least",
)


def page(report: Report) -> str:
    """The page as text."""
    body = [f"<h1>Charging session</h1><p class=note>{text(report.source)}{_captured(report)}</p>"]
    if report.failure:
        body.append(f'<p class="card bad">{text(report.failure)}</p>')
    body.append(cause_card(report))
    if len(report.sessions) > 1:
        body.append(_list(report))
    body.append(trust_card(report))
    for session in report.sessions:
        body.append(_session(report, session))
    if report.summary:
        body.append(summary_card(report.summary))
    body.append(
        f'<p class="note">Written by iso15118-stack {text(__version__)}. Times are those of the capture, from the first message on.</p>'
    )
    return (
        f'<!DOCTYPE html>\n{MARKER}\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Charging session</title>'
        f"<style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body></html>\n"
    )


def _captured(report: Report) -> str:
    facts = report.facts
    when = "" if facts.first is None else f", begun {_moment(facts.first)}"
    what = f", {number(facts.packets)} packets" if facts.packets else ""
    return text(f"{what}{when}")


def _moment(t: float) -> str:
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{t:.3f} s"


def _list(report: Report) -> str:
    rows = []
    for one in report.sessions:
        why = one.reason if one.cause is None else one.cause.rule
        verdict = f'<b class="{_CLASS[one.verdict]}">{one.verdict.value}</b>'
        began = (
            ""
            if one.began is None or report.facts.first is None
            else f"{one.began - report.facts.first:.1f} s"
        )
        rows.append([str(one.number), began, text(one.edition or "-"), verdict, text(why)])
    return f"<h2>Connections</h2><div class=card>{table(('No.', 'From', 'Edition', 'Verdict', 'Why'), rows, {1})}</div>"


_CLASS: Final = {Verdict.OK: "good", Verdict.FAILED: "bad", Verdict.UNDECIDABLE: "open"}


def _session(report: Report, session: Session) -> str:
    several = len(report.sessions) > 1
    axis = _axis(session)
    parts = [f"<h2>{f'Connection {session.number}' if several else 'Session'}</h2>", _tiles(session)]
    if axis is not None:
        parts.append(_charts(session, axis))
    parts += [deviations(session, axis), latencies(session), identities(session), tls(session)]
    parts.append(messages(session, axis))
    return "".join(parts)


def _axis(session: Session) -> TimeAxis | None:
    times = [spans[0].began for spans in session.states.values() if spans]
    if not times or session.ended is None:
        return None
    mark = None if session.cause is None else session.cause.t
    return TimeAxis(min(times), max(session.ended, min(times)), mark)


def _tiles(session: Session) -> str:
    found: list[tuple[str, str]] = []
    if session.edition:
        found.append(("Edition", _EDITIONS.get(session.edition, session.edition)))
    for name, value in (
        ("Service", session.service),
        ("Control", session.control),
        ("Authorization", session.authorization),
    ):
        if value:
            found.append((name, value))
    if session.began is not None and session.ended is not None:
        found.append(("Lasted", _lasted(session.ended - session.began)))
    found.append(("Exchanges", number(session.exchanges)))
    if session.charged_wh:
        found.append(("Energy charged", f"{number(round(session.charged_wh / 1000.0, 3))} kWh"))
    if session.discharged_wh and session.discharged_wh > 1.0:
        found.append(("Energy given back", f"{number(round(session.discharged_wh / 1000.0, 3))} kWh"))
    if session.metered_wh:
        found.append(("Metered", f"{number(round(session.metered_wh / 1000.0, 3))} kWh"))
    for key, name, scale, unit in (
        (("secc W", "measured"), "Peak power", 1000.0, "kW"),
        (("secc A", "measured"), "Peak current", 1.0, "A"),
        (("secc V", "measured"), "Highest voltage", 1.0, "V"),
    ):
        series = session.series.get(key)
        if series is not None and series.values:
            found.append((name, f"{number(round(max(series.values) / scale, 2))} {unit}"))
    soc = session.series.get((f"evcc {SOC}", "measured"))
    if soc is not None and soc.values:
        found.append(("State of charge", f"{number(soc.values[0])} → {number(soc.values[-1])} %"))
    tiles = "".join(
        f"<div class=tile><span>{text(name)}</span><b>{text(value)}</b></div>" for name, value in found
    )
    return f"<div class=tiles>{tiles}</div>"


_EDITIONS: Final = {"iso20": "ISO 15118-20", "iso2": "ISO 15118-2", "din": "DIN 70121"}


def _lasted(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 300.0 else f"{seconds / 60.0:.1f} min"


def _charts(session: Session, axis: TimeAxis) -> str:
    end = axis.first + axis.span
    parts = [lanes(session.states, axis, end)]
    near = _before_the_longest(session, axis)
    for title, unit in _CHARTS:
        rows = _rows(session, unit)
        if rows:
            scaled = [_in_kilo(one) for one in rows] if unit == "W" else rows
            parts.append(chart(title, "kW" if unit == "W" else unit, scaled, axis))
    if near is not None:
        parts.append(f"<h4>The beginning of it</h4>{lanes(session.states, near, end)}")
    parts.append(_value_table(session, axis))
    return f"<h3>States, values, set-points and limits</h3><div class=card>{''.join(parts)}</div>"


def _before_the_longest(session: Session, axis: TimeAxis) -> TimeAxis | None:
    """Up to the state that fills nearly all of the drawing, and a little into it; None if there is
    none, or nothing before it."""
    spans = next(iter(session.states.values()))
    for place, span in enumerate(spans):
        until = spans[place + 1].began if place + 1 < len(spans) else axis.first + axis.span
        before = span.began - axis.first
        if until - span.began > 0.6 * axis.span and before > 0.0:
            return TimeAxis(axis.first, span.began + 0.1 * before)
    return None


def _rows(session: Session, unit: str) -> list[Series]:
    rows = [one for one in session.series.values() if one.unit == unit and one.values and one.kind in _ORDER]
    if not any(one.kind.startswith(("measured", "target")) for one in rows):
        return []
    # The least that is allowed says little beside the rest.
    return sorted(
        (one for one in rows if one.kind != "least"), key=lambda one: (_ORDER.index(one.kind), one.side)
    )


def _in_kilo(one: Series) -> Series:
    scaled = Series(one.side, "kW", one.kind, one.name)
    for t, value in zip(one.times, one.values, strict=True):
        scaled.add(t, value / 1000.0)
    return scaled


def _value_table(session: Session, axis: TimeAxis) -> str:
    keys: list[Any] = [
        ("secc V", "measured"),
        ("secc A", "measured"),
        ("secc W", "measured"),
        (f"evcc {SOC}", "measured"),
    ]
    shown = [session.series[key] for key in keys if key in session.series and session.series[key].values]
    if not shown:
        return ""
    lead = shown[0]
    count = len(lead.times)
    chosen = sorted(
        {round(index * (count - 1) / max(_ROWS - 1, 1)) for index in range(min(_ROWS, count))} | {count - 1}
    )
    rows = []
    for index in chosen:
        t = lead.times[index]
        rows.append([axis.text(t), *(_at(one, t) for one in shown)])
    titles = ("Time", *(f"{one.unit}" for one in shown))
    body = table(titles, rows, set(range(len(titles))))
    return (
        f"<details class=more><summary>As a table ({len(chosen)} of {count} values)</summary>{body}</details>"
    )


def _at(series: Series, t: float) -> str:
    from bisect import bisect_right

    place = bisect_right(series.times, t)
    return number(round(series.values[place - 1], 2)) if place else ""
