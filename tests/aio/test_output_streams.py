"""Lines of a command in this process: they go around the buffer of a standard stream, in its encoding and
whole, and whoever waits for them is told whether they were written."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable

import pytest

from iso15118.aio import output

ENOUGH_S = 60.0


class Standard(io.TextIOWrapper):
    """A standard stream of this process, whose buffer nobody may use."""

    def write(self, text: str) -> int:
        raise AssertionError("a thread that waits in here holds the lock of the stream")


Read = Callable[[], bytes]


def standard(name: str, encoding: str | None, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Put a pipe in its place; gives what reads all that was written."""
    reads, writes = os.pipe()
    stream = Standard(os.fdopen(writes, "wb"), encoding=encoding or "ascii")
    if encoding is None:
        monkeypatch.setattr(Standard, "encoding", None)
    monkeypatch.setattr(sys, name, stream)
    monkeypatch.setattr(sys, f"__{name}__", stream)

    def read() -> bytes:
        stream.close()
        with os.fdopen(reads, "rb") as pipe:
            return pipe.read()

    return read


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize(
    ("encoding", "written"),
    [("utf-8", "é\n".encode()), ("latin-1", b"\xe9\n"), ("ascii", b"\\xe9\n"), (None, "é\n".encode())],
)
def test_a_line_comes_in_the_encoding_of_its_stream(
    name: str, encoding: str | None, written: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = output.lost()
    read = standard(name, encoding, monkeypatch)
    output.say("é", error=name == "stderr")
    assert output.flush(ENOUGH_S)
    assert read() == written
    assert output.lost() == lost


def test_a_line_is_of_standard_output_unless_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = standard("stdout", "utf-8", monkeypatch), standard("stderr", "utf-8", monkeypatch)
    output.say("result")
    output.say("refused", error=True)
    assert output.flush(ENOUGH_S)
    assert (out(), err()) == (b"result\n", b"refused\n")


def test_a_pipe_that_takes_a_few_octets_at_a_time_has_the_whole_line(monkeypatch: pytest.MonkeyPatch) -> None:
    read = standard("stdout", "utf-8", monkeypatch)
    really = os.write
    monkeypatch.setattr(os, "write", lambda where, data: really(where, data[:3]))
    output.say("a line of twenty-odd octets")
    assert output.flush(ENOUGH_S)
    monkeypatch.undo()
    assert read() == b"a line of twenty-odd octets\n"


def test_a_stream_in_the_place_of_a_standard_one_is_written_to_as_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    output.say("for a test")
    assert output.flush(ENOUGH_S)
    assert stream.getvalue() == "for a test\n"


def test_who_waits_is_told_whether_everything_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()

    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            goes_on.wait(ENOUGH_S)
            return super().write(text)

    stream = Slow()
    monkeypatch.setattr(sys, "stdout", stream)
    output.say("slow")
    try:
        assert output.flush(0.01) is False
    finally:
        goes_on.set()
    assert output.flush(ENOUGH_S) is True
    assert stream.getvalue() == "slow\n"
