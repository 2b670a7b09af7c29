"""The certificates that a station or a vehicle holds beside those of TLS, for contracts and prices: whoever
watches for their end is given them.

What a port gives is foreign: a part that cannot be read costs the notice of its end, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from iso15118.aio.logs import Log
from iso15118.errors import HardwareError

from .guard import Port, brief

if TYPE_CHECKING:
    from iso15118.session import ports

__all__ = ["Held", "held_by_station", "held_by_vehicle"]

_log = Log(__name__)

_CONTRACTS: Final = "contracts"
_INSTALLING: Final = "the installation of contracts"
_PRICES: Final = "prices"


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Certificates (DER) of one purpose, as the notice names it."""

    purpose: str
    chains: tuple[tuple[bytes, ...], ...] = ()
    """Ours, leaf first."""
    anchors: tuple[bytes, ...] = ()
    """Roots that others are judged by."""


def held_by_vehicle(contracts: object) -> tuple[Held, ...]:
    """What is in the contracts of a vehicle (``VehicleContracts``), as they were read for a session; nothing
    in None."""
    if contracts is None:
        return ()
    present = Port(contracts, "contracts.present")
    return (
        Held(
            purpose=_CONTRACTS,
            chains=_read(present, "signers", _chains),
            anchors=_read(present, "mo_anchors", _certificates),
        ),
        Held(
            purpose=_INSTALLING,
            chains=_read(present, "provisioning", _own_chain)
            + _read(present, "provisioning_iso2", _own_chain),
            anchors=_read(present, "v2g_anchors", _certificates),
        ),
    )


def held_by_station(station: ports.Station) -> tuple[Held, ...]:
    """What the ports of a station have, read now: the roots that contracts are judged by, and the keys that
    prices are signed with. What its provisioning service signs with is not here to be seen."""
    found = []
    if station.contract_authorizer is not None:
        backend = Port(station.contract_authorizer, "contract_authorizer")
        found.append(Held(purpose=_CONTRACTS, anchors=_read(backend, "trust", _trusted)))
    energy = None if station.energy is None else Port(station.energy, "energy")
    if energy is not None and energy.has("price_signers"):
        found.append(Held(purpose=_PRICES, chains=_read(energy, "price_signers", _chains)))
    return tuple(found)


def _read(port: Port, attribute: str, take: Callable[[Any, str], tuple[Any, ...]]) -> tuple[Any, ...]:
    try:
        return port.read(attribute, take)
    except HardwareError as error:
        _log.warning("when certificates end is not known here: %s", brief(error))
        return ()


def _certificates(value: Any, name: str) -> tuple[bytes, ...]:
    found: tuple[bytes, ...] = tuple(value)
    if not all(isinstance(one, bytes) for one in found):
        raise HardwareError(f"{name} has certificates that are no octets")
    return found


def _chains(value: Iterable[Any], name: str) -> tuple[tuple[bytes, ...], ...]:
    return tuple(_certificates(one.chain, name) for one in value)


def _own_chain(value: Any, name: str) -> tuple[tuple[bytes, ...], ...]:
    return () if value is None else _chains((value.signer,), name)


def _trusted(value: Any, name: str) -> tuple[bytes, ...]:
    return _certificates((*value.mo_anchors, *value.v2g_anchors), name)
