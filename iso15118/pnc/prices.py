"""Signed price schedules of ISO 15118-20: made with the provider's key, or put together from a
signature of its backend, and judged.

One signature in the header of ScheduleExchangeRes covers every price schedule that has an Id. What is judged
is each of them for itself: a price that was changed on the way does not take the others with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm

from iso15118.errors import MisuseError
from iso15118.messages.iso20.common_messages import AbsolutePriceSchedule, PriceLevelSchedule
from iso15118.messages.xmldsig import Signature, SignatureValue
from iso15118.pki.chain.parsed import UnreadableError, parse
from iso15118.pki.keys.raw import VerifyingKey
from iso15118.pki.keys.signer import Signer

from .signature import (
    SUITES,
    Fault,
    Form,
    SignatureVerdict,
    SignedElement,
    Suite,
    covers,
    faults_of_each,
    sign,
    signed_info,
    suite_of,
)

__all__ = ["Judged", "PriceSchedule", "judge_prices", "relayed_prices", "signed_elements", "signed_prices"]

PriceSchedule = AbsolutePriceSchedule | PriceLevelSchedule
_SCHEMA: Final = "iso20-common"
_MAY_SIGN: Final = ("secp521r1", "ed448")


def signed_prices(
    elements: Sequence[PriceSchedule], signer: Signer, *, form: Form = "standalone"
) -> Signature:
    """Sign them with the provider's key. Raises ``MisuseError`` for none, or one without Id, ``SignerError``
    where the key cannot be used."""
    if not elements:
        raise MisuseError("there is no price to sign")
    return sign(signer, signed_elements(elements), form=form)


def relayed_prices(
    elements: Sequence[PriceSchedule], value: bytes, algorithm: str | None = None
) -> Signature:
    """The signature of a backend that signed them, as OCPP brings it: only its value; what it covers follows
    from the elements. ``algorithm``: of its key; None: Ed448 signatures are the ones of 114 octets. Raises
    ``MisuseError`` as ``signed_prices``."""
    if not elements:
        raise MisuseError("there is no price that was signed")
    kind = algorithm or ("ed448" if len(value) == _ED448_OCTETS else "secp521r1")
    return Signature(
        signed_info=signed_info(SUITES[kind], signed_elements(elements)),
        signature_value=SignatureValue(value=value),
    )


_ED448_OCTETS: Final = 114


class Judged(msgspec.Struct, frozen=True):
    """What is known of one price schedule."""

    intact: bool
    """It is what was signed, whoever did."""
    verdict: SignatureVerdict
    """Ok: by the provider's key."""


def judge_prices(
    elements: Sequence[PriceSchedule], signature: Signature | None, contract_chain: Sequence[bytes]
) -> tuple[Judged, ...]:
    """Judge each element that has an Id by the Sub-CAs above the contract, whose chain is given leaf first
    (empty: nobody knows the provider). Nothing that the station sends raises anything."""
    signed = signed_elements(elements)
    if not signed:
        return ()
    if signature is None:
        missing = SignatureVerdict((("missing", "no signature in the header"),))
        return tuple(Judged(False, missing) for _ in signed)
    suite = _suite_said(signature)
    if suite is None:
        wrong = SignatureVerdict((("signature-method", "none that signs prices"),))
        return tuple(Judged(False, wrong) for _ in signed)
    each = faults_of_each(signature, suite, signed)
    keys = _keys(contract_chain, suite)
    more: tuple[tuple[Fault, str], ...] = ()
    forged = False
    if not keys:
        more = (("key", "nobody here knows the provider's key"),)
    elif not any(covers(signature, key, signed) for key in keys):
        # With the key at hand a signature that does not fit is proof, whoever made it.
        more, forged = (("signature", "not the provider's signature of SignedInfo"),), True
    return tuple(Judged(not faults and not forged, SignatureVerdict((*faults, *more))) for faults in each)


def signed_elements(elements: Sequence[PriceSchedule]) -> list[SignedElement]:
    """They as what a signature covers."""
    return [SignedElement(_SCHEMA, one) for one in elements]


def _suite_said(signature: Signature) -> Suite | None:
    method = signature.signed_info.signature_method.algorithm
    return next((SUITES[kind] for kind in _MAY_SIGN if SUITES[kind].method == method), None)


def _keys(contract_chain: Sequence[bytes], suite: Suite) -> list[VerifyingKey]:
    """Those of the Sub-CAs above the contract that sign in this way: the one that issued it comes first."""
    found: list[VerifyingKey] = []
    for der in contract_chain[1:]:
        try:
            key = parse(der).certificate.public_key()
            if isinstance(key, VerifyingKey) and suite_of(key) == suite:
                found.append(key)
        except (UnreadableError, UnsupportedAlgorithm, MisuseError, ValueError, TypeError):
            continue
    return found
