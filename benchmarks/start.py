"""How long it takes until something can be done: imports, the first message, and a station that listens.

Every sample is a new process. Files are in the system's cache by then, and byte code is compiled: it is
the second start that counts.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from iso15118 import exi
from iso15118.aio.net.network import find_interface, listen_tcp, sdp_server_socket
from iso15118.errors import LinkError
from iso15118.pki import issue_test_pki

from .figure import Figure, Scale, median
from .messages import SAMPLES

__all__ = ["run"]

_IMPORTS = {
    "iso15118.exi": "import iso15118.exi",
    "both roles with their drivers": "import iso15118.aio.secc, iso15118.aio.evcc",
}
_PROGRAM = """\
import time
wall, cpu = time.perf_counter(), time.process_time()
{statement}
print(time.perf_counter() - wall, time.process_time() - cpu)
"""
_FIRST_DECODE = "from iso15118 import exi; exi.decode({schema!r}, bytes.fromhex({octets!r}))"
_PORTS = range(
    61_000, 65_536
)  # above those that the system gives to clients: an attempt must not meet itself
_LOOK_S = 0.001  # between two attempts to connect
_TOO_LONG_S = 30.0

_STATION = """\
interface = "lo"
port = {port}
sdp_port = {port}
[tls]
pki = {pki!r}
"""


def run(scale: Scale) -> Iterator[Figure]:
    """Import, import and first message, start of a station."""
    for case, statement in _IMPORTS.items():
        yield _figure("import", case, _inside(statement, scale.starts), "ms", None)
    sample = next(sample for sample in SAMPLES if sample.name == "DC_ChargeLoopReq")
    statement = _FIRST_DECODE.format(
        schema=sample.schema, octets=exi.encode(sample.schema, sample.message).hex()
    )
    yield _figure("import-and-first-decode", sample.name, _inside(statement, scale.starts), "ms", 60.0)
    yield _figure("station-listens", "iso15118 secc -c, TLS", _station_starts(scale.starts), "s", 0.4)


class _Taken(Struct, frozen=True):
    """Wall time and CPU of one start; much more of the first than of the second means
    that the machine was busy."""

    wall: float
    cpu: float


def _figure(figure: str, case: str, taken: list[_Taken], unit: str, aim: float | None) -> Figure:
    walls = [one.wall for one in taken]
    return Figure(
        figure=figure,
        case=case,
        value=median(walls),
        unit=unit,
        aim=aim,
        details={
            f"fastest_{unit}": min(walls),
            f"slowest_{unit}": max(walls),
            f"cpu_{unit}": median([one.cpu for one in taken]),
            "processes": len(taken),
        },
    )


def _inside(statement: str, times: int) -> list[_Taken]:
    """What a statement takes in a new interpreter, in ms; the start of the
    interpreter itself is not counted."""
    program = _PROGRAM.format(statement=statement)
    taken: list[_Taken] = []
    for _ in range(times + 1):
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - the program above
        wall, cpu = (float(seconds) * 1e3 for seconds in done.stdout.split())
        taken.append(_Taken(wall, cpu))
    return taken[1:]


def _station_starts(times: int) -> list[_Taken]:
    """From the start of the process until its TCP port takes a connection, in s."""
    with tempfile.TemporaryDirectory() as folder:
        pki = Path(folder) / "pki"
        issue_test_pki(at=datetime.now(UTC)).write(pki)
        port = _free_port()
        file = Path(folder) / "secc.toml"
        file.write_text(_STATION.format(port=port, pki=str(pki)))
        return [_starts(file, port) for _ in range(times + 1)][1:]


def _starts(file: Path, port: int) -> _Taken:
    command = [sys.executable, "-m", "iso15118", "secc", "-c", str(file)]
    began = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - the station, in this interpreter
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as station:
        try:
            while not _takes_connections(port):
                if station.poll() is not None or time.perf_counter() - began > _TOO_LONG_S:
                    raise RuntimeError(f"no station listens: {_last_words(station)}")
                time.sleep(_LOOK_S)
            return _Taken(time.perf_counter() - began, _cpu_s(station.pid))
        finally:
            station.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                station.wait(5.0)
            station.kill()


def _free_port() -> int:
    interface = find_interface("lo")
    for port in _PORTS:
        # Discovery gets the same number, so that other stations of this machine are not in the way.
        with contextlib.suppress(LinkError), listen_tcp(interface, port), sdp_server_socket(interface, port):
            return port
    raise RuntimeError(f"no port in {_PORTS} is free for both TCP and UDP")


def _takes_connections(port: int) -> bool:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(("::1", port)) == 0


def _cpu_s(process: int) -> float:
    """CPU of a process with one thread so far, in s."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def _last_words(station: subprocess.Popen[bytes]) -> str:
    station.kill()
    words = station.communicate()[1].decode(errors="replace").strip()
    return words.splitlines()[-1] if words else "it said nothing"
