"""Old names of modules: each still imports, warns once with the new name, and gives the same objects."""

from __future__ import annotations

import importlib
import subprocess
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


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("iso15118.session.events", "LinkLost", "TransportLost"),
        ("iso15118.session.events", "LinkLoss", "TransportLoss"),
        ("iso15118.session.actions", "CloseLink", "CloseTransport"),
        ("iso15118.session.secured", "SecuredLink", "TlsPeer"),
        ("iso15118.connector", "SeccConnection", "SeccConnector"),
        ("iso15118.connector", "EvccConnection", "EvccInlet"),
        ("iso15118.connector", "ConnectionSettings", "ConnectorSettings"),
        ("iso15118.loopback.spec", "LoopbackOrder", "LoopbackSpec"),
        ("iso15118.aio", "Watch", "ActionFilter"),
        ("iso15118.simulation", "LoneStation", "StationWithRemoteVehicle"),
        ("iso15118.simulation", "LoneVehicle", "VehicleWithRemoteStation"),
    ],
)
def test_an_old_class_name_is_the_new_class(module: str, old: str, new: str) -> None:
    found = importlib.import_module(module)
    with pytest.warns(DeprecationWarning, match=new):
        assert getattr(found, old) is getattr(found, new)
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        found.nothing_of_the_kind  # noqa: B018


@pytest.mark.parametrize(
    "package",
    ["iso15118", "iso15118.aio", "iso15118.connector", "iso15118.pki"],
)
def test_what_a_package_offers_is_not_taken_from_an_old_place(package: str) -> None:
    """In a process of its own: nothing is loaded yet."""
    code = f"import {package} as it\nfor name in it.__all__: getattr(it, name)"
    run = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
