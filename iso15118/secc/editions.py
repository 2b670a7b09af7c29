"""The editions that a station can speak: the namespace of each in supportedAppProtocol, on which connections it may be chosen, and what
answers in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from iso15118.secc.din.machine import Din
from iso15118.secc.iso2.machine import Iso2
from iso15118.secc.iso2.modes import modes_of
from iso15118.secc.iso20.ac_part import AC
from iso15118.secc.iso20.acdp_part import ACDP
from iso15118.secc.iso20.dc_part import DC
from iso15118.secc.iso20.machine import Iso20
from iso15118.session.services import AC_SERVICES, ACDP_SERVICES, DC_SERVICES, Namespace, ServiceID

from .edition import SeccEdition
from .facts import Facts

__all__ = ["SERVED", "Served", "usable"]


class Served(Struct, frozen=True, kw_only=True):
    """One protocol of supportedAppProtocolReq that can be chosen."""

    edition: str
    """Its name in ``SeccConfig.editions``."""
    namespace: str
    major: int
    minor: int
    make: Callable[[Facts], SeccEdition]
    why_not: Callable[[Facts], str]
    """Why it may not be chosen in this session; empty if it may."""


def _why_not_dc(facts: Facts) -> str:
    if not facts.has_dc or not DC_SERVICES.intersection(facts.config.services):
        return "without a DC service"
    return _why_not_iso20(facts)


def _why_not_ac(facts: Facts) -> str:
    if not facts.has_ac or not AC_SERVICES.intersection(facts.config.services):
        return "without an AC service"
    return _why_not_iso20(facts)


def _why_not_acdp(facts: Facts) -> str:
    if not facts.has_dc or facts.device is None or not ACDP_SERVICES.intersection(facts.config.services):
        return "without a service of the connection device"
    return _why_not_iso20(facts)


def _why_not_iso20(facts: Facts) -> str:
    """ISO 15118-20 is never selected below TLS 1.3 [V2G20-2356] unless plaintext was explicitly allowed."""
    if facts.secure or (facts.plain and facts.config.allow_plaintext):
        return ""
    return "without TLS" if facts.plain else "below TLS 1.3"


_CCS: Final = frozenset({ServiceID.DC, ServiceID.DC_BPT})


def _why_not_din(facts: Facts) -> str:
    """DIN 70121 is for DC on the pins of CCS, and knows no TLS [V2G-DC-618]."""
    if not facts.plain:
        return "over TLS"
    if not facts.has_dc or not _CCS.intersection(facts.config.services):
        return "without DC over CCS"
    return ""


def _why_not_draft(facts: Facts) -> str:
    return _why_not_din(facts) if facts.config.din.serve_2010_namespace else "not configured"


SERVED: Final = (
    Served(
        edition="iso20",
        namespace=Namespace.DC.value,
        major=1,
        minor=0,
        make=lambda facts: Iso20(facts, DC),
        why_not=_why_not_dc,
    ),
    Served(
        edition="iso20",
        namespace=Namespace.AC.value,
        major=1,
        minor=0,
        make=lambda facts: Iso20(facts, AC),
        why_not=_why_not_ac,
    ),
    Served(
        edition="iso20",
        namespace=Namespace.ACDP.value,
        major=1,
        minor=0,
        make=lambda facts: Iso20(facts, ACDP),
        why_not=_why_not_acdp,
    ),
    Served(edition="din", namespace=Namespace.DIN.value, major=2, minor=0, make=Din, why_not=_why_not_din),
    # Vehicles that name the draft speak DIN 70121.
    Served(
        edition="din",
        namespace=Namespace.ISO2_2010.value,
        major=1,
        minor=0,
        make=Din,
        why_not=_why_not_draft,
    ),
    Served(
        edition="iso2",
        namespace=Namespace.ISO2.value,
        major=2,
        minor=0,
        make=Iso2,
        # Over TCP alone there is external identification [V2G2-633], and TLS of any version will do.
        why_not=lambda facts: "" if modes_of(facts) else "without an AC outlet, or DC over CCS",
    ),
)


def usable(facts: Facts) -> tuple[Served, ...]:
    """What may be chosen on this connection, in the station's order."""
    return tuple(
        served
        for edition in facts.config.editions
        for served in SERVED
        if served.edition == edition and not served.why_not(facts)
    )
