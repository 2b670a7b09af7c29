"""A charging site on one machine: two hosts in network namespaces, a modem for each emulated between
them, a plug, and a listener.

Nothing passes from host to host but what the modems let through, and the control pilot. Each
host runs a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from iso15118.aio.plug.powerline import EmulatedModems
from iso15118.aio.plug.slac import PacketPort
from iso15118.link.slac.watch import Kind, SlacWatch
from iso15118.simulation.ccs_plug import Plug
from iso15118.simulation.modem import PlcModem, PowerLine
from tests.interop.namespaces import INTERFACE, ModemCables
from tests.interop.pilot import PilotServer

__all__ = ["Host", "Site", "site"]

ROOT = Path(__file__).resolve().parents[2]

_ECHO = """
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 15119))
print("ready", flush=True)
data, where = s.recvfrom(100)
s.sendto(data, where)
"""
_ASK = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.settimeout(1.0)
for _ in range(int(sys.argv[3])):
    s.sendto(b"data", (sys.argv[1], 15119, 0, socket.if_nametoindex(sys.argv[2])))
    try:
        sys.exit(s.recv(100) != b"data")
    except TimeoutError:
        pass
sys.exit(1)
"""


@dataclass
class Host:
    """A process in a namespace, with what it has printed."""

    name: str
    process: asyncio.subprocess.Process
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    readers: list[asyncio.Task[None]] = field(default_factory=list)

    async def until(self, condition: Callable[[Host], bool], within_s: float) -> bool:
        """Whether it becomes true in time, and before the process ends without it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not condition(self):
                    if all(reader.done() for reader in self.readers):
                        return condition(self)
                    self.news.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.news.wait(), 0.2)
                return True
        return condition(self)

    async def ended(self, within_s: float) -> int | None:
        """Its exit status; None if it still runs."""
        try:
            await asyncio.wait_for(self.process.wait(), within_s)
        except TimeoutError:
            return None
        await asyncio.wait(self.readers, timeout=2.0)
        return self.process.returncode


class Site:
    """``story`` has everything that happened: seconds since the site was opened, who, what."""

    def __init__(
        self,
        cables: ModemCables,
        folder: Path,
        *,
        attenuation_db: float,
        tell: Callable[[str], None],
        interface: str,
    ) -> None:
        self.cables, self.folder, self._tell_people, self.interface = cables, folder, tell, interface
        self._began = time.monotonic()
        self.story: list[tuple[float, str, str]] = []
        self.modems = {
            cables.secc_modem: PlcModem(
                cables.mac(cables.secc, interface), b"\x06\0\0\0\0\x02", measures=True, boot_s=0.05
            ),
            cables.evcc_modem: PlcModem(cables.mac(cables.evcc, interface), b"\x06\0\0\0\0\x01", boot_s=0.05),
        }
        self.line = PowerLine(seed=7)
        for modem in self.modems.values():
            self.line.attach(modem)
        self.attenuation_db = attenuation_db
        self.plug = Plug()
        self.pilot = PilotServer(self.plug, self.tell)
        self.socket = folder / "pilot"
        self.watch = SlacWatch()
        self._hosts: list[Host] = []
        self._modems_on: EmulatedModems[PlcModem] | None = None
        self._ear: PacketPort | None = None

    async def open(self) -> None:
        """Modems on, listener on; the plug is out."""
        await self.pilot.open(self.socket)
        self._modems_on = EmulatedModems(self.line, self.modems)
        self._ear = PacketPort(self.cables.evcc_modem, self._heard, watch=True)

    async def close(self) -> None:
        """Everything off; no process is left."""
        for host in self._hosts:
            if host.process.returncode is None:
                host.process.terminate()
                if await host.ended(5.0) is None:
                    host.process.kill()
                    await host.process.wait()
            await asyncio.gather(*host.readers)
        if self._ear is not None:
            self._ear.close()
        if self._modems_on is not None:
            self._modems_on.close()
        self.pilot.close()
        await asyncio.sleep(0)

    @property
    def now(self) -> float:
        """Seconds since the site was made."""
        return time.monotonic() - self._began

    def tell(self, who: str, what: str) -> None:
        """Write something down."""
        self.story.append((self.now, who, what))
        self._tell_people(f"{self.now:8.3f}  {who:8}  {what}")

    def when(self, who: str, words: str) -> float | None:
        """When something with these words was written down first."""
        return next((at for at, name, what in self.story if name == who and words in what), None)

    def plug_in(self) -> None:
        """The plug goes in, and with it the wires of the power line."""
        self.tell("plug", "in")
        one, other = self.modems.values()
        self.line.couple(one, other, self.attenuation_db)
        self.plug.plug_in()

    def unplug(self) -> None:
        """The plug comes out."""
        self.tell("plug", "out")
        one, other = self.modems.values()
        self.line.part(one, other)
        self.plug.unplug(0.0)

    async def start(
        self, name: str, namespace: str, command: list[str], env: dict[str, str] | None = None
    ) -> Host:
        """Run something at one end."""
        process = await asyncio.create_subprocess_exec(
            *self.cables.at(namespace, command),
            cwd=ROOT,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        host = Host(name, process)
        self._hosts.append(host)
        for stream, lines in ((process.stdout, host.out), (process.stderr, host.err)):
            assert stream is not None
            host.readers.append(asyncio.create_task(self._follow(host, stream, lines)))
        return host

    async def start_ours(self, role: str, *options: str) -> Host:
        """Our own end of this role, in its namespace."""
        where = self.cables.secc if role == "secc" else self.cables.evcc
        command = [sys.executable, "-m", "tests.interop.end", role, "--pilot", str(self.socket), *options]
        return await self.start(role, where, command, dict(os.environ))

    async def data_passes(self, attempts: int = 3) -> bool:
        """Whether IP gets from one host to the other and back."""
        echo = await self.start("echo", self.cables.secc, [sys.executable, "-c", _ECHO])
        await echo.until(lambda host: host.out == ["ready"], 10.0)
        address = self.cables.address(self.cables.secc, self.interface)
        command = [sys.executable, "-c", _ASK, address, self.interface, str(attempts)]
        ask = await self.start("ask", self.cables.evcc, command)
        status = await ask.ended(10.0 + attempts)
        if status != 0:
            echo.process.terminate()
        await echo.ended(5.0)
        return status == 0

    async def _follow(self, host: Host, stream: asyncio.StreamReader, lines: list[str]) -> None:
        while line := await stream.readline():
            text = line.decode(errors="replace").rstrip()
            lines.append(text)
            with (self.folder / f"{host.name}.log").open("a") as log:
                log.write(f"{self.now:8.3f} {text}\n")
            if text.startswith("iso15118: "):
                self.tell(host.name, text.removeprefix("iso15118: "))
            host.news.set()
        host.news.set()

    def _heard(self, data: bytes) -> None:
        for sentence in self.watch.handle(data, self.now):
            if sentence.kind is not Kind.FRAME:
                self.tell("slac", sentence.text)


@contextlib.asynccontextmanager
async def site(
    cables: ModemCables,
    folder: Path,
    *,
    attenuation_db: float = 18.0,
    tell: Callable[[str], None] = lambda line: None,
    interface: str = INTERFACE,
) -> AsyncIterator[Site]:
    """An open site; closed afterwards, whatever happened."""
    here = Site(cables, folder, attenuation_db=attenuation_db, tell=tell, interface=interface)
    try:
        await here.open()
        yield here
    finally:
        await here.close()
