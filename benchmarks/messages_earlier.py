"""The messages of DIN 70121 and ISO 15118-2 whose coding is timed: those of the current-demand loop.

All values are made up here; the bytes come from the package's own encoder.
"""

from __future__ import annotations

from typing import Any

from iso15118.messages import din, iso2

from .messages import SAMPLES, Sample, octets

__all__ = ["ALL_SAMPLES", "EARLIER_SAMPLES"]


def _iso2(body: Any) -> iso2.V2GMessage:
    header = iso2.MessageHeader(session_id=octets("session", 8))
    return iso2.V2GMessage(header=header, body=iso2.Body(body_element=body))


def _value(value: int, multiplier: int, unit: str) -> iso2.PhysicalValue:
    return iso2.PhysicalValue(multiplier=multiplier, unit=iso2.UnitSymbol(unit), value=value)


_ISO2_REQ = _iso2(
    iso2.CurrentDemandReq(
        dc_ev_status=iso2.DCEVStatus(ev_ready=True, ev_error_code=iso2.DCEVErrorCode.NO_ERROR, evresssoc=54),
        ev_target_current=_value(1_250, -1, "A"),
        ev_maximum_voltage_limit=_value(4_200, -1, "V"),
        ev_maximum_current_limit=_value(1_500, -1, "A"),
        ev_maximum_power_limit=_value(500, 2, "W"),
        bulk_charging_complete=False,
        charging_complete=False,
        remaining_time_to_full_soc=_value(1_800, 0, "s"),
        remaining_time_to_bulk_soc=_value(900, 0, "s"),
        ev_target_voltage=_value(4_000, -1, "V"),
    )
)

_ISO2_RES = _iso2(
    iso2.CurrentDemandRes(
        response_code=iso2.ResponseCode.OK,
        dc_evse_status=iso2.DCEVSEStatus(
            notification_max_delay=0,
            evse_notification=iso2.EVSENotification.None_,
            evse_isolation_status=iso2.IsolationLevel.Valid,
            evse_status_code=iso2.DCEVSEStatusCode.EVSE_Ready,
        ),
        evse_present_voltage=_value(3_998, -1, "V"),
        evse_present_current=_value(1_249, -1, "A"),
        evse_current_limit_achieved=False,
        evse_voltage_limit_achieved=False,
        evse_power_limit_achieved=False,
        evse_maximum_voltage_limit=_value(10_000, -1, "V"),
        evse_maximum_current_limit=_value(2_000, -1, "A"),
        evse_maximum_power_limit=_value(1_500, 2, "W"),
        evseid="DE*ABC*E012345*1",
        sa_schedule_tuple_id=1,
        meter_info=iso2.MeterInfo(meter_id="MTR-0007", meter_reading=48_211),
        receipt_required=False,
    )
)


def _din(body: Any) -> din.V2GMessage:
    header = din.MessageHeader(session_id=octets("session", 8))
    return din.V2GMessage(header=header, body=din.Body(body_element=body))


def _din_value(value: int, multiplier: int, unit: str) -> din.PhysicalValue:
    return din.PhysicalValue(multiplier=multiplier, unit=din.UnitSymbol(unit), value=value)


_DIN_REQ = _din(
    din.CurrentDemandReq(
        dc_ev_status=din.DCEVStatus(ev_ready=True, ev_error_code=din.DCEVErrorCode.NO_ERROR, evresssoc=54),
        ev_target_current=_din_value(1_250, -1, "A"),
        ev_maximum_voltage_limit=_din_value(4_200, -1, "V"),
        ev_maximum_current_limit=_din_value(1_500, -1, "A"),
        ev_maximum_power_limit=_din_value(500, 2, "W"),
        bulk_charging_complete=False,
        charging_complete=False,
        remaining_time_to_full_soc=_din_value(1_800, 0, "s"),
        remaining_time_to_bulk_soc=_din_value(900, 0, "s"),
        ev_target_voltage=_din_value(4_000, -1, "V"),
    )
)

_DIN_RES = _din(
    din.CurrentDemandRes(
        response_code=din.ResponseCode.OK,
        dc_evse_status=din.DCEVSEStatus(
            evse_isolation_status=din.IsolationLevel.Valid,
            evse_status_code=din.DCEVSEStatusCode.EVSE_Ready,
            notification_max_delay=0,
            evse_notification=din.EVSENotification.None_,
        ),
        evse_present_voltage=_din_value(3_998, -1, "V"),
        evse_present_current=_din_value(1_249, -1, "A"),
        evse_current_limit_achieved=False,
        evse_voltage_limit_achieved=False,
        evse_power_limit_achieved=False,
        evse_maximum_voltage_limit=_din_value(500, 0, "V"),
        evse_maximum_current_limit=_din_value(2_000, -1, "A"),
        evse_maximum_power_limit=_din_value(1_000, 2, "W"),
    )
)

EARLIER_SAMPLES: tuple[Sample, ...] = (
    Sample("CurrentDemandReq of -2", "iso2", _ISO2_REQ, aim_ns=3_000.0),
    Sample("CurrentDemandRes of -2", "iso2", _ISO2_RES, aim_ns=3_000.0),
    Sample("CurrentDemandReq of DIN", "din", _DIN_REQ, aim_ns=3_000.0),
    Sample("CurrentDemandRes of DIN", "din", _DIN_RES, aim_ns=3_000.0),
)

ALL_SAMPLES: tuple[Sample, ...] = (*SAMPLES, *EARLIER_SAMPLES)
