"""What remains of a session while it is paused: a frozen ticket for each role, to be kept, stored, and handed
to the session that goes on.

It holds the choices that need not be made again, and what tells the peer from any other. No key is
in it; who has it and is the same peer charges without a new authorization, so store it like any
other record of the installation.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any, ClassVar, Final, Literal, Self

import msgspec
from msgspec import Struct

from iso15118.errors import MisuseError, TicketError
from iso15118.pnc.contracts import ContractClaim

from .ac_limits import Islanding
from .secured import TlsPeer
from .services import SERVICES, ControlMode, MobilityNeedsMode, ParameterSet, ServiceID

__all__ = ["VALIDITY_S", "EvccTicket", "Iso2Choice", "PauseTicket", "SeccTicket", "peer_binding"]

VALIDITY_S: Final = 86_400.0
"""How long a ticket holds by default, in s. No public source names a time; a schedule without departure time
covers a day [V2G20-1563], so that a pause for a better price ends within one."""
_SKEW_S: Final = 60.0
"""A clock that was set back by less than this, between pause and resume, is still believed."""
_MAGIC: Final = b"iso15118-pause-1"
_MOST_BYTES: Final = 65_536  # four certificates of a contract, in base64, fit several times


class PauseTicket(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both roles keep. Raises ``TicketError`` for values that no session could have left."""

    role: ClassVar[str] = ""

    session_id: bytes
    """Eight octets, in ISO 15118-2 one to eight; not all zero."""
    evccid: str
    """How the vehicle introduced itself."""
    edition: Literal["iso20", "iso2"] = "iso20"
    """In which edition it was paused, and goes on."""
    secure: bool
    """It was paused over TLS; in ISO 15118-20 that is TLS 1.3."""
    binding: bytes = b""
    """Ties it to the certificate that the peer proved in TLS [V2G20-2539, V2G20-2545]; empty without TLS, and
    in ISO 15118-2, where vehicles have no certificate."""
    service: ServiceID
    """The energy service that was selected."""
    paused_at: float
    """When it was paused: Unix time in s, if the session knew it; otherwise s on the session's clock."""
    valid_s: float = VALIDITY_S
    """For how many s after that."""

    def __post_init__(self) -> None:
        # Stations of ISO 15118-2 give shorter ones, too.
        lengths = (8,) if self.edition == "iso20" else range(1, 9)
        if len(self.session_id) not in lengths or not any(self.session_id):
            raise TicketError("session_id: eight octets, in ISO 15118-2 one to eight, and not zero")
        if not 1 <= len(self.evccid) <= 255:
            raise TicketError("evccid: 1 to 255 characters")
        if self.edition not in ("iso20", "iso2"):
            raise TicketError(f"edition: {self.edition!r} has no pause")
        if len(self.binding) != (64 if self.secure and self.edition == "iso20" else 0):
            raise TicketError("binding: 64 octets with TLS in ISO 15118-20, otherwise none")
        if self.edition == "iso20" and self.service not in SERVICES:
            raise TicketError(f"service: {self.service!r} is not implemented")
        if not math.isfinite(self.paused_at):
            raise TicketError("paused_at: a number of seconds")
        if not 0.0 < self.valid_s < 1e9:
            raise TicketError("valid_s: a positive number of seconds")

    def is_valid(self, at: float) -> bool:
        """Whether it still holds at ``at``, in s on the clock of ``paused_at``. A clock that
        started anew makes it invalid."""
        return -_SKEW_S <= at - self.paused_at <= self.valid_s

    def belongs_to(self, *, secure: bool, tls: TlsPeer | None) -> bool:
        """Whether the peer on this connection is the one it was paused with. Without TLS
        nothing but the names can tell."""
        if secure is not self.secure:
            return False
        if not self.binding:
            return True
        from iso15118.tls.binding import is_same_peer  # here: OpenSSL is loaded by who pauses sessions

        return is_same_peer(self.binding, self.session_id, _leaf(tls))

    def to_bytes(self) -> bytes:
        """For a file or a database; ASCII, with a check against damage (not against forgery: that
        is the storage's business)."""
        body = msgspec.json.encode(self)
        return b" ".join((_MAGIC, self.role.encode(), _digest(self.role, body), body))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The ticket again. Raises ``TicketError`` if it is damaged, of another
        version, or of the other role."""
        if len(data) > _MOST_BYTES:
            raise TicketError(f"{len(data)} bytes are too long")
        parts = bytes(data).split(b" ", 3)
        if len(parts) != 4 or parts[0] != _MAGIC:
            raise TicketError("this is no ticket of this version")
        if parts[1] != cls.role.encode():
            raise TicketError(f"this is no ticket of the {cls.role.upper()}")
        if parts[2] != _digest(cls.role, parts[3]):
            raise TicketError("damaged")
        try:
            return msgspec.json.decode(parts[3], type=cls)
        except msgspec.MsgspecError as error:
            raise TicketError(str(error)) from error

    def __repr__(self) -> str:
        # Who paused, and what would let another join, stays out of logs.
        return (
            f"{type(self).__name__}(service={self.service.name}, secure={self.secure}, "
            f"paused_at={self.paused_at!r}, valid_s={self.valid_s!r})"
        )

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [
            ("service", self.service.name),
            ("secure", self.secure),
            ("paused_at", self.paused_at),
            ("valid_s", self.valid_s),
        ]


class Iso2Choice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was chosen in ISO 15118-2, and is offered again [V2G2-740, V2G2-741]. Raises ``TicketError`` for
    values that no session has."""

    mode: str
    """RequestedEnergyTransferMode."""
    tuple_id: int
    """The schedule, 1 to 255."""
    schedule: tuple[tuple[float, float], ...] = ()
    """When each entry ended, on the clock of ``paused_at``, and its power in W; empty: it is made anew."""

    def __post_init__(self) -> None:
        if not 1 <= self.tuple_id <= 255:
            raise TicketError("tuple_id: 1 to 255")
        if not all(math.isfinite(value) for entry in self.schedule for value in entry):
            raise TicketError("schedule: finite numbers")


class SeccTicket(PauseTicket, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The station's: the vehicle that it was given for charges on without being authorized again. Raises
    ``TicketError`` for values that no session has."""

    role: ClassVar[str] = "secc"

    parameter_set: ParameterSet | None = None
    """What was selected in ISO 15118-20, as it was offered: if it is not offered any
    more, the session begins anew."""
    iso2: Iso2Choice | None = None
    """The same of ISO 15118-2."""
    claim: ContractClaim | None = None
    """The contract that pays; None with external identification."""

    def __post_init__(self) -> None:
        super().__post_init__()
        newer, older = self.parameter_set is not None, self.iso2 is not None
        if newer is older or newer is not (self.edition == "iso20"):
            raise TicketError("parameter_set: in ISO 15118-20; iso2: in ISO 15118-2")
        if self.claim is not None and not (self.claim.chain and self.secure):
            raise TicketError("claim: a contract has a certificate, and there is none without TLS")

    @property
    def control_mode(self) -> ControlMode:
        """Who sets the power; the vehicle within its schedule in ISO 15118-2."""
        return ControlMode.SCHEDULED if self.parameter_set is None else self.parameter_set.control_mode

    @property
    def emaid(self) -> str:
        """The contract that pays; empty with external identification."""
        return self.claim.emaid if self.claim is not None else ""


class EvccTicket(PauseTicket, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The vehicle's: what it selected at the station that paused with it. Raises ``TicketError`` for
    values that no session has."""

    role: ClassVar[str] = "evcc"

    parameter_set_id: int = 0
    """In ISO 15118-20."""
    control_mode: ControlMode = ControlMode.SCHEDULED
    separate_channels: bool = False
    """Charging and discharging have channels of their own."""
    mobility_needs_mode: MobilityNeedsMode = MobilityNeedsMode.PROVIDED_BY_EVCC
    """Who says what the driver needs, as the parameter set has it."""
    may_change_service: bool = False
    """The station supports another choice of service."""
    iso2: Iso2Choice | None = None
    """What was chosen in ISO 15118-2."""
    emaid: str = ""
    """The contract that pays; empty with external identification."""
    phases: int = 0
    """AC: how many the parameter set has; 0 with DC."""
    der_functions: int = 0
    """AC_DER_IEC: the functions that were agreed on, as bits."""
    nominal_voltage_v: float = 0.0
    """AC: phase to neutral, in V, as the parameter set says."""
    forms_grid: bool = False
    """AC: the charger forms the grid, and does not follow it."""
    islanding: Islanding | None = None
    """AC: how it notices an island then."""
    departure_at: float | None = None
    """When the vehicle leaves, on the clock of ``paused_at``, which a pause does not move [V2G2-742];
    None: nobody knows, or a ticket of an older version."""
    energy_wh: float | None = None
    """In ISO 15118-2: what it still wanted in Wh; it asks for no more when it goes on [V2G2-743]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.edition == "iso2") is not (self.iso2 is not None):
            raise TicketError("iso2: in ISO 15118-2 alone")
        for name in ("departure_at", "energy_wh"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise TicketError(f"{name}: a finite number")


def peer_binding(session_id: bytes, tls: TlsPeer | None) -> bytes:
    """The binding of a session to its peer; empty if nobody told which certificate the peer has."""
    leaf = _leaf(tls)
    if not leaf:
        return b""
    from iso15118.tls.binding import session_binding

    try:
        return session_binding(session_id, leaf)
    except MisuseError:
        return b""


def _leaf(tls: TlsPeer | None) -> bytes:
    return tls.peer_chain[0] if tls is not None and tls.peer_chain else b""


def _digest(role: str, body: bytes) -> bytes:
    return hashlib.sha256(role.encode() + b"\0" + body).hexdigest()[:32].encode()
