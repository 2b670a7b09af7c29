"""Every field case of ``field_cases.toml`` has a test, which is there and is one."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
CASES: dict[str, dict[str, dict[str, Any]]] = tomllib.loads(
    (HERE / "field_cases.toml").read_text(encoding="utf-8")
)
EACH = [(kind, number) for kind, cases in CASES.items() for number in cases]


@cache
def names_in(file: str) -> frozenset[str]:
    """Functions of a file of tests."""
    tree = ast.parse((HERE / f"{file}.py").read_text(encoding="utf-8"))
    return frozenset(
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_the_list_is_whole() -> None:
    assert list(CASES["iso2-and-din"]) == [str(number) for number in range(1, 69)]
    assert len(CASES["ac-of-iso20"]) == 18
    assert list(CASES["small-inputs"]) == [
        "1",
        "2",
        "3",
        "5",
        "7",
        "8",
        "9",
        "10",
        "12",
        "13",
        "15",
        "16",
        "17",
        "25",
    ]


@pytest.mark.parametrize(("kind", "number"), EACH)
def test_each_case_is_tried(kind: str, number: str) -> None:
    case = CASES[kind][number]
    assert case["what"]
    assert case["tests"]
    for one in case["tests"]:
        file, _, name = one.partition("::")
        assert f"test_{name}" in names_in(file), one
