"""Private keys under a real event loop: whatever a token does, the loop that guards the hardware goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.aio.ports.key_calls import KeyCalls
from iso15118.errors import PkiError
from iso15118.session import actions as act
from iso15118.session import events as ev

LONG_S = 30.0
"""Longer than any of this takes, on any machine; what hangs for so long fails its test."""


def use(work: Callable[[], Any], number: int = 1) -> act.UseKey:
    return act.UseKey("the test", work, 0.0, number)


class Heard:
    """What the session is told, and when the first of it came."""

    def __init__(self) -> None:
        self.events: list[ev.Event] = []
        self.first = asyncio.Event()

    def __call__(self, event: ev.Event) -> None:
        self.events.append(event)
        self.first.set()

    async def one(self) -> ev.KeyUsed:
        await asyncio.wait_for(self.first.wait(), LONG_S)
        (event,) = self.events
        assert isinstance(event, ev.KeyUsed)
        return event


async def test_the_loop_turns_while_a_key_is_used() -> None:
    """The token gives its signature only after the loop has turned: it would wait for
    ever if it were called on it."""
    turned = threading.Event()
    heard = Heard()
    keys = KeyCalls(asyncio.get_running_loop(), heard)
    keys.use(use(lambda: b"signed" if turned.wait(LONG_S) else None))
    assert not heard.events
    await asyncio.sleep(0.01)
    turned.set()
    assert (await heard.one()).result == b"signed"


@pytest.mark.parametrize(
    "error", [PkiError("gone"), OSError("gone"), SystemExit(3), KeyboardInterrupt()], ids=type
)
async def test_what_a_key_raises_is_told_and_reaches_nobody_else(error: BaseException) -> None:
    def work() -> Any:
        raise error

    heard = Heard()
    KeyCalls(asyncio.get_running_loop(), heard).use(use(work, 4))
    told = await heard.one()
    assert told.number == 4
    assert isinstance(told.error, Exception)
    assert type(error).__name__ in str(told.error) or told.error is error


async def test_a_second_use_does_not_wait_for_one_that_hangs() -> None:
    hangs, heard = threading.Event(), Heard()
    keys = KeyCalls(asyncio.get_running_loop(), heard)
    keys.use(use(lambda: hangs.wait(LONG_S), 1))
    keys.use(use(lambda: "quick", 2))
    assert (await heard.one()).number == 2
    hangs.set()


async def test_nobody_is_told_after_the_end() -> None:
    hangs, done, heard = threading.Event(), threading.Event(), Heard()

    def work() -> str:
        hangs.wait(LONG_S)
        done.set()
        return "late"

    keys = KeyCalls(asyncio.get_running_loop(), heard)
    keys.use(use(work))
    keys.close()
    hangs.set()
    assert await asyncio.to_thread(done.wait, LONG_S)
    await asyncio.sleep(0.02)
    assert heard.events == []


async def test_a_process_without_room_for_a_thread_does_without_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    heard = Heard()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    KeyCalls(asyncio.get_running_loop(), heard).use(use(lambda: b""))
    monkeypatch.undo()
    assert isinstance((await heard.one()).error, RuntimeError)


def test_a_key_that_outlives_its_loop_is_left_alone() -> None:
    hangs = threading.Event()
    failed: list[object] = []
    hook, threading.excepthook = threading.excepthook, failed.append

    def work() -> None:
        hangs.wait(LONG_S)

    async def main() -> None:
        KeyCalls(asyncio.get_running_loop(), failed.append).use(use(work))

    try:
        asyncio.run(main())
        (thread,) = [one for one in threading.enumerate() if one.name == "iso15118 key: the test"]
        hangs.set()
        thread.join(LONG_S)
        assert not thread.is_alive()
    finally:
        threading.excepthook = hook
    assert failed == []
