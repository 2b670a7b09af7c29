"""The report of a session: one page that needs nothing else, to be read by a person.

It loads nothing and runs nothing, and says so to the browser; whatever came from a peer is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any, Final

from iso15118 import __version__

from .plots import TimeAxis, lanes, number, plain, plot
from .recorder import Recorder, Series, StateSpan
from .style import STYLE

__all__ = ["report"]

_ROWS: Final = 60
"""Lines of the table of values."""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_TILES: Final = (
    ("Energy charged", "energy_charged_kwh", "kWh"),
    ("Energy given back", "energy_discharged_kwh", "kWh"),
    ("Peak power", "peak_power_kw", "kW"),
    ("Peak current", "peak_current_a", "A"),
    ("Highest voltage", "max_voltage_v", "V"),
    ("Energy flowed for", "transfer_seconds", "s"),
    ("Session", "session_seconds", "s"),
    ("Exchanges", "exchanges", ""),
)


def report(recorder: Recorder, summary: Mapping[str, Any], *, failure: str = "") -> str:
    """The page as text. ``summary``: whatever there is to say, nested or not; the keys of the loopback's summary are shown first.
    ``failure``: why there is none."""
    first = recorder.first if recorder.first is not None else 0.0
    axis = TimeAxis(first, recorder.last)
    body = [
        _head(summary, failure),
        _states(recorder, axis),
        _values(recorder, axis, summary),
        _messages(recorder, axis),
        _summary(summary),
        f'<p class="note">Written by iso15118-stack {escape(__version__)}. Times are the protocol\'s clock, from the first message on.</p>',
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Charging session</title>'
        f"<style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body></html>\n"
    )


def _head(summary: Mapping[str, Any], failure: str) -> str:
    what = [str(summary[key]) for key in ("edition", "service", "control", "transport") if summary.get(key)]
    good = summary.get("result") == "ok" and not failure
    detail = failure or str(summary.get("detail") or "")
    verdict = "✓ as asked" if good else "✗ failed"
    by = summary.get("ended_by")
    ended = f", ended by {_text(by)} ({_text(summary.get('end_reason', ''))})" if by else ""
    lines = [
        f"<h1>Charging session</h1><p>{_text(' · '.join(what))}</p>",
        f'<p class="result {"good" if good else "bad"}">{verdict}{ended}</p>',
    ]
    if detail:
        lines.append(f"<p>{_text(detail)}</p>")
    tiles = [
        f"<div class=tile><span>{label}</span><b>{_number(summary[key])}</b> {unit}</div>"
        for label, key, unit in _TILES
        if isinstance(summary.get(key), int | float) and (summary[key] or key != "energy_discharged_kwh")
    ]
    if {"soc_start", "soc_end"} <= summary.keys():
        soc = f"{_number(summary['soc_start'])} → {_number(summary['soc_end'])}"
        tiles.insert(0, f"<div class=tile><span>State of charge</span><b>{soc}</b> %</div>")
    return "".join(lines) + (f"<div class=tiles>{''.join(tiles)}</div>" if tiles else "")


def _states(recorder: Recorder, axis: TimeAxis) -> str:
    roles = [(role.upper(), spans) for role, spans in recorder.states.items() if spans]
    if not roles:
        return ""
    drawing = lanes(roles, axis, recorder.last)
    if (near := _before_the_longest(roles[0][1], axis)) is not None:
        drawing += f"<h3>The beginning of it</h3>{lanes(roles, near, recorder.last)}"
    rows = [[role, _text(span.state), axis.text(span.began)] for role, spans in roles for span in spans]
    table = _table(("Side", "State", "Entered"), rows, numbers={2})
    return f"<h2>States</h2><div class=card>{drawing}<details><summary>As a table</summary>{table}</details></div>"


def _before_the_longest(spans: Sequence[StateSpan], axis: TimeAxis) -> TimeAxis | None:
    """Up to the state that fills nearly all of the drawing, and a little into it; None if there is none, or nothing before it."""
    for span, following in pairwise(spans):
        before = span.began - axis.first
        if following.began - span.began > 0.8 * axis.span and before > 0.0:
            return TimeAxis(axis.first, span.began + 0.1 * before)
    return None


def _values(recorder: Recorder, axis: TimeAxis, summary: Mapping[str, Any]) -> str:
    shown = [
        (recorder.voltage, "at the station's output, as the station reports it", False),
        (recorder.current, "as the station reports it; negative: given back", False),
        (recorder.power, "voltage times current of the same message", False),
        (recorder.soc, "as the vehicle reports it, in whole percent", True),
    ]
    parts = []
    for series, source, steps in shown:
        if not series.times:
            continue
        low, high = number(round(min(series.values), 1)), number(round(max(series.values), 1))
        caption = f"{series.unit}, {low} to {high}; {source}"
        parts.append(
            f"<h3>{series.name} <small>{escape(caption)}</small></h3>{plot(series, axis, steps=steps)}"
        )
    if not parts:
        return ""
    note = ""
    if (scale := summary.get("hardware_time_scale")) and scale != 1.0:
        note = f'<p class="note">The simulated hardware ran {_number(scale)} times as fast as this clock.</p>'
    table = _value_table(recorder, axis)
    return f"<h2>Voltage, current, power, state of charge</h2>{note}<div class=card>{''.join(parts)}{table}</div>"


def _value_table(recorder: Recorder, axis: TimeAxis) -> str:
    count = len(recorder.current.times)
    if not count:
        return ""
    chosen = sorted(
        {round(index * (count - 1) / max(_ROWS - 1, 1)) for index in range(min(_ROWS, count))} | {count - 1}
    )
    rows = []
    soc = _At(recorder.soc)
    volts = _At(recorder.voltage)
    for index in chosen:
        time = recorder.current.times[index]
        values = volts(time), recorder.current.values[index], recorder.power.values[index], soc(time)
        rows.append(
            [axis.text(time), *("" if value is None else number(round(value, 2)) for value in values)]
        )
    table = _table(("Time", "V", "A", "kW", "%"), rows, numbers={0, 1, 2, 3, 4})
    return f"<details><summary>As a table ({len(chosen)} of {count} values)</summary>{table}</details>"


def _messages(recorder: Recorder, axis: TimeAxis) -> str:
    rows = []
    for run in recorder.exchanges:
        codes = ", ".join(
            code if count == 1 else f"{code} \N{MULTIPLICATION SIGN}{count}"
            for code, count in run.codes.items()
        )
        if run.requests > run.answers:
            codes = f"{codes}; {run.requests - run.answers} without an answer".removeprefix("; ")
        times = axis.text(run.began), f"{run.ended - run.began:.2f} s"
        rows.append([times[0], times[1], _text(run.name), number(run.requests), _text(codes)])
    table = _table(("From", "For", "Exchange", "Requests", "Response codes"), rows, numbers={0, 1, 3})
    more = (
        f'<p class="note">{recorder.left_out} further messages are in session.jsonl.</p>'
        if recorder.left_out
        else ""
    )
    return f"<h2>Messages</h2><div class=card>{table}{more}</div>"


def _summary(summary: Mapping[str, Any]) -> str:
    if not summary:
        return ""
    rows = [[_text(key), _text(value)] for key, value in _flat(summary)]
    return f"<h2>Summary</h2><div class=card>{_table(('Key', 'Value'), rows, numbers=set())}</div>"


class _At:
    """The last value of a series at or before a time; the times asked for never go back."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._next = 0

    def __call__(self, time: float) -> float | None:
        while self._next < len(self._series.times) and self._series.times[self._next] <= time:
            self._next += 1
        return self._series.values[self._next - 1] if self._next else None


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{prefix}{key}.")
        elif isinstance(inner, list | tuple):
            yield f"{prefix}{key}", ", ".join(map(str, inner)) or "none"
        else:
            yield f"{prefix}{key}", "none" if inner is None or inner == "" else str(inner)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: set[int]) -> str:
    """Cells are markup already."""

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f'<{tag} class="{"number" if index in numbers else "wide"}">{cell}</{tag}>'
            for index, cell in enumerate(row)
        )

    lines = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', titles)}</tr></thead><tbody>{lines}</tbody></table>"


def _text(value: object) -> str:
    return escape(plain(str(value)))


def _number(value: float) -> str:
    return number(round(value, 2))
