"""What the hardware of a side shows at one moment: direct current, the phases of an AC port and a coil, each
by itself.

What counts as none differs between them: a sensor of thousands of amperes shows a few where none flow, and at
an outlet that is a load. So each is judged by its own figure, and never the greatest of all by one.
"""

from __future__ import annotations

from msgspec import Struct

from iso15118.session import events as ev

__all__ = ["NothingBelow", "Present"]


class NothingBelow(Struct, frozen=True):
    """Below these nothing flows."""

    direct_a: float
    alternating_a: float
    coil_w: float


class Present(Struct, frozen=True):
    """Present values, of what there is."""

    direct: ev.PowerMeasured | ev.InletMeasured | None = None
    """None without a port of direct current."""
    alternating_a: float = 0.0
    """The greatest current of a phase, in A."""
    coil_w: float = 0.0
    """The power of a pad or a coil, in W."""

    def flows(self, nothing: NothingBelow) -> str:
        """What flows, in words; empty if nothing does. What is no number flows, too."""
        direct_a = 0.0 if self.direct is None else self.direct.current_a
        for value, least, unit in (
            (direct_a, nothing.direct_a, "A"),
            (self.alternating_a, nothing.alternating_a, "A"),
            (self.coil_w, nothing.coil_w, "W"),
        ):
            if not abs(value) < least:
                return f"{value:.0f} {unit} flow"
        return ""
