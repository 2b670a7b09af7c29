"""docs/safety.md: each promise names the test that holds it, and that test exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")

NAMED = re.findall(r"`(tests/[\w/]+(?:\.py)?/?)(?:::(\w+))?`", PAGE)


def test_every_promise_names_a_test_that_exists() -> None:
    assert len(NAMED) > 25
    for path, name in NAMED:
        where = ROOT / path
        assert where.exists(), path
        if name:
            functions = {
                node.name
                for node in ast.walk(ast.parse(where.read_text(encoding="utf-8")))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            assert name in functions, f"{path}::{name}"


def test_every_row_of_promises_has_its_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "Promise | Held by" not in line]
    assert len(rows) > 15
    assert [row for row in rows if "`tests/" not in row] == []
