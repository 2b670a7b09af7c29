"""Every field case has a test, which is there and is one."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.field_cases import AC_OF_ISO20, ISO2_AND_DIN

HERE = Path(__file__).parent


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((HERE / f"{file}.py").read_text(encoding="utf-8"))
    return frozenset(
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_the_lists_are_whole() -> None:
    assert list(ISO2_AND_DIN) == [str(number) for number in range(1, 69)]
    assert len(AC_OF_ISO20) == 18


@pytest.mark.parametrize("number", ISO2_AND_DIN)
def test_each_case_of_iso_15118_2_and_din_70121_is_tried(number: str) -> None:
    found(ISO2_AND_DIN[number])


@pytest.mark.parametrize("number", AC_OF_ISO20)
def test_each_case_of_ac_is_tried(number: str) -> None:
    found(AC_OF_ISO20[number])


def found(case: tuple[str, tuple[str, ...]]) -> None:
    what, tests = case
    assert what
    assert tests
    for one in tests:
        file, _, name = one.partition("::")
        assert f"test_{name}" in names_in(file), one
