"""``python -m tests.mutation``: make mutants, run the tests that touch them, and
say which ones nobody noticed.

Verdicts are kept in ``target/mutation/verdicts.jsonl``, so that a run that was broken off goes on where it
was; ``--record`` writes them to ``record.jsonl`` beside this file, from which the next checkout goes on.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from . import forks, record
from .ledger import DEAD, Fitness, Ledger, Verdict
from .mutants import Mutant, mutants_of
from .named import named
from .project import HERE, Project
from .survivors import survivors
from .touched import touched
from .work import Plan, run

LIST = "survivors.toml"
RECORD = "record.jsonl"


def main() -> int:
    asked = _options()
    project, listed, kept = HERE, Path(__file__).with_name(LIST), Path(__file__).with_name(RECORD)
    if asked.toy is not None:
        root = asked.toy.resolve()
        project, listed, kept = Project(root, ("toy",), ("tests",)), root / LIST, root / RECORD
    mutants = _chosen(project, asked)
    if asked.list:
        for mutant in mutants:
            print(mutant)
        return 0
    ledger = Ledger(project, kept)
    reasons = {one.key for one in survivors(listed)}
    if not asked.report:
        forks.preload(project)
        where = touched(project, processes=asked.processes, anew=asked.remap)
        tried = [mutant for mutant in mutants if (mutant.key in reasons) is asked.listed]
        among = tuple(asked.tests)
        run(
            Plan(project, where, ledger, tried, among, asked.budget, asked.limit, asked.again),
            asked.processes,
        )
    for test in Fitness(project).unfit():
        print(f"not believed, as it fails in a forked process without a mutant: {test}", file=sys.stderr)
    held = ledger.read()
    if asked.record:
        verdicts = {key: one.verdict for key, one in held.items()}
        record.write(kept, project, verdicts, sorted({mutant.file for mutant in mutants}))
    return _report(mutants, held, reasons, by_file=not asked.named)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], metavar="PATH",
        help="a file or folder; may be repeated, and they are taken in this order",
    )  # fmt: skip
    parser.add_argument(
        "--tests", action="append", default=[], metavar="PATH",
        help="only tests whose name begins so; may be repeated. Who survives these and not all is undecided",
    )  # fmt: skip
    parser.add_argument("--changed-since", metavar="REV", help="lines that git diff names, only")
    parser.add_argument(
        "--match", metavar="REGEX", help="mutants whose line or mutation this is found in, only"
    )
    parser.add_argument("--named", action="store_true", help="those of the list in named.py")
    parser.add_argument("--sample", type=int, metavar="N", help="so many, by chance")
    parser.add_argument("--seed", type=int, default=0, help="which chance (default 0)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--budget", type=float, default=20.0, metavar="S",
        help="seconds of the processor for the tests of one mutant (default 20); who survives these and not all is undecided",
    )  # fmt: skip
    parser.add_argument(
        "--limit", type=float, default=5.0, metavar="S",
        help="seconds of the processor, or ten times its usual ones, after which a test is ended (default 5)",
    )  # fmt: skip
    parser.add_argument("--again", action="store_true", help="also what is decided already")
    parser.add_argument(
        "--listed", action="store_true",
        help="the listed survivors and no others: is a reason true of one that tests notice?",
    )  # fmt: skip
    parser.add_argument("--remap", action="store_true", help="find out anew which tests run which lines")
    parser.add_argument("--list", action="store_true", help="name the mutants and stop")
    parser.add_argument(
        "--record", action="store_true", help=f"write what is known to {RECORD}, to be committed"
    )
    parser.add_argument("--report", action="store_true", help="what is known, without trying any")
    parser.add_argument("--toy", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _chosen(project: Project, asked: argparse.Namespace) -> list[Mutant]:
    if asked.named:
        return named(project)
    files = project.files()
    if asked.only:
        files = list(dict.fromkeys(
            file for one in asked.only for file in files if file == one or file.startswith(one.rstrip("/") + "/")
        ))  # fmt: skip
    mutants = [mutant for file in files for mutant in mutants_of(file, project.read(file))]
    if asked.changed_since:
        changed = _changed(project, asked.changed_since)
        mutants = [mutant for mutant in mutants if mutant.line in changed.get(mutant.file, ())]
    if asked.match:
        mutants = [mutant for mutant in mutants if re.search(asked.match, str(mutant))]
    if asked.sample is not None and asked.sample < len(mutants):
        chance = random.Random(asked.seed)
        places = sorted(chance.sample(range(len(mutants)), asked.sample))
        mutants = [mutants[place] for place in places]
    return mutants


def _changed(project: Project, revision: str) -> dict[str, set[int]]:
    """Lines as they are now that were not so in that revision."""
    command = ["git", "diff", "--unified=0", "--no-color", revision, "--", *project.sources]
    shown = subprocess.run(command, cwd=project.root, check=True, capture_output=True, text=True).stdout
    found: dict[str, set[int]] = {}
    file = ""
    for line in shown.splitlines():
        if line.startswith("+++ "):
            file = line.removeprefix("+++ b/")
        elif hunk := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line):
            first, count = int(hunk[1]), int(hunk[2] or 1)
            found.setdefault(file, set()).update(range(first, first + count))
    return found


def _report(
    mutants: list[Mutant],
    held: dict[tuple[str, int, str], Verdict],
    reasons: set[tuple[str, str]],
    *,
    by_file: bool,
) -> int:
    """Whoever lives without a reason, and has one without living; counts by file, and all counts; the exit
    status."""
    counts: dict[str, Counter[str]] = {}
    open_ = []
    dead: dict[tuple[str, str], bool] = {}
    for mutant in mutants:
        one = held.get((mutant.file, mutant.line, mutant.mutation))
        verdict = "not tried" if one is None else one.verdict
        if verdict not in DEAD and mutant.key in reasons:
            verdict = "listed"
        elif verdict not in DEAD:
            open_.append((verdict, mutant))
        if mutant.key in reasons:
            dead[mutant.key] = dead.get(mutant.key, True) and verdict in DEAD
        counts.setdefault(mutant.file, Counter())[verdict] += 1
    for verdict, mutant in open_:
        print(f"{verdict}: {mutant}")
    for file, said in (key for key, noticed in dead.items() if noticed):
        print(f"listed, and noticed: {file}: {said}")
    if by_file:
        for file, some in counts.items():
            print(f"{file}: {_shown(some)}")
    print(_shown(sum(counts.values(), Counter())) or "no mutants")
    return 1 if open_ or any(dead.values()) else 0


def _shown(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main())
