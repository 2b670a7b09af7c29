"""Async tests run in an event loop of their own, within a minute of its clock, and
nothing may fail unseen in it.

That clock is the one of ``clock.py``, which the machine's load does not reach. A test whose peer is outside
of this process and does not know that clock is marked ``real_time``.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from iso15118.aio import logs
from iso15118.aio.net import ethtool
from iso15118.aio.plug import plca
from tests import clock


@pytest.fixture(autouse=True)
def time_for_the_kernel(request: pytest.FixtureRequest) -> Iterator[None]:
    """A real one answers when it comes to it: others make and remove interfaces meanwhile. The patch is not
    that of a test, which is to be undone before its other fixtures end."""
    with pytest.MonkeyPatch.context() as patch:
        if request.node.get_closest_marker("netns") or request.node.get_closest_marker("real_time"):
            for where in (ethtool, plca):
                patch.setattr(where, "REPLY_S", 50.0)
        yield


@pytest.fixture(autouse=True)
def lines_of_the_test_before() -> None:
    """The log is written by a thread: what the test before said is not said in this one."""
    logs.flush(60.0)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters}
    unseen: list[dict[str, Any]] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: unseen.append(context))
        async with asyncio.timeout(60):
            await test(**arguments)
        await asyncio.sleep(0)

    marked = any(pyfuncitem.get_closest_marker(name) for name in ("real_time", "netns"))
    clock.run(run(), real=marked)
    assert not unseen, f"the event loop caught what nobody should have let out: {unseen}"
    return True
