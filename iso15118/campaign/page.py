"""The results of a campaign as one page: a matrix of verdicts, and what there is to say about
each cell that did not pass.

It loads nothing and runs nothing, and says so to the browser; whatever came from a file or a peer is escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final

from iso15118 import __version__
from iso15118.campaign.results import VERDICTS, Result, Tally
from iso15118.trace.report.style import STYLE

__all__ = ["page"]

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_SEED: Final = "seed"
_MOST_COLUMNS: Final = 40
_TOLD: Final = 500
"""Cells that are told one by one."""
_SIGNS: Final = {"pass": "✓", "skipped": "-", "inconclusive": "?", "fail": "✗", "error": "!"}
_STYLE: Final = """
body { max-width: 1400px; } .matrix td, .matrix th { padding: 4px 10px; } .matrix td.v { text-align: center; white-space: nowrap; }
.pass { color: var(--good); } .fail, .error { color: var(--bad); font-weight: 600; } .skipped { color: var(--soft); }
.inconclusive { color: var(--ink); font-weight: 600; } td a { color: inherit; } .scroll { overflow-x: auto; }
"""


def page(tally: Tally, results: Sequence[Result]) -> str:
    """The page as text. ``results``: in the order of the cells."""
    told = [one for one in results if one.verdict not in ("pass", "skipped")][:_TOLD]
    body = [_head(tally), *_matrix(results, {one.cell for one in told}), *_told(told, results)]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(tally.name)}</title>'
        f"<style>{STYLE}{_STYLE}</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _head(tally: Tally) -> str:
    good = "good" if tally.exit_status == 0 else "bad"
    counts = ", ".join(f"{count} {verdict}" for verdict, count in tally.verdicts.items())
    return (
        f"<h1>{escape(tally.name)}</h1>"
        f'<p class="result {good}">{_SIGNS[tally.result]} {tally.result}: {tally.cells} cells, {counts}</p>'
        f'<p class="note">Written by iso15118-stack {escape(__version__)}. ✓ pass, ✗ fail, ? inconclusive, ! error, '
        "- can have no session.</p>"
    )


def _matrix(results: Sequence[Result], told: set[str]) -> Iterator[str]:
    """Rows by the values of all axes but the last one that has several, whose values are the
    columns; seeds are counted."""
    axes = [key for key in dict.fromkeys(key for one in results for key in one.axes) if key != _SEED]
    values = {key: list(dict.fromkeys(str(one.axes.get(key, "")) for one in results)) for key in axes}
    across = next((key for key in reversed(axes) if 1 < len(values[key]) <= _MOST_COLUMNS), None)
    if len(axes) == 1:
        across = None
    down = [key for key in axes if key != across]
    columns = values[across] if across is not None else [""]
    table: dict[tuple[str, ...], dict[str, list[Result]]] = {}
    for one in results:
        row = table.setdefault(tuple(str(one.axes.get(key, "")) for key in down), {})
        row.setdefault(str(one.axes.get(across, "")) if across is not None else "", []).append(one)
    figures = _figures(results) if across is None else []
    heads = [*down, *(f"{across} {value}" for value in columns if across is not None)]
    heads += ["verdict", *figures] if across is None else []
    yield '<h2>Matrix</h2><div class="scroll"><table class="matrix"><thead><tr>'
    yield "".join(f"<th>{escape(head)}</th>" for head in heads) + "</tr></thead><tbody>"
    for names, row in table.items():
        cells = "".join(f"<td>{escape(name)}</td>" for name in names)
        cells += "".join(_cell(row.get(column, []), told) for column in columns)
        first = next(iter(row.values()))[0]
        cells += "".join(f'<td class="number">{_plain(first.figures.get(key, ""))}</td>' for key in figures)
        yield f"<tr>{cells}</tr>"
    yield "</tbody></table></div>"


def _figures(results: Sequence[Result]) -> list[str]:
    """Those that stand in the table of results with one axis and one cell for each value."""
    if any(_SEED in one.axes for one in results):
        return []
    return list(dict.fromkeys(key for one in results for key in one.figures))[:8]


def _cell(results: Sequence[Result], told: set[str]) -> str:
    if not results:
        return '<td class="v"></td>'
    counted = Counter(one.verdict for one in results)
    worst = max(counted, key=VERDICTS.index)
    text = _SIGNS[worst] if len(results) == 1 else f"{_SIGNS[worst]} {counted[worst]}/{len(results)}"
    target = next((one.cell for one in results if one.verdict == worst and one.cell in told), None)
    if target is not None:
        text = f'<a href="#c{escape(target)}">{text}</a>'
    reasons = next((one.reasons for one in results if one.verdict == worst), ())
    return f'<td class="v {worst}" title="{escape("; ".join(reasons)[:300])}">{text}</td>'


def _told(told: Sequence[Result], results: Sequence[Result]) -> Iterator[str]:
    wrong = sum(one.verdict not in ("pass", "skipped") for one in results)
    if not told:
        return
    yield f"<h2>{wrong} cells that did not pass</h2>"
    if wrong > len(told):
        yield f'<p class="note">The first {len(told)} of them; the others are in results.jsonl.</p>'
    yield "<table><thead><tr><th>cell</th><th>verdict</th><th>why</th></tr></thead><tbody>"
    for one in told:
        axes = ", ".join(f"{key} {value}" for key, value in one.axes.items())
        why = "<br>".join(escape(reason[:2000]) for reason in one.reasons)
        yield (
            f'<tr id="c{escape(one.cell)}"><td>{escape(axes)}</td><td class="{escape(one.verdict)}">{escape(one.verdict)}</td>'
            f'<td class="wide">{why}</td></tr>'
        )
    yield "</tbody></table>"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{key} {count}" for key, count in value.items())
    return escape(str(value))
