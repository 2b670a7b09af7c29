"""What came of a cell, as it is kept and told, and the count of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from iso15118.campaign.plan import Cell
from iso15118.campaign.work import Done

__all__ = ["VERDICTS", "Result", "Tally"]

VERDICTS: Final = ("pass", "skipped", "inconclusive", "fail", "error")
"""From the best to the worst."""
_STATUS: Final = {"pass": 0, "skipped": 0, "inconclusive": 6, "fail": 1, "error": 2}


class Result(Struct, frozen=True, kw_only=True):
    """A line of ``results.jsonl``."""

    cell: str
    """Id of the cell."""
    axes: dict[str, Any]
    verdict: str
    """``pass``, ``fail``, ``inconclusive``, ``error``, or ``skipped``: these values can have no session."""
    reasons: tuple[str, ...] = ()
    figures: dict[str, Any] = {}
    seconds: float = 0.0
    """How long it took, by the clock on the wall."""

    @classmethod
    def of(cls, cell: Cell, done: Done, seconds: float) -> Result:
        """What ``done`` says of ``cell``."""
        return cls(
            cell=cell.id,
            axes=cell.axes,
            verdict=done.verdict,
            reasons=done.reasons,
            figures=done.figures,
            seconds=round(seconds, 3),
        )

    @classmethod
    def left_out(cls, cell: Cell) -> Result:
        """Of a cell that can have no session."""
        return cls(cell=cell.id, axes=cell.axes, verdict="skipped", reasons=(cell.skipped,))


class Tally(Struct, frozen=True, kw_only=True):
    """All results of a campaign in figures."""

    name: str
    result: str
    """The worst verdict that there is; ``skipped`` counts as ``pass``."""
    cells: int
    verdicts: dict[str, int]
    results: str = ""
    """Path of the lines."""
    report: str = ""
    """Path of the page."""

    @classmethod
    def of(cls, name: str, results: Iterable[Result], *, lines: str = "", report: str = "") -> Tally:
        """Count them."""
        counted = Counter(one.verdict for one in results)
        worst = max(counted, key=VERDICTS.index, default="pass")
        return cls(
            name=name,
            result="pass" if worst == "skipped" else worst,
            cells=counted.total(),
            verdicts={one: counted[one] for one in VERDICTS if counted[one]},
            results=lines,
            report=report,
        )

    @property
    def exit_status(self) -> int:
        """0 if all pass, else 6 inconclusive, 1 a failure, 2 an error, by the worst of them."""
        return _STATUS[self.result]
