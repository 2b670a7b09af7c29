"""The clock of the tests: it jumps over what is waited for, and runs like any other beside
threads and other programs."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest

from iso15118.aio import logs, output
from iso15118.aio.writer import WriterThread
from tests import clock


def test_an_hour_takes_no_time() -> None:
    async def wait() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(3600.0)
        return loop.time() - began

    assert 3600.0 <= clock.run(wait()) < 3601.0


def test_work_takes_no_time() -> None:
    async def work() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        time.sleep(0.05)  # noqa: ASYNC251 - as a loaded machine does
        return loop.time() - began

    assert clock.run(work()) == 0.0


def test_what_travels_arrives_before_time_jumps() -> None:
    async def talk() -> bytes:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        with ours, theirs:
            async with asyncio.timeout(0.001):
                for number in range(50):
                    await loop.sock_sendall(ours, bytes([number]))
                    assert await loop.sock_recv(theirs, 10) == bytes([number])
        return b"all"

    assert clock.run(talk()) == b"all"


def test_turns_without_sleep_get_on() -> None:
    async def poll() -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + 0.01
        while loop.time() < until:  # noqa: ASYNC110 - that is what is tried
            await asyncio.sleep(0)

    clock.run(poll())


def test_a_thread_has_the_time_it_needs() -> None:
    async def both() -> bool:
        done = threading.Event()

        def work() -> None:
            time.sleep(0.05)
            done.set()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            async with asyncio.timeout(10.0):
                while not done.is_set():  # noqa: ASYNC110 - of a thread
                    await asyncio.sleep(0.1)
        finally:
            thread.join()
        return True

    assert clock.run(both())


def test_a_function_elsewhere_and_another_program_have_theirs() -> None:
    async def both() -> int:
        async with asyncio.timeout(60.0):
            await asyncio.to_thread(time.sleep, 0.05)
            program = await asyncio.create_subprocess_exec("sleep", "0.05")
            return await program.wait()

    assert clock.run(both()) == 0


def test_who_writes_the_log_is_no_company(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line of a process makes the thread that writes it: the test that has it would be the
    only one on the real clock."""
    for module, handle, name in (
        (logs, logs._handle, "iso15118 log"),
        (output, output._line, "iso15118 output"),
    ):
        monkeypatch.setattr(module, "_writer", WriterThread(name, handle))

    async def first_line() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, clock.SteadyLoop)
        logs.Log(__name__).warning("the first of this process")
        output.say("", error=True)
        began = loop.time()
        await asyncio.sleep(60.0)
        assert not loop.has_company
        return loop.time() - began

    assert 60.0 <= clock.run(first_line()) < 60.1
    assert logs.flush()
    assert output.flush()
