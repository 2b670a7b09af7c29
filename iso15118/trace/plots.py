"""Drawings as inline SVG: a quantity over time, and the states of both sides as lanes. No scripts: what the pointer rests on
says its value by itself.

Numbers in, markup out; every text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from iso15118.trace.recorder import Series, StateSpan

__all__ = ["TimeAxis", "lanes", "number", "plain", "plot"]

WIDTH: Final = 960
LEFT: Final = 64
RIGHT: Final = 14
INSIDE: Final = WIDTH - LEFT - RIGHT
_HEIGHT: Final = 150
_TOP: Final = 10
_BOTTOM: Final = 24
_LANE: Final = 34
_POINTERS: Final = 120
"""Strips that say the value under the pointer."""
_LETTER: Final = 6.6  # width of a letter at the size of the labels


class TimeAxis:
    """Where a time of the protocol's clock is drawn: ``first`` at the left, ``last`` at the right, both in s."""

    def __init__(self, first: float, last: float) -> None:
        self.first = first
        self.span = max(last - first, 1e-3)
        minutes = self.span > 300.0
        self.unit, self._scale = ("min", 60.0) if minutes else ("s", 1.0)

    def x(self, time: float) -> float:
        """Horizontal position."""
        share = (time - self.first) / self.span
        return LEFT + INSIDE * min(max(share, 0.0), 1.0)

    def column(self, time: float, columns: int) -> int:
        """Which of so many columns of equal width the time falls into."""
        return min(max(int((time - self.first) / self.span * columns), 0), columns - 1)

    def text(self, time: float) -> str:
        """Time since the first message, in s."""
        return f"{max(time - self.first, 0.0):.2f} s"

    def draw(self, bottom: float) -> str:
        """Marks and their numbers."""
        parts = []
        for tick in ticks(0.0, self.span / self._scale, 8):
            x = self.x(self.first + tick * self._scale)
            parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom:.1f}"/>')
            label = f"{number(tick)} {self.unit}"
            parts.append(f'<text x="{x:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{label}</text>')
        return "".join(parts)


def plot(series: Series, axis: TimeAxis, *, steps: bool = False) -> str:
    """One quantity over time; ``steps``: the value holds until the next one. The scale always shows zero unless the unit is a voltage
    that stays far from it or a share."""
    low, high = _range(series)
    marks = ticks(low, high, 4)
    low, high = min(low, marks[0]), max(high, marks[-1])
    bottom = _HEIGHT - _BOTTOM
    scale = (bottom - _TOP) / (high - low)

    def y(value: float) -> float:
        return bottom - (value - low) * scale

    parts = [axis.draw(bottom)]
    for mark in marks:
        kind = "zero" if mark == 0.0 else "grid"
        parts.append(
            f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>'
        )
        parts.append(f'<text x="{LEFT - 8}" y="{y(mark) + 4:.1f}" text-anchor="end">{number(mark)}</text>')
    path: list[str] = []
    for time, value in _thinned(series, axis):
        x = axis.x(time)
        if not path:
            path.append(f"M{x:.1f} {y(value):.1f}")
        else:
            path.append(f"H{x:.1f}V{y(value):.1f}" if steps else f"L{x:.1f} {y(value):.1f}")
    parts.append(f'<path class="line" d="{"".join(path)}"/>')
    parts += _pointers(series, axis, bottom)
    label = escape(f"{series.name} in {series.unit} over time")
    return f'<svg viewBox="0 0 {WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def lanes(states: Sequence[tuple[str, Sequence[StateSpan]]], axis: TimeAxis, end: float) -> str:
    """A lane per role: each state from its beginning to the next one's."""
    parts, top = [], _TOP
    bottom = _TOP + _LANE * len(states)
    parts.append(axis.draw(bottom))
    for role, spans in states:
        parts.append(
            f'<text class="role" x="{LEFT - 8}" y="{top + 20}" text-anchor="end">{escape(role)}</text>'
        )
        for index, span in enumerate(spans):
            until = spans[index + 1].began if index + 1 < len(spans) else end
            if span.began > axis.first + axis.span or until < axis.first:
                continue
            left, right = axis.x(span.began), axis.x(max(until, span.began))
            width = max(right - left, 1.0)
            name = escape(plain(span.state))
            lasted = max(until - max(span.began, axis.first), 0.0)
            tip = f"{name}, from {axis.text(span.began)} for {lasted:.2f} s"
            parts.append(
                f'<rect class="state{index % 2}" x="{left:.1f}" y="{top + 4}" width="{width:.1f}" height="{_LANE - 10}" rx="2">'
                f"<title>{tip}</title></rect>"
            )
            if width > _LETTER * len(span.state) + 10.0:
                middle = left + width / 2.0
                parts.append(
                    f'<text class="in" x="{middle:.1f}" y="{top + 20}" text-anchor="middle">{name}</text>'
                )
        top += _LANE
    height = bottom + _BOTTOM
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="States over time">{"".join(parts)}</svg>'
    )


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


def _range(series: Series) -> tuple[float, float]:
    low, high = min(series.values), max(series.values)
    if series.unit == "V" and low > 0.5 * high:
        margin = max(0.05 * (high - low), 1.0)
        return low - margin, high + margin
    if series.unit == "%":
        return math.floor(low / 10.0) * 10.0, max(math.ceil(high / 10.0) * 10.0, low + 10.0)
    low, high = min(low, 0.0), max(high, 0.0)
    return (low, high * 1.05) if high > low else (low, low + 1.0)


def _thinned(series: Series, axis: TimeAxis) -> list[tuple[float, float]]:
    """Not more than four points per column of the drawing: its first, its least, its greatest and its last."""
    columns: dict[int, list[int]] = {}
    values = series.values
    for index, time in enumerate(series.times):
        kept = columns.setdefault(axis.column(time, INSIDE), [index, index, index, index])
        if values[index] < values[kept[1]]:
            kept[1] = index
        if values[index] > values[kept[2]]:
            kept[2] = index
        kept[3] = index
    indexes = sorted({index for kept in columns.values() for index in kept})
    return [(series.times[index], values[index]) for index in indexes]


def _pointers(series: Series, axis: TimeAxis, bottom: float) -> list[str]:
    """Invisible strips, each with the last value in it."""
    last: dict[int, int] = {}
    for index, time in enumerate(series.times):
        last[axis.column(time, _POINTERS)] = index
    width = INSIDE / _POINTERS
    return [
        f'<rect class="pointer" x="{LEFT + column * width:.1f}" y="{_TOP}" width="{width:.1f}" height="{bottom - _TOP:.0f}">'
        f"<title>{axis.text(series.times[index])}: {number(round(series.values[index], 3))} {escape(series.unit)}</title></rect>"
        for column, index in last.items()
    ]
