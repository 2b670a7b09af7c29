"""What came of the turns: the ratios that are aimed at, as figures, and a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct
from rich.table import Table

from benchmarks.figure import Figure
from benchmarks.machine import machine

from .rounds import Taken, Verb

__all__ = ["Row", "table"]

_LONG_BYTES = 1_000
"""From here on a message is mostly certificates, which have aims of their own."""
_HEADINGS = ("libcbv2g ns", "engine ns", "ratio", "objects ns", "ratio", "Java ms", "ratio", "met")
_CAPTION = """\
engine: without Python, to a builder that keeps nothing and from borrowed values; objects: to and from Python objects; \
Java: to and from Python objects by the PyPI package iso15118. Times are the least of the rounds; ratios: of engine \
and objects to libcbv2g the median over the rounds, of Java to objects that of the times."""


class Row(Struct, frozen=True):
    """A message one way."""

    name: str
    size: int
    """Octets."""
    verb: Verb
    taken: Mapping[str, Taken]
    """By the name of the codec."""

    def ratio(self, one: str, other: str) -> float | None:
        """Of two codecs; None where one of them is missing."""
        if one not in self.taken or other not in self.taken:
            return None
        if one == "java":
            # They did not take turns.
            return self.taken[one].least / self.taken[other].least
        return self.taken[one].ratio(self.taken[other])

    def figures(self) -> Iterator[Figure]:
        """The ratios that are aimed at, where both codecs are there."""
        long = self.size >= _LONG_BYTES
        loop = "Loop" in self.name or "CurrentDemand" in self.name
        aims = {
            ("engine", "libcbv2g"): 0.2 if long else 1.0,
            ("objects", "libcbv2g"): 1.0 if long else 3.0 if loop else None,
            ("java", "objects"): 500.0,
        }
        for (one, other), aim in aims.items():
            ratio = self.ratio(one, other)
            if ratio is None:
                continue
            yield Figure(
                figure=f"exi-{self.verb}-{one}-to-{other}",
                case=self.name,
                value=ratio,
                unit="ratio",
                aim=aim,
                more_is_better=one == "java",
                details={
                    "size_bytes": self.size,
                    **{f"{codec}_least_ns": self.taken[codec].least for codec in (one, other)},
                    **{f"{codec}_median_ns": self.taken[codec].median for codec in (one, other)},
                    "rounds": len(self.taken[one].rounds),
                },
            )

    def cells(self) -> list[str]:
        """The line of the table."""
        first = self.verb == "decode"
        return [
            self.name if first else "",
            str(self.size) if first else "",
            self.verb,
            self._least("libcbv2g"),
            self._least("engine"),
            self._ratio("engine", "libcbv2g", 2),
            self._least("objects"),
            self._ratio("objects", "libcbv2g", 2),
            self._least_ms("java"),
            self._ratio("java", "objects", 0),
            "no" if any(figure.aim_met is False for figure in self.figures()) else "yes",
        ]

    def _least(self, codec: str) -> str:
        return f"{self.taken[codec].least:,.0f}" if codec in self.taken else ""

    def _least_ms(self, codec: str) -> str:
        return f"{self.taken[codec].least / 1e6:,.1f}" if codec in self.taken else ""

    def _ratio(self, one: str, other: str, digits: int) -> str:
        ratio = self.ratio(one, other)
        return "" if ratio is None else f"{ratio:,.{digits}f}"


def table(rows: list[Row]) -> Table:
    """All of it, with the machine it comes from."""
    where = machine()
    title = f"{where.cpu}, one core, {where.system}, {where.python}"
    made = Table(title=title, caption=_CAPTION, caption_justify="left")
    made.add_column("message", no_wrap=True, min_width=23)
    for heading in ("bytes", "", *_HEADINGS):
        made.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        made.add_row(*row.cells())
    return made
