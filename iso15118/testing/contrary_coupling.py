"""A peer with other habits for pantograph and wireless power: our own, whose messages are changed on
their way, one way for one seed.

Every change is legal by the schema, and most are by the standard: optional fields present or absent, statuses
and processing that come early or late, numbers with odd decimals and at the bounds of their types, lists in
another order, vendor data, repeated requests.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from iso15118.messages.iso20 import acdp, wpt
from iso15118.messages.iso20.common_types import (
    EvseNotification,
    EVSEStatus,
    Processing,
    RationalNumber,
    ResponseCode,
)

__all__ = ["Meddler"]

_TIMES = 6
"""So often a conversation is meddled with at most: one that is changed everywhere gets nowhere."""


def _number(rng: random.Random) -> RationalNumber:
    return RationalNumber(
        exponent=rng.randint(-3, 3),
        value=rng.choice((0, 1, -1, 7, 333, 32767, -32768, rng.randint(-32768, 32767))),
    )


def _short(rng: random.Random) -> int:
    return rng.choice((0, 1, -1, 32767, -32768, rng.randint(-500, 500)))


def _vendor(rng: random.Random) -> tuple[bytes, ...]:
    return tuple(rng.randbytes(rng.choice((1, 64, 256))) for _ in range(rng.choice((0, 1, 2, 16))))


def _status(rng: random.Random) -> EVSEStatus | None:
    if rng.random() < 0.5:
        return None
    return EVSEStatus(
        notification_max_delay=rng.choice((0, 1, 60, 65535)),
        evse_notification=rng.choice(list(EvseNotification)),
    )


def _of(kind: Any) -> Callable[[random.Random], Any]:
    return lambda rng: rng.choice(list(kind))


def _flag(rng: random.Random) -> bool:
    return rng.random() < 0.5


def _some(kind: Any) -> Callable[[random.Random], tuple[Any, ...]]:
    return lambda rng: tuple(rng.sample(list(kind), rng.randint(1, len(list(kind)))))


_PROCESSING = _of((Processing.Ongoing, Processing.Finished))
_ELECTRICAL, _MECHANICAL = _of(acdp.ElectricalChargingDeviceStatus), _of(acdp.MechanicalChargingDeviceStatus)
_CODE = _of((ResponseCode.OK, ResponseCode.OK, ResponseCode.WARNING_WPT))


def _technical(rng: random.Random) -> acdp.EVTechnicalStatus:
    return acdp.EVTechnicalStatus(
        ev_ready_to_charge=_flag(rng),
        ev_immobilization_request=_flag(rng),
        ev_immobilized=rng.choice((None, True, True, False)),
        evwlan_strength=rng.choice((None, _number(rng))),
        evcp_status=rng.choice((None, *acdp.CpStatus)),
        evsoc=rng.choice((None, 0, 50, 100)),
        ev_error_code=rng.choice((None, acdp.ErrorCode.OK_NoEVError, *acdp.ErrorCode)),
        ev_timeout=rng.choice((None, False, True)),
    )


def _setup(side: str) -> dict[str, Callable[[random.Random], Any]]:
    def methods(name: str, kind: Any, inner: str, members: Any) -> tuple[str, Callable[[random.Random], Any]]:
        return f"{side}_{name}_method_list", lambda rng: kind(**{inner: _some(members)(rng)})

    return dict(
        (
            methods(
                "fine_positioning",
                wpt.WPTFinePositioningMethodList,
                "wpt_fine_positioning_method",
                wpt.WPTFinePositioningMethod,
            ),
            methods("pairing", wpt.WPTPairingMethodList, "wpt_pairing_method", wpt.WPTPairingMethod),
            methods(
                "alignment_check",
                wpt.WPTAlignmentCheckMethodList,
                "wpt_alignment_check_method",
                wpt.WPTAlignmentCheckMethod,
            ),
        )
    ) | {"natural_offset": lambda rng: rng.choice((0, 5, 32767)), "vendor_specific_data_container": _vendor}


_CHANGES: dict[type, dict[str, Callable[[random.Random], Any]]] = {
    acdp.ACDPVehiclePositioningReq: {"ev_mobility_status": _flag, "ev_positioning_support": _flag},
    acdp.ACDPVehiclePositioningRes: {
        "evse_processing": _PROCESSING,
        "evse_positioning_support": _flag,
        "ev_relative_x_deviation": _short,
        "ev_relative_y_deviation": _short,
        "contact_window_xc": _short,
        "contact_window_yc": _short,
        "ev_in_charge_position": _flag,
    },
    acdp.ACDPConnectReq: {"ev_electrical_charging_device_status": _ELECTRICAL},
    acdp.ACDPDisconnectReq: {"ev_electrical_charging_device_status": _ELECTRICAL},
    acdp.ACDPConnectRes: {
        "evse_processing": _PROCESSING,
        "evse_electrical_charging_device_status": _ELECTRICAL,
        "evse_mechanical_charging_device_status": _MECHANICAL,
    },
    acdp.ACDPDisconnectRes: {
        "evse_processing": _PROCESSING,
        "evse_electrical_charging_device_status": _ELECTRICAL,
        "evse_mechanical_charging_device_status": _MECHANICAL,
    },
    acdp.ACDPSystemStatusReq: {"ev_technical_status": _technical},
    acdp.ACDPSystemStatusRes: {
        "evse_mechanical_charging_device_status": _MECHANICAL,
        "evse_ready_to_charge": _flag,
        "evse_isolation_status": _of(acdp.IsolationStatus),
        "evse_disabled": _flag,
        "evse_utility_interrupt_event": _flag,
        "evse_emergency_shutdown": _flag,
        "evse_malfunction": _flag,
        "ev_in_charge_position": _flag,
        "ev_association_status": _flag,
    },
    wpt.WPTFinePositioningSetupReq: {"ev_processing": _PROCESSING, **_setup("ev_device")},
    wpt.WPTFinePositioningSetupRes: {"response_code": _CODE, **_setup("primary_device")},
    wpt.WPTFinePositioningReq: {
        "ev_processing": _PROCESSING,
        "ev_result_code": _of(wpt.WPTEVResult),
        "vendor_specific_data_container": _vendor,
    },
    wpt.WPTFinePositioningRes: {"evse_processing": _PROCESSING, "vendor_specific_data_container": _vendor},
    wpt.WPTPairingReq: {
        "ev_processing": _PROCESSING,
        "observed_id_code": lambda rng: rng.choice((None, 1, 17, 0xFFFF_FFFF)),
        "ev_result_code": _of(wpt.WPTEVResult),
    },
    wpt.WPTPairingRes: {
        "response_code": _CODE,
        "evse_processing": _PROCESSING,
        "observed_id_code": lambda rng: rng.choice((None, 1, 17, 0xFFFF_FFFF)),
    },
    wpt.WPTChargeParameterDiscoveryReq: {
        "evpc_max_receivable_power": _number,
        "sd_max_ground_clearence": lambda rng: rng.choice((0, 100, 210, 32767)),
        "sd_min_ground_clearence": lambda rng: rng.choice((0, 100, 210, 32767)),
        "evpc_natural_frequency": _number,
        "evpc_device_local_control": _flag,
    },
    wpt.WPTChargeParameterDiscoveryRes: {
        "response_code": _CODE,
        "pd_input_power_class": _of(wpt.WPTPowerClass),
        "sd_min_output_power": _number,
        "sd_max_output_power": _number,
        "pd_min_coil_current": _number,
        "pd_max_coil_current": _number,
    },
    wpt.WPTAlignmentCheckReq: {
        "ev_processing": _PROCESSING,
        "target_coil_current": lambda rng: rng.choice((None, _number(rng))),
        "ev_result_code": _of(wpt.WPTEVResult),
    },
    wpt.WPTAlignmentCheckRes: {
        "response_code": _CODE,
        "evse_processing": _PROCESSING,
        "power_transmitted": lambda rng: rng.choice((None, _number(rng))),
        "supply_device_current": lambda rng: rng.choice((None, _number(rng))),
    },
    wpt.WPTChargeLoopReq: {
        "meter_info_requested": _flag,
        "evpc_power_request": _number,
        "evpc_power_output": _number,
        "evpc_charge_diagnostics": _of(wpt.WPTEVPCChargeDiagnostics),
        "manufacturer_specific_data_container": _vendor,
    },
    wpt.WPTChargeLoopRes: {
        "evse_status": _status,
        "sd_power_input": lambda rng: rng.choice((None, _number(rng))),
        "spc_max_output_power_limit": _number,
        "spc_min_output_power_limit": _number,
        "spc_charge_diagnostics": _of(wpt.WPTSPCChargeDiagnostics),
        "manufacturer_specific_data_container": _vendor,
    },
}
"""Message class -> field -> what else may stand there."""


class Meddler:
    """Changes messages of ``role`` ("secc" or "evcc"), repeats some and swallows a
    few; the same for one seed."""

    def __init__(self, role: str, seed: int) -> None:
        self.role = role
        self._rng = random.Random(seed)  # noqa: S311 - repeatable, no secrets
        self._share = self._rng.choice((0.02, 0.1, 0.4))
        self.changed = 0
        """How many messages were changed."""

    def __call__(self, message: Any) -> Any:
        """The message to send instead; None: none."""
        rng, changes = self._rng, _CHANGES.get(type(message))
        if changes is None or self.changed >= _TIMES or rng.random() >= self._share:
            return message
        self.changed += 1
        if rng.random() < 0.05:
            return None
        fields = rng.sample(list(changes), rng.randint(1, min(2, len(changes))))
        return replace(message, **{field: changes[field](rng) for field in fields})
