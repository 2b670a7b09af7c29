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

__all__ = ["NEGOTIATING", "Opening"]

NEGOTIATING = CONNECTED.name


class Opening(Told):
    """A session until an edition is chosen."""

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
            return self._end(EndReason.PROTOCOL_NEGOTIATION_FAILED, choice.why, choice.response)
        edition = self._edition = choice.served.code()(self._facts)
        self._edition_name = choice.served.edition
        if choice.served.namespace == Namespace.ISO2_2010.value:
            self._facts.note("draft-namespace", "the draft of ISO 15118-2 of 2010 is spoken as DIN 70121")
        return [
            act.Send(choice.response),
            act.UseSchema(edition.schema),
            *self._enter(edition, edition.first),
        ]
