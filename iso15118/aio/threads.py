"""A call that blocks, in a thread, for ports whose drivers know no event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from typing import Any, TypeVar

from iso15118.errors import MisuseError

__all__ = ["in_thread"]

T = TypeVar("T")


async def in_thread(executor: Executor, call: Callable[..., T], *values: Any) -> T:
    """What ``call(*values)`` returns or raises, called in a thread of ``executor``. It ends when that call
    has ended, also when it is cancelled: then it raises ``CancelledError`` after that.

    ``await loop.run_in_executor(...)`` and ``asyncio.to_thread`` end at once when they are cancelled, and the
    thread goes on: what it switches on later is seen by nobody. A port that is cancelled while it waits here
    counts as one that has not ended, so that the connector stays out of service until the thread is done. A
    call that has not begun when this is cancelled is never made. Give the call a timeout of its own: one that
    hangs keeps its thread.

    Raises ``MisuseError`` for something else than an executor: the one of the event loop is shared by
    everything in the program. Raises ``RuntimeError`` for an executor that is shut down.
    """
    if not isinstance(executor, Executor):
        raise MisuseError(
            f"in_thread: {type(executor).__name__} is no executor: "
            f"give each of stop and open a ThreadPoolExecutor(max_workers=1) of its own"
        )
    context = copy_context()  # lines of the log have the name of their connector there, too
    work: Future[T] = executor.submit(context.run, _made, call, values)
    ended = asyncio.wrap_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not ended.done():
        try:
            await asyncio.wait((ended,))
        except asyncio.CancelledError as error:
            cancelled = error
            if work.cancel():  # it had not begun
                raise
    if cancelled is None:
        return ended.result()
    if not ended.cancelled():
        ended.exception()  # else it warns that nobody has asked
    raise cancelled


def _made(call: Callable[..., T], values: tuple[Any, ...]) -> T:
    try:
        return call(*values)
    except StopIteration as error:  # no future takes one, and this would wait for ever
        raise RuntimeError("the call raised StopIteration") from error
