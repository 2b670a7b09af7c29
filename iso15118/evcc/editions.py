"""The editions that a vehicle can speak: the namespace of each in supportedAppProtocol, and on which
connections it may be offered.

The code of an edition is loaded when it is configured, before there is a station: who does
not speak it starts sooner."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

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

from .edition import EvccEdition

if TYPE_CHECKING:
    from .config import EvccConfig
    from .conversation import Conversation
else:
    Conversation = EvccConfig = Any  # who asks for help at run time is told of it without loading it

__all__ = ["OFFERED", "Offered", "load", "offered"]


class Offered(Struct, frozen=True, kw_only=True):
    """One protocol of supportedAppProtocolReq."""

    edition: str
    """Its name in ``EvccConfig.editions``."""
    namespace: str
    major: int
    minor: int
    code: Callable[[], Callable[[], EvccEdition]]
    """Loads what speaks it, and gives what makes one session of it."""
    why_not: Callable[[Conversation], str]
    """Why it may not be offered in this session; empty if it may."""


_FORBIDDEN: Final = "without TLS, which is forbidden (forbid_plaintext)"


def _without_voltage(talk: Conversation) -> str:
    """Why a vehicle with a DC side has none; empty for one that charges otherwise."""
    if talk.has_dc or talk.charger is not None or talk.receiver_limits is not None:
        return ""
    return "while battery.limits.maximum_voltage_v is 0 V"


def _why_not_dc(talk: Conversation) -> str:
    if why := _without_voltage(talk):
        return why
    if not talk.has_dc or not DC_SERVICES.intersection(talk.config.services):
        return "without a DC service"
    return _why_not_iso20(talk)


def _why_not_ac(talk: Conversation) -> str:
    if talk.charger is None or not AC_SERVICES.intersection(talk.config.services):
        return "without an AC service"
    return _why_not_iso20(talk)


def _why_not_der(service: ServiceID) -> Callable[[Conversation], str]:
    def why_not(talk: Conversation) -> str:
        if service not in talk.config.services:
            return f"without {service.name}"
        if talk.charger is None or talk.inverter is None or not talk.charger.bidirectional:
            return "without an inverter that gives energy back"
        return _why_not_iso20(talk)

    return why_not


def _why_not_acdp(talk: Conversation) -> str:
    if not talk.has_dc or talk.mobility is None or not ACDP_SERVICES.intersection(talk.config.services):
        return "without a service of a connection device"
    return _why_not_iso20(talk)


def _why_not_wpt(talk: Conversation) -> str:
    if talk.receiver_limits is None or not WPT_SERVICES.intersection(talk.config.services):
        return "without wireless power"
    return _why_not_iso20(talk)


def _why_not_iso20(talk: Conversation) -> str:
    """Never below TLS 1.3 unless plaintext was explicitly allowed [V2G20-1237]."""
    if talk.secure or (talk.plain and talk.config.allow_plaintext):
        return ""
    return "without TLS" if talk.plain else "below TLS 1.3"


def _why_not_iso2(talk: Conversation) -> str:
    """With any TLS, and without: then there is no Plug and Charge [V2G2-633]."""
    if talk.plain and talk.config.forbid_plaintext:
        return _FORBIDDEN
    from .iso2.setup import modes_of

    without = _without_voltage(talk) or "without services and hardware for iso2.energy_transfer_modes"
    return "" if modes_of(talk) else without


def _why_not_din(talk: Conversation) -> str:
    """DIN 70121 is for DC on the pins of CCS, and knows no TLS [V2G-DC-618]."""
    if not talk.plain:
        return "over TLS"
    if talk.config.forbid_plaintext:
        return _FORBIDDEN
    over_ccs = talk.has_dc and bool({ServiceID.DC, ServiceID.DC_BPT} & set(talk.config.services))
    return "" if over_ccs else _without_voltage(talk) or "without DC over CCS"


def _dc() -> Callable[[], EvccEdition]:
    from .iso20.script import DC, Iso20

    return lambda: Iso20(DC)


def _ac() -> Callable[[], EvccEdition]:
    from .iso20.script import AC, Iso20

    return lambda: Iso20(AC)


def _ac_der_iec() -> Callable[[], EvccEdition]:
    from .iso20.script import AC_DER_IEC, Iso20

    return lambda: Iso20(AC_DER_IEC)


def _ac_der_sae() -> Callable[[], EvccEdition]:
    from .iso20.script import AC_DER_SAE, Iso20

    return lambda: Iso20(AC_DER_SAE)


def _acdp() -> Callable[[], EvccEdition]:
    from .iso20.script import ACDP, Iso20

    return lambda: Iso20(ACDP)


def _wpt() -> Callable[[], EvccEdition]:
    from .iso20.script import WPT, Iso20

    return lambda: Iso20(WPT)


def _din() -> Callable[[], EvccEdition]:
    from .din.script import Din

    return Din


def _iso2() -> Callable[[], EvccEdition]:
    from .iso2.script import Iso2

    return Iso2


OFFERED: Final = (
    Offered(
        edition="iso20",
        namespace=Namespace.DC.value,
        major=1,
        minor=0,
        code=_dc,
        why_not=_why_not_dc,
    ),
    Offered(
        edition="iso20",
        namespace=Namespace.AC.value,
        major=1,
        minor=0,
        code=_ac,
        why_not=_why_not_ac,
    ),
    Offered(
        edition="iso20",
        namespace=Namespace.AC_DER_IEC.value,
        major=1,
        minor=0,
        code=_ac_der_iec,
        why_not=_why_not_der(ServiceID.AC_DER_IEC),
    ),
    Offered(
        edition="iso20",
        namespace=Namespace.AC_DER_SAE.value,
        major=1,
        minor=0,
        code=_ac_der_sae,
        why_not=_why_not_der(ServiceID.AC_DER_SAE),
    ),
    Offered(
        edition="iso20",
        namespace=Namespace.ACDP.value,
        major=1,
        minor=0,
        code=_acdp,
        why_not=_why_not_acdp,
    ),
    Offered(
        edition="iso20",
        namespace=Namespace.WPT.value,
        major=1,
        minor=0,
        code=_wpt,
        why_not=_why_not_wpt,
    ),
    Offered(
        edition="iso2", namespace=Namespace.ISO2.value, major=2, minor=0, code=_iso2, why_not=_why_not_iso2
    ),
    Offered(
        edition="din",
        namespace=Namespace.DIN.value,
        major=2,
        minor=0,
        code=_din,
        why_not=_why_not_din,
    ),
)
"""All there are; ``offered`` says which, and in which order."""


def load(config: EvccConfig) -> None:
    """Load the code of what may be offered by this configuration."""
    for one in offered(config.editions, config.services):
        one.code()


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
