"""``python -m benchmarks compare COMMIT [PARTS] [--turns N] [--quick] [--own]``:
this tree beside another one.

The two take turns in processes of their own, so that what else the machine does meets both; what counts is
the ratio within a turn, of which the median is told. The benchmarks are those of this tree for both, as far
as the other one can run them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from .figure import median

__all__ = ["main", "ratios"]

ROOT: Final = Path(__file__).parents[1]
_DEFAULT: Final = ("loop", "network", "virtual")
_TURNS: Final = 9

Figures = dict[tuple[str, str], dict[str, Any]]
"""The lines of one run, by figure and case."""


def main(arguments: Sequence[str], known: Sequence[str]) -> int:
    """Compare and print; 1 if a run failed, whose turn is left out then. ``known``:
    the parts that there are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks compare", description=__doc__)
    parser.add_argument(
        "other", metavar="COMMIT", help="a commit of this repository, or the folder of another tree"
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(_DEFAULT)} by default")
    parser.add_argument("--turns", type=int, default=_TURNS, help=f"how often each is run ({_TURNS})")
    parser.add_argument("--quick", action="store_true", help="does it run? The figures mean nothing")
    parser.add_argument("--own", action="store_true", help="the other tree has its own benchmarks")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(known):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; one of {', '.join(known)}")
    if options.turns < 1:
        parser.error("--turns: 1 or more")
    wanted = [*(options.parts or _DEFAULT), *(["--quick"] if options.quick else [])]
    theirs: list[Figures] = []
    ours: list[Figures] = []
    try:
        with (
            _other_tree(options.other, own=options.own) as other,
            tempfile.TemporaryDirectory(prefix="iso15118-compiled-") as compiled,
        ):
            for turn in range(options.turns):
                order = 1 if turn % 2 == 0 else -1
                runs = [_run(tree, wanted, compiled) for tree in (other, ROOT)[::order]]
                one, mine = runs[::order]
                if one is not None and mine is not None:
                    theirs.append(one)
                    ours.append(mine)
    except subprocess.CalledProcessError:  # git has said why
        return 1
    if not ours:
        return 1
    lines = list(ratios(theirs, ours))
    for line in lines:
        print(json.dumps(line), flush=True)
    Console(stderr=True, width=None if sys.stderr.isatty() else 120).print(_table(lines, quick=options.quick))
    return 0 if len(ours) == options.turns else 1


def ratios(theirs: Sequence[Figures], ours: Sequence[Figures]) -> Iterator[dict[str, Any]]:
    """One line for each figure that both have. ``ratio``: what this tree costs, as a multiple of the other;
    below 1 it is better. ``cpu_ratio``: the same of the CPU that a figure says it took, which other processes
    disturb less; None where it says none."""
    for key, first in ours[0].items():
        turns = [
            (one[key], other[key])
            for one, other in zip(theirs, ours, strict=True)
            if key in one and key in other
        ]
        if not turns:
            continue
        cpu = next((name for name in first["details"] if name.startswith("cpu_")), None)
        yield {
            "figure": key[0],
            "case": key[1],
            "unit": first["unit"],
            "theirs": median([one["value"] for one, _ in turns]),
            "ours": median([other["value"] for _, other in turns]),
            "ratio": median([_cost(first, one["value"], other["value"]) for one, other in turns]),
            "cpu_ratio": None
            if cpu is None
            else median(
                [other["details"][cpu] / one["details"][cpu] for one, other in turns if cpu in one["details"]]
            ),
            "turns": len(turns),
        }


def _cost(figure: dict[str, Any], theirs: float, ours: float) -> float:
    return theirs / ours if figure["more_is_better"] else ours / theirs


@contextmanager
def _other_tree(other: str, *, own: bool) -> Iterator[Path]:
    """The folder itself, or a work tree of the commit for as long as it is needed, with the
    native module of this one."""
    if Path(other).is_dir():
        yield Path(other).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="iso15118-compare-") as folder:
        tree = Path(folder) / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(tree), other)
        try:
            for module in (ROOT / "iso15118").glob("_native.*"):
                shutil.copy2(module, tree / "iso15118")
            if not own:
                shutil.rmtree(tree / "benchmarks", ignore_errors=True)
                shutil.copytree(ROOT / "benchmarks", tree / "benchmarks")
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> None:
    subprocess.run(["git", "-C", str(ROOT), *arguments], check=True)  # noqa: S603, S607 - the developer's own


def _run(tree: Path, wanted: Sequence[str], compiled: str) -> Figures | None:
    """The figures of one run; None if it failed, which is said. ``compiled``: where the byte code of both is
    kept, so that nothing but the first run of each compiles, whatever this one's environment says of that."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(  # noqa: S603 - this Python
        [sys.executable, "-m", "benchmarks", *wanted],
        cwd=tree,
        env=environment | {"PYTHONPATH": str(tree), "PYTHONPYCACHEPREFIX": compiled},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"{tree}:\n{done.stderr}", file=sys.stderr)
        return None
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {(line["figure"], line["case"]): line for line in lines}


def _table(lines: Sequence[dict[str, Any]], *, quick: bool) -> Table:
    title = "this tree beside the other: cost as a multiple, below 1 is better"
    table = Table(title=f"quick run, no measurement; {title}" if quick else title)
    for heading in ("figure", "case"):
        table.add_column(heading)
    for heading in ("theirs", "ours", "ratio", "of CPU"):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in lines:
        cpu = line["cpu_ratio"]
        table.add_row(
            line["figure"],
            line["case"],
            f"{line['theirs']:,.4g} {line['unit']}",
            f"{line['ours']:,.4g} {line['unit']}",
            f"{line['ratio']:.2f}",
            "" if cpu is None else f"{cpu:.2f}",
        )
    return table
