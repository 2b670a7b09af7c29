"""``python -m benchmarks [FIGURES] [--quick]``: JSON lines on stdout, a table for people on stderr.
``compare`` sets them beside those of another commit."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module

from rich.console import Console
from rich.table import Table

from . import compare, older
from .figure import QUICK, Figure, Scale

PARTS: dict[str, str] = {
    "exi": "exi_messages",
    "loop": "charge_loop",
    "network": "network",
    "currentdemand": "current_demand",
    "handshake": "handshake",
    "memory": "resident",
    "start": "start",
    "virtual": "virtual_charge",
    "size": "size",
    "decode": "decode",
    "schedules": "schedules",
}
"""Where each part is; loaded when it is run, since an older tree may not have what another part needs."""


def _part(name: str) -> Callable[[Scale], Iterator[Figure]]:
    run: Callable[[Scale], Iterator[Figure]] = import_module(f".{PARTS[name]}", __package__).run
    return run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 if a part failed, which does not keep the others from running."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["compare"]:
        return compare.main(given[1:], tuple(PARTS))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; all by default")
    parser.add_argument(
        "--quick", action="store_true", help="run everything once or so: the figures mean nothing"
    )
    options = parser.parse_args(given)
    older.find()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; one of {', '.join(PARTS)}")
    scale = QUICK if options.quick else Scale()
    figures: list[Figure] = []
    failed = 0
    for name in options.parts or PARTS:
        try:
            for figure in _part(name)(scale):
                print(figure.line(), flush=True)
                figures.append(figure)
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
            failed = 1
    if figures:
        console = Console(stderr=True, width=None if sys.stderr.isatty() else 120)
        console.print(_table(figures, quick=options.quick))
    return failed


def _table(figures: Sequence[Figure], *, quick: bool) -> Table:
    where = figures[0].machine
    title = f"{where.cpu}, {where.cores} cores, {where.system}, {where.python}, {where.openssl}"
    table = Table(title=f"quick run, no measurement; {title}" if quick else title)
    for heading in ("figure", "case"):
        table.add_column(heading)
    for heading in ("value", "aim"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("met")
    for figure in figures:
        sign = "≥" if figure.more_is_better else "≤"
        table.add_row(
            figure.figure,
            figure.case,
            f"{figure.value:,.{_digits(figure.value)}f} {figure.unit}",
            "" if figure.aim is None else f"{sign} {figure.aim:,g}",
            {None: "", True: "yes", False: "no"}[figure.aim_met],
        )
    return table


def _digits(value: float) -> int:
    return 0 if value >= 100.0 else 1 if value >= 10.0 else 2


if __name__ == "__main__":
    sys.exit(main())
