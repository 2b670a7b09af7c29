"""How a station's session begins: supportedAppProtocol chooses what is spoken."""

from __future__ import annotations

from typing import Any

from iso15118.session import actions as act
from iso15118.session.actions import Action, EndReason
from iso15118.session.services import Namespace

from .edition import SeccEdition
from .editions import usable
from .funnel import CONNECTED
from .negotiation import negotiate
from .told import Told

__all__ = ["NEGOTIATING", "NO_VOLTAGE", "Opening"]

NEGOTIATING = CONNECTED.name
NO_VOLTAGE = (
    "power.limits.maximum_voltage_v is 0 V, so that no DC is offered: let the limits be those of the supply "
    "before a vehicle comes"
)


_OF_DC = frozenset(
    name.value for name in (Namespace.DC, Namespace.ACDP, Namespace.ISO2, Namespace.DIN, Namespace.ISO2_2010)
)
"""What a vehicle may have wanted DC with."""


class Opening(Told):
    """A session until an edition is chosen."""

    without_voltage: bool
    """There is a DC supply, and its limits say 0 V: no DC is offered in this session."""

    @property
    def state(self) -> str:
        """What the session waits for, named after the message."""
        return self.states[-1]

    def _enter(self, edition: SeccEdition, state: Any) -> list[Action]:
        raise NotImplementedError

    def _negotiation(self, message: Any) -> list[Action]:
        choice = None
        if self.state == NEGOTIATING:
            choice = negotiate(message, usable(self._facts), self.config.protocol_preference)
        if choice is None:
            return self._end(
                EndReason.SEQUENCE_ERROR, f"{type(message).__name__} while waiting for {self.state}"
            )
        if choice.served is None:
            why, cause = choice.why, ""
            if self.without_voltage and any(one.protocol_namespace in _OF_DC for one in message.app_protocol):
                why, cause = f"{why}; {NO_VOLTAGE}", "no-dc-voltage"
            return self._end(EndReason.PROTOCOL_NEGOTIATION_FAILED, why, choice.response, cause=cause)
        edition = self._edition = choice.served.code()(self._facts)
        self._edition_name = choice.served.edition
        if choice.served.namespace == Namespace.ISO2_2010.value:
            self._facts.note("draft-namespace", "the draft of ISO 15118-2 of 2010 is spoken as DIN 70121")
        return [
            act.Send(choice.response),
            act.UseSchema(edition.schema),
            *self._enter(edition, edition.first),
        ]
