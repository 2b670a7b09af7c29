"""The survivors that people have judged, with the reason: ``survivors.toml`` read,
and what is wrong with it."""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .mutants import mutants_of
from .project import Project

__all__ = ["Survivor", "survivors", "unfounded"]


@dataclass(frozen=True)
class Survivor:
    """A mutant that may live, and why."""

    file: str
    shown: str
    """The mutation and the text of its line."""
    reason: str

    @property
    def key(self) -> tuple[str, str]:
        return self.file, self.shown


def survivors(path: Path) -> list[Survivor]:
    """The list that people keep: one entry for those of a file that live for the same reason. Raises
    ``ValueError`` for what is in no entry."""
    if not path.exists():
        return []
    kept = tomllib.loads(path.read_text(encoding="utf-8"))
    entries = kept.pop("survivor", [])
    if kept:
        raise ValueError(f"{path.name}: {', '.join(kept)} above the first [[survivor]]")
    return [
        Survivor(entry["file"], shown, entry["reason"]) for entry in entries for shown in entry["mutants"]
    ]


def unfounded(project: Project, listed: list[Survivor]) -> list[str]:
    """What is wrong with the list: mutants that cannot be made any more, reasons that are missing,
    entries that stand there twice."""
    wrong = [f"{one.key}: no reason" for one in listed if len(one.reason) < 10]
    wrong += [
        f"{key}: listed twice" for key, times in Counter(one.key for one in listed).items() if times > 1
    ]
    for file in sorted({one.file for one in listed}):
        there = (project.root / file).exists()
        made = {mutant.key for mutant in mutants_of(file, project.read(file))} if there else set()
        wrong += [f"{one.key}: no such mutant" for one in listed if one.file == file and one.key not in made]
    return wrong
