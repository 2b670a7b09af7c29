"""Where a name that is made when a module is imported is used, a constant or a field for
instance: the lines that mention it.

It is a guess by the text, which only has to find the tests that may notice; a name of another
thing costs a test that does not.
"""

from __future__ import annotations

import ast
import re
from functools import cache

from .mutants import Mutant
from .project import Project

__all__ = ["mentions", "names_made"]


def names_made(source: bytes, line: int) -> set[str]:
    """The names that the innermost statement around this line assigns or defines."""
    found: set[str] = set()

    def walk(nodes: list[ast.stmt]) -> None:
        nonlocal found
        for node in nodes:
            begins = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
            if not begins <= line <= (node.end_lineno or node.lineno):
                continue
            match node:
                case ast.Assign(targets=targets):
                    found = {
                        one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)
                    }
                case ast.AnnAssign(target=ast.Name(id=name)):
                    found = {name}
                case ast.FunctionDef(name="__init__"):
                    pass  # it is called by the name of its class
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    found = {name}
                case _:
                    pass
            for part in ("body", "orelse", "finalbody"):
                walk(getattr(node, part, []))

    walk(ast.parse(source).body)
    return found


def mentions(project: Project, mutant: Mutant) -> dict[str, list[int]]:
    """File -> lines that mention what this mutant makes at import, but for the place where it is made."""
    names = names_made(project.read(mutant.file), mutant.line)
    if not names:
        return {}
    found: dict[str, list[int]] = {}
    word = re.compile(r"\b(?:" + "|".join(sorted(names)) + r")\b")
    first, last = mutant.lines
    for file in project.files():
        if not word.search(_text(project, file)):
            continue
        for number, text in enumerate(_lines(project, file), 1):
            if word.search(text) and not (file == mutant.file and first <= number <= last):
                found.setdefault(file, []).append(number)
    return found


@cache
def _text(project: Project, file: str) -> str:
    return project.read(file).decode()


@cache
def _lines(project: Project, file: str) -> tuple[str, ...]:
    return tuple(_text(project, file).splitlines())
