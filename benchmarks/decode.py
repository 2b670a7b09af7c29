"""What ``iso15118 decode --json`` does in a second: a pcapng file with one long session in TLS 1.3, to a
line of JSON for each message.

The file is made here, with real TLS between two ends in memory and its secrets; the messages are a DC
charge loop whose values change.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv6Address
from pathlib import Path

from msgspec.structs import replace

from iso15118 import exi
from iso15118.messages import app
from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.pki import issue_test_pki
from iso15118.settings.trust import evcc_context, secc_context
from iso15118.trace import Capture, Endpoint
from iso15118.v2gtp import PayloadType, encode_frame

from .figure import Figure, Scale
from .messages import SAMPLES

__all__ = ["run", "write_session"]

_AT_LEAST = 20_000.0
_EV, _SE = Endpoint(IPv6Address("fe80::1"), 50_000, False), Endpoint(IPv6Address("fe80::2"), 61_000, True)
_STEP_S = 0.05


def write_session(path: Path, messages: int) -> int:
    """A capture of so many messages, about; returns how many there are."""
    pki = issue_test_pki("iso20", "p521", at=datetime.now(UTC))
    capture = Capture(epoch=1_790_000_000.0)
    vehicle = evcc_context(pki, revocation="none", keylog=capture.secret).connect()
    station = secc_context(pki).connect()
    now, count = 0.0, 0
    with path.open("wb") as file:
        capture.open(_EV, _SE, now)
        ends = (vehicle, station)
        side = 0
        while data := ends[side].data_to_send():
            capture.data(side == 0, data, now)
            side = 1 - side
            ends[side].receive_data(data)
        for from_vehicle, frame in _frames(messages):
            now += _STEP_S
            one, other = (vehicle, station) if from_vehicle else (station, vehicle)
            one.send_data(frame)
            data = one.data_to_send()
            other.receive_data(data)
            capture.data(from_vehicle, data, now)
            count += 1
            if capture.waiting > 1 << 18:
                file.write(capture.take())
        file.write(capture.take())
    return count


def _frames(messages: int) -> Iterator[tuple[bool, bytes]]:
    """Who sends it, and the frame."""
    by_kind = {type(sample.message).__name__: sample.message for sample in SAMPLES}
    offer = by_kind["SupportedAppProtocolReq"]
    chosen = next(one for one in offer.app_protocol if one.protocol_namespace.endswith(":DC"))
    answer = app.SupportedAppProtocolRes(
        response_code=app.ResponseCode.OK_SuccessfulNegotiation, schema_id=chosen.schema_id
    )
    yield True, encode_frame(PayloadType.SAP, exi.encode("app", offer))
    yield False, encode_frame(PayloadType.SAP, exi.encode("app", answer))
    request, response = by_kind["DCChargeLoopReq"], by_kind["DCChargeLoopRes"]
    for number in range(messages // 2):
        header = replace(request.header, time_stamp=request.header.time_stamp + number // 10)
        volts = RationalNumber(exponent=-1, value=3500 + number % 4500)
        asked = replace(request, header=header, ev_present_voltage=volts)
        given = replace(response, header=header, evse_present_voltage=volts)
        yield True, encode_frame(PayloadType.ISO20_DC, exi.encode("iso20-dc", asked))
        yield False, encode_frame(PayloadType.ISO20_DC, exi.encode("iso20-dc", given))


def run(scale: Scale) -> Iterator[Figure]:
    """Messages per second of CPU, the start of the process included."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "session.pcapng"
        count = write_session(path, scale.captured)
        # As it is installed: its modules are compiled once, and not in every process.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": f"{name}/compiled"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "iso15118", "decode", "--json"]
        short = Path(name) / "short.pcapng"
        write_session(short, 4)
        subprocess.run([*command, str(short)], stdout=subprocess.PIPE, check=True, env=environment)  # noqa: S603
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        done = subprocess.run(  # noqa: S603 - this package
            [*command, str(path)], stdout=subprocess.PIPE, check=True, env=environment
        )
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = done.stdout.count(b'"layer":"message"')
        size = os.path.getsize(path)
    if found != count:
        raise RuntimeError(f"{count} messages were written, {found} were read")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    yield Figure(
        figure="decode-messages",
        case="pcapng, TLS 1.3, to JSON",
        value=count / cpu,
        unit="messages/s",
        aim=_AT_LEAST,
        more_is_better=True,
        details={
            "messages": count,
            "file_MB": size / 1e6,
            "wall_messages_per_s": count / wall,
            "peak_memory_MiB": after.ru_maxrss / 1024.0,
        },
    )
