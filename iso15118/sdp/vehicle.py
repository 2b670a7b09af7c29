"""The vehicle's side of discovery: it asks until a station answers or the tries are used up, and reports
what it does not believe."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from msgspec import Struct

from iso15118.errors import MisuseError, SdpError
from iso15118.timing import Timing

from .messages import Origin, SdpRequest, SdpResponse, Security, wrong_origin

if TYPE_CHECKING:
    from .wireless import WirelessSdpResponse
else:
    WirelessSdpResponse = Any  # who asks for help at run time is told of it without loading it

__all__ = ["AnyClient", "Conflict", "Found", "GaveUp", "Refused", "SdpAction", "SdpClient", "SendRequest"]


class SendRequest(Struct, frozen=True):
    """Send ``data`` to the multicast group on the car's interface (to ``::1`` on the loopback interface)."""

    data: bytes


class Found(Struct, frozen=True):
    """A station answered: connect there. The search is over."""

    response: SdpResponse | WirelessSdpResponse
    origin: Origin


class Refused(Struct, frozen=True):
    """A datagram that was not accepted as the answer; the search goes on as it was. News for a log.
    ``downgrade``: it offers less security than this car accepts. ``waits``: it is a good answer of a station
    that still looks which vehicle this is."""

    reason: str
    origin: Origin
    downgrade: bool = False
    waits: bool = False


class Conflict(Struct, frozen=True):
    """Another answer than the one that was taken, after it: two stations on one link, or somebody who plays
    one. The first one stands. News for a log."""

    response: SdpResponse | WirelessSdpResponse
    origin: Origin
    chosen: SdpResponse | WirelessSdpResponse

    @property
    def reason(self) -> str:
        """For people."""
        here, other = self.chosen, self.response
        return (
            f"{self.origin} announces [{other.address}]:{other.port} ({other.security.name}) beside "
            f"[{here.address}]:{here.port} ({here.security.name}), which was taken"
        )


class GaveUp(Struct, frozen=True):
    """Nobody usable answered [V2G2-161]; the search is over. ``reason`` names the last answer refused, if
    there was one."""

    reason: str


SdpAction = SendRequest | Found | Refused | Conflict | GaveUp
"""What a vehicle's discovery asks for or has found out."""


_CONFLICTS_TOLD: Final = 8


class _Search(Enum):
    IDLE = "not started"
    WAITING = "waiting"
    FOUND = "found"
    FAILED = "gave up"


Response = TypeVar("Response", SdpResponse, "WirelessSdpResponse")


class AnyClient(Generic[Response]):
    """A search, on a cable or without one: asks until a station answers [V2G2-159] or the tries are used up
    [V2G2-161].

    ``question`` is the datagram that asks for ``security``, ``accept`` which answers are taken: by default
    only that one, so that nobody on the link can talk the vehicle out of TLS. Call ``start`` first, then
    ``handle`` for every datagram and ``handle_timeout`` at ``deadline``, until ``Found`` or ``GaveUp`` comes
    out. Datagrams that come after ``Found`` may still be handed in for a while: one that says something else
    is a ``Conflict``.
    """

    __slots__ = (
        "_accept",
        "_conflicts",
        "_deadline",
        "_found",
        "_interface_index",
        "_last_refusal",
        "_loopback",
        "_question",
        "_security",
        "_sent",
        "_state",
        "_timing",
    )

    def __init__(
        self,
        question: bytes,
        security: Security,
        *,
        interface_index: int,
        accept: Collection[Security] | None,
        loopback: bool,
        timing: Timing | None,
    ) -> None:
        self._question, self._security = question, security
        self._accept = frozenset((security,) if accept is None else accept)
        self._interface_index = interface_index
        self._loopback = loopback
        self._timing = timing if timing is not None else Timing()
        self._state = _Search.IDLE
        self._deadline: float | None = None
        self._sent = 0
        self._last_refusal = ""
        self._found: Response | None = None
        self._conflicts: set[Response] = set()

    @property
    def deadline(self) -> float | None:
        """When to call ``handle_timeout``; None before the start and after the end."""
        return self._deadline

    @property
    def requests_sent(self) -> int:
        """How many requests were handed out so far."""
        return self._sent

    def start(self, now: float) -> list[SdpAction]:
        """Begin. Raises ``MisuseError`` when it has begun before."""
        if self._state is not _Search.IDLE:
            raise MisuseError("this search has been started before")
        self._state = _Search.WAITING
        return self._ask(now)

    def handle(self, data: bytes, origin: Origin, now: float) -> list[SdpAction]:
        """A datagram came in. The first good answer wins; what comes before the start or after giving up is
        refused. Never raises."""
        del now  # the wait for a try is not prolonged by what comes in
        if self._state not in (_Search.WAITING, _Search.FOUND):
            return [Refused(f"an answer to nothing: {self._state.value}", origin)]
        response = self._read(data, origin)
        if isinstance(response, str):
            return self._refuse(Refused(response, origin))
        if self._found is not None:
            return self._compare(response, origin, self._found)
        if response.security not in self._accept:
            wanted, offered = self._security, response.security
            reason = f"asked for {wanted.name}, the station offers {offered.name}"
            return self._refuse(Refused(reason, origin, downgrade=offered is Security.NONE))
        return self._consider(response, origin)

    def _read(self, data: bytes, origin: Origin) -> Response | str:
        """The answer, or why it is none."""
        if (wrong := wrong_origin(origin, self._interface_index, self._loopback)) is not None:
            return wrong
        try:
            return self._parse(data)
        except SdpError as error:
            return str(error)

    def _parse(self, data: bytes) -> Response:
        """The answer; raises ``SdpError`` for what is none."""
        raise NotImplementedError

    def _consider(self, response: Response, origin: Origin) -> list[SdpAction]:
        """What a good answer with a good security comes to."""
        return self._take(response, origin)

    def _take(self, response: Response, origin: Origin) -> list[SdpAction]:
        self._state, self._deadline, self._found = _Search.FOUND, None, response
        return [Found(response, origin)]

    def _refuse(self, refused: Refused) -> list[SdpAction]:
        self._last_refusal = refused.reason
        return [refused]

    def _same(self, response: Response, chosen: Response) -> bool:
        """This answer says nothing against the one that was taken."""
        return response == chosen

    def _compare(self, response: Response, origin: Origin, chosen: Response) -> list[SdpAction]:
        """A second answer of the same station is the answer to an earlier request;
        each other one is news once."""
        if (
            self._same(response, chosen)
            or response in self._conflicts
            or len(self._conflicts) >= _CONFLICTS_TOLD
        ):
            return []
        self._conflicts.add(response)
        return [Conflict(response, origin, chosen)]

    def handle_timeout(self, now: float) -> list[SdpAction]:
        """Ask again, or give up. Nothing happens before ``deadline``."""
        if self._deadline is None or now < self._deadline:
            return []
        if self._sent < self._timing.sdp_requests:
            return self._ask(now)
        self._state, self._deadline = _Search.FAILED, None
        refused = f"; the last answer was refused: {self._last_refusal}" if self._last_refusal else ""
        return [GaveUp(f"no station answered {self._sent} discovery requests{refused}")]

    def _ask(self, now: float) -> list[SdpAction]:
        self._sent += 1
        self._deadline = now + self._timing.sdp_retry
        return [SendRequest(self._question)]


class SdpClient(AnyClient[SdpResponse]):
    """The car's side on a cable, as ``AnyClient`` says. ``security`` is what it asks for."""

    __slots__ = ()

    def __init__(
        self,
        *,
        interface_index: int,
        security: Security = Security.TLS,
        accept: Collection[Security] | None = None,
        loopback: bool = False,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(
            SdpRequest(security).to_bytes(),
            security,
            interface_index=interface_index,
            accept=accept,
            loopback=loopback,
            timing=timing,
        )

    def _parse(self, data: bytes) -> SdpResponse:
        return SdpResponse.parse(data, loopback=self._loopback)
