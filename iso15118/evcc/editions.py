"""The editions that a vehicle can speak: the namespace of each in supportedAppProtocol, and on which connections it may be offered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from iso15118.session.services import Namespace, ServiceID

from .din.script import Din
from .edition import EvccEdition
from .iso2.script import Iso2
from .iso20.script import Iso20

if TYPE_CHECKING:
    from .conversation import Conversation

__all__ = ["OFFERED", "Offered", "offered"]


class Offered(Struct, frozen=True, kw_only=True):
    """One protocol of supportedAppProtocolReq."""

    edition: str
    """Its name in ``EvccConfig.editions``."""
    namespace: str
    major: int
    minor: int
    make: Callable[[], EvccEdition]
    why_not: Callable[[Conversation], str]
    """Why it may not be offered in this session; empty if it may."""


def _why_not_iso20(talk: Conversation) -> str:
    """Never below TLS 1.3 unless plaintext was explicitly allowed [V2G20-1237]."""
    if talk.secure or (talk.plain and talk.config.allow_plaintext):
        return ""
    return "without TLS" if talk.plain else "below TLS 1.3"


def _why_not_din(talk: Conversation) -> str:
    """DIN 70121 is for DC on the pins of CCS, and knows no TLS [V2G-DC-618]."""
    if not talk.plain:
        return "over TLS"
    return "" if {ServiceID.DC, ServiceID.DC_BPT} & set(talk.config.services) else "without DC over CCS"


def _always(talk: Conversation) -> str:
    """With any TLS and without: then there is no Plug and Charge [V2G2-633]."""
    return ""


OFFERED: Final = (
    Offered(
        edition="iso20",
        namespace=Namespace.DC.value,
        major=1,
        minor=0,
        make=Iso20,
        why_not=_why_not_iso20,
    ),
    Offered(edition="iso2", namespace=Namespace.ISO2.value, major=2, minor=0, make=Iso2, why_not=_always),
    Offered(
        edition="din",
        namespace=Namespace.DIN.value,
        major=2,
        minor=0,
        make=Din,
        why_not=_why_not_din,
    ),
)
"""All there are; ``offered`` says which, and in which order."""


def offered(editions: tuple[str, ...]) -> list[Offered]:
    """What these editions are offered by, in their order."""
    return [one for edition in editions for one in OFFERED if one.edition == edition]
