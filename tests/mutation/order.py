"""In which order tests try to kill a mutant: quick ones that run little else, are named alike and
killed its neighbours come first.

Variants of one test function come one at a time, since they mostly notice the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from .mutants import Mutant
from .touched import Touched

__all__ = ["Order", "within"]

_FORK_S = 0.02
"""What a test costs beyond its own seconds."""


class Order:
    """Learns from the mutants of one process who kills what."""

    def __init__(self, where: Touched) -> None:
        self._where = where
        self._in_function: Counter[tuple[str, str, str]] = Counter()
        self._in_file: Counter[tuple[str, str]] = Counter()

    def learn(self, mutant: Mutant, test: str) -> None:
        """This one has killed that one."""
        self._in_function[mutant.file, _function(mutant), test] += 1
        self._in_file[mutant.file, test] += 1

    def tests(self, mutant: Mutant, among: Iterable[str]) -> list[tuple[str, float]]:
        """All of them, in their order, with their seconds."""
        here, everywhere = self._where.shares(mutant.file), self._where.shares("")
        words = _words(mutant.file)

        def cost(test: str) -> float:
            worth = 1.0 + 8.0 * here[test] / max(everywhere[test], 1)
            worth += 4.0 * len(words & _words(test.partition("::")[0])) / len(words)
            worth += 20.0 * min(self._in_function[mutant.file, _function(mutant), test], 3)
            worth += 2.0 * min(self._in_file[mutant.file, test], 5)
            return (self._where.seconds[test] + _FORK_S) / worth

        variants: Counter[str] = Counter()
        dear = []
        lookers = self._where.lookers(mutant)

        def price_of(test: str) -> float:
            if test not in lookers:
                return cost(test)
            # Of those that have its name many have another thing of that name.
            return 0.0 if self._where.looks_everywhere(test) else cost(test) / 10.0

        for price, test in sorted((price_of(test), test) for test in among):
            name = test.partition("[")[0]
            dear.append((price * (1 + variants[name]), test))
            variants[name] += 1
        return [(test, self._where.seconds[test]) for _, test in sorted(dear)]


def within(tests: list[tuple[str, float]], budget_s: float) -> list[tuple[str, float]]:
    """As many as the budget allows, and one at least; one that does not fit leaves
    its place to a quicker one."""
    left = budget_s
    taken: list[tuple[str, float]] = []
    for test, seconds in tests:
        if seconds <= left or not taken:
            taken.append((test, seconds))
            left -= seconds
    return taken


def _function(mutant: Mutant) -> str:
    return mutant.function[0] if mutant.function is not None else f"line {mutant.line}"


def _words(path: str) -> set[str]:
    """Of a path, without its beginning, plural or not."""
    parts = re.split(r"[/_]", path.removesuffix(".py").partition("/")[2])
    return {part.removesuffix("s") for part in parts if part not in ("test", "")}
