"""The listener on a connection: it hears everything, and can harm nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import TCP

from iso15118.aio.net.tap import TappedStream
from tests.cli.rig import iso15118
from tests.trace.reading import read


@pytest.mark.usefixtures("steady_clock")
def test_a_listener_that_fails_is_heard_of_once_and_the_charge_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("iso15118.aio.session_tap.SessionTap.passed", fail)
    printed = iso15118("loopback", "--json", "--soc-target", "25", "--out", str(tmp_path))
    assert printed.status == 0, printed.err
    assert sum("hears no more" in message for message in caplog.messages) == 1
    assert [str(segment.flags) for segment in read(tmp_path / "session.pcapng").of(TCP)] == ["S", "SA", "A"]


class Listener:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.bytes_came = asyncio.Event()

    def opened(self, local: tuple[str, int], peer: tuple[str, int], now: float) -> None:
        self.heard.append(("opened", local[1], peer[1]))

    def passed(self, sent: bool, data: bytes, now: float) -> None:
        self.heard.append(("passed", sent, data))
        self.bytes_came.set()

    def ended(self, sent: bool, reset: bool, now: float) -> None:
        self.heard.append(("ended", sent, reset))


class Owner:
    """Of a stream, with nothing to say."""

    def stream_ready(self, stream: Any) -> None: ...

    def stream_received(self, stream: Any, item: Any) -> None: ...

    def stream_ended(self, stream: Any, end: Any) -> None: ...


@pytest.mark.parametrize("reset", [False, True])
def test_bytes_and_both_kinds_of_ends_are_heard_as_they_happen(reset: bool) -> None:
    listener = Listener()
    frame = b"\x01\xfe\x7f\x7f\0\0\0\0"  # of a type that nobody reads

    async def talk() -> int:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(frame)
            await writer.drain()
            await reader.read()
            writer.close()

        server = await asyncio.start_server(answer, "::1", 0)
        port: int = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(
            lambda: TappedStream(Owner(), tls=None, tap=listener), "::1", port
        )
        await listener.bytes_came.wait()
        stream.abort() if reset else stream.close()
        await stream.wait_closed()
        server.close()
        await server.wait_closed()
        return port

    port = asyncio.run(talk())
    assert listener.heard[0][2] == port
    assert listener.heard[1] == ("passed", False, frame)
    assert listener.heard[2] == ("ended", True, reset)
    assert (("ended", False, False) in listener.heard) is not reset
