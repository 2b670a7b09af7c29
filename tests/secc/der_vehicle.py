"""A vehicle with an inverter made of messages, for a station of AC_DER_IEC or AC_DER_SAE."""

from __future__ import annotations

from typing import Any

from iso15118.messages import app
from iso15118.messages.iso20 import ac_der_iec as iec
from iso15118.messages.iso20 import ac_der_sae as sae
from iso15118.messages.iso20.common_types import Processing
from iso15118.messages.values import rational
from iso15118.secc import SeccConfig
from iso15118.session import events as ev
from iso15118.session.der import GridCode
from iso15118.session.services import SERVICES, ControlMode, ServiceID
from iso15118.simulation import european, north_american
from tests.secc.ac_vehicle import OUTLET, AcDrive

DER_SERVICES = (ServiceID.AC_DER_IEC, ServiceID.AC_DER_SAE)
CODES: dict[ServiceID, GridCode] = {
    ServiceID.AC_DER_IEC: european(),
    ServiceID.AC_DER_SAE: north_american(230.0, 50.0),
}


class DerDrive(AcDrive):
    """The same as ``AcDrive`` for a station whose site has a grid code."""

    def __init__(
        self,
        service: ServiceID = ServiceID.AC_DER_IEC,
        control_mode: ControlMode = ControlMode.SCHEDULED,
        *,
        config: SeccConfig | None = None,
        grid_code: GridCode | None = None,
        **more: Any,
    ) -> None:
        super().__init__(
            service,
            control_mode,
            config=config or SeccConfig(services=DER_SERVICES),
            outlet=more.pop("outlet", OUTLET),
            grid_code=grid_code or CODES[service],
            **more,
        )

    @property
    def is_sae(self) -> bool:
        return self.service.id is ServiceID.AC_DER_SAE

    def connect(self) -> None:
        entry = app.AppProtocol(
            protocol_namespace=SERVICES[self.service.id].namespace,
            version_number_major=1,
            version_number_minor=0,
            schema_id=3,
            priority=1,
        )
        self.book.tell(ev.Connected(secure=True))
        self.book.tell(ev.SignalChanged(ev.SignalState.B))
        self.book.receive(app.SupportedAppProtocolReq(app_protocol=(entry,)))

    def cpd_mode(self, **more: Any) -> Any:
        fields: dict[str, Any] = {"ev_processing": Processing.Finished}
        if self.is_sae:
            fields |= _sae_details()
        return super().cpd_mode(**(fields | more))

    def loop(self, **more: Any) -> Any:
        fields: dict[str, Any] = {"grid_event_condition": 0}
        if self.is_sae:
            fields = {
                "ev_present_voltage": rational(230.0),
                "ev_present_frequency": rational(50.0),
                "der_operational_state": sae.DerOperationalState.On,
                "der_connection_status": sae.DerConnectionStatus.Connected,
                "ev_update_time": 1_790_000_000,
                "der_alarm_status": 0,
                "enabled_modes": 0,
            }
            if self.control_mode is ControlMode.DYNAMIC:
                fields |= {
                    "ev_minimum_charging_duration": 0,
                    "ev_duration_maximum_charge_rate": 0,
                    "ev_duration_maximum_discharge_rate": 0,
                }
        elif self.control_mode is ControlMode.SCHEDULED:
            fields |= {
                "ev_maximum_discharge_power": rational(3_680.0 * self.phases),
                "ev_minimum_discharge_power": rational(1_380.0 * self.phases),
            }
        return super().loop(**(fields | more))


def _sae_details(modes: int = 0x1FB) -> dict[str, Any]:
    value = rational(11_000.0)
    apparent = {
        name: value for name in sae.EVApparentPowerLimits.__struct_fields__ if name[-3:] not in ("_l2", "_l3")
    }
    reactive = {
        name: value
        for name in sae.EVReactivePowerLimits.__struct_fields__
        if name[-3:] not in ("_l2", "_l3") and "minimum" not in name
    }
    excitation = {
        name: rational(0.9)
        for name in sae.EVExcitationLimits.__struct_fields__
        if name[-3:] not in ("_l2", "_l3")
    }
    return {
        "ev_apparent_power_limits": sae.EVApparentPowerLimits(**apparent),
        "ev_reactive_power_limits": sae.EVReactivePowerLimits(**reactive),
        "ev_excitation_limits": sae.EVExcitationLimits(**excitation),
        "ev_inverter_details": sae.EVInverterDetails(
            ev_inverter_sw_version="1",
            ev_inverter_manufacturer="Maker",
            ev_inverter_model="Model",
            ev_inverter_serial_number="7",
        ),
        "ieee1547_normal_category": sae.Ieee1547NormalCategory.CategoryB,
        "ieee1547_abnormal_category": sae.Ieee1547AbnormalCategory.CategoryIII,
        "ev_nominal_voltage": rational(230.0),
        "ev_maximum_voltage": rational(264.0),
        "ev_minimum_voltage": rational(184.0),
        "ev_nominal_voltage_offset": rational(0.0),
        "j3072_certified": True,
        "j3072_certification_date": 1_700_000_000,
        "ev_useable_watt_hours": 50_000,
        "ev_update_time": 1_790_000_000,
        "supported_modes": modes,
        "enabled_modes": 0,
    }


__all__ = ["CODES", "DER_SERVICES", "DerDrive", "iec", "sae"]
