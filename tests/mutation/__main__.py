"""``python -m tests.mutation``: make mutants, run the tests that touch them, and say which ones nobody noticed."""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing import Value
from pathlib import Path

from . import forks
from .ledger import Ledger, Verdict, survivors
from .mutants import Mutant, mutants_of
from .named import named
from .project import HERE, Project
from .touched import Touched, touched

LIST = "survivors.toml"


def main() -> int:
    asked = _options()
    project, listed = HERE, Path(__file__).with_name(LIST)
    if asked.toy is not None:
        root = asked.toy.resolve()
        project, listed = Project(root, ("toy",), ("tests",)), root / LIST
    mutants = _chosen(project, asked)
    if asked.list:
        for mutant in mutants:
            print(mutant)
        return 0
    forks.preload(project)
    where = touched(project, processes=asked.processes, anew=asked.remap)
    ledger = Ledger(project)
    known = {} if asked.again else ledger.read()
    unknown = [mutant for mutant in mutants if (mutant.file, mutant.line, mutant.mutation) not in known]
    print(f"{len(mutants)} mutants, {len(mutants) - len(unknown)} of them known", file=sys.stderr)
    _run(project, _tasks(unknown, where, ledger, asked.budget, asked.limit), ledger, asked.processes)
    return _report(mutants, ledger.read(), {one.key for one in survivors(listed)})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], metavar="PATH", help="a file or folder; may be repeated"
    )
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
        help="seconds of the processor for the tests of one mutant, the fastest first (default 20)",
    )  # fmt: skip
    parser.add_argument(
        "--limit", type=float, default=5.0, metavar="S",
        help="seconds of the processor beyond ten times its usual ones after which a test is ended (default 5)",
    )  # fmt: skip
    parser.add_argument("--again", action="store_true", help="also what is known already")
    parser.add_argument("--remap", action="store_true", help="find out anew which tests run which lines")
    parser.add_argument("--list", action="store_true", help="name the mutants and stop")
    parser.add_argument("--toy", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _chosen(project: Project, asked: argparse.Namespace) -> list[Mutant]:
    if asked.named:
        return named(project)
    files = [
        file for file in project.files()
        if not asked.only or any(file == one or file.startswith(one.rstrip("/") + "/") for one in asked.only)
    ]  # fmt: skip
    mutants = [mutant for file in files for mutant in mutants_of(file, project.read(file))]
    if asked.changed_since:
        changed = _changed(project, asked.changed_since)
        mutants = [mutant for mutant in mutants if mutant.line in changed.get(mutant.file, ())]
    if asked.match:
        mutants = [mutant for mutant in mutants if re.search(asked.match, str(mutant))]
    if asked.sample is not None and asked.sample < len(mutants):
        chance = random.Random(asked.seed)
        mutants = sorted(chance.sample(mutants, asked.sample), key=lambda mutant: (mutant.file, mutant.start))
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


def _tasks(
    mutants: list[Mutant], where: Touched, ledger: Ledger, budget: float, limit: float
) -> tuple[list[forks.Task], list[forks.Task]]:
    """Mutants within functions, and those that act at import, with their tests."""
    inside: list[forks.Task] = []
    outside: list[forks.Task] = []
    for mutant in mutants:
        left = budget
        tests: list[tuple[str, float]] = []
        for test in where.tests_of(mutant):
            left -= where.seconds[test]
            if left < 0.0 and tests:
                break
            tests.append((test, where.seconds[test]))
        if not tests:
            _tell(ledger.add(mutant, "untested", "", 0.0))
            continue
        (outside if where.acts_at_import(mutant) else inside).append(forks.Task(mutant, tests, limit))
    return inside, outside


def _run(
    project: Project, tasks: tuple[list[forks.Task], list[forks.Task]], ledger: Ledger, processes: int
) -> None:
    """All of them, in several processes that take the next one when they are free."""
    inside, outside = tasks
    counters = Value("i", 0), Value("i", 0)
    pids = []
    words = os.dup(2)
    for _ in range(min(processes, len(inside) + len(outside))):
        pid = os.fork()
        if pid == 0:
            try:
                began = time.monotonic()

                def done(task: forks.Task, attempt: forks.Attempt) -> None:
                    nonlocal began
                    now = time.monotonic()
                    verdict = ledger.add(task.mutant, attempt.verdict, attempt.by, now - began)
                    began = now
                    _tell(verdict, words)

                for task in _next(outside, counters[0]):
                    done(task, forks.at_import(project, task))
                if inside:
                    forks.within_functions(project, _next(inside, counters[1]), done)
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    os.close(words)


def _next(tasks: list[forks.Task], counter: Value) -> Iterator[forks.Task]:  # type: ignore[valid-type]
    while True:
        with counter.get_lock():  # type: ignore[attr-defined]
            number = counter.value  # type: ignore[attr-defined]
            counter.value += 1  # type: ignore[attr-defined]
        if number >= len(tasks):
            return
        yield tasks[number]


def _tell(one: Verdict, words: int = 2) -> None:
    said = f"{one.verdict:9}{one.file}:{one.line}: {one.mutation}"
    os.write(words, f"{said}  ({one.by})\n".encode() if one.by else f"{said}: {one.text}\n".encode())


def _report(
    mutants: list[Mutant],
    held: dict[tuple[str, int, str], Verdict],
    listed: set[tuple[str, str, str]],
) -> int:
    """Counts, and whoever lives without a reason; the exit status."""
    counts: Counter[str] = Counter()
    open_ = []
    for mutant in mutants:
        one = held.get((mutant.file, mutant.line, mutant.mutation))
        verdict = "not tried" if one is None else one.verdict
        if verdict != "killed" and mutant.key in listed:
            verdict = "listed"
        elif verdict != "killed":
            open_.append((verdict, mutant))
        counts[verdict] += 1
    for verdict, mutant in open_:
        print(f"{verdict}: {mutant}")
    print(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())) or "no mutants")
    return 1 if open_ else 0


if __name__ == "__main__":
    sys.exit(main())
