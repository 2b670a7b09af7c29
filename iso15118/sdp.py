"""SECC discovery (SDP) on a wired link: the two messages, the station that answers and the car that asks.

Sans-I/O: datagrams and their origin in, datagrams and decisions out. The sockets, the multicast group and the
interface belong to ``aio``; on the loopback interface, which has no multicast, the same machines run over
``::1``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from enum import Enum, IntEnum
from ipaddress import AddressValueError, IPv6Address
from struct import Struct as Layout
from typing import Final

from msgspec import Struct

from .errors import MisuseError, SdpError
from .timing import Timing
from .v2gtp import HEADER_LENGTH, PayloadType, encode_frame, payload_type_name

__all__ = [
    "MULTICAST_GROUP",
    "SDP_PORT",
    "Answer",
    "Conflict",
    "Found",
    "GaveUp",
    "Ignored",
    "Origin",
    "OriginRates",
    "RateLimit",
    "Refused",
    "SdpAction",
    "SdpClient",
    "SdpRequest",
    "SdpResponse",
    "SdpServer",
    "Security",
    "SendRequest",
    "Transport",
]

SDP_PORT: Final = 15118
"""UDP port of the station."""

MULTICAST_GROUP: Final = IPv6Address("ff02::1")
"""All nodes of the link: where requests go."""

_header = Layout(">BBHI")
_request = Layout(">BB")
_response = Layout(">16sHBB")

_WIRELESS: Final = (
    PayloadType.SDP_REQUEST_WIRELESS,
    PayloadType.SDP_RESPONSE_WIRELESS,
    PayloadType.SDP_REQUEST_EMSP,
    PayloadType.SDP_RESPONSE_EMSP,
)


class Security(IntEnum):
    """The security byte."""

    TLS = 0x00
    NONE = 0x10


class Transport(IntEnum):
    """The transport byte."""

    TCP = 0x00
    UDP = 0x10
    """Reserved: never asked for, never answered."""


# -- the two messages ---------------------------------------------------------------------------------------


class SdpRequest(Struct, frozen=True):
    """The car asks who is there, and with which security it wants to talk."""

    security: Security
    transport: Transport = Transport.TCP

    def to_bytes(self) -> bytes:
        """The whole datagram."""
        return encode_frame(PayloadType.SDP_REQUEST, _request.pack(self.security, self.transport))

    @classmethod
    def parse(cls, data: bytes) -> SdpRequest:
        """Read a datagram that came to a station. Raises ``SdpError`` for anything but a wired request over
        TCP."""
        payload = _payload(data, PayloadType.SDP_REQUEST, _request.size)
        security, transport = _request.unpack(payload)
        return cls(_security(security), _transport(transport))


class SdpResponse(Struct, frozen=True):
    """The station says where it listens, and whether with TLS."""

    address: IPv6Address
    port: int
    security: Security
    transport: Transport = Transport.TCP

    def to_bytes(self) -> bytes:
        """The whole datagram. Raises ``MisuseError`` for a port that is none."""
        if not 0 < self.port <= 0xFFFF:
            raise MisuseError(f"{self.port} is no TCP port")
        payload = _response.pack(self.address.packed, self.port, self.security, self.transport)
        return encode_frame(PayloadType.SDP_RESPONSE, payload)

    @classmethod
    def parse(cls, data: bytes, *, loopback: bool = False) -> SdpResponse:
        """Read a datagram that came to a car. Raises ``SdpError`` for anything but a usable wired response.

        The address has to be link-local, or ``::1`` and nothing else where ``loopback`` says that this is the
        loopback interface. Ports below the dynamic range are let pass: stations in the field use them.
        """
        payload = _payload(data, PayloadType.SDP_RESPONSE, _response.size)
        packed, port, security, transport = _response.unpack(payload)
        address = IPv6Address(packed)
        if (wrong := _wrong_address(address, loopback)) is not None:
            raise SdpError(f"the station announces {address}, {wrong}")
        if port == 0:
            raise SdpError("the station announces port 0")
        return cls(address, port, _security(security), _transport(transport))


def _payload(data: bytes, wanted: PayloadType, size: int) -> bytes:
    if len(data) < HEADER_LENGTH:
        raise SdpError(f"{len(data)} bytes are no discovery message")
    version, inverse, payload_type, length = _header.unpack_from(data)
    if (version, inverse) != (0x01, 0xFE):
        raise SdpError(f"0x{version:02X}{inverse:02X} is no V2GTP version 1 header (0x01FE)")
    if payload_type in _WIRELESS:
        raise SdpError(f"{payload_type_name(payload_type)} is for other links than a charging cable")
    if payload_type != wanted:
        raise SdpError(f"{payload_type_name(payload_type)} where {payload_type_name(wanted)} belongs")
    if length != size or len(data) != HEADER_LENGTH + size:
        found = len(data) - HEADER_LENGTH
        raise SdpError(f"{wanted.name} has {size} bytes; {length} are announced and {found} are there")
    return data[HEADER_LENGTH:]


def _security(value: int) -> Security:
    try:
        return Security(value)
    except ValueError:
        raise SdpError(f"security byte 0x{value:02X} is reserved") from None


def _transport(value: int) -> Transport:
    if value != Transport.TCP:
        raise SdpError(f"transport byte 0x{value:02X} is not TCP")
    return Transport.TCP


def _wrong_address(address: IPv6Address, loopback: bool) -> str | None:
    """Why nobody on this link can have this address, None if somebody can."""
    if address.is_unspecified:
        return "the unspecified address"
    if address.is_multicast:
        return "a multicast address"
    if address.ipv4_mapped is not None:
        return "an IPv4 address"
    if loopback:
        return None if address.is_loopback else "which is not on the loopback interface"
    if address.is_loopback:
        return "the loopback address"
    return None if address.is_link_local else "which is not link-local"


class Origin(Struct, frozen=True):
    """Where a datagram came from; ``scope_id`` is the index of the interface, 0 where the address has no
    scope."""

    address: IPv6Address
    port: int
    scope_id: int = 0

    @classmethod
    def of_socket(cls, address: tuple[str, int] | tuple[str, int, int, int]) -> Origin:
        """From what ``recvfrom`` of an IPv6 socket gives. Raises ``SdpError`` for an address of another
        family."""
        try:
            host = IPv6Address(address[0].partition("%")[0])
        except AddressValueError:
            raise SdpError(f"{address[0]!r} is no IPv6 address") from None
        return cls(host, address[1], address[3] if len(address) == 4 else 0)

    def __str__(self) -> str:
        scope = f"%{self.scope_id}" if self.scope_id else ""
        return f"[{self.address}{scope}]:{self.port}"


def _wrong_origin(origin: Origin, interface_index: int, loopback: bool) -> str | None:
    """Why a datagram from there is none of ours, None if it is."""
    if (wrong := _wrong_address(origin.address, loopback)) is not None:
        return f"it came from {origin.address}, {wrong}"
    if not loopback and origin.scope_id != interface_index:
        return f"it came over interface {origin.scope_id}, this is interface {interface_index}"
    if origin.port == 0:
        return "it came from port 0"
    return None


# -- the station --------------------------------------------------------------------------------------------


class RateLimit(Struct):
    """Lets ``burst`` events pass at once and ``per_second`` in the long run; a value, its time is an
    argument."""

    per_second: float = 10.0
    """A car sends four requests a second [V2G2-159]."""
    burst: float = 20.0
    tokens: float = -1.0
    at: float = 0.0

    def admit(self, now: float) -> bool:
        """True if one more event may pass at ``now``."""
        if self.tokens < 0.0:
            self.tokens, self.at = self.burst, now
        self.tokens = min(self.burst, self.tokens + max(0.0, now - self.at) * self.per_second)
        self.at = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


ORIGINS_KEPT: Final = 4096
"""Addresses whose requests are counted apart, in less than 1 MB; the one that has been silent longest makes room. A flood has to bring more
than 16,000 new ones a second for a car to be forgotten between two requests."""

_NEWCOMERS_A_SECOND: Final = 1000.0


class OriginRates:
    """A ``RateLimit`` of its own for each address, so that one that floods costs nobody else an answer.

    Bounded: at most ``most`` addresses are known. Those that are not known yet share a limit far above what cars send, for a flood
    under ever new addresses; a car that has asked once is known when it asks again 250 ms later. ``each`` is the pattern of the limits.
    """

    __slots__ = ("_each", "_known", "_most", "_newcomers")

    def __init__(self, each: RateLimit | None = None, *, most: int = ORIGINS_KEPT) -> None:
        limit = each if each is not None else RateLimit()
        self._each = (limit.per_second, limit.burst)
        self._most = most
        self._known: OrderedDict[IPv6Address, RateLimit] = OrderedDict()
        self._newcomers = RateLimit(per_second=_NEWCOMERS_A_SECOND, burst=_NEWCOMERS_A_SECOND)

    def __len__(self) -> int:
        return len(self._known)

    def admit(self, address: IPv6Address, now: float) -> bool:
        """True if one more request of this address may pass at ``now``."""
        limit = self._known.get(address)
        if limit is None:
            # Known from now on, whether or not it passes: it asks again.
            if len(self._known) >= self._most:
                self._known.popitem(last=False)
            limit = self._known[address] = RateLimit(*self._each)
            return self._newcomers.admit(now) and limit.admit(now)
        self._known.move_to_end(address)
        return limit.admit(now)


class Answer(Struct, frozen=True):
    """Send ``data`` to where the request came from."""

    request: SdpRequest
    response: SdpResponse
    data: bytes


class Ignored(Struct, frozen=True):
    """No answer, and why. ``flood`` tells the rate limit from a bad request, so that a log can be spared; ``busy`` a good request that
    came while no session could be taken."""

    reason: str
    flood: bool = False
    busy: bool = False


class SdpServer:
    """The station's side: one request in, one answer or the reason why not out. Of a request nothing is remembered but that it came.

    ``address`` is the station's own on the interface with index ``interface_index``; ``ports`` says on which
    TCP port it listens with which security, at least one. A car gets what it asks for where there is a
    choice; otherwise the only one there is, and may refuse. ``rate`` is the limit of each origin. ``may_answer`` is asked at every
    request: False while no session can be taken, so that a car goes on looking instead of waiting for a station that does not serve it;
    one that raises counts as False. Raises ``MisuseError`` for an address or ports that no car could use.
    """

    __slots__ = ("_interface_index", "_loopback", "_may_answer", "_rates", "_responses")

    def __init__(
        self,
        *,
        address: IPv6Address,
        ports: Mapping[Security, int],
        interface_index: int,
        loopback: bool = False,
        rate: RateLimit | None = None,
        may_answer: Callable[[], bool] | None = None,
    ) -> None:
        if (wrong := _wrong_address(address, loopback)) is not None:
            raise MisuseError(f"a station cannot announce {address}, {wrong}")
        if not ports:
            raise MisuseError("a station has to listen on at least one port to be found")
        responses = {security: SdpResponse(address, port, security) for security, port in ports.items()}
        only = next(iter(responses.values()))
        # Made once: answering costs a look-up, whatever the rate of requests.
        self._responses = {
            security: (response := responses.get(security, only), response.to_bytes())
            for security in Security
        }
        self._interface_index = interface_index
        self._loopback = loopback
        self._rates = OriginRates(rate)
        self._may_answer = may_answer

    def answer(self, data: bytes, origin: Origin, now: float) -> Answer | Ignored:
        """What to do with a datagram that came from ``origin`` at ``now`` (s). Never raises."""
        if (wrong := _wrong_origin(origin, self._interface_index, self._loopback)) is not None:
            return Ignored(wrong)
        try:
            request = SdpRequest.parse(data)
        except SdpError as error:
            return Ignored(str(error))
        if not self._rates.admit(origin.address, now):  # behind the checks: garbage makes nobody known
            return Ignored(f"more requests of {origin.address} than the rate limit lets pass", flood=True)
        if (busy := self._busy()) is not None:
            return Ignored(busy, busy=True)
        response, wire = self._responses[request.security]
        return Answer(request, response, wire)

    def _busy(self) -> str | None:
        """Why nobody is invited now, None if cars are."""
        if self._may_answer is None:
            return None
        try:
            invited = self._may_answer()
        except (
            Exception
        ) as error:  # whoever is asked is the caller's code; discovery goes on whatever it does
            return f"whether a session can be taken is not known: {type(error).__name__}"
        return None if invited is True else "no session can be taken now"


# -- the car ------------------------------------------------------------------------------------------------


class SendRequest(Struct, frozen=True):
    """Send ``data`` to the multicast group on the car's interface (to ``::1`` on the loopback interface)."""

    data: bytes


class Found(Struct, frozen=True):
    """A station answered: connect there. The search is over."""

    response: SdpResponse
    origin: Origin


class Refused(Struct, frozen=True):
    """A datagram that was not accepted as the answer; the search goes on as it was. News for a log. ``downgrade``: it offers less security
    than this car accepts."""

    reason: str
    origin: Origin
    downgrade: bool = False


class Conflict(Struct, frozen=True):
    """Another answer than the one that was taken, after it: two stations on one link, or somebody who plays one. The first one stands.
    News for a log."""

    response: SdpResponse
    origin: Origin
    chosen: SdpResponse

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


_CONFLICTS_TOLD: Final = 8


class _Search(Enum):
    IDLE = "not started"
    WAITING = "waiting"
    FOUND = "found"
    FAILED = "gave up"


class SdpClient:
    """The car's side: asks until a station answers [V2G2-159] or the tries are used up [V2G2-161].

    ``security`` is what it asks for, ``accept`` which answers it takes: by default only the one it asked for,
    so that nobody on the link can talk it out of TLS. Call ``start`` first, then ``handle`` for every
    datagram and ``handle_timeout`` at ``deadline``, until ``Found`` or ``GaveUp`` comes out. Datagrams that come after ``Found`` may
    still be handed in for a while: one that says something else is a ``Conflict``.
    """

    __slots__ = (
        "_accept",
        "_conflicts",
        "_deadline",
        "_found",
        "_interface_index",
        "_last_refusal",
        "_loopback",
        "_request",
        "_sent",
        "_state",
        "_timing",
    )

    def __init__(
        self,
        *,
        interface_index: int,
        security: Security = Security.TLS,
        accept: Collection[Security] | None = None,
        loopback: bool = False,
        timing: Timing | None = None,
    ) -> None:
        self._request = SdpRequest(security)
        self._accept = frozenset((security,) if accept is None else accept)
        self._interface_index = interface_index
        self._loopback = loopback
        self._timing = timing if timing is not None else Timing()
        self._state = _Search.IDLE
        self._deadline: float | None = None
        self._sent = 0
        self._last_refusal = ""
        self._found: SdpResponse | None = None
        self._conflicts: set[SdpResponse] = set()

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
            wanted, offered = self._request.security, response.security
            reason = f"asked for {wanted.name}, the station offers {offered.name}"
            return self._refuse(Refused(reason, origin, downgrade=offered is Security.NONE))
        self._state, self._deadline, self._found = _Search.FOUND, None, response
        return [Found(response, origin)]

    def _read(self, data: bytes, origin: Origin) -> SdpResponse | str:
        """The answer, or why it is none."""
        if (wrong := _wrong_origin(origin, self._interface_index, self._loopback)) is not None:
            return wrong
        try:
            return SdpResponse.parse(data, loopback=self._loopback)
        except SdpError as error:
            return str(error)

    def _refuse(self, refused: Refused) -> list[SdpAction]:
        self._last_refusal = refused.reason
        return [refused]

    def _compare(self, response: SdpResponse, origin: Origin, chosen: SdpResponse) -> list[SdpAction]:
        """A second answer of the same station is the answer to an earlier request; each other one is news once."""
        if response == chosen or response in self._conflicts or len(self._conflicts) >= _CONFLICTS_TOLD:
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
        return [SendRequest(self._request.to_bytes())]
