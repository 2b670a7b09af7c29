"""Results for people and for programs: a summary as a small table, JSON on one line, progress on stderr.

Data goes to stdout and everything else to stderr; colours and bars only where a
terminal is (rich honours NO_COLOR).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from iso15118.cli.terminal import print_json
from iso15118.printable import escaped

if TYPE_CHECKING:
    from iso15118.loopback import LoopbackSummary
    from iso15118.loopback.cost import RunCost

__all__ = ["print_json", "print_summary", "progress_bar"]


@contextmanager
def progress_bar(start: float, target: float, *, wanted: bool) -> Iterator[Callable[[float], None]]:
    """A bar on stderr from one state of charge to another, in percent; nothing
    unless stderr is a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not (wanted and console.is_terminal):
        yield lambda soc: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("charging"),
        BarColumn(),
        TextColumn("{task.fields[soc]:.1f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("charging", total=target - start, soc=start)
        yield lambda soc: progress.update(task, completed=max(0.0, soc - start), soc=soc)


def print_summary(summary: LoopbackSummary) -> None:
    """Who, by which protocol, how protected, how much energy, and how it ended."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    ok = summary.result == "ok"
    result = Text("ok" if ok else "failed", style="green" if ok else "red")
    table.add_row("result", result.append("" if ok else f": {escaped(summary.detail)}", style="default"))
    for name, text in _rows(summary):
        table.add_row(name, Text(escaped(text)))
    Console(highlight=False).print(table)


def _schedule(cost: RunCost) -> str:
    """Which one was taken, and what it cost."""
    said = f"{cost.schedule_id} of {cost.schedules}, {cost.wish}"
    if cost.total is None:
        return f"{said}; no prices in money"
    planned = "" if cost.planned is None else f", {cost.planned:.2f} expected"
    return f"{said}; {cost.total:.2f} {cost.currency} by the meter{planned}, prices {cost.prices}"


_EDITIONS = {"iso20": "ISO 15118-20", "iso2": "ISO 15118-2", "din": "DIN 70121"}


def _rows(summary: LoopbackSummary) -> Iterator[tuple[str, str]]:
    who = {"evcc": "the vehicle", "secc": "the station", "link": "neither side: the link was lost"}
    yield "who", f"simulated vehicle and station {summary.station!r} over {summary.transport}"
    edition = _EDITIONS.get(summary.edition, "no edition in common")
    yield "protocol", f"{edition}, service {summary.service}, {summary.control} control, {summary.auth}"
    if summary.sdp is not None:
        yield "discovery", summary.sdp
    if summary.emaid:
        installed = ", installed in this session" if summary.contracts_installed else ""
        yield "contract", f"{summary.emaid}{installed}"
    yield "TLS", _tls(summary)
    energy = f"{summary.energy_charged_kwh:.2f} kWh charged"
    if summary.energy_discharged_kwh:
        energy += f", {summary.energy_discharged_kwh:.2f} kWh given back"
    yield "energy", energy
    power = f"{summary.peak_power_kw:.1f} kW and {summary.peak_current_a:.1f} A at most"
    if summary.peak_discharge_power_kw:
        power += f"; {summary.peak_discharge_power_kw:.1f} kW back"
    yield "power", power
    yield "voltage", f"{summary.max_voltage_v:.1f} V at most"
    yield "state of charge", f"{summary.soc_start:.1f} % to {summary.soc_end:.1f} %"
    yield "time", _time(summary)
    if summary.setup_seconds is not None:
        yield "set-up", _setup(summary)
    if summary.cost is not None:
        yield "schedule", _schedule(summary.cost)
    yield "messages", f"{summary.exchanges} exchanges, {summary.charge_loops} of them charge loops"
    yield "ended by", f"{who[summary.ended_by]} ({summary.end_reason})"


def _tls(summary: LoopbackSummary) -> str:
    tls = summary.tls
    if tls is None:
        return (
            "none: the memory transport has no network"
            if summary.transport == "memory"
            else "none, as asked: plaintext"
        )
    client = "with client certificate" if tls.client_certificate else "without client certificate"
    deviations = f"; deviates from -20: {', '.join(tls.deviations)}" if tls.deviations else ""
    return f"{tls.version}, {tls.cipher}, {tls.group}, {tls.signature}, {client}{deviations}"


def _time(summary: LoopbackSummary) -> str:
    flow = f"energy for {_duration(summary.transfer_seconds)} of {_duration(summary.session_seconds)}"
    if summary.hardware_time_scale != 1.0:
        hardware = _duration(summary.hardware.transfer_seconds)
        flow += f" (hardware {summary.hardware_time_scale:.0f} times as fast: {hardware} of its time)"
    return f"{flow}, run in {summary.wall_seconds:.1f} s"


def _setup(summary: LoopbackSummary) -> str:
    energy = f"{summary.setup_seconds:.2f} s"
    if summary.link_seconds is None:
        return f"energy after {energy}"
    name = {"slac": "SLAC", "spe": "10BASE-T1S"}[summary.link]
    return f"plug-in to data link ({name}) {summary.link_seconds:.2f} s, to energy {energy}"


def _duration(seconds: float) -> str:
    return f"{seconds / 60.0:.1f} min" if seconds >= 120.0 else f"{seconds:.1f} s"
