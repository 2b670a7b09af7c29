"""What is left to try, and the processes that do it: first the mutants within functions,
then those that act at import.

Whoever lives within a function that runs at import, too, is tried once more as one that acts at import.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.sharedctypes import Synchronized

from . import forks
from .ledger import DEAD, Fitness, Ledger, Verdict
from .mutants import Mutant
from .order import Order, within
from .project import Project
from .touched import Touched

__all__ = ["Plan", "run"]

_FUNCTION, _IMPORT = "function", "import"


@dataclass(frozen=True)
class Plan:
    """Mutants and how they are to be tried. Seconds are the processor's."""

    project: Project
    where: Touched
    ledger: Ledger
    mutants: Sequence[Mutant]
    among: tuple[str, ...]
    """Beginnings of the names of the tests that are tried; all, if there is none."""
    budget_s: float
    limit_s: float
    again: bool = False


@dataclass(frozen=True)
class _Task:
    mutant: Mutant
    tests: frozenset[str]
    """Those that have not been tried yet."""
    complete: bool
    """They are all there are."""
    before: str = ""
    """The verdict of those that have been."""


_Find = Callable[[], _Task | None]


def run(plan: Plan, processes: int) -> None:
    """Try what is not decided; verdicts go to the ledger, progress to stderr."""
    began = time.time()
    inside = [mutant for mutant in plan.mutants if mutant.function is not None]
    tasks = _tasks(plan, inside, _FUNCTION, since=began)
    files = sorted({test.partition("::")[0] for task in tasks for test in task.tests})
    limit_s = plan.limit_s

    def within_functions(work: Callable[[forks.Try], None]) -> None:
        forks.within_functions(plan.project, files, limit_s, work)

    _share(plan, [partial(_same, task) for task in tasks], _FUNCTION, processes, within_functions)
    outside = [mutant for mutant in plan.mutants if plan.where.acts_at_import(mutant)]

    def at_import(work: Callable[[forks.Try], None]) -> None:
        work(forks.at_import(plan.project, limit_s))

    # Who mentions what each of them makes is looked for by the processes: it takes half a second a piece.
    _share(plan, _open(plan, outside, _IMPORT, since=began), _IMPORT, processes, at_import)


def _tasks(plan: Plan, mutants: Sequence[Mutant], mode: str, *, since: float) -> list[_Task]:
    """Those of one mode that are not decided. ``since``: when this run began."""
    return [task for find in _open(plan, mutants, mode, since=since) if (task := find()) is not None]


def _open(plan: Plan, mutants: Sequence[Mutant], mode: str, *, since: float) -> list[_Find]:
    known = plan.ledger.read()
    if plan.again:
        known = {key: one for key, one in known.items() if one.at >= since}
    found: list[_Find] = []
    for mutant in mutants:
        one = known.get((mutant.file, mutant.line, mutant.mutation))
        if one is None or not (one.verdict in DEAD or one.mode == _IMPORT != mode):
            found.append(partial(_task, plan, mutant, mode, one))
    return found


def _same(task: _Task) -> _Task:
    return task


def _task(plan: Plan, mutant: Mutant, mode: str, one: Verdict | None) -> _Task | None:
    """What is left to be tried of it; None if that is nothing."""
    everyone = plan.where.tests_of(mutant)
    tests = frozenset(test for test in everyone if not plan.among or test.startswith(plan.among))
    if one is None or one.mode != mode or plan.among or _hopeful(one, plan.budget_s):
        return _Task(mutant, tests, len(tests) == len(everyone)) if tests or not plan.among else None
    changed = plan.ledger.changed(one)
    tests = frozenset(test for test in tests if test.partition("::")[0] in changed)
    return _Task(mutant, tests, True, one.verdict) if tests else None


def _hopeful(one: Verdict, budget_s: float) -> bool:
    """Whether the tests of then might say more now."""
    return one.verdict in ("broken", "untested") or (one.verdict == "undecided" and budget_s > one.budget)


def _share(
    plan: Plan, tasks: Sequence[_Find], mode: str, processes: int, how: Callable[[Callable[[forks.Try], None]], None]
) -> None:  # fmt: skip
    """Several processes take the next task whenever they are free."""
    print(f"{len(tasks)} of {len(plan.mutants)} mutants to try, as of {mode}", file=sys.stderr, flush=True)
    counter = multiprocessing.Value("i", 0)
    pids = []
    for _ in range(min(processes, len(tasks))):
        pid = os.fork()
        if pid == 0:
            worker = _Worker(plan, mode)
            try:
                how(partial(worker.work, tasks, counter))
            except BaseException:
                worker.say(traceback.format_exc())
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)


class _Worker:
    def __init__(self, plan: Plan, mode: str) -> None:
        self._plan, self._mode = plan, mode
        self._words = os.dup(2)
        self._fitness = Fitness(plan.project)
        self._order = Order(plan.where)
        known = plan.ledger.read()
        for mutant in plan.mutants:
            one = known.get((mutant.file, mutant.line, mutant.mutation))
            if one is not None and one.verdict == "killed":
                self._order.learn(mutant, one.by)

    def work(self, tasks: Sequence[_Find], counter: Synchronized[int], attempt: forks.Try) -> None:
        for number in _numbers(counter, len(tasks)):
            task, began = tasks[number](), time.monotonic()
            if task is None:
                continue
            tests = self._order.tests(task.mutant, task.tests)
            found = self._judged(task, tests, attempt)
            one = self._plan.ledger.add(
                task.mutant, found, self._mode, self._plan.budget_s, time.monotonic() - began
            )
            by = one.by or f"{one.tried} of {len(tests)} tests"
            self.say(f"{number + 1:5}/{len(tasks)} {one.verdict:9} {task.mutant}  ({by})\n")

    def _judged(self, task: _Task, tests: list[tuple[str, float]], attempt: forks.Try) -> forks.Attempt:
        chosen = within(tests, self._plan.budget_s)
        if not chosen:
            return forks.Attempt("untested")
        complete = task.complete and len(chosen) == len(tests)
        found = forks.judge(task.mutant, chosen, complete, attempt, self._fitness.judge(self._mode))
        if found.verdict == "killed":
            self._order.learn(task.mutant, found.by)
        if found.verdict == "survived" and task.before:
            found = replace(found, verdict=task.before)
        return found

    def say(self, text: str) -> None:
        os.write(self._words, text.encode())


def _numbers(counter: Synchronized[int], most: int) -> Iterator[int]:
    while True:
        with counter.get_lock():
            number = counter.value
            counter.value += 1
        if number >= most:
            return
        yield number
