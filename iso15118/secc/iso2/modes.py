"""The ways to charge that a station has in ISO 15118-2: what is configured, as far
as its hardware can do it."""

from __future__ import annotations

from typing import Final

from iso15118.messages.iso2 import EnergyTransferMode as Mode
from iso15118.secc.facts import Facts
from iso15118.session.services import AC_SERVICES, ServiceID

from .settings import AC_MODES

__all__ = ["modes_of"]

_CCS: Final = frozenset({ServiceID.DC, ServiceID.DC_BPT})


def modes_of(facts: Facts) -> tuple[Mode, ...]:
    """In the station's order; empty where it has none. MCS is not for this edition."""
    services = facts.config.services
    outlet = facts.ac_hardware if AC_SERVICES.intersection(services) else None
    has_dc = facts.has_dc and bool(_CCS.intersection(services))
    wanted = facts.config.iso2.energy_transfer_modes
    if not wanted:
        wanted = (Mode.DC_extended,) if has_dc else (Mode.AC_three_phase_core, Mode.AC_single_phase_core)
    phases = 0 if outlet is None else outlet.phases
    possible = {
        Mode.AC_single_phase_core: phases >= 1,
        Mode.AC_three_phase_core: phases == 3,
    }
    return tuple(mode for mode in wanted if (possible[mode] if mode in AC_MODES else has_dc))
