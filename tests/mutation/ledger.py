"""What is known of mutants: verdicts of earlier runs, one JSON line each, and which tests can be
believed in a forked process."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import record
from .forks import Attempt, Try
from .mutants import Mutant, mutants_of
from .project import Project, digest

__all__ = ["DEAD", "Fitness", "Ledger", "Verdict"]

DEAD = frozenset({"killed", "timeout"})


@dataclass(frozen=True)
class Verdict:
    """``verdict`` is killed, timeout (a test did not end), survived (all tests that run the
    line passed), undecided (those within the budget did), untested (no test runs the line) or
    broken (it could not be tried)."""

    file: str
    line: int
    text: str
    mutation: str
    source: str
    """Of the file that it was made of."""
    tests: str
    """Of all tests there were."""
    verdict: str
    by: str = ""
    tried: int = 0
    """How many tests were run."""
    mode: str = ""
    """How: with the function replaced, or the module imported."""
    budget: float = 0.0
    seconds: float = 0.0
    """Real ones."""
    at: float = 0.0
    """When, since 1970."""

    @property
    def key(self) -> tuple[str, int, str]:
        return self.file, self.line, self.mutation


class Ledger:
    """Verdicts in a file to which several processes append.

    A dead mutant holds as long as its source is the same. Another one is tried again with the test modules
    that have changed since, and an undecided one with all of them if the budget is larger.
    """

    def __init__(self, project: Project, kept: Path | None = None) -> None:
        """``kept``: the record of earlier runs, which the ledger starts from."""
        self._project, self._kept = project, kept
        self._path = project.cache / "verdicts.jsonl"
        self._sources = {file: digest([project.read(file)]) for file in project.files()}
        self._modules = project.test_hashes()
        self._tests = digest(f"{name} {now}".encode() for name, now in sorted(self._modules.items()))
        self._states = project.cache / "tests"
        self._states.mkdir(parents=True, exist_ok=True)
        (self._states / f"{self._tests}.json").write_text(json.dumps(self._modules))

    def read(self) -> dict[tuple[str, int, str], Verdict]:
        """The last verdict of each mutant whose source is the same."""
        held = {one.key: one for one in self._earlier()}
        for line in _lines(self._path):
            one = Verdict(**line)
            if one.source == self._sources.get(one.file):
                held[one.key] = one
        return held

    def _earlier(self) -> Iterator[Verdict]:
        """What the record says. By which tests is not in it, so whoever lived is
        tried with all of them again."""
        for known in [] if self._kept is None else record.read(self._kept, self._project):
            source = self._sources[known.file]
            for number, mutant in enumerate(mutants_of(known.file, self._project.read(known.file))):
                verdict = known.others.get(str(number), "killed")
                if verdict != "not tried":
                    yield Verdict(mutant.file, mutant.line, mutant.text, mutant.mutation, source, "", verdict)

    def changed(self, one: Verdict) -> set[str]:
        """The test modules that are other ones, or new, since that verdict."""
        path = self._states / f"{one.tests}.json"
        before = json.loads(path.read_text()) if path.exists() else {}
        return {name for name, now in self._modules.items() if before.get(name) != now}

    def add(self, mutant: Mutant, attempt: Attempt, mode: str, budget: float, seconds: float) -> Verdict:
        """Keep one."""
        one = Verdict(
            mutant.file,
            mutant.line,
            mutant.text,
            mutant.mutation,
            self._sources[mutant.file],
            self._tests,
            attempt.verdict,
            attempt.by,
            attempt.tried,
            mode,
            budget,
            round(seconds, 2),
            time.time(),
        )
        _append(self._path, asdict(one))
        return one


class Fitness:
    """Tests that have passed in a forked process without a mutant; the others kill nobody, and are listed."""

    def __init__(self, project: Project) -> None:
        self._path = project.cache / "fitness.jsonl"
        self._modules = project.test_hashes()
        self._known = {(one["test"], one["mode"]): bool(one["fit"]) for one in self._held()}

    def _held(self) -> Iterator[dict[str, Any]]:
        for one in _lines(self._path):
            if self._modules.get(one["test"].partition("::")[0]) == one["module"]:
                yield one

    def judge(self, mode: str) -> Callable[[str, float, Try], bool]:
        """For ``forks.judge``; ``mode`` is how processes are made."""

        def fit(test: str, seconds: float, attempt: Try) -> bool:
            if (test, mode) not in self._known:
                outcome = attempt(None, [(test, seconds)])
                why = outcome.failed or outcome.broken or ("" if outcome.began else "it does not run")
                self._known[test, mode] = not why
                module = self._modules[test.partition("::")[0]]
                _append(
                    self._path,
                    {
                        "test": test,
                        "module": module,
                        "mode": mode,
                        "fit": not why,
                        "why": f"{why} {outcome.ended}",
                    },
                )
            return self._known[test, mode]

        return fit

    def unfit(self) -> list[str]:
        """The names of those that cannot be believed."""
        return sorted({one["test"] for one in self._held() if not one["fit"]})


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        with path.open() as file:
            yield from map(json.loads, file)


def _append(path: Path, data: dict[str, Any]) -> None:
    """A single write, so that lines of several processes stay whole."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, (json.dumps(data) + "\n").encode())
    finally:
        os.close(file)
