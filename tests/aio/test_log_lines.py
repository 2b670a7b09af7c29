"""A line of the drivers' log as handlers get it: of the time and the thread in which it was said, with the
name of its connector, and written by a thread that counts what is too much."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import pytest

from iso15118.aio import logs, writer
from iso15118.aio.logs import Log, _Said, connector
from iso15118.aio.writer import WriterThread

LOGGER = logging.getLogger("iso15118.aio.of_a_test")


def said(text: str, *values: object) -> logging.LogRecord:
    return _Said(LOGGER, logging.WARNING, text, values, None).record()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """What the clock of the day says; a list of one."""
    moment = [1_700_000_000.25]
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: moment[0])
        yield moment


def test_a_line_has_the_time_at_which_it_was_said_and_not_at_which_it_was_written(later: list[float]) -> None:
    line = _Said(LOGGER, logging.WARNING, "text", (), None)
    later[0] += 7.5
    record = line.record()
    now = logging.LogRecord("x", logging.INFO, "", 0, "", (), None)
    assert record.created == 1_700_000_000.25
    assert record.msecs == 250.0
    assert now.relativeCreated - record.relativeCreated == pytest.approx(7_500.0, abs=1e-3)


def test_a_line_has_the_thread_that_said_it() -> None:
    lines: list[_Said] = []
    thread = threading.Thread(
        target=lambda: lines.append(_Said(LOGGER, logging.INFO, "text", (), None)), name="somebody"
    )
    thread.start()
    thread.join()
    record = lines[0].record()
    assert (record.threadName, record.thread) == ("somebody", thread.ident)
    assert (record.pathname, record.lineno, record.levelno) == ("", 0, logging.INFO)


@pytest.mark.parametrize(
    ("name", "text", "values", "message"),
    [
        ("", "100 %", (), "100 %"),
        ("", "%s of %d", ("a", 5), "a of 5"),
        ("left", "100 %", (), "left: 100 %"),
        ("left", "%s of %d", ("a", 5), "left: a of 5"),
        ("50 %s", "100 %", (), "50 %s: 100 %"),
        ("50 %s", "%s of %d", ("a", 5), "50 %s: a of 5"),
    ],
)
def test_a_line_begins_with_its_connector_whatever_that_is_called(
    name: str, text: str, values: tuple[object, ...], message: str
) -> None:
    token = connector.set(name)
    try:
        record = said(text, *values)
    finally:
        connector.reset(token)
    assert record.getMessage() == message
    assert record.connector == name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("level", "debug", "info"),
    [(logging.DEBUG, True, True), (logging.INFO, False, True), (logging.WARNING, False, False)],
)
def test_what_nobody_would_see_is_not_made(level: int, debug: bool, info: bool) -> None:
    log = Log(LOGGER.name)
    LOGGER.setLevel(level)
    try:
        assert (log.tells_debug, log.tells_info) == (debug, info)
    finally:
        LOGGER.setLevel(logging.NOTSET)


def test_lines_that_were_dropped_are_counted_and_said_when_the_writer_is_idle_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: WriterThread[object] = WriterThread("a test's", lambda item: None)
    monkeypatch.setattr(logs, "_writer", kept)
    line = _Said(LOGGER, logging.WARNING, "text", (), None)
    kept._dropped = 3
    kept._waiting.put((line,))
    logs._handle(line)
    assert "dropped" not in caplog.text, "more is to be written first"
    kept._waiting.get()
    logs._handle(line)
    logs._handle(line)
    said_of_it = [one.getMessage() for one in caplog.records if "dropped" in one.getMessage()]
    assert said_of_it == ["3 lines of the log were dropped: its handlers are too slow"]


# -- the thread


def test_a_thread_that_writes_keeps_no_program_from_ending() -> None:
    written: list[int] = []
    thread = WriterThread("a test's", written.append)
    thread.put(1)
    assert thread.flush(60.0)
    assert written == [1]
    assert thread._thread is not None
    assert thread._thread.daemon


def test_what_is_put_is_written_in_order_and_one_that_fails_costs_itself() -> None:
    written: list[int] = []

    def write(item: int) -> None:
        if item == 2:
            raise SystemExit("whatever it is")
        written.append(item)

    thread = WriterThread("a test's", write)
    assert (thread.idle, thread.lost, thread.flush(0.0)) == (True, 0, True)
    for number in range(5):
        thread.put(number)
    assert thread.flush(10.0)
    assert written == [0, 1, 3, 4]
    assert (thread.idle, thread.lost, thread.taken_dropped()) == (True, 1, 0)


def test_who_writes_too_slowly_loses_what_is_beyond_the_most_that_may_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer, "_MOST_WAITING", 3)
    going, goes = threading.Event(), threading.Event()
    written: list[int] = []

    def write(item: int) -> None:
        going.set()
        goes.wait(10.0)
        written.append(item)

    thread = WriterThread("a test's", write)
    thread.put(0)
    assert going.wait(10.0)
    for number in range(1, 7):
        thread.put(number)
    assert (thread.lost, thread.idle) == (3, False)
    assert not thread.flush(0.0)
    goes.set()
    assert thread.flush(10.0)
    assert written == [0, 1, 2, 3]
    assert thread.lost == 3
    assert (thread.taken_dropped(), thread.taken_dropped(), thread.lost) == (3, 0, 0)


def test_a_machine_without_more_threads_keeps_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    thread = WriterThread("a test's", written.append)

    def fails(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fails)
        thread.put(1)
        assert not thread.idle
        assert thread.flush(0.0), "nobody would write it"
    thread.put(2)
    assert thread.flush(10.0)
    assert written == [1, 2]
