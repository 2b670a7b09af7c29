"""The thread that an owner's event loop runs in: where a call is made, and where it is refused."""

from __future__ import annotations

import asyncio
import threading

from iso15118.aio.ports.loop_thread import LoopThread
from iso15118.errors import MisuseError


def beside(call: object) -> list[object]:
    """What the call gives in another thread."""
    gave: list[object] = []
    thread = threading.Thread(target=lambda: gave.append(call()))  # type: ignore[operator]
    thread.start()
    thread.join()
    return gave


def needs(where: LoopThread) -> str:
    try:
        where.need("server.show")
    except MisuseError as error:
        return str(error)
    return ""


def test_without_a_loop_every_thread_will_do() -> None:
    where = LoopThread()
    assert (where.elsewhere, beside(lambda: where.elsewhere)) == (False, [False])
    made: list[int] = []
    beside(lambda: where.do(lambda: made.append(threading.get_ident())))
    assert len(made) == 1
    assert made[0] != threading.get_ident()
    where.need("server.show")


async def test_with_one_its_own_does() -> None:
    where, made = LoopThread(), list[int]()
    where.enter(asyncio.get_running_loop())
    assert (where.elsewhere, beside(lambda: where.elsewhere)) == (False, [True])
    beside(lambda: where.do(lambda: made.append(threading.get_ident())))
    where.do(lambda: made.append(0))
    assert made == [0], "from there at once, from another one in the loop's next turn"
    await asyncio.sleep(0.01)
    assert made == [0, threading.get_ident()]
    (why,) = beside(lambda: needs(where))
    assert "server.show was called from another thread than that of its event loop" in str(why)
    where.need("server.show")
    where.leave()
    assert beside(lambda: where.elsewhere) == [False]


def test_a_loop_that_is_closed_is_none() -> None:
    where, made = LoopThread(), list[str]()
    loop = asyncio.new_event_loop()
    where.enter(loop)
    loop.close()
    beside(lambda: where.do(lambda: made.append("made")))
    assert made == ["made"]
