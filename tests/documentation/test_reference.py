"""The API reference is built without a warning, has what the pages name, and its
docstrings say units and errors."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from tests.documentation.docstrings import ROOT, defining_files, lacking, of_function
from tools.api_reference import MODULES, build

PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]


def test_every_public_name_has_a_docstring_with_units_and_errors() -> None:
    files = defining_files()
    assert sum(map(len, files.values())) > 600
    assert [line for path, names in files.items() for line in lacking(path, names)] == []


@pytest.mark.parametrize(
    ("source", "lacks"),
    [
        ("def f(power: float) -> None:\n    '''Set it.'''", ["takes the number power without a unit"]),
        ("def f(power: float) -> None:\n    '''Set it, in W.'''", []),
        ("def f(power_w: float) -> None:\n    '''Set it.'''", []),
        ("def f() -> float:\n    '''How much.'''", ["gives a number without a unit"]),
        (
            "def f() -> None:\n    raise ValueError",
            ["has no docstring", "raises ValueError and does not say so"],
        ),
        (
            "def f() -> None:\n    '''It may.'''\n    try:\n        raise A('x')\n    except A:\n        pass",
            [],
        ),
        ("def f() -> None:\n    '''Ends. Raises ``A``.'''\n    raise A", []),
    ],
)
def test_the_rule_sees_what_it_is_for(source: str, lacks: list[str]) -> None:
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    assert list(of_function(function)) == lacks


def test_what_the_pages_and_examples_import_is_in_the_reference() -> None:
    """Modules by their whole name. Messages are generated, and are named as in the standard."""
    texts = [
        path.read_text(encoding="utf-8") for path in [*PAGES, *sorted((ROOT / "examples").rglob("*.py"))]
    ]
    named = set()
    for name in {one for text in texts for one in re.findall(r"\biso15118(?:\.[a-z_0-9]+)+\b", text)}:
        while not _is_module(name):
            name = name.rpartition(".")[0]
        named.add(name)
    assert len(named) > 40
    assert sorted(one for one in named - set(MODULES) if not one.startswith("iso15118.messages.")) == []


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@pytest.mark.slow
def test_it_is_built_without_a_warning(tmp_path: Path) -> None:
    assert importlib.util.find_spec("pdoc") is not None, "pip install 'iso15118-stack[dev]'"
    assert build(tmp_path, search=False) == []
    assert len(list(tmp_path.rglob("*.html"))) == len(MODULES) + 1
    page = (tmp_path / "iso15118" / "session" / "ports.html").read_text(encoding="utf-8")
    assert "insulation_ohm" in page
