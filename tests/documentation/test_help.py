"""``help`` and ``pydoc`` of every public module: they evaluate annotations, also of what only a type checker
loads."""

from __future__ import annotations

import importlib
import pkgutil
import pydoc

import pytest

import iso15118
from iso15118.aio import SessionResult

MODULES = [
    found.name
    for found in pkgutil.walk_packages(iso15118.__path__, "iso15118.")
    if not any(part.startswith("_") for part in found.name.split("."))
]


@pytest.mark.parametrize("room", sorted({name.split(".")[1] for name in MODULES}))
def test_every_public_module_has_its_help(room: str) -> None:
    failed = {}
    for name in MODULES:
        if name.split(".")[1] == room:
            try:
                pydoc.render_doc(importlib.import_module(name))
            except Exception as error:
                failed[name] = repr(error)
    assert failed == {}


def test_a_result_has_its_help() -> None:
    assert "ticket" in pydoc.render_doc(SessionResult)
