"""What a session of a station says of itself to whoever looks: who is there, what was
agreed, and why a vehicle went."""

from __future__ import annotations

from iso15118.session import actions as act
from iso15118.session.ticket import SeccTicket

from .funnel import Funnel

__all__ = ["Told"]


class Told(Funnel):
    """The readings of ``SeccSession`` that are known before anything is agreed."""

    _edition_name = ""

    @property
    def session_id(self) -> bytes:
        """The id of this session; zero before SessionSetup."""
        return self._facts.session_id

    @property
    def edition(self) -> str:
        """What is spoken, by its name in ``SeccConfig.editions``; empty before
        supportedAppProtocol has chosen."""
        return self._edition_name

    @property
    def evccid(self) -> str:
        """How the vehicle introduced itself; empty before SessionSetup."""
        return self._facts.evccid

    @property
    def certificate_name(self) -> str:
        """Common name of the certificate that the vehicle proved in TLS; empty without one."""
        return self._facts.certificate_name

    @property
    def emaid(self) -> str:
        """The contract that pays; empty with external identification, and before authorization."""
        return self._facts.emaid

    @property
    def refusals(self) -> tuple[str, ...]:
        """Human-readable reasons for refused contracts, in order."""
        return tuple(self._facts.refusals)

    @property
    def used_tickets(self) -> tuple[SeccTicket, ...]:
        """Tickets that it was given and that nobody can use any more: throw them away."""
        return tuple(self._facts.used_tickets)

    @property
    def leaving(self) -> act.VehicleLeaves | None:
        """Why the vehicle ended or paused the session, as it said (ISO 15118-20); None: it
        has not, or said nothing."""
        return self._facts.leaving

    @property
    def display(self) -> act.VehicleDisplay | None:
        """What the vehicle last let the station show of itself; None before."""
        return self._facts.display

    @property
    def energized(self) -> bool:
        """The hardware was asked for voltage, current or closed contactors, and not yet to take it back."""
        return self._facts.energized
