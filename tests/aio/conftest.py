"""Async tests run in an event loop of their own, within ten seconds, and nothing may fail unseen in it."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest


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

    asyncio.run(run())
    assert not unseen, f"the event loop caught what nobody should have let out: {unseen}"
    return True
