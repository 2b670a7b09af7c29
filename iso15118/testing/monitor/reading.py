"""What a message says that matters to the monitor, whatever the edition: read here with no help
from the code that is watched.

Charge-loop messages come many times a second and say little here; ``said`` gives None for what says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from iso15118.messages import din, iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing, RationalNumber, ResponseCode

__all__ = ["Declared", "Said", "code_of", "name_of", "said", "session_id_of", "si"]

_OK = ResponseCode.OK
_BIDIRECTIONAL = (6, 7, 9)
"""Service ids of DC_BPT, DC_ACDP_BPT and MCS_BPT."""


def si(number: RationalNumber | iso2.PhysicalValue | din.PhysicalValue) -> float:
    """A wire number as a float."""
    if type(number) is RationalNumber:
        return float(number.value * 10.0**number.exponent)
    return float(number.value * 10.0**number.multiplier)  # type: ignore[union-attr]


class Declared(Struct, frozen=True):
    """What a vehicle said it can stand: V, A, W; discharge limits are magnitudes."""

    voltage_v: float
    charge_a: float
    charge_w: float
    discharge_a: float = 0.0
    discharge_w: float = 0.0


class Said(Struct, frozen=True, kw_only=True):
    """What one message says; all but what it is about stays at its default."""

    setup_by: str | None = None
    """SessionSetupReq: by whom."""
    joined: bool = False
    """SessionSetupRes: the paused session goes on."""
    established: bool = False
    """SessionSetupRes: a new one."""
    declared: Declared | None = None
    offered_v: float | None = None
    """Highest voltage that the station offers."""
    offered_a: float | None = None
    """Its greatest current, in either direction."""
    bidirectional: bool | None = None
    no_more_power: bool = False
    """The vehicle itself wants none, for now or for good."""
    goodbye: bool = False
    """SessionStopRes."""
    power_answer: bool = False
    """PowerDeliveryRes."""
    checked: bool = False
    """The cable check is finished."""
    target_v: float | None = None
    """PreChargeReq: what voltage is wanted."""
    asked: tuple[float, float] | None = None
    """Charge loop: currents in A that are asked for or allowed, to the vehicle and from it."""


def _content(message: Any) -> Any:
    """The body of an enveloped message, otherwise the message itself."""
    kind = type(message)
    return message.body.body_element if kind is iso2.V2GMessage or kind is din.V2GMessage else message


def said(message: Any) -> Said | None:
    """What ``message`` says; None if that is nothing."""
    reader = _READERS.get(type(message))
    return None if reader is None else reader(message)


def code_of(message: Any) -> str:
    """The response code; empty for a request."""
    code = getattr(_content(message), "response_code", None)
    if code is _OK:  # as almost all are
        return "OK"
    return "" if code is None else str(code.value)


def name_of(message: Any) -> str:
    """The class name of what is said."""
    return type(_content(message)).__name__


def session_id_of(message: Any) -> bytes:
    """The id in the header."""
    return bytes(message.header.session_id)


# -- the readers


def _declared_iso20(message: dc.DCChargeParameterDiscoveryReq) -> Said:
    mode: Any = message.dc_cpd_req_energy_transfer_mode
    back = isinstance(mode, dc.BPTDCCPDReqEnergyTransferMode)
    return Said(
        declared=Declared(
            si(mode.ev_maximum_voltage),
            si(mode.ev_maximum_charge_current),
            si(mode.ev_maximum_charge_power),
            abs(si(mode.ev_maximum_discharge_current)) if back else 0.0,
            abs(si(mode.ev_maximum_discharge_power)) if back else 0.0,
        )
    )


def _declared(message: iso2.ChargeParameterDiscoveryReq | din.ChargeParameterDiscoveryReq) -> Said | None:
    limits: Any = message.ev_charge_parameter
    if not isinstance(limits, (iso2.DCEVChargeParameter, din.DCEVChargeParameter)):
        return None
    power = limits.ev_maximum_power_limit
    # A vehicle that declares no power means current times voltage.
    volts, amperes = si(limits.ev_maximum_voltage_limit), si(limits.ev_maximum_current_limit)
    return Said(declared=Declared(volts, amperes, volts * amperes if power is None else si(power)))


def _offered(message: iso2.ChargeParameterDiscoveryRes | din.ChargeParameterDiscoveryRes) -> Said | None:
    limits: Any = message.evse_charge_parameter
    if not isinstance(limits, (iso2.DCEVSEChargeParameter, din.DCEVSEChargeParameter)):
        return None
    return Said(
        offered_v=si(limits.evse_maximum_voltage_limit), offered_a=si(limits.evse_maximum_current_limit)
    )


def _offered_iso20(message: dc.DCChargeParameterDiscoveryRes) -> Said:
    mode: Any = message.dc_cpd_res_energy_transfer_mode
    back = getattr(mode, "evse_maximum_discharge_current", None)
    amperes = max(si(mode.evse_maximum_charge_current), 0.0 if back is None else abs(si(back)))
    return Said(offered_v=si(mode.evse_maximum_voltage), offered_a=amperes)


def _loop_iso20(message: dc.DCChargeLoopReq) -> Said:
    mode: Any = message.cl_req_control_mode
    target = getattr(mode, "ev_target_current", None)
    if target is not None:
        amperes = si(target)
        return Said(asked=(max(amperes, 0.0), max(-amperes, 0.0)))
    back = getattr(mode, "ev_maximum_discharge_current", None)
    return Said(asked=(si(mode.ev_maximum_charge_current), 0.0 if back is None else abs(si(back))))


def _set_up(message: Any) -> Said:
    code = message.response_code.value
    return Said(joined=code == "OK_OldSessionJoined", established=code == "OK_NewSessionEstablished")


def _finished(message: Any) -> Said:
    return Said(checked=message.evse_processing.value == "Finished")


def _always(what: Said) -> Callable[[Any], Said | None]:
    return lambda _: what


_READERS: dict[type, Callable[[Any], Said | None]] = {
    cm.SessionSetupReq: lambda m: Said(setup_by=m.evccid),
    cm.SessionSetupRes: _set_up,
    cm.ServiceSelectionReq: lambda m: Said(
        bidirectional=m.selected_energy_transfer_service.service_id in _BIDIRECTIONAL
    ),
    dc.DCChargeParameterDiscoveryReq: _declared_iso20,
    dc.DCChargeParameterDiscoveryRes: _offered_iso20,
    dc.DCCableCheckRes: lambda m: Said(checked=m.evse_processing is Processing.Finished),
    dc.DCPreChargeReq: lambda m: Said(target_v=si(m.ev_target_voltage)),
    dc.DCChargeLoopReq: _loop_iso20,
    cm.PowerDeliveryReq: lambda m: Said(no_more_power=m.charge_progress is not cm.ChargeProgress.Start),
    cm.PowerDeliveryRes: _always(Said(power_answer=True)),
    cm.SessionStopReq: _always(Said(no_more_power=True)),
    cm.SessionStopRes: _always(Said(goodbye=True)),
    iso2.PowerDeliveryReq: lambda m: Said(no_more_power=m.charge_progress is not iso2.ChargeProgress.Start),
    din.PowerDeliveryReq: lambda m: Said(no_more_power=not m.ready_to_charge_state),
    iso2.SessionStopReq: _always(Said(no_more_power=True)),
    din.SessionStop: _always(Said(no_more_power=True)),
}
for _old in (iso2, din):
    _READERS |= {
        _old.V2GMessage: lambda m: said(m.body.body_element),
        _old.SessionSetupReq: lambda m: Said(setup_by=m.evccid.hex().upper()),
        _old.SessionSetupRes: _set_up,
        _old.ChargeParameterDiscoveryReq: _declared,
        _old.ChargeParameterDiscoveryRes: _offered,
        _old.CableCheckRes: _finished,
        _old.PreChargeReq: lambda m: Said(target_v=si(m.ev_target_voltage)),
        _old.CurrentDemandReq: lambda m: Said(asked=(max(si(m.ev_target_current), 0.0), 0.0)),
        _old.PowerDeliveryRes: _always(Said(power_answer=True)),
        _old.SessionStopRes: _always(Said(goodbye=True)),
    }
