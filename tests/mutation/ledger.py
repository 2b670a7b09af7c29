"""What is known of mutants: verdicts of earlier runs, one JSON line each, and the survivors that people have judged, with the reason."""

from __future__ import annotations

import json
import os
import tomllib
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from .mutants import Mutant, mutants_of
from .project import Project, digest

__all__ = ["Ledger", "Survivor", "Verdict", "survivors", "unfounded"]


@dataclass(frozen=True)
class Verdict:
    """``verdict`` is killed, survived, untested (no test runs the line) or broken (it could not be tried)."""

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
    seconds: float = 0.0

    @property
    def key(self) -> tuple[str, int, str]:
        return self.file, self.line, self.mutation


class Ledger:
    """Verdicts in a file to which several processes append.

    A killed one holds as long as its source is the same, others as long as the tests are the same, too.
    """

    def __init__(self, project: Project) -> None:
        self._path = project.cache / "verdicts.jsonl"
        self._sources = {file: digest([project.read(file)]) for file in project.files()}
        self._tests = project.test_digest()
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def read(self) -> dict[tuple[str, int, str], Verdict]:
        """What still holds."""
        held: dict[tuple[str, int, str], Verdict] = {}
        if self._path.exists():
            for line in self._path.read_text().splitlines():
                one = Verdict(**json.loads(line))
                same = one.source == self._sources.get(one.file)
                if same and one.verdict != "broken" and (one.verdict == "killed" or one.tests == self._tests):
                    held[one.key] = one
        return held

    def add(self, mutant: Mutant, verdict: str, by: str, seconds: float) -> Verdict:
        """Keep one; a single write, so that lines of several processes stay whole."""
        one = Verdict(
            mutant.file,
            mutant.line,
            mutant.text,
            mutant.mutation,
            self._sources[mutant.file],
            self._tests,
            verdict,
            by,
            round(seconds, 2),
        )
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, (json.dumps(asdict(one)) + "\n").encode())
        finally:
            os.close(file)
        return one


@dataclass(frozen=True)
class Survivor:
    """A mutant that may live, by the text of its line, and why."""

    file: str
    text: str
    mutation: str
    reason: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.file, self.text, self.mutation


def survivors(path: Path) -> list[Survivor]:
    """The list that people keep."""
    if not path.exists():
        return []
    return [
        Survivor(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("survivor", [])
    ]


def unfounded(project: Project, listed: list[Survivor]) -> list[str]:
    """What is wrong with the list: mutants that cannot be made any more, reasons that are missing, entries that stand there twice."""
    wrong = [f"{one.key}: no reason" for one in listed if len(one.reason) < 10]
    wrong += [
        f"{key}: listed twice" for key, times in Counter(one.key for one in listed).items() if times > 1
    ]
    for file in sorted({one.file for one in listed}):
        there = (project.root / file).exists()
        made = {mutant.key for mutant in mutants_of(file, project.read(file))} if there else set()
        wrong += [f"{one.key}: no such mutant" for one in listed if one.file == file and one.key not in made]
    return wrong
