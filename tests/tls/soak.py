"""Thousands of TLS handshakes over real sockets against one station, half of them failing in every way there
is, and what is left behind.

``python -m tests.tls.soak --handshakes 5000``: one JSON line; exit status 1 if descriptors or memory do not
come back, a handshake ends otherwise than it should, or a good one is hindered by a hundred that stall.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import os
import random
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from iso15118.aio import SeccServer, StreamLimits
from iso15118.errors import TlsError
from iso15118.pki import issue_test_pki
from iso15118.sdp import Security
from iso15118.tls import DUAL, ISO2, ISO20, TlsConnection, TlsContext, TlsPort
from tests.aio.site import LOOPBACK, QUICK_PORTS, Plant, secc_config

from .evidence import Stapler, judge_stations
from .rig import NOW, car, checks_vehicles, issued, strangers
from .test_iso2 import PKI as OLD
from .test_iso2 import accept, car2, other, station2

NEW = issued()
ED448 = issue_test_pki("iso20", "ed448", at=NOW, organization="Second maker")
HANDSHAKE_S = 2.0
PATIENCE_S = 30.0
"""A connection may have to wait for the sessions before it, and for the system to try again
when the backlog is full."""
AT_ONCE = 24
RSS_GROWTH = 0.05
GOOD_BESIDE_STALLED = 20


def port() -> TlsPort:
    """A station for everybody."""
    new = TlsContext(
        ISO20,
        role="server",
        identities=[NEW.secc, ED448.secc],
        anchors=[NEW.oem_root],
        verify=checks_vehicles(NEW),
        staples=Stapler(NEW),
    )
    return TlsPort([new, station2(OLD, other("Second"), staples=Stapler(OLD))])


class Wire:
    """A socket to the station."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def to(cls, where: int) -> Wire:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("::1", where))
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.sock, data)

    async def receive(self) -> bytes:
        return await self._loop.sock_recv(self.sock, 65536)

    async def rest(self) -> bytes:
        """What the station says up to the end; a reset is an end as well."""
        said = b""
        try:
            while data := await self.receive():
                said += data
        except ConnectionError:
            pass
        return said

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


async def shake(wire: Wire, tls: TlsConnection, piece: int = 1 << 20) -> TlsError | None:
    """Our end of a handshake, up to the station's verdict. None: it let us in (or says nothing more)."""
    try:
        while not tls.handshake_complete:
            data = tls.data_to_send()
            for start in range(0, len(data), piece):
                await wire.send(data[start : start + piece])
                if piece < 1 << 20:
                    await asyncio.sleep(0)
            data = await wire.receive()
            if not data:
                tls.eof_received()
                return TlsError("the station closed the connection")
            tls.receive_data(data)
        await wire.send(tls.data_to_send())
    except TlsError as error:
        with contextlib.suppress(OSError):
            await wire.send(tls.data_to_send())
        return error
    except ConnectionError as error:
        return TlsError(str(error))
    return None


async def verdict(wire: Wire, tls: TlsConnection) -> TlsError | None:
    """After our last flight: what the station makes of our certificate. It closes in order when we do."""
    try:
        tls.close()
        await wire.send(tls.data_to_send())
        while data := await wire.receive():
            tls.receive_data(data)
    except TlsError as error:
        return error
    except ConnectionError as error:
        return TlsError(str(error))
    return None


Way = Callable[[int], Awaitable[str]]


def by_context(context: TlsContext, *, fails: bool, piece: int = 1 << 20) -> Way:
    async def way(where: int) -> str:
        wire, tls = await Wire.to(where), context.connect()
        try:
            error = await shake(wire, tls, piece) or await verdict(wire, tls)
        finally:
            wire.sock.close()
        if fails:
            return "" if error is not None else "it was let in"
        return "" if error is None else str(error)

    return way


def by_bytes(*pieces: bytes | None, answered: bool = False) -> Way:
    """Sends these octets; None is the end of the stream. The station must end it, within
    its time for a handshake."""

    async def way(where: int) -> str:
        wire = await Wire.to(where)
        try:
            for piece in pieces:
                if piece is None:
                    wire.sock.shutdown(socket.SHUT_WR)
                else:
                    await wire.send(piece)
            async with asyncio.timeout(PATIENCE_S):
                said = await wire.rest()
        except ConnectionError:
            return ""
        finally:
            wire.sock.close()
        return "it said nothing" if answered and not said else ""

    return way


def stalling(after: int) -> Way:
    """Stops after so many flights, and waits to be dropped."""

    async def way(where: int) -> str:
        wire, tls = await Wire.to(where), CAR.connect()
        try:
            for flight in range(after):
                data = tls.data_to_send()
                await wire.send(data if flight < after - 1 or after == 1 else data[: len(data) // 2])
                if flight < after - 1:
                    tls.receive_data(await wire.receive())
            async with asyncio.timeout(PATIENCE_S):
                await wire.rest()
        except ConnectionError:
            return ""
        finally:
            wire.sock.close()
        return ""

    return way


def resetting(after: int) -> Way:
    """Resets after so many flights."""

    async def way(where: int) -> str:
        wire, tls = await Wire.to(where), CAR.connect()
        try:
            for _ in range(after):
                await wire.send(tls.data_to_send())
                tls.receive_data(await wire.receive())
        except (ConnectionError, TlsError):
            pass
        finally:
            wire.reset()
        return ""

    return way


async def updating(where: int) -> str:
    """A KeyUpdate in every record, for ever."""
    wire, tls = await Wire.to(where), CAR.connect()
    try:
        if (error := await shake(wire, tls)) is not None:
            return str(error)
        for _ in range(100):
            tls.update_keys(peer_too=True)
            await wire.send(tls.data_to_send())
        async with asyncio.timeout(PATIENCE_S):
            await wire.rest()
    except ConnectionError:
        pass
    finally:
        wire.sock.close()
    return ""


async def plain_after(where: int) -> str:
    """Octets that are no records, after the handshake."""
    wire, tls = await Wire.to(where), CAR.connect()
    try:
        if (error := await shake(wire, tls)) is not None:
            return str(error)
        await wire.send(b"\x17\x03\x03\x00\x20" + bytes(32))
        async with asyncio.timeout(PATIENCE_S):
            await wire.rest()
    except ConnectionError:
        pass
    finally:
        wire.sock.close()
    return ""


def changed(**fields: Any) -> TlsContext:
    return car(NEW, msgspec.structs.replace(ISO20, **fields), verify=accept)


CAR = car(NEW, verify=judge_stations([NEW.v2g_root], demand="all"))
HELLO = CAR.connect().data_to_send()

GOOD: dict[str, Way] = {
    "iso20": by_context(CAR, fails=False),
    "iso20, both editions": by_context(
        TlsContext(
            DUAL,
            role="client",
            identities=[NEW.vehicle],
            anchors=[NEW.v2g_root],
            verify=judge_stations([NEW.v2g_root]),
        ),
        fails=False,
    ),
    "iso20, small records": by_context(changed(max_fragment_length=512), fails=False),
    "iso20, in pieces": by_context(CAR, fails=False, piece=97),
    "iso2": by_context(car2(OLD, demand="all"), fails=False),
}
BAD: dict[str, Way] = {
    "TLS 1.2 outside the profile": by_context(
        car(
            NEW,
            msgspec.structs.replace(
                ISO20,
                min_version="TLSv1.2",
                max_version="TLSv1.2",
                cipher_suites=("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",),
            ),
            verify=accept,
        ),
        fails=True,
    ),
    "only AES-128": by_context(changed(cipher_suites=("TLS_AES_128_GCM_SHA256",)), fails=True),
    "only secp256r1": by_context(changed(groups=("secp256r1",)), fails=True),
    "only P-256 signatures": by_context(changed(signature_schemes=("ecdsa_secp256r1_sha256",)), fails=True),
    "no client certificate": by_context(car(NEW, identities=[], verify=accept), fails=True),
    "contract certificate": by_context(
        car(NEW, identities=[NEW.credential("contract")], verify=accept), fails=True
    ),
    "provisioning certificate": by_context(
        car(NEW, identities=[NEW.credential("oemprov")], verify=accept), fails=True
    ),
    "vehicle of a stranger": by_context(car(NEW, identities=[strangers(NEW)], verify=accept), fails=True),
    "unknown root named": by_context(
        car(NEW, anchors=[issue_test_pki(at=NOW, organization="Strangers").v2g_root], verify=accept),
        fails=True,
    ),
    "vehicle refuses the station": by_context(
        car(NEW, verify=lambda *_: ("certificate_revoked", "revoked")), fails=True
    ),
    "response missing": by_context(
        car2(OLD, profile=msgspec.structs.replace(ISO2, status_request=False), demand="all"), fails=True
    ),
    "plaintext": by_bytes(bytes.fromhex("01fe800100000023") + bytes(35)),
    "HTTP": by_bytes(b"GET / HTTP/1.1\r\n\r\n"),
    "garbage after the hello": by_bytes(HELLO + b"\xfegarbage", answered=True),
    "truncated hello": by_bytes(HELLO[:100], None),
    "flipped hello": by_bytes(HELLO[:60] + bytes([HELLO[60] ^ 0x40]) + HELLO[61:200], None),
    "endless hello": by_bytes(b"\x16\x03\x01\x00\x04\x01\xff\xff\xff"),
    "oversize record": by_bytes(HELLO, b"\x17\x03\x03\xff\xff" + bytes(4000), answered=True),
    "alert flood": by_bytes(b"\x15\x03\x03\x00\x02\x01\x64" * 50),
    "early data": by_bytes(HELLO, b"\x17\x03\x03\x00\x40" + bytes(64), answered=True),
    "nothing": by_bytes(None),
    "stall before the hello": stalling(0),
    "stall after the hello": stalling(1),
    "stall in the last flight": stalling(2),
    "reset at once": resetting(0),
    "reset after a flight": resetting(1),
    "KeyUpdates": updating,
    "no record": plain_after,
}


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def batch(server: SeccServer, count: int, seed: int, wrong: Counter[str]) -> None:
    """So many handshakes, half of them bad, in any order."""
    where = server.ports[Security.TLS]
    chosen = random.Random(seed)
    good, bad = list(GOOD.items()), list(BAD.items())
    ways = [good[n // 2 % len(good)] if n % 2 else bad[n // 2 % len(bad)] for n in range(count)]
    chosen.shuffle(ways)
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, way: Way) -> None:
        async with turn:
            try:
                async with asyncio.timeout(2 * PATIENCE_S):
                    if problem := await way(where):
                        wrong[f"{name}: {problem[:120]}"] += 1
            except Exception as error:
                wrong[f"{name}: {type(error).__name__}: {error}"] += 1

    async with asyncio.TaskGroup() as group:
        for name, way in ways:
            group.create_task(one(name, way))


async def beside_stalled(server: SeccServer, wrong: Counter[str]) -> tuple[float, float]:
    """The slowest of some good handshakes alone, and beside a hundred that stall; seconds."""
    where = server.ports[Security.TLS]

    async def slowest() -> float:
        took = 0.0
        for _ in range(GOOD_BESIDE_STALLED):
            began = time.perf_counter()
            if problem := await GOOD["iso20"](where):
                wrong[f"beside stalled ones: {problem}"] += 1
            took = max(took, time.perf_counter() - began)
        return took

    alone = await slowest()
    stalled = []
    for number in range(100):
        wire = await Wire.to(where)
        if number % 2:
            await wire.send(CAR.connect().data_to_send())
        stalled.append(wire)
    beside = await slowest()
    for wire in stalled:
        wire.reset()
    return alone, beside


async def soak(handshakes: int, batches: int = 10) -> dict[str, Any]:
    """Run it; the figures."""
    plant = Plant()
    wrong: Counter[str] = Counter()
    limits = StreamLimits(handshake_s=HANDSHAKE_S, linger_s=0.2)
    server = SeccServer(
        secc_config(),
        plant.secc,
        LOOPBACK,
        port(),
        sdp=False,
        sdp_port=0,
        port_limits=QUICK_PORTS,
        stream_limits=limits,
    )
    async with server:
        # Memory that is only taken once: the allocator's, caches, the results of the last sessions.
        await batch(server, max(2 * len(BAD), handshakes // 2), 0, wrong)
        await settle(server)
        files, memory, tasks = descriptors(), resident(), len(asyncio.all_tasks())
        course: list[float] = []
        began = time.perf_counter()
        for number in range(batches):
            await batch(server, handshakes // batches, number, wrong)
            course.append(round(resident() / 2**20, 1))
        seconds = time.perf_counter() - began
        await settle(server)
        after = descriptors(), resident(), len(asyncio.all_tasks())
        quick = StreamLimits(handshake_s=30.0, linger_s=0.2)
        server._stream_limits = quick
        alone, beside = await beside_stalled(server, wrong)
        await settle(server)
        finished = server.finished
    return {
        "handshakes": handshakes,
        "ways_good": len(GOOD),
        "ways_bad": len(BAD),
        "seconds": round(seconds, 1),
        "sessions": finished,
        "descriptors": [files, after[0]],
        "tasks": [tasks, after[2]],
        "rss_mib": [round(memory / 2**20, 1), round(after[1] / 2**20, 1)],
        "rss_by_batch_mib": course,
        "slowest_good_alone_s": round(alone, 3),
        "slowest_good_beside_100_stalled_s": round(beside, 3),
        "wrong": dict(wrong),
        "ok": not wrong
        and after[0] <= files
        and after[2] <= tasks
        and after[1] <= memory * (1 + RSS_GROWTH)
        and beside < alone + 1.0,
    }


async def settle(server: SeccServer) -> None:
    """Wait until every connection is gone."""
    deadline = time.monotonic() + 10.0
    while server._streams and time.monotonic() < deadline:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.05)
    gc.collect()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tls.soak", description=__doc__)
    parser.add_argument("--handshakes", type=int, default=5000)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    figures = asyncio.run(soak(options.handshakes))
    print(json.dumps(figures))
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
