"""What every test may ask for."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from .clock import SteadyLoop

# Hypothesis finds a fault by its values; how long a value takes is the machine's affair.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell does for what it starts in the background. Programs that tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is made here lasts until the end, in each process anew: to look through it for garbage, again and
    again, takes as long as to make it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The pages first: at the end, all processes but one would wait for the longest of them."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")


@pytest.fixture
def steady_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """``asyncio.run``, wherever it is called, waits on the clock of ``clock.py``."""
    monkeypatch.setattr(asyncio.events, "new_event_loop", SteadyLoop)
