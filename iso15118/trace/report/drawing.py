"""Drawings: quantities over time as inline SVG that fits any width, and the states of both
sides as lanes, all on one axis.

Numbers in, markup out; every text is escaped. Labels are HTML beside the drawing, so that they stay readable
on a phone. What the pointer rests on says its values by itself, without a script.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from html import escape
from typing import Final

from iso15118.trace.entries import EVCC, SECC

from .model import Series, Span

__all__ = ["TimeAxis", "chart", "lanes", "number", "plain", "text", "ticks"]

WIDTH: Final = 1000
HEIGHT: Final = 100
_POINTERS: Final = 100
"""Strips that say the values under the pointer."""
_THIN: Final = 3.5
"""Percent of the width below which a state has no room for its name."""
SIDES: Final = {EVCC: "vehicle", SECC: "station"}


class TimeAxis:
    """Where a time is drawn: ``first`` at the left, ``last`` at the right, both in s.
    ``mark``: the moment of the cause."""

    def __init__(self, first: float, last: float, mark: float | None = None) -> None:
        self.first, self.mark = first, mark
        self.span = max(last - first, 1e-3)
        minutes = self.span > 300.0
        self.unit, self._scale = ("min", 60.0) if minutes else ("s", 1.0)

    def share(self, time: float) -> float:
        """0 at the left, 1 at the right."""
        return min(max((time - self.first) / self.span, 0.0), 1.0)

    def column(self, time: float, columns: int) -> int:
        """Which of so many columns of equal width the time falls into."""
        return min(int(self.share(time) * columns), columns - 1)

    def text(self, time: float) -> str:
        """Time since the first message, in s."""
        return f"{time - self.first:.3f} s"

    def marks(self) -> list[float]:
        """Round times, as shares of the width."""
        return [tick * self._scale / self.span for tick in ticks(0.0, self.span / self._scale, 8)]

    def labels(self) -> str:
        """The line of numbers below a drawing."""
        found = ticks(0.0, self.span / self._scale, 8)
        parts = []
        for place, tick in enumerate(found):
            share = tick * self._scale / self.span
            kinds = ["odd"] if place % 2 else []
            kinds += ["first"] if share < 0.02 else ["last"] if share > 0.97 else []
            unit = f" {self.unit}" if place in (0, len(found) - 1) or place % 2 == 0 else ""
            parts.append(
                f'<span class="{" ".join(kinds)}" style="left:{share:.2%}">{number(tick)}{unit}</span>'
            )
        return f'<div></div><div class="axis">{"".join(parts)}</div>'


def chart(title: str, unit: str, rows: Sequence[Series], axis: TimeAxis) -> str:
    """One unit over time, of both sides: what is measured, asked for and allowed."""
    low, high = _range(unit, rows)
    marks = ticks(low, high, 4)
    low, high = min(low, marks[0]), max(high, marks[-1])

    def y(value: float) -> float:
        return HEIGHT - (min(max(value, low), high) - low) / (high - low) * HEIGHT

    parts = [
        f'<line class="grid" x1="{at * WIDTH:.1f}" x2="{at * WIDTH:.1f}" y1="0" y2="{HEIGHT}"/>'
        for at in axis.marks()
    ]
    labels = []
    for mark in marks:
        kind = "zero" if mark == 0.0 else "grid"
        parts.append(f'<line class="{kind}" x1="0" x2="{WIDTH}" y1="{y(mark):.2f}" y2="{y(mark):.2f}"/>')
        labels.append(f'<span style="top:{y(mark) / HEIGHT:.2%}">{number(mark)}</span>')
    if axis.mark is not None:
        at = axis.share(axis.mark) * WIDTH
        parts.append(f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{HEIGHT}"/>')
    for one in rows:
        path = _path(one, axis, y)
        parts.append(f'<path class="{_classes(one)}" d="{path}"/>')
    parts += _pointers(unit, rows, axis)
    legend = "".join(f"<span>{_sample(one)}{escape(_name(one))}</span>" for one in rows)
    label = escape(f"{title} in {unit} over time")
    return (
        f"<h4>{escape(title)} <small>{escape(unit)}</small></h4>"
        f'<div class="legend">{legend}</div>'
        f'<div class="chart"><div class="y">{"".join(labels)}</div><div class="plot">'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{label}">{"".join(parts)}</svg></div>'
        f"{axis.labels()}</div>"
    )


def lanes(states: dict[str, list[Span]], axis: TimeAxis, end: float) -> str:
    """A lane per role: each state from its beginning to the next one's."""
    parts = []
    for role in (EVCC, SECC):
        spans = states.get(role)
        if not spans:
            continue
        lane = []
        for index, span in enumerate(spans):
            until = spans[index + 1].began if index + 1 < len(spans) else end
            left, right = axis.share(span.began), axis.share(max(until, span.began))
            if right <= 0.0 or left >= 1.0:
                continue
            name, width = text(span.state), 100.0 * (right - left)
            tip = f"{name}, from {axis.text(span.began)} for {max(until - span.began, 0.0):.2f} s"
            kinds = ["odd"] if index % 2 else []
            kinds += ["thin"] if width < _THIN else []
            shown = "" if width < _THIN else name
            lane.append(
                f'<span class="{" ".join(kinds)}" style="left:{left:.2%};width:{width:.2f}%" title="{tip}">{shown}</span>'
            )
        mark = "" if axis.mark is None else f'<i style="left:{axis.share(axis.mark):.2%}"></i>'
        parts.append(
            f'<div class="name">{role.upper()}</div><div class="lane {role}">{"".join(lane)}{mark}</div>'
        )
    return f'<div class="chart lanes">{"".join(parts)}{axis.labels()}</div>' if parts else ""


def _classes(one: Series) -> str:
    return f"{one.side} {one.kind.split()[0]}"


def _name(one: Series) -> str:
    kinds = {"measured": "measured", "target": "set-point", "limit": "limit", "least": "least"}
    kind, _, rest = one.kind.partition(" ")
    return f"{SIDES.get(one.side, one.side)} {kinds.get(kind, kind)}{f' ({rest})' if rest else ''}"


def _sample(one: Series) -> str:
    return f'<svg viewBox="0 0 26 8" aria-hidden="true"><path class="{_classes(one)}" d="M1 4H25"/></svg>'


def _path(one: Series, axis: TimeAxis, y: Callable[[float], float]) -> str:
    steps = not one.kind.startswith("measured")
    path: list[str] = []
    for time, value in _thinned(one, axis):
        x, at = axis.share(time) * WIDTH, y(value)
        if not path:
            path.append(f"M{x:.1f} {at:.1f}")
        else:
            path.append(f"H{x:.1f}V{at:.1f}" if steps else f"L{x:.1f} {at:.1f}")
    return "".join(path)


def _pointers(unit: str, rows: Sequence[Series], axis: TimeAxis) -> list[str]:
    """Invisible strips, each with the last values in it."""
    parts, width = [], WIDTH / _POINTERS
    for column in range(_POINTERS):
        until = axis.first + (column + 1) * axis.span / _POINTERS
        said = []
        for one in rows:
            place = bisect_right(one.times, until)
            if place:
                said.append(f"{_name(one)} {number(round(one.values[place - 1], 3))} {unit}")
        if said:
            tip = escape(f"{axis.text(until)}: " + "; ".join(said))
            parts.append(
                f'<rect class="pointer" x="{column * width:.1f}" y="0" width="{width:.1f}" height="{HEIGHT}"><title>{tip}</title></rect>'
            )
    return parts


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers from ``low`` to ``high``, about that many."""
    span = max(high - low, 1e-9)
    raw = span / about
    size: float = 10.0 ** math.floor(math.log10(raw))
    step = size * next(factor for factor in (1.0, 2.0, 5.0, 10.0) if raw <= size * factor * (1.0 + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def number(value: float) -> str:
    """A number for people: no more digits than it has, thousands kept apart."""
    return f"{value:,.6g}".replace(",", "\N{NARROW NO-BREAK SPACE}") if abs(value) < 1e6 else f"{value:.4g}"


def plain(text: str) -> str:
    """Text without control characters, which have no place in a page."""
    return "".join(
        letter if letter.isprintable() or letter == " " else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def text(value: object) -> str:
    """Anything, as text of the page."""
    return escape(plain(str(value)))


def _range(unit: str, rows: Sequence[Series]) -> tuple[float, float]:
    low = min(min(one.values) for one in rows)
    # A limit of a megawatt above a charge of ten kilowatts would make a flat line of
    # it: it is drawn at the edge.
    main = [one for one in rows if one.kind in ("measured", "target")] or list(rows)
    most = max(max(one.values) for one in main)
    high = max(max(one.values) for one in rows)
    high = min(high, 2.0 * most) if most > 0.0 else high
    if unit == "V" and min(min(one.values) for one in main) > 0.5 * high:
        margin = max(0.05 * (high - low), 1.0)
        return low - margin, high + margin
    if unit == "%":
        return math.floor(low / 10.0) * 10.0, max(
            math.ceil(high / 10.0) * 10.0, math.floor(low / 10.0) * 10.0 + 10.0
        )
    low, high = min(low, 0.0), max(high, 0.0)
    return (low, high * 1.05) if high > low else (low, low + 1.0)


def _thinned(series: Series, axis: TimeAxis) -> list[tuple[float, float]]:
    """Not more than four points per column of the drawing: its first, its least,
    its greatest and its last."""
    columns: dict[int, list[int]] = {}
    values = series.values
    for index, time in enumerate(series.times):
        kept = columns.setdefault(axis.column(time, WIDTH // 2), [index, index, index, index])
        if values[index] < values[kept[1]]:
            kept[1] = index
        if values[index] > values[kept[2]]:
            kept[2] = index
        kept[3] = index
    indexes = sorted({index for kept in columns.values() for index in kept})
    return [(series.times[index], values[index]) for index in indexes]
