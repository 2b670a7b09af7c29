"""Several connectors in one process and one event loop: each with a server, hardware, results and
lines of the log of its own.

What happens at one of them is none of the others' business: one that cannot be opened is tried
again while the others serve.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from iso15118.aio.ports.guard import Callback, describe, insist
from iso15118.errors import ConfigError, MisuseError

from .arguments import check_arguments
from .lifecycle import Lifecycle
from .logs import Log, connector
from .secc import SeccServer

if TYPE_CHECKING:
    from types import TracebackType

    from iso15118.aio.plug.plugged_secc import PluggedSecc

    from .heartbeat import Heartbeat
    from .results import SessionResult

__all__ = ["Site"]

_log = Log(__name__)

RETRY_S: Final = 5.0
"""How long a connector that could not be opened waits for the next attempt."""
_CLOSE_S: Final = 30.0
"""How long the end of a site may take, beside that of the sessions which run: those are bounded by the time
limits of their ports."""


class Site:
    """The connectors of one station by name. Use it with ``async with``; it serves
    from then on, until it is left.

    ``connectors``: a ``SeccServer`` or ``PluggedSecc`` for each, not yet opened; each has an interface (or a
    discovery port) and ports of hardware of its own. A common supply is shared out by the energy manager of
    each (``LimitsChanged``), never by giving two servers one port. ``finished`` hears of each session that
    has ended, with the name of the connector, once and in order; ``listening`` when a connector's server has
    been opened. Both are called until they fail.

    A connector whose interface or hardware cannot be had is tried again every ``retry_s`` (s), and is in
    ``problems`` until then. Every command for one connector is one of its server:
    ``site["left"].out_of_service("cable damaged")``.

    Raises ``ConfigError`` for no connector at all, and for one server under two names.
    """

    def __init__(
        self,
        connectors: Mapping[str, SeccServer | PluggedSecc],
        *,
        finished: Callable[[str, SessionResult], None] | None = None,
        listening: Callable[[str, SeccServer | PluggedSecc], None] | None = None,
        retry_s: float = RETRY_S,
    ) -> None:
        check_arguments(retry_s=retry_s)
        if not connectors:
            raise ConfigError("connectors", "there are none", "a server for each connector, by its name")
        if len({id(one) for one in connectors.values()}) != len(connectors):
            raise ConfigError("connectors", "one server has two names", "a server for each connector")
        self._connectors = dict(connectors)
        self._finished = Callback("who is told of results", finished, lasting=True)
        self._listening = Callback("who is told that vehicles can come", listening)
        self._retry_s = retry_s
        self._problems: dict[str, BaseException] = {}
        self._contexts: dict[str, contextvars.Context] = {}
        for name in self._connectors:
            self._contexts[name] = context = contextvars.copy_context()
            context.run(connector.set, name)
        self._following: dict[str, asyncio.Task[None]] = {}
        self._told = dict.fromkeys(self._connectors, 0)
        self._news: asyncio.Event | None = None
        self._life = Lifecycle("site")

    # -- running ------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Open every connector. One that fails is tried again later; where all fail, raises what the first of
        them did. Raises ``ConfigError`` for settings that cannot be right, whichever connector's they are,
        with its name, and ``MisuseError`` where it is open, or is closed meanwhile. While it is being closed
        this waits for that end."""
        number = await self._life.begin()
        self._news = asyncio.Event()
        self._problems.clear()
        tasks = {name: self._task(name, one.open()) for name, one in self._connectors.items()}
        try:
            await asyncio.wait(tasks.values())
            for name, task in tasks.items():
                if not task.cancelled() and (error := task.exception()) is not None:
                    self._failed(name, error)
            for name, error in self._problems.items():
                if isinstance(error, (ConfigError, MisuseError)) or not isinstance(error, Exception):
                    raise _named(name, error)
            if len(self._problems) == len(self._connectors):
                raise next(iter(self._problems.values()))
            self._life.check(number)
        except BaseException:
            for task in tasks.values():
                task.cancel()
            await insist(lambda: asyncio.wait(tasks.values(), timeout=_CLOSE_S), _CLOSE_S)
            await self._life.undo(number, self._close)
            raise
        for name, server in self._connectors.items():
            if name not in self._problems:
                self._contexts[name].run(self._listening, name, server)
            self._begin_to_follow(name)

    async def close(self) -> None:
        """Close every connector, all at the same time: each makes its hardware safe, whatever
        becomes of the others. Bounded in time, and a cancellation comes out at the end: then it
        raises ``CancelledError``. Whoever else closes it meanwhile waits for the same end."""
        await self._life.end(self._close)

    async def _close(self) -> None:
        following, self._following = self._following, {}
        for one in following.values():
            one.cancel()
        tasks = [self._task(name, one.close()) for name, one in self._connectors.items()]
        limit_s = _CLOSE_S + max(one.ends_within_s for one in self._connectors.values())
        _, cancelled = await insist(lambda: asyncio.wait(tasks, timeout=limit_s), limit_s)
        for name, task in zip(self._connectors, tasks, strict=True):
            if not task.done():
                task.cancel()
                _log.error("connector %s was not closed within %g s", name, limit_s)
            elif not task.cancelled() and (error := task.exception()) is not None:
                _log.error("connector %s was not closed in order: %s", name, describe(error), error=error)
        for name, server in self._connectors.items():  # those that the end has ended
            while self._told[name] < server.finished:
                await self._tell_next(name)
        news, self._news = self._news, None
        if news is not None:
            news.set()
        if cancelled:
            raise asyncio.CancelledError

    def _task(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Work of one connector, whose lines of the log have its name."""
        return asyncio.get_running_loop().create_task(
            work, name=f"connector {name}", context=self._contexts[name]
        )

    def _failed(self, name: str, error: BaseException) -> None:
        before, self._problems[name] = self._problems.get(name), error
        if str(before) != str(error):  # once, as it is tried again and again
            _log.error("connector %s cannot be opened: %s", name, describe(error))

    def _begin_to_follow(self, name: str) -> None:
        self._following[name] = task = self._task(name, self._follow(name))
        task.add_done_callback(partial(self._follows_no_more, name))

    def _follows_no_more(self, name: str, task: asyncio.Task[None]) -> None:
        """Cancelled by somebody, where this site is not closed: begun again, by no task until
        then, since a program that ends cancels every task as well."""
        if self._following.get(name) is task:
            _log.error("what follows connector %s was cancelled; it is begun again", name)
            asyncio.get_running_loop().call_later(self._retry_s, self._follow_again, name, task)

    def _follow_again(self, name: str, task: asyncio.Task[None]) -> None:
        if self._following.get(name) is task:
            self._begin_to_follow(name)

    async def _follow(self, name: str) -> None:
        """One connector from its opening on: results are told as they come, and what could not
        be opened is tried again."""
        server = self._connectors[name]
        while name in self._problems:
            await asyncio.sleep(self._retry_s)
            try:
                await server.open()
            except Exception as error:  # it is tried again, whatever it was; the others serve
                self._failed(name, error)
            else:
                del self._problems[name]
                self._listening(name, server)
        while True:
            await self._tell_next(name)

    async def _tell_next(self, name: str) -> None:
        count = self._told[name] + 1
        try:
            result = await self._connectors[name].wait_finished(count)
        except MisuseError as error:  # so many have ended since that it is not kept any more
            _log.error("a result of connector %s is lost: %s", name, error)
            self._told[name] = count
            return
        self._told[name] = count
        self._finished(name, result)
        if self._news is not None:
            self._news.set()

    async def wait_finished(self, count: int) -> None:
        """Wait until ``count`` sessions in all, at whatever connectors, have ended and been told. Raises
        ``MisuseError`` while it is not open, and in another event loop than its own."""
        self._life.need_its_loop("wait_finished")
        while self.finished < count:
            if self._news is None:
                raise MisuseError("this site is not open")
            self._news.clear()
            await self._news.wait()

    # -- for whoever runs it ------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> SeccServer | PluggedSecc:
        """The server of one connector. Raises ``MisuseError`` naming those that there are."""
        if name not in self._connectors:
            raise MisuseError(f"there is no connector {name!r}: {', '.join(self._connectors)}")
        return self._connectors[name]

    @property
    def connectors(self) -> tuple[str, ...]:
        """The names, in their order."""
        return tuple(self._connectors)

    @property
    def problems(self) -> dict[str, str]:
        """Connectors that no vehicle can reach, each with the reason."""
        found = {}
        for name, server in self._connectors.items():
            if name in self._problems:
                found[name] = describe(self._problems[name])
            elif reason := server.unreachable_because:
                found[name] = reason
        return found

    @property
    def finished(self) -> int:
        """How many sessions have ended and been told, at all connectors together."""
        return sum(self._told.values())

    @property
    def in_session(self) -> tuple[str, ...]:
        """Connectors with a session that runs."""
        return tuple(name for name, one in self._connectors.items() if one.any_session is not None)

    def heartbeat(self) -> Heartbeat | None:
        """That of the connector whose last beat is the newest: it beats as long as the event loop turns and
        one connector at least is able to make its hardware safe. Each connector has its own, which is the one
        to have its contactors depend on."""
        beats = [one.heartbeat for one in self._connectors.values()]
        return min(beats, key=lambda beat: beat.age, default=None)

    def stop(self, reason: str) -> None:
        """End every session in an orderly way. From any thread."""
        self._all(lambda server: server.stop(reason))

    def emergency_shutdown(self, reason: str) -> None:
        """Power off now, at every connector; those without a session go out of service
        until ``back_in_service``. From any thread."""
        self._all(lambda server: server.emergency_shutdown(reason))

    def _all(self, ask: Callable[[SeccServer | PluggedSecc], None]) -> None:
        """Ask every connector, whatever becomes of the others; what the first one raised comes out then."""
        failed: list[BaseException] = []
        for server in self._connectors.values():
            try:
                ask(server)
            except BaseException as error:  # the others first
                failed.append(error)
        if failed:
            raise failed[0]


def _named(name: str, error: BaseException) -> BaseException:
    """The same, with the connector that it is about."""
    if isinstance(error, ConfigError):
        return ConfigError(error.key, f"at connector {name!r}: {error.reason}", error.hint)
    return error
