"""Ways in which what is awaited misbehaves: it is no coroutine, hangs, is late, goes on in a
thread, or says what is not so."""

from __future__ import annotations

import asyncio
import time
import types
from collections.abc import Callable
from typing import Any

from .ways import BACK, BLOCK_S, LOOK_UP, ONCE, RAISES, Hands, Make, Way, block, each_error, plain

__all__ = ["ASKED_WAYS", "CALLBACK_WAYS", "TOLD_WAYS"]

LATE_BY = 1.5
"""Times its limit."""
STUBBORN_S = 4.0


def _async(act: Callable[..., Any]) -> Make:
    """A coroutine function that does this."""

    def make(real: Any, hands: Hands, place: str) -> Any:
        async def call(*values: Any) -> Any:
            return await act(real, hands, place, values)

        return call

    return make


def _raising(*, turns: int = 0, done: bool = False) -> Callable[[Callable[[], BaseException]], Make]:
    def of(error: Callable[[], BaseException]) -> Make:
        async def act(real: Any, hands: Hands, place: str, values: tuple[Any, ...]) -> Any:
            for _ in range(turns):
                await asyncio.sleep(0.01)
            if done:
                await real(*values)
            raise error()

        return _async(act)

    return of


async def _stubbornly(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        try:
            await asyncio.sleep(until - loop.time())
        except asyncio.CancelledError:
            continue


async def _hangs(real: Any, hands: Hands, place: str, values: tuple[Any, ...]) -> Any:
    await asyncio.sleep(3600)


async def _hangs_on(real: Any, hands: Hands, place: str, values: tuple[Any, ...]) -> Any:
    await _stubbornly(STUBBORN_S)


async def _late(real: Any, hands: Hands, place: str, values: tuple[Any, ...]) -> Any:
    await asyncio.sleep(LATE_BY * hands.limit_of(place))
    return await real(*values)


async def _late_and_stubborn(real: Any, hands: Hands, place: str, values: tuple[Any, ...]) -> Any:
    await _stubbornly(LATE_BY * hands.limit_of(place))
    return await real(*values)


async def _in_a_thread(real: Any, hands: Hands, place: str, values: tuple[Any, ...]) -> Any:
    """The thread goes on when nobody waits for it any more, and then does what it was asked for."""
    loop = asyncio.get_running_loop()

    def work() -> Any:
        time.sleep(0.05)
        return asyncio.run_coroutine_threadsafe(real(*values), loop)

    return await asyncio.wrap_future(await asyncio.to_thread(work))


async def _blocks_later(real: Any, hands: Hands, place: str, values: tuple[Any, ...]) -> Any:
    await asyncio.sleep(0)
    block(BLOCK_S)
    return await real(*values)


def _says(value: Any, *, do: bool = False) -> Make:
    async def act(real: Any, hands: Hands, place: str, values: tuple[Any, ...]) -> Any:
        if do:
            await real(*values)
        return value() if callable(value) else value

    return _async(act)


class Awaits:
    """Can be awaited, and is no coroutine."""

    def __init__(self, coroutine: Any) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Any:
        return (yield from self._coroutine.__await__())


class DoesNotAwait:
    """Says that it can be, and cannot."""

    def __await__(self) -> Any:
        return 5


@types.coroutine
def _generator(real: Any, values: tuple[Any, ...]) -> Any:
    return (yield from real(*values).__await__())


@types.coroutine
def _yields(what: Any, times: int) -> Any:
    for _ in range(times):
        yield what


async def _after_bare_yields(real: Any, values: tuple[Any, ...]) -> Any:
    await _yields(None, 3)
    return await real(*values)


def _finished(*_: Any) -> Any:
    future = asyncio.get_running_loop().create_future()
    future.set_result(True)
    return future


def _foreign_future(*_: Any) -> Any:
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    loop.close()
    return future


def _closed(*values: Any) -> Any:
    coroutine = _hangs(*values)
    coroutine.close()
    return coroutine


async def _async_generator(*_: Any) -> Any:
    yield 5


def _executor(real: Any, hands: Hands, place: str, values: tuple[Any, ...]) -> Any:
    loop = asyncio.get_running_loop()

    def work() -> Any:
        return asyncio.run_coroutine_threadsafe(real(*values), loop).result(5.0)

    return loop.run_in_executor(None, work)


AWAITABLES = [
    Way("returns None and is no coroutine", plain(lambda *_: None)),
    Way("returns True and is no coroutine", plain(lambda *_: True)),
    Way("returns a finished future", plain(_finished), lies=True),
    Way("returns a task", plain(lambda r, h, p, v: asyncio.ensure_future(r(*v))), prevents=False),
    Way("returns a future of an executor", plain(_executor), prevents=False, threads=True),
    Way("returns something with __await__", plain(lambda r, h, p, v: Awaits(r(*v))), prevents=False),
    Way("returns something with a broken __await__", plain(lambda *_: DoesNotAwait())),
    Way("returns a coroutine of a generator", plain(lambda r, h, p, v: _generator(r, v)), prevents=False),
    Way("returns a closed coroutine", plain(_closed)),
    Way("returns a future of another loop", plain(_foreign_future)),
    Way("returns an asynchronous generator", plain(_async_generator)),
    Way("yields garbage", plain(lambda *_: _yields(5, 3))),
    Way("yields nothing a few times", plain(lambda r, h, p, v: _after_bare_yields(r, v)), prevents=False),
]
COROUTINES = [
    *each_error("raises {} when it is awaited", _raising()),
    *each_error("raises {} after a while", _raising(turns=1)),
    *each_error("raises {} when it has done its work", _raising(done=True), prevents=False),
    Way("hangs", _async(_hangs)),
    Way("hangs and does not care about being cancelled", _async(_hangs_on)),
    Way("hangs once", _async(_hangs), times=1),
    Way("is late", _async(_late)),  # cancelled before it does anything
    Way("is late and does not care about being cancelled", _async(_late_and_stubborn), prevents=False),
    Way("works in a thread", _async(_in_a_thread), prevents=False, threads=True),
    Way("blocks in a later step", _async(_blocks_later), prevents=False, times=3),
]
LIES = [
    *(
        Way(f"does nothing and says {value!r}", _says(value), lies=True)
        for value in (None, True, False, 1, "done")
    ),
    Way("does nothing and says an object", _says(object), lies=True),
    *(
        Way(f"does it and says {value!r}", _says(value, do=True), prevents=False)
        for value in (False, 0, "done")
    ),
]

ASKED_WAYS = [*LOOK_UP, *RAISES, *ONCE, *BACK, *AWAITABLES, *COROUTINES, *LIES]
TOLD_WAYS = [*LOOK_UP, *RAISES, *ONCE, *BACK, Way("returns a number", plain(lambda *_: 5))]
CALLBACK_WAYS = [*RAISES, *ONCE, *BACK, Way("returns a number", plain(lambda *_: 5))]
