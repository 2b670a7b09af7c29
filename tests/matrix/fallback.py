"""The table of fall-backs: vehicle and station of every list of editions, with TLS and without, each pair a
cell of a campaign over TCP.

``python -m tests.matrix.fallback`` runs them all and writes ``docs/fallback.md``; exit status 1 if the
page was another one before.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from iso15118.campaign import Campaign, on_processes, plan
from iso15118.campaign.model import parse
from iso15118.campaign.work import Done, SessionWork, Work

__all__ = ["CONNECTIONS", "PAGE", "SIDES", "Cell", "campaign", "cell", "page"]

PAGE: Final = Path(__file__).parents[2] / "docs" / "fallback.md"
SIDES: Final = {
    "all": ("iso20", "iso2", "din"),
    "-20": ("iso20",),
    "-2": ("iso2",),
    "DIN": ("din",),
}
CONNECTIONS: Final = {"TLS": True, "plain": False}
"""Whether the two have certificates; without any nothing but the clear is left."""
Cell = tuple[str, str]
"""The edition that was spoken, and over which TLS or ``plain``; both empty where the two part without a
session, the second where only a laboratory has one."""


def campaign() -> Campaign:
    """Every pair over TCP, charged by a tenth of a percent."""
    return parse(
        {
            "campaign": {"name": "fall-back"},
            "session": {"transport": "tcp", "soc_start": 79.9},
            "matrix": {
                "tls": list(CONNECTIONS.values()),
                "evcc_editions": [list(one) for one in SIDES.values()],
                "secc_editions": [list(one) for one in SIDES.values()],
            },
        },
        Path(),
        "fall-back",
    )


def cell(work: Work, result: Done) -> Cell:
    """What the two came to speak. Raises RuntimeError where a session that began did not end as ordered."""
    if isinstance(work, SessionWork) and work.scenario.session.allows_plaintext:
        return "iso20", ""  # the loopback plays the laboratory there, and nobody else does
    edition = result.figures.get("edition", "")
    if result.verdict == "error" and not result.reasons[0].startswith(
        ("ConfigError", "LinkError", "TlsError")
    ):
        raise RuntimeError(f"{'; '.join(result.reasons)}")
    if result.verdict == "error" or not edition:
        return "", ""  # no connection, or none that either may use
    if result.verdict != "pass":
        raise RuntimeError(f"{'; '.join(result.reasons)}")
    return edition, result.figures["tls"] or "plain"


def page(cells: dict[tuple[str, str, str], Cell]) -> str:
    """The page with these cells, by vehicle, station and connection."""
    names = {"all": "-20, -2, DIN", "-20": "-20", "-2": "-2", "DIN": "DIN"}
    lines = [
        "# Fall-back between editions",
        "",
        "What a vehicle and a station come to speak, by the editions that each has. Every cell is a session over TCP that was run to",
        "its end by `python -m tests.matrix.fallback`, which writes this page. With certificates means those of every edition that has",
        "TLS. A dash: the two have nothing in common on that connection, and part before any session.",
    ]
    for connection, heading in (("TLS", "With certificates"), ("plain", "Without certificates")):
        lines += ["", f"## {heading}", ""]
        lines += ["| vehicle \\ station | " + " | ".join(names[one] for one in SIDES) + " |"]
        lines += ["|---" * (len(SIDES) + 1) + "|"]
        for car in SIDES:
            row = [_shown(cells[car, station, connection]) for station in SIDES]
            lines += [f"| {names[car]} | " + " | ".join(row) + " |"]
    return "\n".join(lines) + "\n"


def _shown(one: Cell) -> str:
    edition, secured = one
    if edition and not secured:
        return "- (in laboratories only)"
    words = {"iso20": "ISO 15118-20", "iso2": "ISO 15118-2", "din": "DIN 70121"}
    over = {"TLSv1.3": "TLS 1.3", "TLSv1.2": "TLS 1.2", "plain": "plain TCP"}
    return f"{words[edition]}, {over[secured]}" if edition else "-"


def main() -> int:
    """Run every pair and write the page."""
    cells: dict[tuple[str, str, str], Cell] = {}
    names = [(car, station, connection) for connection in CONNECTIONS for car in SIDES for station in SIDES]
    planned = plan(campaign())
    done = {one.id: result for one, result, _ in on_processes(2, longest_s=120.0)(planned)}
    for (car, station, connection), one in zip(names, planned, strict=True):
        assert one.work is not None
        cells[car, station, connection] = found = cell(one.work, done[one.id])
        print(f"{car} at {station}, {connection}: {found}", file=sys.stderr)
    text = page(cells)
    before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    PAGE.write_text(text, encoding="utf-8")
    return int(before not in ("", text))


if __name__ == "__main__":
    sys.exit(main())
