"""The registry of energy services: one entry per service of ISO 15118-20 says everything that sets it apart.

DC, DC_BPT, MCS and MCS_BPT share their phases and messages and differ by their entry alone, and so do AC and
AC_BPT, and the two services of a pantograph; AC_DER_IEC and AC_DER_SAE have the phases of AC with control
modes of their own. A new service is a new entry, its phases and its schema. Sources: Table 204 of ISO
15118-20, Amendment 1; docs/sources.md, "Services".
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Any

from msgspec import Struct

from iso15118.messages.iso20 import ac, ac_der_iec, ac_der_sae, dc, wpt

from .ac_limits import AcStationLimits, Islanding

__all__ = [
    "ACDP_SERVICES",
    "AC_SERVICES",
    "DC_SERVICES",
    "DER_SERVICES",
    "OUTLET_SERVICES",
    "SERVICES",
    "WPT_SERVICES",
    "BptChannel",
    "ControlMode",
    "EnergyService",
    "GeneratorMode",
    "MobilityNeedsMode",
    "ParameterSet",
    "Pricing",
    "ServiceID",
    "ac_parameter_sets",
    "parameter_sets",
    "phases_of",
]


class ServiceID(IntEnum):
    """Service ids of ISO 15118-20 (Table 204) and its Amendment 1."""

    AC = 1
    DC = 2
    WPT = 3
    DC_ACDP = 4
    AC_BPT = 5
    DC_BPT = 6
    DC_ACDP_BPT = 7
    MCS = 8
    MCS_BPT = 9
    AC_DER_IEC = 10
    AC_DER_SAE = 11


class ControlMode(IntEnum):
    """Who sets the power: the vehicle within a schedule, or the station."""

    SCHEDULED = 1
    DYNAMIC = 2


class MobilityNeedsMode(IntEnum):
    """Who provides departure time and target: the vehicle alone, or the station too (Dynamic only
    [V2G20-2663])."""

    PROVIDED_BY_EVCC = 1
    PROVIDED_BY_SECC = 2


class Pricing(IntEnum):
    """Kind of price information in schedules."""

    NONE = 0
    ABSOLUTE = 1
    PRICE_LEVELS = 2


class BptChannel(IntEnum):
    """Whether charging and discharging share one channel."""

    UNIFIED = 1
    SEPARATED = 2


class GeneratorMode(IntEnum):
    """How a discharging vehicle behaves towards the grid."""

    GRID_FOLLOWING = 1
    GRID_FORMING = 2


class Namespace(Enum):
    """What is offered in supportedAppProtocolReq; the common namespaces never are."""

    AC = "urn:iso:std:iso:15118:-20:AC"
    DC = "urn:iso:std:iso:15118:-20:DC"
    ACDP = "urn:iso:std:iso:15118:-20:ACDP"
    WPT = "urn:iso:std:iso:15118:-20:WPT"
    AC_DER_IEC = "urn:iso:std:iso:15118:-20:AC-DER-IEC"
    AC_DER_SAE = "urn:iso:std:iso:15118:-20:AC-DER-SAE"
    ISO2 = "urn:iso:15118:2:2013:MsgDef"
    ISO2_2010 = "urn:iso:15118:2:2010:MsgDef"
    """An early draft that some vehicles name; what they speak is DIN 70121."""
    DIN = "urn:din:70121:2012:MsgDef"


class ParameterSet(Struct, frozen=True, kw_only=True):
    """One set of parameters of a service, as offered in ServiceDetailRes and chosen by its id."""

    id: int
    connector: int
    control_mode: ControlMode
    mobility_needs_mode: MobilityNeedsMode
    pricing: Pricing
    bpt_channel: BptChannel | None = None
    generator_mode: GeneratorMode | None = None
    islanding: Islanding | None = None
    nominal_voltage_v: int | None = None
    """AC: phase to neutral, in V; every power is based on it [V2G20-1823]."""
    der_functions: int | None = None
    """AC_DER_IEC: the functions that a vehicle with this set has to follow, as bits (DERControlFunctions)."""


class EnergyService(Struct, frozen=True, kw_only=True):
    """Everything that sets one energy service apart.

    ``connectors`` are the legal values of the Connector parameter, ``insulation_threshold_ohm`` is the least
    insulation resistance of the cable check (100 kOhm for DC, 125 kOhm for MCS after IEC 61851-23-3
    CC.4.1.4), ``maximum_voltage_v`` the ceiling of the coupler.
    """

    id: ServiceID
    name: str
    namespace: str
    bidirectional: bool
    connectors: tuple[int, ...]
    insulation_threshold_ohm: float
    cpd_req_mode: type
    cpd_res_mode: type
    scheduled_req: type
    scheduled_res: type
    dynamic_req: type
    dynamic_res: type


_AC_CHARGE_ONLY: dict[str, Any] = {
    "bidirectional": False,
    "cpd_req_mode": ac.ACCPDReqEnergyTransferMode,
    "cpd_res_mode": ac.ACCPDResEnergyTransferMode,
    "scheduled_req": ac.ScheduledACCLReqControlMode,
    "scheduled_res": ac.ScheduledACCLResControlMode,
    "dynamic_req": ac.DynamicACCLReqControlMode,
    "dynamic_res": ac.DynamicACCLResControlMode,
}
_AC_BIDIRECTIONAL: dict[str, Any] = {
    "bidirectional": True,
    "cpd_req_mode": ac.BPTACCPDReqEnergyTransferMode,
    "cpd_res_mode": ac.BPTACCPDResEnergyTransferMode,
    "scheduled_req": ac.BPTScheduledACCLReqControlMode,
    "scheduled_res": ac.BPTScheduledACCLResControlMode,
    "dynamic_req": ac.BPTDynamicACCLReqControlMode,
    "dynamic_res": ac.BPTDynamicACCLResControlMode,
}
_DER_IEC: dict[str, Any] = {
    "bidirectional": True,
    "cpd_req_mode": ac_der_iec.DERACCPDReqEnergyTransferMode,
    "cpd_res_mode": ac_der_iec.DERACCPDResEnergyTransferMode,
    "scheduled_req": ac_der_iec.DERScheduledACCLReqControlMode,
    "scheduled_res": ac_der_iec.DERScheduledACCLResControlMode,
    "dynamic_req": ac_der_iec.DERDynamicACCLReqControlMode,
    "dynamic_res": ac_der_iec.DERDynamicACCLResControlMode,
}
_DER_SAE: dict[str, Any] = {
    "bidirectional": True,
    "cpd_req_mode": ac_der_sae.DERACCPDReqEnergyTransferMode,
    "cpd_res_mode": ac_der_sae.DERACCPDResEnergyTransferMode,
    "scheduled_req": ac_der_sae.DERScheduledACCLReqControlMode,
    "scheduled_res": ac_der_sae.DERScheduledACCLResControlMode,
    "dynamic_req": ac_der_sae.DERDynamicACCLReqControlMode,
    "dynamic_res": ac_der_sae.DERDynamicACCLResControlMode,
}
_CHARGE_ONLY: dict[str, Any] = {
    "bidirectional": False,
    "cpd_req_mode": dc.DCCPDReqEnergyTransferMode,
    "cpd_res_mode": dc.DCCPDResEnergyTransferMode,
    "scheduled_req": dc.ScheduledDCCLReqControlMode,
    "scheduled_res": dc.ScheduledDCCLResControlMode,
    "dynamic_req": dc.DynamicDCCLReqControlMode,
    "dynamic_res": dc.DynamicDCCLResControlMode,
}
_BIDIRECTIONAL: dict[str, Any] = {
    "bidirectional": True,
    "cpd_req_mode": dc.BPTDCCPDReqEnergyTransferMode,
    "cpd_res_mode": dc.BPTDCCPDResEnergyTransferMode,
    "scheduled_req": dc.BPTScheduledDCCLReqControlMode,
    "scheduled_res": dc.BPTScheduledDCCLResControlMode,
    "dynamic_req": dc.BPTDynamicDCCLReqControlMode,
    "dynamic_res": dc.BPTDynamicDCCLResControlMode,
}
# Connector: DC 1 Core, 2 Extended, 3 Dual2, 4 Dual4; MCS 1 MCS, 2 ChaoJi, 3 UltraChaoJi, 4 rMCS, 5 xMCS, 6
# Aviation, 7 Marine.
_DC: dict[str, Any] = {
    "namespace": Namespace.DC.value,
    "connectors": (1, 2, 3, 4),
    "insulation_threshold_ohm": 100_000.0,
}
_MCS: dict[str, Any] = {
    "namespace": Namespace.DC.value,
    "connectors": (1, 2, 3, 4, 5, 6, 7),
    "insulation_threshold_ohm": 125_000.0,
}

# A pantograph carries DC: the values of Connector are those of DC (unsettled; the contacts of a pantograph
# have none of their own in any public source), and the device adds its phases.
_ACDP: dict[str, Any] = {
    "namespace": Namespace.ACDP.value,
    "connectors": (1, 2, 3, 4),
    "insulation_threshold_ohm": 100_000.0,
}
# Nothing is plugged in, and nothing insulates: the loop has one message for both control modes, without a
# control mode element, and the parameters of the two sides are plain fields.
_WPT: dict[str, Any] = {
    "namespace": Namespace.WPT.value,
    "connectors": (1,),
    "insulation_threshold_ohm": 0.0,
    "bidirectional": False,
    "cpd_req_mode": wpt.WPTChargeParameterDiscoveryReq,
    "cpd_res_mode": wpt.WPTChargeParameterDiscoveryRes,
    "scheduled_req": wpt.WPTChargeLoopReq,
    "scheduled_res": wpt.WPTChargeLoopRes,
    "dynamic_req": wpt.WPTChargeLoopReq,
    "dynamic_res": wpt.WPTChargeLoopRes,
}

# Connector: 1 is one phase. Three phases are 2 in most stacks and 3 in another; both are understood.
_AC: dict[str, Any] = {
    "namespace": Namespace.AC.value,
    "connectors": (1, 2, 3),
    "insulation_threshold_ohm": 0.0,
}

SERVICES: dict[ServiceID, EnergyService] = {
    entry.id: entry
    for entry in (
        EnergyService(id=ServiceID.AC, name="ac", **_AC, **_AC_CHARGE_ONLY),
        EnergyService(id=ServiceID.AC_BPT, name="ac-bpt", **_AC, **_AC_BIDIRECTIONAL),
        EnergyService(id=ServiceID.DC, name="dc", **_DC, **_CHARGE_ONLY),
        EnergyService(id=ServiceID.DC_BPT, name="dc-bpt", **_DC, **_BIDIRECTIONAL),
        EnergyService(id=ServiceID.DC_ACDP, name="acdp", **_ACDP, **_CHARGE_ONLY),
        EnergyService(id=ServiceID.DC_ACDP_BPT, name="acdp-bpt", **_ACDP, **_BIDIRECTIONAL),
        EnergyService(id=ServiceID.WPT, name="wpt", **_WPT),
        EnergyService(id=ServiceID.MCS, name="mcs", **_MCS, **_CHARGE_ONLY),
        EnergyService(id=ServiceID.MCS_BPT, name="mcs-bpt", **_MCS, **_BIDIRECTIONAL),
        EnergyService(
            id=ServiceID.AC_DER_IEC,
            name="ac-der-iec",
            **(_AC | {"namespace": Namespace.AC_DER_IEC.value}),
            **_DER_IEC,
        ),
        EnergyService(
            id=ServiceID.AC_DER_SAE,
            name="ac-der-sae",
            **(_AC | {"namespace": Namespace.AC_DER_SAE.value}),
            **_DER_SAE,
        ),
    )
}
"""The energy services by id."""
DC_SERVICES = frozenset(one for one, entry in SERVICES.items() if entry.namespace == Namespace.DC.value)
"""Services that run over the DC messages."""
ACDP_SERVICES = frozenset(one for one, entry in SERVICES.items() if entry.namespace == Namespace.ACDP.value)
"""Services that run over the DC messages once a pantograph has joined the two."""
WPT_SERVICES = frozenset(one for one, entry in SERVICES.items() if entry.namespace == Namespace.WPT.value)
"""Services that run over the WPT messages."""
AC_SERVICES = frozenset(one for one, entry in SERVICES.items() if entry.namespace == Namespace.AC.value)
"""Services that run over the AC messages."""
DER_SERVICES = frozenset({ServiceID.AC_DER_IEC, ServiceID.AC_DER_SAE})
"""Services in which the vehicle is a distributed energy resource; they extend the AC messages."""
OUTLET_SERVICES = AC_SERVICES | DER_SERVICES
"""Services with alternating current: they need an outlet, and an on-board charger."""


def parameter_sets(
    service: EnergyService,
    *,
    connector: int,
    control_modes: tuple[ControlMode, ...] = (ControlMode.SCHEDULED, ControlMode.DYNAMIC),
    bpt_channel: BptChannel = BptChannel.UNIFIED,
    generator_mode: GeneratorMode = GeneratorMode.GRID_FOLLOWING,
    pricing: Pricing = Pricing.NONE,
    mobility_needs_modes: tuple[MobilityNeedsMode, ...] = (MobilityNeedsMode.PROVIDED_BY_EVCC,),
) -> tuple[ParameterSet, ...]:
    """The sets a station offers for ``service``: one per control mode, numbered from 1 [V2G20-2656], and in
    Dynamic mode one per MobilityNeedsMode, which in Scheduled mode is always "provided by EVCC" [V2G20-2663].
    ``pricing`` belongs to schedules, and so is none where the station sets the power.
    """
    bpt: dict[str, BptChannel | GeneratorMode] = (
        {"bpt_channel": bpt_channel, "generator_mode": generator_mode} if service.bidirectional else {}
    )
    return tuple(
        ParameterSet(
            id=number,
            connector=connector,
            control_mode=mode,
            mobility_needs_mode=needs,
            pricing=pricing if mode is ControlMode.SCHEDULED else Pricing.NONE,
            **bpt,  # type: ignore[arg-type]
        )
        for number, (mode, needs) in enumerate(_modes(control_modes, mobility_needs_modes), start=1)
    )


def _modes(
    control_modes: tuple[ControlMode, ...], mobility: tuple[MobilityNeedsMode, ...]
) -> list[tuple[ControlMode, MobilityNeedsMode]]:
    """The set that every vehicle can follow keeps its number whatever else is offered."""
    evcc = MobilityNeedsMode.PROVIDED_BY_EVCC
    plain = [(mode, evcc) for mode in control_modes if mode is not ControlMode.DYNAMIC or evcc in mobility]
    dynamic = [mode for mode in control_modes if mode is ControlMode.DYNAMIC]
    return plain + [(mode, needs) for mode in dynamic for needs in mobility if needs is not evcc]


def phases_of(connector: int | None) -> int:
    """How many phases this Connector parameter of an AC service has; 0: it is none."""
    return {1: 1, 2: 3, 3: 3}.get(connector or 0, 0)


def ac_parameter_sets(
    service: EnergyService,
    outlet: AcStationLimits,
    *,
    three_phase_connector: int = 2,
    control_modes: tuple[ControlMode, ...] = (ControlMode.SCHEDULED, ControlMode.DYNAMIC),
    generator_modes: tuple[GeneratorMode, ...] = (GeneratorMode.GRID_FOLLOWING,),
    islanding: Islanding = Islanding.ACTIVE,
    der_functions: tuple[int | None, ...] = (None,),
    pricing: Pricing = Pricing.NONE,
    mobility_needs_modes: tuple[MobilityNeedsMode, ...] = (MobilityNeedsMode.PROVIDED_BY_EVCC,),
) -> tuple[ParameterSet, ...]:
    """The sets an AC outlet offers for ``service``: with three phases those of three and those of one, for
    the vehicles that have one; each in every control mode, in a bidirectional service in every way to follow
    or form the grid, and in AC_DER_IEC with every set of functions in ``der_functions``."""
    connectors = (three_phase_connector, 1) if outlet.phases == 3 else (1,)
    ways = generator_modes if service.bidirectional else (None,)
    modes = _modes(control_modes, mobility_needs_modes)
    plain = [pair for pair in modes if pair[1] is MobilityNeedsMode.PROVIDED_BY_EVCC]
    told = [pair for pair in modes if pair not in plain]
    choices = [
        (connector, mode, needs, way, functions)
        for functions in der_functions
        for pairs in (plain, told)
        for connector in connectors
        for mode, needs in pairs
        for way in ways
    ]
    return tuple(
        ParameterSet(
            id=number,
            connector=connector,
            control_mode=mode,
            mobility_needs_mode=needs,
            pricing=pricing if mode is ControlMode.SCHEDULED else Pricing.NONE,
            bpt_channel=BptChannel.UNIFIED if service.bidirectional else None,
            generator_mode=way,
            islanding=islanding if service.bidirectional else None,
            nominal_voltage_v=round(outlet.nominal_voltage_v),
            der_functions=functions,
        )
        for number, (connector, mode, needs, way, functions) in enumerate(choices, start=1)
    )
