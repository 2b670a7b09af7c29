"""Certificates that change while a station runs: new keys, roots and evidence for the connections that come,
and a warning before a certificate of ours runs out.

A connection keeps what it began with, so sessions that run go on as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from iso15118.errors import ConfigError

from .logs import Log

if TYPE_CHECKING:
    from iso15118.aio.net.ending import TlsEndpoint, TlsSource
    from iso15118.aio.ports.held_certificates import Held
    from iso15118.pki.status.renewal import Expiry

__all__ = [
    "EXPIRY_AHEAD",
    "FOLLOW_S",
    "ExpiryWatch",
    "RenewableTls",
    "anchors_of",
    "chains_of",
    "follow",
    "follow_files",
    "renewable",
    "roots_of",
]

_log = Log(__name__)

T = TypeVar("T")

EXPIRY_AHEAD: Final = timedelta(days=14)
"""How long before the end of a certificate it is said: a leaf of a station is good for two to three
months."""
FOLLOW_S: Final = 10.0
"""How often files with certificates are looked at for changes."""
_EVERY_S: Final = 6 * 3600.0
_AGAIN: Final = timedelta(days=1)
"""What was said is said again after this time."""


def _now() -> datetime:
    return datetime.now(UTC)


class RenewableTls:
    """A ``TlsSource`` whose context or port can be exchanged; servers and clients make one of what they are
    given.

    ``ahead``: how long before the end of a certificate of ours, or of a root we trust, that is said, in the
    log and to ``news``; for TLS, and for what its servers and clients hold for Plug and Charge. ``clock``:
    tells the time that certificates are held against.
    """

    def __init__(
        self,
        source: TlsSource,
        *,
        ahead: timedelta = EXPIRY_AHEAD,
        news: Callable[[Expiry], None] | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._source = source
        self._clock = clock
        self._watch = ExpiryWatch(lambda: self._source, ahead=ahead, news=news, clock=clock)

    def __repr__(self) -> str:
        return f"RenewableTls({self._source!r})"

    @property
    def source(self) -> TlsSource:
        """What new connections are made from."""
        return self._source

    @property
    def role(self) -> str:
        """``server`` or ``client``."""
        return self._source.role

    def connect(self) -> TlsEndpoint:
        """One end of a new connection."""
        return self._source.connect()

    def check(self) -> None:
        """Say what runs out soon. Raises ConfigError for a certificate of ours that has expired."""
        _check(chains_of(self._source), self._clock())
        self._watch.look()

    def look_at(self, held: Iterable[Held]) -> None:
        """Say what runs out soon of this, too. What has expired there is said, and refused where it is
        used."""
        self._watch.look_at(held)

    def start(self, held: Callable[[], Iterable[Held]] = tuple) -> asyncio.Task[None]:
        """:meth:`check` now, and look again from time to time until the task is cancelled; ``held`` gives
        what is looked at beside TLS. Raises as ``check``.
        """
        self.check()
        return asyncio.get_running_loop().create_task(self._watch.run(held), name="expiry of certificates")

    def renew(self, source: TlsSource) -> None:
        """Make new connections from this source. Connections that are there keep theirs. On the event loop's
        thread; from another one call ``judged`` there, and ``take`` on the loop's.

        Raises as ``judged``; then nothing changes.
        """
        self.take(self.judged(source))

    def judged(self, source: TlsSource) -> TlsSource:
        """What ``take`` may take. From any thread. Raises ConfigError for a source of the other role, or with
        a certificate of ours that has expired."""
        if source.role != self._source.role:
            wanted = self._source.role
            raise ConfigError("tls", f"a {source.role}'s context in place of a {wanted}'s", "the same role")
        if isinstance(source, RenewableTls):
            source = source.source
        _check(chains_of(source), self._clock())
        return source

    def take(self, source: TlsSource) -> None:
        """Make new connections from this source, which was judged. On the event loop's thread."""
        self._source = source
        _log.warning("new connections use %r", source)
        self._watch.look()


async def follow_files(
    tls: RenewableTls,
    state: Callable[[], object],
    again: Callable[[], TlsSource],
    *,
    began_with: object,
    every_s: float = FOLLOW_S,
) -> None:
    """Make new connections from files that were changed, until cancelled: :func:`follow`
    for the certificates of TLS."""
    await follow(state, again, tls.renew, began_with=began_with, every_s=every_s)


async def follow(
    state: Callable[[], object],
    again: Callable[[], T],
    take: Callable[[T], None],
    *,
    began_with: object,
    every_s: float = FOLLOW_S,
) -> None:
    """Take what was read from files that were changed, until cancelled. ``state``: something that changes
    when they do, such as sizes and times; ``began_with``: what it was before they were read. ``again``: reads
    them. Both are called in a thread, ``take`` on the loop.

    What cannot be used is said in the log, and what was there stays in use: files of one certificate are
    rarely replaced in one step, and each change is a new try.
    """
    known, missing = began_with, ""
    while True:
        await asyncio.sleep(every_s)
        try:
            now = await asyncio.to_thread(state)
        except OSError as error:
            if missing != str(error):
                missing = str(error)
                _log.error("certificates: %s; those that are known stay in use", missing)
            continue
        missing = ""
        if now == known:
            continue
        known = now
        try:
            take(await asyncio.to_thread(again))
        except Exception as error:
            _log.error("certificates that were changed are not used; the old ones are: %s", error)


def _check(chains: tuple[Sequence[bytes], ...], now: datetime) -> None:
    """Raises ConfigError for a certificate of ours that has expired."""
    # Here: who has no TLS does without everything about certificates, a fifth of what a start takes.
    from iso15118.pki.status.renewal import check_identity

    check_identity(chains, now, key="tls")


def renewable(source: TlsSource | None) -> RenewableTls | None:
    """The source, made exchangeable if it is not; None for none."""
    return source if source is None or isinstance(source, RenewableTls) else RenewableTls(source)


class ExpiryWatch:
    """Says when certificates of ``tls``, and others that it is shown, run out: in the log, and to ``news``,
    ``ahead`` of their end and each day again.
    """

    def __init__(
        self,
        tls: Callable[[], TlsSource | None],
        *,
        ahead: timedelta = EXPIRY_AHEAD,
        news: Callable[[Expiry], None] | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._tls = tls
        self._ahead = ahead
        self._news = news
        self._clock = clock
        self._said: dict[tuple[str, datetime], datetime] = {}

    def look(self) -> tuple[Expiry, ...]:
        """Those of TLS that run out, the first at the front; what was not said within a day is said."""
        source, now = self._tls(), self._clock()
        if source is None:
            return ()
        from iso15118.pki.status.renewal import expiring  # as in _check

        return self._say(expiring(chains_of(source), anchors_of(source), now, ahead=self._ahead), now)

    def look_at(self, held: Iterable[Held]) -> tuple[Expiry, ...]:
        """The same of what is there beside TLS."""
        from iso15118.pki.status.renewal import expiring  # as in _check

        now = self._clock()
        found: list[Expiry] = []
        for one in held:
            found += expiring(one.chains, one.anchors, now, ahead=self._ahead, purpose=one.purpose)
        return self._say(tuple(sorted(found, key=lambda one: one.not_after)), now)

    def _say(self, found: tuple[Expiry, ...], now: datetime) -> tuple[Expiry, ...]:
        said = {name: last for name, last in self._said.items() if timedelta() <= now - last < _AGAIN}
        for one in found:
            name = one.name, one.not_after
            if name in said:
                continue
            said[name] = now
            (_log.error if one.expired else _log.warning)("the %s: renew it", str(one))
            if self._news is not None:
                try:
                    self._news(one)
                except Exception as error:
                    _log.error("the listener to expiries failed", error=error)
        self._said = said
        return found

    async def run(self, held: Callable[[], Iterable[Held]] = tuple) -> None:
        """Look now and every few hours, until cancelled; ``held`` gives what there is beside TLS."""
        while True:
            self.look()
            self.look_at(held())
            await asyncio.sleep(_EVERY_S)


def chains_of(source: object) -> tuple[Sequence[bytes], ...]:
    """Our chains (DER, leaf first) in a context, a port, or what is made of them; none for a source of
    another make.
    """
    return tuple(chain for one in _contexts(source) for chain in getattr(one, "chains", ()))


def anchors_of(source: object) -> tuple[bytes, ...]:
    """The roots (DER) that a context or port trusts."""
    return tuple(dict.fromkeys(der for one in _contexts(source) for der in getattr(one, "anchors", ())))


def roots_of(source: object) -> tuple[bytes, ...]:
    """The roots (DER) of our own chains in a context or port, as far as they are known."""
    found = (der for one in _contexts(source) for der in getattr(one, "roots", ()) if der is not None)
    return tuple(dict.fromkeys(found))


def _contexts(source: object) -> Iterable[object]:
    if isinstance(source, RenewableTls):
        return _contexts(source.source)
    contexts = getattr(source, "contexts", None)
    return contexts if isinstance(contexts, tuple) else (source,)
