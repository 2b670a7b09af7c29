"""What a session of ISO 15118-2 has agreed on so far, beside the facts that every edition has.

The handlers read and write it; the machine owns it. Values of the peer stand here
in SI units, already checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iso15118.energy.schedule import Schedule
from iso15118.messages import iso2
from iso15118.messages.xmldsig import Signature
from iso15118.secc.facts import Facts
from iso15118.session.ticket import SeccTicket

from .settings import Iso2SeccSettings

if TYPE_CHECKING:
    from iso15118.pnc.authorization import AuthorizationVerdict
    from iso15118.secc.price_signing import PriceSigning

    from .sequence import Part, State

__all__ = ["Context"]


@dataclass(slots=True, kw_only=True)
class Context:
    """The choices of one session, and the ``facts`` that they are made by."""

    facts: Facts
    part: Part
    """AC or DC."""
    all_modes: tuple[iso2.EnergyTransferMode, ...]
    """The ways to charge that this station has."""
    state: State | None = None
    """What the station waited for when the request came."""
    message: iso2.V2GMessage | None = None
    """The request that is being answered, with its header."""
    resumed: SeccTicket | None = None
    """The paused session that this one goes on with."""

    # -- choices
    payment: iso2.PaymentOption | None = None
    wants_certificate: bool = False
    """The service that brings contracts was selected."""
    requested: iso2.EnergyTransferMode | None = None
    """The way to charge that the vehicle asked for, before its limits are judged."""
    mode: iso2.EnergyTransferMode | None = None
    """The way in which it charges."""

    # -- authorization
    waited_since: float | None = None
    """When the first AuthorizationReq came."""
    chain: tuple[bytes, ...] = ()
    """The contract's certificates as PaymentDetailsReq had them, leaf first."""
    emaid: str = ""
    """Its eMAID as the vehicle wrote it."""
    challenge: bytes = b""
    """What a signed authorization has to contain."""
    verdict: AuthorizationVerdict | None = None
    """What the signed authorization came to."""

    # -- energy
    asked_for_parameters: float | None = None
    """When the first ChargeParameterDiscoveryReq of a negotiation came."""
    needs_told: bool = False
    """What the vehicle wants has been told in this negotiation."""
    signing: PriceSigning | None = None
    """The tariffs of this negotiation are being signed."""
    wish: Any = None
    """The last request of the loop: what the bounds are computed from when a limit changes between two."""
    schedules: dict[int, Schedule] = field(default_factory=dict)
    """What was offered over time, on the session's clock, by the tuple's id."""
    plans_offered: tuple[Schedule, ...] = ()
    """The plans of the energy manager that they were made from."""
    tuple_id: int = 1
    """The one that the vehicle chose, at first the station's default."""
    asked_anew: float | None = None
    """Since when the vehicle is asked for another schedule."""
    ask_not_before: float = 0.0
    offered_anew: bool = False
    """The schedules are those of a new negotiation, and the vehicle has not taken one yet."""
    loops_beyond: int = 0
    """Loops in a row in which the vehicle asked for more than it was told."""

    # -- metering
    metering_due: float = 0.0
    receipt: iso2.MeterInfo | None = None
    """The reading that the vehicle was asked to sign."""

    @property
    def settings(self) -> Iso2SeccSettings:
        """What is decided about ISO 15118-2 alone, for this vehicle."""
        return self.facts.config.iso2

    @property
    def offers_contracts(self) -> bool:
        """Plug and Charge is offered in this session: never without TLS [V2G2-633]."""
        return self.facts.trust is not None and not self.facts.plain

    @property
    def offers_certificates(self) -> bool:
        """So is the service that brings contracts."""
        return self.facts.installs and self.offers_contracts

    @property
    def payments(self) -> tuple[iso2.PaymentOption, ...]:
        """What is offered: in a session that goes on, what was chosen before the pause [V2G2-741]."""
        options = (
            (iso2.PaymentOption.ExternalPayment, iso2.PaymentOption.Contract)
            if self.offers_contracts
            else (iso2.PaymentOption.ExternalPayment,)
        )
        if self.resumed is None:
            return options
        before = iso2.PaymentOption.Contract if self.resumed.claim else iso2.PaymentOption.ExternalPayment
        return (before,)

    @property
    def modes(self) -> tuple[iso2.EnergyTransferMode, ...]:
        """The same of the ways to charge."""
        before = None if self.resumed is None or self.resumed.iso2 is None else self.resumed.iso2.mode
        return tuple(mode for mode in self.all_modes if before is None or mode.value == before)

    def envelope(self, element: iso2.BodyElement, signature: Signature | None = None) -> iso2.V2GMessage:
        """The message that says ``element`` in this session, with a signature of what is in it."""
        header = iso2.MessageHeader(session_id=self.facts.session_id, signature=signature)
        return iso2.V2GMessage(header=header, body=iso2.Body(body_element=element))
