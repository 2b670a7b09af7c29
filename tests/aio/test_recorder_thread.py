"""What the thread of a recorder does with what it is handed: in order, within its bounds, and to the end.
The thread does not run here: a test does its work when it says so."""

from __future__ import annotations

import json
import queue
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from iso15118.aio import recording
from iso15118.aio.logs import flush
from iso15118.aio.recording import Recorder, SharedRecorder
from iso15118.aio.session_tap import SessionTap, Slot
from iso15118.trace.recording import SessionRecord

EMPTY = None
"""In place of an item: nothing comes."""
WAITS = 300
"""What an item counts for beside its octets."""


class Thread:
    """Does nothing by itself; ``alive`` until its work has been done."""

    def __init__(self, *, target: Any, name: str, daemon: bool) -> None:
        self.target, self.name, self.daemon = target, name, daemon
        self.alive = self.waits = False
        self.joined: list[float] = []

    def start(self) -> None:
        self.alive = True

    def join(self, timeout: float) -> None:
        self.joined.append(timeout)
        if self.alive and not self.waits:
            self.target()
            self.alive = False

    def is_alive(self) -> bool:
        return self.alive


class Signal(threading.Event):
    """Waits for nothing, and notes for how long it was to."""

    waited: float | None = None

    def wait(self, timeout: float | None = None) -> bool:
        Signal.waited = timeout
        return self.is_set()


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = SimpleNamespace(Thread=Thread, Lock=threading.Lock, Event=Signal)
    monkeypatch.setattr(recording, "threading", threads)


def thread_of(recorder: Recorder) -> Thread:
    return cast("Thread", recorder._thread)


class Script:
    """A queue that gives what there is, then is ``empty`` once, and notes how long it was to wait."""

    def __init__(self, *items: Any) -> None:
        self.items, self.waited = list(items), list[float | None]()

    def get(self, timeout: float | None = None) -> Any:
        self.waited.append(timeout)
        item = self.items.pop(0)
        if item is None:
            raise queue.Empty
        return item

    def put(self, item: Any) -> None:
        self.items.append(item)

    def empty(self) -> bool:
        return self.items[0] is None or self.items[0][0] is None


def run(recorder: Recorder, *items: Any) -> list[float | None]:
    """Do these; how long was waited for each, and for the end."""
    script: Any = Script(*items, (None, lambda: None, 0))
    recorder._queue = script
    recorder._work()
    return list(script.waited)


class Held(Slot):
    """Notes when it is flushed, and what became of it."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder, "secc")
        self.flushed, self.done = list[float](), list[Any]()
        record: Any = SimpleNamespace(
            flush=self.flushed.append,
            octets=lambda *what: self.done.append(what),
            give_up=self.done.append,
            close=lambda *why: self.done.append(("closed", *why)),
        )
        self.record = record


def nothing() -> None: ...


def test_packets_of_a_handshake_wait_ten_seconds_for_their_secrets(tmp_path: Path) -> None:
    """By the clock of the connection, which does not go back; or, where nothing is said any more, by that of
    the thread."""
    with Recorder(tmp_path) as recorder:
        slot = Held(recorder)
        slot.start(0.0, 0.25)
        assert (slot.flush(), slot.flushed) == (False, [])
        for now in (10.2, 3.0, None):
            slot.do(lambda _: None, now)
            assert (slot.flush(), slot.flushed) == (False, [])
        slot.do(lambda _: None, 10.25)
        assert (slot.flush(), slot.flushed) == (True, [10.25])
        slot = Held(recorder)
        slot.start(0.0, 0.25)
        assert run(recorder, (slot, nothing, 5), EMPTY) == [None, 10.0, None]
        assert slot.flushed == [0.25]


def test_packets_of_a_handshake_wait_no_longer_than_until_it_is_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first message shows that the secrets are there."""
    with Recorder(tmp_path) as recorder:
        slot = Held(recorder)
        monkeypatch.setattr(recorder, "slot", lambda role: slot)
        tap = SessionTap(recorder, "secc")
        tap.begin(0.25)
        tap.octets(False, b"x", 0.5)
        (began, said) = recorder._queue.get(), recorder._queue.get()
        assert run(recorder, began, said) == [None, 10.0, None]
        assert slot.done == [("evcc", b"x", 0.5)]
        assert slot.flushed == [0.5]


def test_a_record_that_was_there_before_the_connection_is_written_at_once(tmp_path: Path) -> None:
    """What is told before a handshake waits for no secrets."""
    with Recorder(tmp_path) as recorder:
        slot = Held(recorder)
        assert (slot.flush(), slot.flushed) == (True, [0.0])
        assert Slot(recorder, "secc").flush(), "nothing is left to write of one without a record"


def test_records_are_flushed_when_nothing_else_waits(tmp_path: Path) -> None:
    """So that a burst is one write, and the last of it does not lie there; a folder that is ended is left
    alone."""
    with Recorder(tmp_path) as recorder:
        slot, other = Held(recorder), Held(recorder)
        run(recorder, (slot, nothing, 0), (other, nothing, 0), (slot, nothing, 0), EMPTY)
        assert (slot.flushed, other.flushed) == ([0.0], [0.0])
        slot = Held(recorder)
        run(recorder, (slot, nothing, 0), (slot, lambda: recorder.end(slot), 0))
        assert slot.done == [("closed",)]
        assert (slot.record, slot.flushed) == (None, [])
        assert slot not in recorder._slots
        recorder.end(slot)


def test_what_fails_costs_its_own_recording_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is said; what comes after it is done."""
    with Recorder(tmp_path) as recorder:
        slot, other = Held(recorder), Held(recorder)
        run(recorder, (slot, lambda: 1 // 0, 0), (other, lambda: other.done.append("done"), 0))
        assert (slot.failed, other.failed, other.done) == (True, False, ["done"])
        assert recorder.failed.startswith("ZeroDivisionError")
    assert flush(60.0)
    assert "the recording of a session failed" in caplog.text


@pytest.mark.parametrize("most", [None, 5_000])
def test_so_much_may_wait_to_be_written_and_then_the_recording_ends(tmp_path: Path, most: int | None) -> None:
    """16 MiB unless another bound is given; each item counts for 300 octets beside its own. What was written
    makes room again, for others; the record is told why it ends."""
    with Recorder(tmp_path) if most is None else Recorder(tmp_path, most_waiting=most) as recorder:
        most = 16 * 1024 * 1024 if most is None else most
        slot, other = Held(recorder), Held(recorder)
        for _ in range(2):
            recorder.put(other, nothing, most - WAITS)
            assert not other.failed
            run(recorder, recorder._queue.get())
        recorder.put(other, nothing, most - 2 * WAITS)
        recorder.put(slot, lambda: slot.done.append("written"), 1)
        assert (slot.failed, other.failed) == (True, False)
        assert recorder.failed == "the disk is too slow"
        run(recorder, recorder._queue.get(), recorder._queue.get())
        assert slot.done == ["the disk is too slow"]
        assert recorder._given == recorder._taken


def test_waiting_for_the_disk_does_not_widen_the_bound(tmp_path: Path) -> None:
    """Whoever flushes often would have more wait than is allowed."""
    with Recorder(tmp_path, most_waiting=5_000) as recorder:
        for _ in range(9):
            recorder.flush(0.0)
            run(recorder, recorder._queue.get())
            assert recorder._given == recorder._taken
        slot = Held(recorder)
        recorder.put(slot, nothing, 4_701)
        assert slot.failed


def test_a_run_that_is_told_more_than_its_disk_can_take_keeps_no_more_of_it(tmp_path: Path) -> None:
    """Both ends of a run share a folder, and are told news without a connection: these end as well."""
    folder = tmp_path / "run"
    folder.mkdir()
    record = SessionRecord(folder, role="evcc", epoch=0.0)
    with SharedRecorder(record) as recorder:
        recorder._most = 2 * WAITS
        for number in range(9):
            recorder.do(partial(SessionRecord.told, role="evcc", name="News", what=number, now=0.5), 0.5)
        assert recorder._given == 3 * WAITS, "the third one ends it"
        assert recorder._queue.qsize() == 3
    assert record.failed == "the disk is too slow"
    lines = (folder / "session.jsonl").read_text().splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["News", "News", "RecordingEnded"]


def test_flush_waits_two_seconds_unless_told_otherwise_and_says_whether_all_is_written(
    tmp_path: Path,
) -> None:
    """Also of a recorder that is closed, whose thread may still be at work."""
    recorder = Recorder(tmp_path)
    assert not recorder.flush()
    assert Signal.waited == 2.0
    assert not recorder.flush(0.5)
    assert Signal.waited == 0.5
    script: Any = Script()

    def put(item: Any) -> None:
        item[1]()

    script.put = put
    recorder._queue, kept = script, recorder._queue
    assert recorder.flush()
    recorder._queue = kept
    thread = thread_of(recorder)
    thread.waits = True
    assert not recorder.close()
    assert not recorder.flush(0.25)
    assert thread.joined == [2.0, 0.25]
    thread.waits = False
    assert recorder.flush()
    assert thread.joined == [2.0, 0.25, 2.0]
    assert recorder.close()
    assert flush(60.0)


def test_a_recorder_is_closed_once_and_its_thread_keeps_no_program_from_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Closing again waits again; what is told after it is not kept. A disk that does not answer in time is
    said, and only then."""
    at_exit = list[Any]()
    monkeypatch.setattr(
        recording, "atexit", SimpleNamespace(register=at_exit.append, unregister=at_exit.remove)
    )
    recorder = Recorder(tmp_path)
    assert at_exit == [recorder.close]
    thread = thread_of(recorder)
    assert thread.daemon
    thread.waits = True
    assert not recorder.close(0.1)
    assert not recorder.close(0.2)
    recorder.put(Held(recorder), nothing, 5)
    assert (at_exit, thread.joined, recorder._queue.qsize()) == ([], [0.1, 0.2], 1)
    assert flush(60.0)
    assert caplog.text.count(f"{tmp_path} is not whole: the disk is too slow") == 2
    thread.waits = False
    caplog.clear()
    assert recorder.close()
    assert flush(60.0)
    assert "is not whole" not in caplog.text


def test_a_session_that_outlives_its_recorder_has_a_record_that_says_so(tmp_path: Path) -> None:
    """The others were closed with their sessions."""
    with Recorder(tmp_path) as recorder:
        tap, over = SessionTap(recorder, "evcc"), SessionTap(recorder, "evcc", alone=True)
        for one in (tap, over):
            one.session_began(0.5)
        over.finished(None, 1.0)
    assert [one.name for one in recorder.folders] == ["evcc-0001", "evcc-0002"]
    pages = [(folder / "report.html").read_text() for folder in recorder.folders]
    assert ["the program ended before the session did" in page for page in pages] == [True, False]
    assert recorder._given == recorder._taken


@pytest.mark.parametrize("strerror", ["No space left on device", None])
def test_a_folder_that_cannot_be_made_costs_the_recording_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, strerror: str | None
) -> None:
    """With the words of the system, or the kind of the error where it has none."""

    def fail(*where: Any) -> Path:
        raise OSError(28, strerror) if strerror else OSError

    monkeypatch.setattr("iso15118.aio.session_tap.new_folder", fail)
    with Recorder(tmp_path) as recorder:
        tap = SessionTap(recorder, "evcc")
        tap.session_began(0.5)
        tap.finished(None, 1.0)
    assert recorder.failed == (strerror or "OSError")
    assert not recorder.folders
    assert flush(60.0)
    assert "a session is not recorded" in caplog.text
