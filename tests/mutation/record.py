"""What earlier runs found, kept with the sources: one line of ``record.jsonl`` for each file that
was tried, so that runs add up.

A line holds as long as the file's code is the same; comments, docstrings and the
wrapping of lines do not count.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .mutants import mutants_of
from .project import Project, digest

__all__ = ["Known", "code_of", "read", "write"]

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Known:
    """Of one file: how many mutants there are, and the verdicts that are not ``killed``, by number
    in the order of the text."""

    file: str
    code: str
    """Digest of the code that the mutants were made of."""
    made: int
    others: dict[str, str] = field(default_factory=dict)
    """A verdict of the ledger, or ``not tried``."""


def code_of(source: bytes) -> str:
    """The digest of what is executed."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED):
            node.body = [one for one in node.body if not _is_text(one)] or [ast.Pass()]
    return digest([ast.dump(tree).encode()])


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def read(path: Path, project: Project) -> list[Known]:
    """The lines that still hold."""
    if not path.exists():
        return []
    files = set(project.files())
    lines = [Known(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    return [one for one in lines if one.file in files and one.code == code_of(project.read(one.file))]


def write(
    path: Path, project: Project, verdicts: Mapping[tuple[str, int, str], str], files: Sequence[str]
) -> None:
    """Lines for ``files`` that have a verdict, in place of theirs; of the others, those that still hold.

    ``verdicts``: of each mutant, by file, line and mutation.
    """
    lines = {one.file: one for one in read(path, project)}
    for file in files:
        source = project.read(file)
        mutants = mutants_of(file, source)
        found = [verdicts.get((one.file, one.line, one.mutation), "not tried") for one in mutants]
        if all(verdict == "not tried" for verdict in found):
            continue
        others = {str(number): verdict for number, verdict in enumerate(found) if verdict != "killed"}
        lines[file] = Known(file, code_of(source), len(mutants), others)
    path.write_text(
        "".join(json.dumps(asdict(lines[file])) + "\n" for file in sorted(lines)), encoding="utf-8"
    )
