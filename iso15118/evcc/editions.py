"""The editions that a vehicle can speak: the namespace of each in supportedAppProtocol, and on which connections it may be offered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from iso15118.evcc.din.script import Din
from iso15118.evcc.iso2.script import Iso2
from iso15118.evcc.iso2.setup import modes_of
from iso15118.evcc.iso20.script import AC, ACDP, DC, Iso20
from iso15118.session.services import AC_SERVICES, ACDP_SERVICES, DC_SERVICES, SERVICES, Namespace, ServiceID

from .edition import EvccEdition

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


def _why_not_dc(talk: Conversation) -> str:
    if not talk.has_dc or not DC_SERVICES.intersection(talk.config.services):
        return "without a DC service"
    return _why_not_iso20(talk)


def _why_not_ac(talk: Conversation) -> str:
    if talk.charger is None or not AC_SERVICES.intersection(talk.config.services):
        return "without an AC service"
    return _why_not_iso20(talk)


def _why_not_acdp(talk: Conversation) -> str:
    if not talk.has_dc or talk.mobility is None or not ACDP_SERVICES.intersection(talk.config.services):
        return "without a service of a connection device"
    return _why_not_iso20(talk)


def _why_not_iso20(talk: Conversation) -> str:
    """Never below TLS 1.3 unless plaintext was explicitly allowed [V2G20-1237]."""
    if talk.secure or (talk.plain and talk.config.allow_plaintext):
        return ""
    return "without TLS" if talk.plain else "below TLS 1.3"


def _why_not_iso2(talk: Conversation) -> str:
    """With any TLS, and without: then there is no Plug and Charge [V2G2-633]."""
    return "" if modes_of(talk) else "without services and hardware for iso2.energy_transfer_modes"


def _why_not_din(talk: Conversation) -> str:
    """DIN 70121 is for DC on the pins of CCS, and knows no TLS [V2G-DC-618]."""
    if not talk.plain:
        return "over TLS"
    return "" if {ServiceID.DC, ServiceID.DC_BPT} & set(talk.config.services) else "without DC over CCS"


OFFERED: Final = (
    Offered(
        edition="iso20",
        namespace=Namespace.DC.value,
        major=1,
        minor=0,
        make=lambda: Iso20(DC),
        why_not=_why_not_dc,
    ),
    Offered(
        edition="iso20",
        namespace=Namespace.AC.value,
        major=1,
        minor=0,
        make=lambda: Iso20(AC),
        why_not=_why_not_ac,
    ),
    Offered(
        edition="iso20",
        namespace=Namespace.ACDP.value,
        major=1,
        minor=0,
        make=lambda: Iso20(ACDP),
        why_not=_why_not_acdp,
    ),
    Offered(
        edition="iso2", namespace=Namespace.ISO2.value, major=2, minor=0, make=Iso2, why_not=_why_not_iso2
    ),
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


def offered(editions: tuple[str, ...], services: tuple[ServiceID, ...]) -> list[Offered]:
    """What these editions are offered by, in their order; within one edition in the order of the services."""
    wanted = [SERVICES[service].namespace for service in services]

    def rank(one: Offered) -> tuple[int, int]:
        place = wanted.index(one.namespace) if one.namespace in wanted else len(wanted)
        return editions.index(one.edition), place

    of_iso20 = {entry.namespace for entry in SERVICES.values()}
    possible = (
        one
        for one in OFFERED
        if one.edition in editions and (one.namespace in wanted or one.namespace not in of_iso20)
    )
    return sorted(possible, key=rank)
