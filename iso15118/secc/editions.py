"""The editions that a station can speak: the namespace of each in supportedAppProtocol, on which connections
it may be chosen, and what answers in it.

The code of an edition is loaded when it is configured, before any vehicle comes: who does
not speak it starts sooner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from iso15118.session.services import (
    AC_SERVICES,
    ACDP_SERVICES,
    DC_SERVICES,
    SERVICES,
    WPT_SERVICES,
    Namespace,
    ServiceID,
)

from .config import SeccConfig
from .edition import SeccEdition
from .facts import Facts

__all__ = ["SERVED", "Served", "load", "usable"]


class Served(Struct, frozen=True, kw_only=True):
    """One protocol of supportedAppProtocolReq that can be chosen."""

    edition: str
    """Its name in ``SeccConfig.editions``."""
    namespace: str
    major: int
    minor: int
    code: Callable[[], Callable[[Facts], SeccEdition]]
    """Loads what speaks it, and gives what makes one session of it."""
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


def _why_not_der(service: ServiceID) -> Callable[[Facts], str]:
    def why_not(facts: Facts) -> str:
        if service not in facts.config.services:
            return f"without {service.name}"
        from .iso20.der_part import why_no_grid_code

        return why_no_grid_code(facts.grid_code, service, facts.ac_hardware) or _why_not_iso20(facts)

    return why_not


def _why_not_acdp(facts: Facts) -> str:
    if not facts.has_dc or facts.device is None or not ACDP_SERVICES.intersection(facts.config.services):
        return "without a service of the connection device"
    return _why_not_iso20(facts)


def _why_not_wpt(facts: Facts) -> str:
    if facts.pad_hardware is None or not WPT_SERVICES.intersection(facts.config.services):
        return "without wireless power"
    return _why_not_iso20(facts)


def _why_not_iso20(facts: Facts) -> str:
    """ISO 15118-20 is never selected below TLS 1.3 [V2G20-2356] unless plaintext was explicitly allowed."""
    if facts.secure or (facts.plain and facts.config.allow_plaintext):
        return ""
    return "without TLS" if facts.plain else "below TLS 1.3"


_FORBIDDEN: Final = "without TLS, which is forbidden (forbid_plaintext)"
_CCS: Final = frozenset({ServiceID.DC, ServiceID.DC_BPT})


def _why_not_din(facts: Facts) -> str:
    """DIN 70121 is for DC on the pins of CCS, and knows no TLS [V2G-DC-618]."""
    if not facts.plain:
        return "over TLS"
    if facts.config.forbid_plaintext:
        return _FORBIDDEN
    if not facts.has_dc or not _CCS.intersection(facts.config.services):
        return "without DC over CCS"
    return ""


def _why_not_draft(facts: Facts) -> str:
    return _why_not_din(facts) if facts.config.din.serve_2010_namespace else "not configured"


def _why_not_iso2(facts: Facts) -> str:
    if facts.plain and facts.config.forbid_plaintext:
        return _FORBIDDEN
    from .iso2.modes import modes_of

    return "" if modes_of(facts) else "without an AC outlet, or DC over CCS"


def _dc() -> Callable[[Facts], SeccEdition]:
    from .iso20.dc_part import DC
    from .iso20.machine import Iso20

    return lambda facts: Iso20(facts, DC)


def _ac() -> Callable[[Facts], SeccEdition]:
    from .iso20.ac_part import AC
    from .iso20.machine import Iso20

    return lambda facts: Iso20(facts, AC)


def _ac_der_iec() -> Callable[[Facts], SeccEdition]:
    from .iso20.der_part import AC_DER_IEC
    from .iso20.machine import Iso20

    return lambda facts: Iso20(facts, AC_DER_IEC)


def _ac_der_sae() -> Callable[[Facts], SeccEdition]:
    from .iso20.der_part import AC_DER_SAE
    from .iso20.machine import Iso20

    return lambda facts: Iso20(facts, AC_DER_SAE)


def _acdp() -> Callable[[Facts], SeccEdition]:
    from .iso20.acdp_part import ACDP
    from .iso20.machine import Iso20

    return lambda facts: Iso20(facts, ACDP)


def _wpt() -> Callable[[Facts], SeccEdition]:
    from .iso20.machine import Iso20
    from .iso20.wpt_part import WPT

    return lambda facts: Iso20(facts, WPT)


def _din() -> Callable[[Facts], SeccEdition]:
    from .din.machine import Din

    return Din


def _iso2() -> Callable[[Facts], SeccEdition]:
    from .iso2 import modes
    from .iso2.machine import Iso2

    _ = modes  # by which it is chosen
    return Iso2


SERVED: Final = (
    Served(
        edition="iso20",
        namespace=Namespace.DC.value,
        major=1,
        minor=0,
        code=_dc,
        why_not=_why_not_dc,
    ),
    Served(
        edition="iso20",
        namespace=Namespace.AC.value,
        major=1,
        minor=0,
        code=_ac,
        why_not=_why_not_ac,
    ),
    Served(
        edition="iso20",
        namespace=Namespace.AC_DER_IEC.value,
        major=1,
        minor=0,
        code=_ac_der_iec,
        why_not=_why_not_der(ServiceID.AC_DER_IEC),
    ),
    Served(
        edition="iso20",
        namespace=Namespace.AC_DER_SAE.value,
        major=1,
        minor=0,
        code=_ac_der_sae,
        why_not=_why_not_der(ServiceID.AC_DER_SAE),
    ),
    Served(
        edition="iso20",
        namespace=Namespace.ACDP.value,
        major=1,
        minor=0,
        code=_acdp,
        why_not=_why_not_acdp,
    ),
    Served(
        edition="iso20",
        namespace=Namespace.WPT.value,
        major=1,
        minor=0,
        code=_wpt,
        why_not=_why_not_wpt,
    ),
    Served(edition="din", namespace=Namespace.DIN.value, major=2, minor=0, code=_din, why_not=_why_not_din),
    # Vehicles that name the draft speak DIN 70121.
    Served(
        edition="din",
        namespace=Namespace.ISO2_2010.value,
        major=1,
        minor=0,
        code=_din,
        why_not=_why_not_draft,
    ),
    Served(
        edition="iso2",
        namespace=Namespace.ISO2.value,
        major=2,
        minor=0,
        code=_iso2,
        # Over TCP alone there is external identification [V2G2-633], and TLS of any version will do.
        why_not=_why_not_iso2,
    ),
)


def load(config: SeccConfig) -> None:
    """Load the code of what may be chosen by this configuration. Nothing is read from a file any
    more once a vehicle is there."""
    namespaces = {SERVICES[service].namespace for service in config.services}
    for served in SERVED:
        if served.edition in config.editions and (
            served.edition != "iso20" or served.namespace in namespaces
        ):
            served.code()


def usable(facts: Facts) -> tuple[Served, ...]:
    """What may be chosen on this connection, in the station's order."""
    return tuple(
        served
        for edition in facts.config.editions
        for served in SERVED
        if served.edition == edition and not served.why_not(facts)
    )
