"""A scenario at the two kinds of ends there are: a pair in memory under a virtual clock, and
drivers over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from iso15118.aio.evcc import EvccClient
from iso15118.aio.net.faulty import FaultyStream
from iso15118.channel import Received
from iso15118.errors import MisuseError
from iso15118.scenario.director import Director
from iso15118.scenario.hands import Hands, Hardware
from iso15118.session.actions import Send, SessionEnded, StateEntered
from iso15118.session.events import TransportLoss, TransportLost
from iso15118.testing import Pair
from iso15118.testing.link import MemoryTransport
from iso15118.testing.wire import Cut, Sending, WireFaults

if TYPE_CHECKING:
    from iso15118.aio.net.stream import MessageStream
    from iso15118.aio.secc import SeccServer
    from iso15118.loopback.rig import Rig

__all__ = ["OverSockets", "in_memory"]


def in_memory(director: Director, plant: Rig, pair: Pair) -> None:
    """``director`` drives both ends of this pair; for ``run_in_memory(on_pair=...)``."""
    beside = _Beside(director, pair)
    pair.beside = beside
    ends: dict[str, Hands] = {}
    for role, hardware, tell, wire, heard in (
        ("secc", plant.station, pair.tell_secc, pair.to_evcc, pair.to_secc),
        ("evcc", plant.vehicle, pair.tell_evcc, pair.to_secc, pair.to_evcc),
    ):
        wire.faults = WireFaults()
        # Who goes away has no connection any more either.
        wire.left = partial(_gone, tell)
        heard.takes = partial(_taken, wire.faults, wire)
        ends[role] = Hands(
            role=role,
            hardware=hardware,
            tell=tell,
            wire=wire.faults,
            cut=lambda how, wire=wire: wire.cut(how, pair.now),  # type: ignore[misc]
            now=lambda: pair.now,
        )
    beside.ends = ends


def _taken(faults: WireFaults, answers: MemoryTransport, message: Any, now: float) -> bool:
    """The faults of the wire answer in the session's place."""
    answer = faults.received(message)
    if answer is None:
        return False
    answers.send_bytes(answer.data, now + answer.delay_s)
    return True


def _gone(tell: Callable[[Any], object], how: Cut) -> None:
    if how.seen_as is not None:
        tell(TransportLost(TransportLoss.LINK_DOWN))


class _Beside:
    """The director as a pair knows it."""

    def __init__(self, director: Director, pair: Pair) -> None:
        self.ends: dict[str, Hands] = {}
        self._director, self._pair = director, pair
        self._begun = False

    @property
    def deadline(self) -> float | None:
        return self._director.deadline if self._begun else self._pair.now

    def look(self, now: float) -> None:
        if not self._begun:
            self._begun = True
            self._director.begin(self.ends, now)
        for role, session in (("secc", self._pair.secc), ("evcc", self._pair.evcc)):
            if session.ended is not None:
                self._director.ended(role, session.ended)
        self._director.look(now)


class OverSockets:
    """The director for drivers: an ``aio.directing.Directs``. ``hardware``: the simulated hardware of each
    end, as far as it is ours."""

    def __init__(self, director: Director, hardware: Mapping[str, Hardware | None]) -> None:
        self.director = director
        self._hardware = hardware
        self._faults = {role: WireFaults() for role in hardware}
        self._streams: dict[str, FaultyStream] = {}

    def stream(self, role: str) -> Callable[..., MessageStream]:
        """What makes the connections of that end."""

        def make(*arguments: Any, **options: Any) -> MessageStream:
            stream = FaultyStream(*arguments, disturb=_Disturbs(self._faults[role]), **options)
            self._streams[role] = stream
            return stream

        return make

    def begin(self, ends: dict[str, SeccServer | EvccClient], clock: Callable[[], float]) -> None:
        """These ends are there."""
        hands = {
            role: Hands(
                role=role,
                hardware=self._hardware[role],
                tell=end.tell,
                wire=self._faults[role],
                cut=partial(self._cut, role),
                now=clock,
            )
            for role, end in ends.items()
        }
        self.director.begin(hands, clock())

    def _cut(self, role: str, how: Cut) -> None:
        stream = self._streams.get(role)
        if stream is None:
            raise MisuseError(f"the {role} has no connection that could be cut")
        stream.go(how.name.lower())

    def observe(self, role: str, now: float, what: Any) -> None:
        """What the driver of that end does and hears. Messages are counted where they are sent, and what
        comes from an end that is not ours where it is received."""
        kind = type(what)
        if kind is Send or (kind is Received and len(self._hardware) == 1):
            self.director.message(what.message)
        elif kind is StateEntered:
            self.director.state(role, what.state)
        elif kind is SessionEnded:
            self.director.ended(role, what)

    def look(self, now: float) -> None:
        """Something may have happened."""
        self.director.look(now)


class _Disturbs:
    """The faults of one end, as a stream knows them."""

    def __init__(self, faults: WireFaults) -> None:
        self._faults = faults

    def sent(self, message: Any, encode: Callable[[Any], bytes]) -> list[tuple[bytes, float] | str]:
        return [
            (done.data, done.delay_s) if isinstance(done, Sending) else done.name.lower()
            for done in self._faults.sent(message, encode)
        ]

    def received(self, message: Any) -> tuple[bytes, float] | None:
        answer = self._faults.received(message)
        return None if answer is None else (answer.data, answer.delay_s)
