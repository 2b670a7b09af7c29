"""One process that works, seen from both of its ends: what it says, how it is ended, and that it ends with
its parent. None is started here.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio import workers as module


class Process:
    """Notes what is done to it."""

    def __init__(self, exitcode: int | None, alive: bool) -> None:
        self.exitcode, self.alive = exitcode, alive
        self.done: list[Any] = []

    def start(self) -> None:
        self.done.append("start")

    def join(self, timeout: float | None = None) -> None:
        self.done.append(("join", timeout))

    def is_alive(self) -> bool:
        return self.alive

    def kill(self) -> None:
        self.done.append("kill")


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A system whose processes do nothing; ``theirs`` are the other ends of their connections."""
    played = SimpleNamespace(exitcode=0, alive=False, theirs=[], made=[], daemon=[])

    class Context:
        def Pipe(self) -> Any:  # noqa: N802 - as the library calls it
            ours, theirs = multiprocessing.Pipe()
            played.theirs.append(theirs)
            return ours, SimpleNamespace(close=lambda: None)

        def Process(self, *, target: Any, args: Any, daemon: bool) -> Process:  # noqa: N802
            played.daemon.append(daemon)
            made = Process(played.exitcode, played.alive)
            played.made.append(made)
            return made

    monkeypatch.setattr(multiprocessing, "get_context", lambda how: Context())
    yield played
    for one in played.theirs:
        one.close()


def test_a_process_is_ready_when_it_says_so_and_busy_while_it_has_an_item(
    processes: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=50.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    worker = module._Worker[str](str.upper)
    (theirs,) = processes.theirs
    assert processes.daemon == [True], "it ends with this process"
    assert (worker.ready, worker.busy) == (False, False)
    theirs.send(True)
    assert worker.answer() == ()
    assert worker.give("a") is True
    assert (worker.ready, worker.busy) == (True, True)
    clock.now = 53.0
    assert worker.age == 3.0
    assert theirs.recv() == "a"
    theirs.send(("A", 0.5))
    assert worker.answer() == ("A", "", 0.5)
    theirs.close()
    assert worker.answer() is None
    assert worker.give("b") is False
    assert worker.end() == "exit status 0"


@pytest.mark.parametrize(
    ("exitcode", "how"),
    [
        (0, "exit status 0"),
        (1, "exit status 1"),
        (-9, "signal SIGKILL"),
        (-1, "signal SIGHUP"),
        (-250, "exit status -250"),
        (None, "exit status None"),
    ],
)
@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("alive", [False, True])
def test_how_a_process_ended_is_said_and_one_that_does_not_end_is_killed(
    processes: SimpleNamespace, exitcode: int | None, how: str, busy: bool, alive: bool
) -> None:
    """One that has no item ends by itself when its connection does; one that works is not waited for."""
    processes.exitcode, processes.alive = exitcode, alive
    worker = module._Worker[str](str.upper)
    if busy:
        assert worker.give("a")
    assert worker.end() == how
    (process,) = processes.made
    waited = ("join", 0.05 if busy else 0.5)
    assert process.done == ["start", waited, *(["kill", ("join", None)] if alive else [])]
    assert worker.connection.closed


def test_a_process_takes_one_item_after_the_other_until_nobody_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is deaf to an interrupt, which is for the command, and it says how long each item took."""
    clock = iter([5.0, 7.5, 10.0, 10.25])
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: None)
    before, level = signal.getsignal(signal.SIGINT), logging.root.manager.disable
    ours, theirs = multiprocessing.Pipe()
    for item in ("a", "b"):
        ours.send(item)
    said: list[Any] = []

    def listen() -> None:
        for _ in range(3):
            said.append(ours.recv())
        ours.close()

    listening = threading.Thread(target=listen)
    listening.start()
    try:
        module._serve(theirs, str.upper)  # type: ignore[arg-type]
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
        logging.disable(level)
        listening.join()
        theirs.close()
    assert said == [True, ("A", 2.5), ("B", 0.25)]


def test_a_process_whose_parent_is_gone_ends_with_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the middle of an item: a thread of it waits for the end of the parent."""
    ended: list[int] = []
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(module, "os", SimpleNamespace(_exit=ended.append))

    def thread(**how: Any) -> threading.Thread:
        made.append(how)
        return threading.Thread()

    monkeypatch.setattr(module, "threading", SimpleNamespace(Thread=thread))
    read, write = os.pipe()
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(sentinel=read))
    before, level = signal.getsignal(signal.SIGINT), logging.root.manager.disable
    ours, theirs = multiprocessing.Pipe()
    ours.close()
    try:
        module._serve(theirs, str.upper)  # type: ignore[arg-type]
    finally:
        signal.signal(signal.SIGINT, before)
        logging.disable(level)
        theirs.close()
    (how,) = made
    assert how["daemon"] is True, "it keeps no process that has done its work"
    os.close(write)
    how["target"](*how["args"])
    assert ended == [1]
    os.close(read)
