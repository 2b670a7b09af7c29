"""A signature over prices that is on its way: the provider's key is used away from the loop, as a vehicle's
keys are, and waited for no longer than ``ScheduleSeccSettings.key_use_s``.

What does not come, is of no kind that fits, or was not made with the key that the signer shows, is none:
prices without a signature are still prices, and a signature that does not fit would be taken for a forgery.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from iso15118.errors import PkiError
from iso15118.messages.xmldsig import Signature
from iso15118.session.actions import ScheduleRemark, UseKey
from iso15118.session.checks import text, what_went_wrong
from iso15118.session.events import KeyUsed

if TYPE_CHECKING:
    from iso15118.pki.keys.signer import Signer
    from iso15118.pnc.signature import SignedElement

    from .facts import Facts

__all__ = ["PriceSigning", "begin_signing"]


class PriceSigning:
    """One use of the provider's key. ``made``: what is signed, in whatever form the
    edition needs it for its answer."""

    __slots__ = ("_over", "_signature", "_why", "deadline", "made", "number")

    def __init__(self, number: int, deadline: float, made: Any) -> None:
        self.number, self.deadline, self.made = number, deadline, made
        self._over = False
        self._signature: Signature | None = None
        self._why = ""

    def done(self, event: KeyUsed) -> None:
        """This came of it."""
        if event.number != self.number or self._over:
            return
        self._over = True
        if event.error is not None:
            self._why = what_went_wrong(event.error)
        elif type(event.result) is not Signature:
            self._why = f"the key gave {type(event.result).__name__}"
        else:
            self._signature = event.result

    def is_settled(self, now: float) -> bool:
        """It is over, or not waited for any more."""
        return self._over or now >= self.deadline

    def signature(self, facts: Facts) -> Signature | None:
        """The signature, or None, and why is told."""
        if not self._over:
            self._over, self._why = True, "the key was not used in time (schedules.key_use_s)"
        if self._signature is None:
            facts.news.append(ScheduleRemark("price-signature", f"prices go out unsigned: {text(self._why)}"))
        return self._signature


def begin_signing(
    facts: Facts,
    signer: Signer,
    elements: Sequence[SignedElement],
    sign: Callable[[], Signature],
    made: Any,
    *,
    until: float = math.inf,
) -> tuple[PriceSigning, UseKey]:
    """Have ``elements`` signed by ``sign``, which uses the key of ``signer``. ``until``: it is over by then.
    A later one takes the place of an earlier one."""
    facts.keys_used += 1
    deadline = min(facts.now + facts.config.schedules.key_use_s, until)
    signing = PriceSigning(facts.keys_used, deadline, made)
    facts.signing = signing

    def work() -> Signature:
        from iso15118.pnc.signature import covers  # here: only who has prices loads it

        signature = sign()
        if not covers(signature, signer.public_key, elements):
            raise PkiError("the signer gave a signature that is not of its own key")
        return signature

    return signing, UseKey("prices", work, signing.deadline, signing.number)
