"""Cells carried out: what is not in the journal yet is done, on processes or on a Dask cluster, and
written down as it gets done."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from iso15118 import __version__
from iso15118.aio.workers import on_workers
from iso15118.campaign.journal import Journal
from iso15118.campaign.plan import Cell
from iso15118.campaign.results import Result
from iso15118.campaign.work import Done, Work, run_cell
from iso15118.cluster import cluster
from iso15118.errors import ConfigError, LinkError

__all__ = ["Runner", "carry_out", "on_dask", "on_processes"]

Runner = Callable[[Sequence[Cell]], Iterator[tuple[Cell, Done, float]]]
"""Does the work of cells, in any order: each with what came of it and the seconds that it took."""
_LOOK_S: Final = 1.0
"""How often a cluster is looked at for workers that came or went, and for cells that take too long."""


def carry_out(
    cells: Sequence[Cell],
    journal: Journal,
    runner: Runner,
    *,
    told: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """All results of ``cells``, in their order. ``journal``: open; what it has is not done again.
    ``told``: hears of each new result.

    Raises whatever ``runner`` raises, and ``OSError`` when nothing can be written: what was
    done by then is in the journal.
    """
    todo = []
    for cell in cells:
        if cell.id not in journal.found:
            if cell.work is None:
                journal.add(Result.left_out(cell))
            else:
                todo.append(cell)
    for cell, done, seconds in runner(todo):
        result = Result.of(cell, done, seconds)
        journal.add(result)
        told(result)
    return [journal.found[cell.id] for cell in cells]


def on_processes(count: int, *, longest_s: float) -> Runner:
    """``count`` processes of this machine."""

    def run(cells: Sequence[Cell]) -> Iterator[tuple[Cell, Done, float]]:
        for one in on_workers(_work_of, cells, count=count, longest_s=longest_s):
            done = one.value if one.value is not None else Done(verdict="error", reasons=(one.problem,))
            yield one.item, done, one.seconds

    return run


def _work_of(cell: Cell) -> Done:
    return Done(verdict="skipped") if cell.work is None else run_cell(cell.work)


def on_dask(address: str, *, longest_s: float) -> Runner:
    """The workers of a Dask cluster, as many cells at a time as they have threads. Its cells read the
    same files under the same names.

    The runner raises ``ConfigError`` for a cluster that is not there, has no workers, or has not this version
    of the package; ``LinkError`` when it goes away.
    """

    def run(cells: Sequence[Cell]) -> Iterator[tuple[Cell, Done, float]]:
        if not cells:
            return
        with cluster(address, extra="campaign") as client:
            _check(client, address)
            yield from _on_cluster(client, cells, longest_s)

    return run


def _on_cluster(client: Any, cells: Sequence[Cell], longest_s: float) -> Iterator[tuple[Cell, Done, float]]:
    import distributed

    wait: Any = distributed.wait  # without types

    queue = list(reversed(cells))
    pending: dict[Any, tuple[Cell, float]] = {}
    run = secrets.token_hex(4)
    threads, looked = 0, float("-inf")
    try:
        while queue or pending:
            if time.monotonic() > looked + _LOOK_S:
                threads, looked = max(1, sum(client.nthreads().values())), time.monotonic()
            while queue and len(pending) < threads:
                cell = queue.pop()
                future = client.submit(_timed, cell.work, key=f"cell-{cell.id}-{run}", pure=False)
                pending[future] = cell, time.monotonic()
            try:
                with client.as_current():
                    finished = wait(list(pending), timeout=_LOOK_S, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                finished = set()
            for future in finished:
                cell, since = pending.pop(future)
                yield cell, *_outcome(future, time.monotonic() - since)
            for future, (cell, since) in list(pending.items()):
                if time.monotonic() - since > longest_s:
                    del pending[future]
                    future.cancel()
                    reason = f"it took longer than {longest_s:g} s"
                    yield cell, Done(verdict="error", reasons=(reason,)), time.monotonic() - since
    finally:
        client.cancel(list(pending), force=True)


def _outcome(future: Any, seconds: float) -> tuple[Done, float]:
    if future.status == "finished":
        done, took = future.result()
        return done, took
    if future.status == "error":
        error = future.exception()
        reason = f"its worker failed: {type(error).__name__}: {error}"
        return Done(verdict="error", reasons=(reason,)), seconds
    raise LinkError(f"the cluster has lost a cell ({future.status}): run the campaign again to go on")


def _timed(work: Work) -> tuple[Done, float]:
    begun = time.monotonic()
    done = run_cell(work)
    return done, time.monotonic() - begun


def _version() -> str:
    return __version__


def _check(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_PATIENCE_S)
        versions = set(client.run(_version).values())
    except TimeoutError as error:
        raise ConfigError(
            "--dask", f"the cluster at {address} has no workers", f"dask worker {address}"
        ) from error
    except Exception as error:  # what its workers raise, whatever it is
        raise ConfigError(
            "--dask",
            f"workers of {address} cannot run this package: {type(error).__name__}: {error}",
            "install the same version where they run",
        ) from error
    if versions != {__version__}:
        raise ConfigError(
            "--dask",
            f"workers of {address} have version {', '.join(sorted(versions))} of this package, and this is {__version__}",
            "install the same version where they run",
        )


_PATIENCE_S: Final = 10.0
"""For the first worker to be there."""
