"""Old names of modules: each still imports, warns once with the new name, and gives the same objects."""

from __future__ import annotations

import importlib
import sys
import warnings

import pytest

from iso15118.moved import MOVED


@pytest.mark.parametrize("old", sorted(MOVED))
def test_an_old_name_gives_the_same_objects_and_names_the_new_one(old: str) -> None:
    for name in [name for name in sys.modules if name == old]:
        del sys.modules[name]
    if old.startswith("iso15118.connection."):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            importlib.import_module("iso15118.connection")
    with pytest.warns(DeprecationWarning, match=MOVED[old].replace(".", r"\.")):
        module = importlib.import_module(old)
    new = importlib.import_module(MOVED[old])
    for name in getattr(new, "__all__", []):
        assert getattr(module, name) is getattr(new, name)


def test_no_new_name_is_an_old_one() -> None:
    assert not set(MOVED) & set(MOVED.values())
