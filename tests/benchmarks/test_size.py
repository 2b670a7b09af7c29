"""The package stays small: the wheel below 6 MB even with the TLS library in it, the tables
of all sets below 400 kB."""

from __future__ import annotations

from benchmarks import size
from benchmarks.figure import QUICK
from iso15118 import exi


def test_the_wheel_and_the_tables_are_as_small_as_promised() -> None:
    figures = {figure.figure: figure for figure in size.run(QUICK)}
    wheel, tables = figures["wheel-size"], figures["tables-size"]
    assert wheel.aim == 6.0
    assert wheel.aim_met, wheel.details
    assert tables.aim == 400.0
    assert tables.aim_met, tables.details
    assert tables.details["sets"] == len(exi.SCHEMAS)
