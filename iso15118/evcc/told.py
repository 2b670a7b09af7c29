"""What a session of a vehicle says of itself to whoever looks: what is spoken, who
pays, and what was agreed."""

from __future__ import annotations

from iso15118.evcc.funnel import Funnel
from iso15118.session import actions as act
from iso15118.session.ticket import EvccTicket

__all__ = ["Told"]


class Told(Funnel):
    """The readings of ``EvccSession``."""

    @property
    def session_id(self) -> bytes:
        """The id the station gave; zero before SessionSetup."""
        return self._talk.session_id

    @property
    def edition(self) -> str:
        """What is spoken, by its name in ``EvccConfig.editions``; empty before
        supportedAppProtocol has chosen."""
        return self._talk.edition_name

    @property
    def emaid(self) -> str:
        """The contract that pays; empty with external identification, and before authorization."""
        contract = self._talk.contract
        return "" if contract is None else contract.emaid

    @property
    def refused_contract(self) -> str:
        """EMAID of the contract whose refusal ended the session, as it does in ISO 15118-2; the next session
        may try another one first (``VehicleContracts.refused``)."""
        return self._talk.refused

    @property
    def installed(self) -> int:
        """Contracts that were installed in this session."""
        return self._talk.installed

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why contracts were not installed or not taken, in order, human-readable; then those that were not
        even tried, and why."""
        return (*self._talk.refusals, *self._talk.set_aside)

    @property
    def schedule(self) -> act.ScheduleChosen | None:
        """The schedule that the vehicle follows by ISO 15118-20, or followed last, with what it plans and
        what that costs; None before it has chosen one, and where the station sets the power."""
        return self._talk.chosen

    @property
    def ticket(self) -> EvccTicket | None:
        """Once it is paused: what the next session here needs to go on with it. None if the station could not
        be known again, as over TLS of which nobody told the certificate."""
        return self._talk.ticket
