"""``iso15118 campaign``: a matrix of sessions, fuzzing rounds or captures, on processes or a cluster, gone
on with where it stopped."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iso15118.campaign import Journal, Tally, carry_out, on_dask, on_processes, page, plan, read
from iso15118.cli.show import print_json
from iso15118.cli.terminal import echo
from iso15118.errors import ConfigError
from iso15118.files import write_whole

if TYPE_CHECKING:
    from iso15118.campaign import Cell, Result

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def campaign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The campaign, as TOML.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for results.jsonl and matrix.html (default: campaign-NAME here)."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Processes (default: one for each core).")
    ] = None,
    dask: Annotated[
        str | None, typer.Option(help="Scheduler of a Dask cluster instead, tcp://host:8786.")
    ] = None,
    afresh: Annotated[
        bool, typer.Option("--afresh", help="Remove the results that are there, and begin again.")
    ] = False,
    only_plan: Annotated[
        bool, typer.Option("--plan", help="Print the cells, one line each, and run none.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run a matrix of cells and judge each: exit status 0 if all pass, 1 a
    failure, 6 inconclusive, 2 an error.

    The same command goes on with a campaign that was interrupted: what is in results.jsonl is not done again.
    """
    if dask is not None and workers is not None:
        raise ConfigError(
            "--workers", "--dask was given too", "one of them: a cluster has workers of its own"
        )
    ordered = read(file)
    cells = plan(ordered)
    if only_plan:
        _print_plan(cells, as_json=as_json)
        return
    folder = out or Path(f"campaign-{file.stem}")
    longest = ordered.head.longest_s
    runner = (
        on_dask(dask, longest_s=longest)
        if dask is not None
        else on_processes(workers or len(os.sched_getaffinity(0)), longest_s=longest)
    )
    with Journal(folder, ordered.head.name, afresh=afresh) as journal:
        there = sum(cell.id in journal.found for cell in cells)
        if there:
            echo(
                f"iso15118: {there} of {len(cells)} cells are in {journal.path}, and are not done again",
                err=True,
            )
        with _progress(cells, journal) as told:
            results = carry_out(cells, journal, runner, told=told)
        report = folder / "matrix.html"
        tally = Tally.of(ordered.head.name, results, lines=str(journal.path), report=str(report))
        write_whole(report, page(tally, results).encode(), durable=False)
    if as_json:
        print_json(tally)
    else:
        _tell(tally, results)
    if tally.exit_status:
        raise typer.Exit(tally.exit_status)


def _print_plan(cells: list[Cell], *, as_json: bool) -> None:
    for cell in cells:
        if as_json:
            print_json({"cell": cell.id, "axes": cell.axes, "skipped": cell.skipped})
        else:
            said = ", ".join(f"{key} {value}" for key, value in cell.axes.items()) or "one session"
            echo(f"{cell.id}  {said}" + (f"  (skipped: {cell.skipped})" if cell.skipped else ""))


_SHOWN = 10


def _tell(tally: Tally, results: list[Result]) -> None:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in tally.verdicts.items())
    echo(f"{tally.result}: {tally.cells} cells, {counts}")
    wrong = [one for one in results if one.verdict not in ("pass", "skipped")]
    for one in wrong[:_SHOWN]:
        said = ", ".join(f"{key} {value}" for key, value in one.axes.items())
        echo(f"  {one.verdict}: {said}: {'; '.join(one.reasons)[:300]}")
    if len(wrong) > _SHOWN:
        echo(f"  and {len(wrong) - _SHOWN} more")
    echo(f"  {tally.results}, {tally.report}")


@contextmanager
def _progress(cells: list[Cell], journal: Journal) -> Iterator[Callable[[Result], None]]:
    """A bar on stderr, if that is a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda result: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("cells"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
    )
    counted = Counter(one.verdict for one in journal.found.values())
    with Progress(*columns, console=console, transient=True) as progress:
        there = sum(cell.id in journal.found or cell.work is None for cell in cells)
        task = progress.add_task("cells", total=len(cells), completed=there, said="")

        def told(result: Result) -> None:
            counted[result.verdict] += 1
            wrong = ", ".join(f"{n} {what}" for what, n in counted.items() if what not in ("pass", "skipped"))
            progress.update(task, advance=1, said=wrong)

        yield told
