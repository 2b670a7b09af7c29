"""What a vehicle says when none of its contracts pays: each that was set aside, why, and what can be
done about it.

The station is told nothing of those that it was not shown: an EMAID is somebody's identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from iso15118.evcc.config import InstallContracts
from iso15118.evcc.conversation import Conversation, Leave
from iso15118.session.actions import EndReason

if TYPE_CHECKING:
    from iso15118.pnc.vehicle_contracts import VehicleContracts

__all__ = ["Untold", "leave_without_contract", "not_tried", "tell_set_aside"]

_LONGEST: Final = 300
"""Characters of the detail of an end; all of it is in the refusals."""


class Untold(str):
    """A refusal of the vehicle's own, about a contract that the station was not shown."""

    __slots__ = ()


def tell_set_aside(
    talk: Conversation, *, iso2: bool = False, providers: Sequence[str] = (), untried: Sequence[str] = ()
) -> None:
    """Note for ``session.refusals`` which contracts were left out here and why; where none can be used, with
    the way out. ``untried``: those that could have been tried, in words."""
    contracts = talk.contracts
    if contracts is None:
        return
    edition = "iso2" if iso2 else contracts.edition
    usable = contracts.usable(providers=providers, unix_time=talk.clock, edition=edition)
    left_out = contracts.set_aside(providers=providers, unix_time=talk.clock, edition=edition)
    way_out = () if usable else (_way_out(talk, contracts, iso2=iso2),)
    talk.set_aside = (*left_out, *untried, *way_out)


def not_tried(talk: Conversation, emaids: Sequence[str]) -> tuple[str, ...]:
    """In words, that these had no turn."""
    most = talk.config.contract_attempts
    return tuple(f"{emaid}: not tried, session.contract_attempts is {most}" for emaid in emaids)


def _way_out(talk: Conversation, contracts: VehicleContracts, *, iso2: bool) -> str:
    if talk.config.install_contracts is InstallContracts.NEVER:
        return 'session.install_contracts = "if-needed" has a station install one'
    provisioning = contracts.provisioning_for("iso2") if iso2 else contracts.provisioning
    if provisioning is None:
        return "`iso15118 pki import` puts a new one into the store"
    return (
        "a station that installs contracts gives a new one, or `iso15118 pki import` puts one into the store"
    )


def leave_without_contract(talk: Conversation) -> Leave:
    """The way out of the session. Its detail has as many of the contracts as it can carry, and how many there
    are beside; the station is told the refusals only."""
    *named, last = talk.set_aside or ("",)
    for count in range(len(named), -1, -1):
        beside = f"and {len(named) - count} more" if count < len(named) else ""
        detail = "; ".join(filter(None, (*talk.refusals, *named[:count], beside, last)))
        if len(detail) <= _LONGEST:
            break
    return Leave(
        EndReason.AUTHORIZATION_FAILED,
        detail[:_LONGEST],
        cause="no-contract",
        told="; ".join(one for one in talk.refusals if not isinstance(one, Untold))[:_LONGEST],
    )
