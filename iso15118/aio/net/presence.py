"""Where a station is reached on its interface: TCP listeners and discovery, made anew when the
interface changes under them.

An address that is lost or exchanged, an interface that is made anew or comes late: noticed within about a
second, said in the log and as news, and told to whoever has a session that can go on no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from iso15118.aio.logs import Log
from iso15118.aio.ports.guard import Callback, describe
from iso15118.errors import LinkError
from iso15118.session.actions import Notify

from .interface import Interface, find_interface
from .network import listen_tcp
from .sdp import serve_sdp

if TYPE_CHECKING:
    from iso15118.sdp import Answer, Ignored, Origin, Security
    from iso15118.sdp.wireless_ends import WirelessPlace

    from .sdp import SdpListener

__all__ = ["InterfaceLost", "InterfaceReady", "Presence", "StationLock"]

_log = Log(__name__)

LOOK_S: Final = 1.0
"""How often the interface is looked at, which costs some 50 microseconds and needs no netlink."""
GRACE_S: Final = 2.0
"""For an address that is taken away and given back, as network managers do, before the session on it is given
up: as long as a vehicle waits for an answer (message_timeout), so it has given up by then too."""


class InterfaceLost(Notify, frozen=True):
    """News: nobody can reach the station. ``reason`` says why, and what to type."""

    interface: str
    reason: str


class InterfaceReady(Notify, frozen=True):
    """News: the station listens (again), at this address."""

    interface: str
    address: str


class StationLock:
    """One station for each interface and discovery port of a machine: two would answer the same vehicle.

    Held until ``release``, or until the process ends. Raises ``LinkError`` that names the process which has
    it. Where the system has no abstract sockets nothing is locked.
    """

    def __init__(self, interface: Interface, sdp_port: int) -> None:
        self._socket: socket.socket | None = None
        if not (hasattr(socket, "SO_PEERCRED") and sdp_port):
            return
        # Abstract names end with the process, and belong to the network namespace as interfaces do.
        name = f"\0iso15118 station on {interface.index}, discovery {sdp_port}"
        held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            held.bind(name)
            held.listen(1)
        except OSError as error:
            held.close()
            raise LinkError(
                f"{_holder(name)} is a station on interface {interface.name} with discovery port {sdp_port} already; "
                f"each station needs an interface of its own, or for tests a discovery port of its own (sdp_port)"
            ) from error
        self._socket = held

    def release(self) -> None:
        """Let others have it. Releasing twice is harmless."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _holder(name: str) -> str:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.1)
        probe.connect(name)
        credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid = struct.unpack("3i", credentials)[0]
        return "this process" if pid == os.getpid() else f"process {pid}"
    return "another process"


class Presence:
    """From ``open`` to ``close``. ``ports``: the kinds of connection to listen for, each with its TCP
    port, None for any free one.

    One port serves all kinds; ``accept`` makes the work that takes its connections, beginning with the first
    kind, until it is cancelled. ``lost`` is called when connections cannot go on: their address is gone for
    longer than ``GRACE_S``, or it is another one. ``news`` gets ``InterfaceLost`` and ``InterfaceReady``.
    ``sdp_port``: UDP port of discovery, 0 for any free one; it is answered between ``show`` and ``hide``, if
    ``may_answer`` agrees. ``wait``: an interface that is missing or not usable at the beginning is waited for
    instead of refused. ``interface``: by name; one that the caller has made stays as it is. ``place``:
    discovery without a cable, as for ``serve_sdp``.
    """

    def __init__(
        self,
        interface: Interface | str,
        ports: Mapping[Security, int | None],
        accept: Callable[[socket.socket, Security], Coroutine[Any, Any, None]],
        *,
        sdp_port: int,
        lost: Callable[[str], None],
        news: Callable[[Notify], None],
        may_answer: Callable[[Origin], bool] | None = None,
        on_request: Callable[[Origin, Answer | Ignored], None] | None = None,
        wait: bool = False,
        place: WirelessPlace | None = None,
    ) -> None:
        self.name = interface if isinstance(interface, str) else interface.name
        self.interface: Interface | None = interface if isinstance(interface, Interface) else None
        """Where it listens, or listened last."""
        self.problem = "it has not been opened"
        """Why nobody can reach the station; empty if somebody can."""
        self._fixed = isinstance(interface, Interface)
        self._wanted_ports, self._accept = dict(ports), accept
        self._sdp_port, self._may_answer, self._on_request = sdp_port, may_answer, on_request
        self._lost = lost
        self._news = Callback("the application, told of news of the interface,", news)
        self._wait, self._place = wait, place
        self._listeners: dict[Security, socket.socket] = {}
        self._accepting: set[asyncio.Task[None]] = set()
        self._sdp: SdpListener | None = None
        self._shown = False
        self._lock: StationLock | None = None
        self._watch: asyncio.Task[None] | None = None
        self._again: asyncio.TimerHandle | None = None
        self._closed = False
        self._gone_at: float | None = None
        self._told = False

    @property
    def ports(self) -> dict[Security, int]:
        """Where it listens, by kind of connection; empty while it cannot."""
        return {security: listener.getsockname()[1] for security, listener in self._listeners.items()}

    @property
    def sdp_port(self) -> int:
        """Where discovery is answered; 0 while it is not."""
        return self._sdp.port if self._sdp is not None else 0

    @property
    def accepting(self) -> set[asyncio.Task[None]]:
        """The work that takes connections, while there is any."""
        return set(self._accepting)

    async def open(self, *, show: bool = True) -> None:
        """Listen, and be found if ``show``, unless it is closed meanwhile. Raises ``LinkError`` if the
        interface or a port cannot be had."""
        self._shown = show
        try:
            await self._appear()
        except LinkError as error:
            self._withdraw()
            if not (self._wait and self.interface is None):
                self.close()
                raise
            self.problem = str(error)
            _log.warning("waiting for interface %s: %s", self.name, error)
            self._news(InterfaceLost(self.name, self.problem))
        if not self._fixed and not self._closed:
            self._begin_to_look()

    def close(self) -> None:
        """Listen no more. What takes connections is cancelled, and over soon (``accepting``)."""
        self._closed = True
        for begun in (self._watch, self._again):
            if begun is not None:
                begun.cancel()
        self._watch = self._again = None
        self._withdraw()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    async def show(self) -> None:
        """Be found. While nobody can be reached, as soon as that is possible. Raises ``LinkError``
        if the port cannot be had."""
        self._shown = True
        if self.interface is not None and self._listeners and self._sdp is None:
            listener = await serve_sdp(
                self.interface,
                self.ports,
                port=self._sdp_port,
                may_answer=self._may_answer,
                on_request=self._on_request,
                place=self._place,
            )
            if self._shown and self._listeners and self._sdp is None:
                self._sdp = listener
            else:  # hidden, or lost, meanwhile
                listener.close()

    def hide(self) -> None:
        """Be found no more; who knows the address may still connect."""
        self._shown = False
        if self._sdp is not None:
            self._sdp.close()
            self._sdp = None

    # -- inside -------------------------------------------------------------------------------------------

    async def _appear(self) -> None:
        """Listen where the interface is now."""
        before = self.interface
        here = before if self._fixed and before is not None else find_interface(self.name)
        if self._lock is None or (before is not None and before.index != here.index):
            lock = StationLock(here, self._sdp_port)
            if self._lock is not None:
                self._lock.release()
            self._lock = lock
        loop = asyncio.get_running_loop()
        for security, port in self._wanted_ports.items():
            if (
                self._listeners
            ):  # one port serves all: what accepts there tells them apart by their first octets
                self._listeners[security] = next(iter(self._listeners.values()))
                continue
            self._listeners[security] = listener = listen_tcp(here, port)
            task = loop.create_task(self._accept(listener, security), name=f"accept {security.name}")
            self._accepting.add(task)
            # Not before the task is over: the loop must not watch a descriptor
            # that is somebody else's by then.
            task.add_done_callback(partial(self._over, listener))
        self.interface = here
        if self._shown:
            await self.show()
        self.problem = ""  # not before: what is wrong with discovery would be news again at each look

    def _over(self, listener: socket.socket, task: asyncio.Task[None]) -> None:
        listener.close()
        self._accepting.discard(task)
        if listener not in self._listeners.values():
            return
        # Nobody here has ended it: it was cancelled by somebody, or failed. Nobody is
        # invited until it has begun again.
        self._withdraw()
        self.problem = f"what takes connections has ended: {_how(task)}; it is begun again"
        _log.error("no vehicle can reach the station: %s", self.problem)
        self._news(InterfaceLost(self.name, self.problem))
        self._look_again_soon()

    def _look_again_soon(self) -> None:
        """Not at once, and by no task until then: a program that ends cancels every task
        as well, and has to come to its end."""
        if self._again is None:
            self._again = asyncio.get_running_loop().call_later(LOOK_S, self._begin_again)

    def _begin_again(self) -> None:
        self._again = None
        if self._watch is None or self._watch.done():
            self._begin_to_look()

    def _begin_to_look(self) -> None:
        self._watch = asyncio.get_running_loop().create_task(
            self._look_now_and_then(), name=f"interface {self.name}"
        )
        self._watch.add_done_callback(self._looks_no_more)

    def _looks_no_more(self, task: asyncio.Task[None]) -> None:
        if task is self._watch and task.cancelled() and not self._closed:
            _log.error("what looks at interface %s was cancelled; it is begun again", self.name)
            self._look_again_soon()

    def _withdraw(self) -> None:
        if self._sdp is not None:
            self._sdp.close()
            self._sdp = None
        self._listeners.clear()
        for task in self._accepting:
            task.cancel()

    async def _look_now_and_then(self) -> None:
        while not (self._fixed and self._listeners):  # what the caller has made stays as it is
            await asyncio.sleep(LOOK_S)
            try:
                await self._look()
            except Exception as error:  # whatever it is: an interface that nobody watches is worse
                _log.error("interface %s could not be looked at", self.name, error=error)

    async def _look(self) -> None:
        try:
            now = self.interface if self._fixed and self.interface else find_interface(self.name)
        except LinkError as error:
            self._missed(str(error))
            return
        here = self.interface
        if here is not None and here.index == now.index and _has(here):
            if self._listeners:
                self._found_again(here)
                return
        elif here is not None:
            self._gone(
                f"its address was {here.address} (interface {here.index}), now it is {now.address} ({now.index})"
            )
        self._withdraw()
        if self._accepting:
            await asyncio.wait(self._accepting)
        try:
            await self._appear()
        except LinkError as error:
            self._withdraw()
            self._missed(str(error))
        else:
            self._found_again(now, anew=True)

    def _missed(self, problem: str) -> None:
        loop = asyncio.get_running_loop()
        if self._gone_at is None:
            self._gone_at = loop.time()
        if problem != self.problem:
            self.problem = problem
            _log.warning("no vehicle can reach the station: %s", problem)
            self._news(InterfaceLost(self.name, problem))
        if loop.time() - self._gone_at >= GRACE_S:
            self._gone(problem)

    def _gone(self, reason: str) -> None:
        if not self._told:
            self._told = True
            self._lost(reason)

    def _found_again(self, here: Interface, *, anew: bool = False) -> None:
        was_gone, self._gone_at, self._told = self._gone_at is not None or bool(self.problem), None, False
        self.problem = ""
        if anew or was_gone:
            _log.warning("the station can be reached again, at %s on %s", here.address, here.name)
            self._news(InterfaceReady(here.name, str(here.address)))


def _has(interface: Interface) -> bool:
    """Whether the machine still has this address there. A second one beside it changes nothing
    for those who use this one."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(interface.address), 0, 0, interface.scope_id))
        except OSError:
            return False
    return True


def _how(task: asyncio.Task[None]) -> str:
    if task.cancelled():
        return "it was cancelled"
    error = task.exception()
    return "it returned" if error is None else describe(error)
