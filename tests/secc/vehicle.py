"""A vehicle made of messages: one valid request of every kind, and the way to bring a station's
session into any of its states.

The station's hardware is played by hand: every answer it gives is an event of the test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iso15118.messages import app
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import (
    ListOfRootCertificateIDs,
    MessageHeader,
    MeterInfo,
    Processing,
)
from iso15118.messages.values import NO_SESSION, rational
from iso15118.messages.xmldsig import X509IssuerSerial
from iso15118.secc import SeccConfig, SeccSession
from iso15118.secc.iso20.context import Context
from iso15118.secc.iso20.machine import Iso20
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.secured import TlsPeer
from iso15118.session.services import SERVICES, ControlMode, EnergyService, ServiceID
from iso15118.testing import Playbook, SafetyMonitor
from tests.secc.checked import CheckedBook
from tests.secc.table import STATES

CONNECTING = "Connecting"
ALL_SERVICES = (ServiceID.DC, ServiceID.DC_BPT, ServiceID.MCS, ServiceID.MCS_BPT)

STATION = StationLimits(
    maximum_charge_power_w=3_750_000.0,
    maximum_charge_current_a=3000.0,
    maximum_voltage_v=1250.0,
    minimum_voltage_v=200.0,
    maximum_discharge_power_w=1_000_000.0,
    maximum_discharge_current_a=1000.0,
)
VEHICLE = VehicleLimits(
    maximum_charge_power_w=1_200_000.0,
    maximum_charge_current_a=1500.0,
    maximum_voltage_v=950.0,
    minimum_voltage_v=600.0,
    maximum_discharge_power_w=300_000.0,
    maximum_discharge_current_a=400.0,
)
BATTERY_V = 800.0


def held_back(drive: Any, answer: Any, within_s: float = 4.0) -> Any:
    """The answer, of any edition, which may come only when the station has waited for something."""
    until = drive.book.now + within_s
    while answer is None and drive.book.now < until:
        drive.book.wait(0.1)
        sent = [action.message for action in drive.book.actions if isinstance(action, act.Send)]
        if sent:
            answer = sent[0].body.body_element if hasattr(sent[0], "body") else sent[0]
    return answer


class Drive:
    """A station's session under a playbook and the safety monitor, and a vehicle that knows its lines."""

    def __init__(
        self,
        service: ServiceID = ServiceID.DC,
        control_mode: ControlMode = ControlMode.SCHEDULED,
        *,
        config: SeccConfig | None = None,
        tls: TlsPeer | None = None,
        **session: Any,
    ) -> None:
        self.config = config or SeccConfig(services=ALL_SERVICES)
        self.service: EnergyService = SERVICES[service]
        self.control_mode = control_mode
        self.session = SeccSession(self.config, STATION, epoch=1.79e9, **session)
        self.tls = tls
        self.monitor = SafetyMonitor(self.config, STATION, VEHICLE, paused=tuple(session.get("resume", ())))
        self.output: ev.PowerMeasured | None = ev.PowerMeasured(0.0, 0.0)
        """What the output shows; None: nobody measures any more."""
        self.book: Playbook = CheckedBook(
            self.session,
            watch=self.monitor.secc,
            sample=lambda: () if self.output is None else (self.output,),
        )
        self.session_id = NO_SESSION
        self.ev_processing = Processing.Finished

    @property
    def context(self) -> Context:
        """What the session has agreed on."""
        edition = self.session._edition
        if not isinstance(edition, Iso20):
            raise RuntimeError("ISO 15118-20 is not spoken yet")
        return edition.context

    # -- the station's hardware

    def measure(self, voltage_v: float, current_a: float = 0.0) -> None:
        """The output shows these values from now on."""
        self.output = ev.PowerMeasured(voltage_v, current_a)
        self.monitor.measured(self.output)
        self.book.tell(self.output)

    # -- the vehicle's messages

    def header(self) -> MessageHeader:
        return MessageHeader(session_id=self.session_id, time_stamp=1_790_000_000)

    def request(self, kind: type, **changes: Any) -> Any:
        """A valid request of this class, with some of its fields changed."""
        fields = {"header": self.header()} | _FIELDS[kind](self) | changes
        return kind(**fields)

    def send(self, kind: type, **changes: Any) -> Any:
        """Send such a request; the answer, if one was sent."""
        if self.output is not None:
            self.book.tell(self.output)  # as a driver does before every message
        self.book.receive(self.request(kind, **changes))
        sent = [action.message for action in self.book.actions if isinstance(action, act.Send)]
        return sent[0] if sent else None

    def scheduled(self, current_a: float = 100.0, voltage_v: float = 850.0, **more: Any) -> Any:
        return self.service.scheduled_req(
            ev_target_current=rational(current_a), ev_target_voltage=rational(voltage_v), **more
        )

    def dynamic(self, energy_wh: float = 50_000.0, minimum_wh: float = -20_000.0, **more: Any) -> Any:
        fields: dict[str, Any] = {
            "departure_time": 3600,
            "ev_target_energy_request": rational(energy_wh),
            "ev_maximum_energy_request": rational(energy_wh + 10_000.0),
            "ev_minimum_energy_request": rational(minimum_wh),
            "ev_maximum_charge_power": rational(VEHICLE.maximum_charge_power_w),
            "ev_minimum_charge_power": rational(0.0),
            "ev_maximum_charge_current": rational(VEHICLE.maximum_charge_current_a),
            "ev_maximum_voltage": rational(VEHICLE.maximum_voltage_v),
            "ev_minimum_voltage": rational(VEHICLE.minimum_voltage_v),
        }
        if self.service.bidirectional:
            fields |= {
                "ev_maximum_discharge_power": rational(VEHICLE.maximum_discharge_power_w),
                "ev_minimum_discharge_power": rational(0.0),
                "ev_maximum_discharge_current": rational(VEHICLE.maximum_discharge_current_a),
            }
        return self.service.dynamic_req(**(fields | more))

    def cpd_mode(self, **more: Any) -> Any:
        fields: dict[str, Any] = {
            "ev_maximum_charge_power": rational(VEHICLE.maximum_charge_power_w),
            "ev_minimum_charge_power": rational(0.0),
            "ev_maximum_charge_current": rational(VEHICLE.maximum_charge_current_a),
            "ev_minimum_charge_current": rational(0.0),
            "ev_maximum_voltage": rational(VEHICLE.maximum_voltage_v),
            "ev_minimum_voltage": rational(VEHICLE.minimum_voltage_v),
        }
        if self.service.bidirectional:
            fields |= {
                "ev_maximum_discharge_power": rational(VEHICLE.maximum_discharge_power_w),
                "ev_minimum_discharge_power": rational(0.0),
                "ev_maximum_discharge_current": rational(VEHICLE.maximum_discharge_current_a),
                "ev_minimum_discharge_current": rational(0.0),
            }
        return self.service.cpd_req_mode(**(fields | more))

    # -- the way to a state

    def to(self, state: State) -> Drive:
        """Bring the session there along the ordinary way."""
        passed = [CONNECTING, *(s.value for s in STATES if s is not State.SCHEDULE_RENEGOTIATION)]
        for step in _WAY[passed.index(self.session.state) :]:
            if self.session.state == state.value:
                return self
            step(self)
        if self.session.state != state.value:
            raise RuntimeError(f"the ordinary way does not pass {state}, it ended in {self.session.state}")
        return self

    def connect(self) -> None:
        entry = app.AppProtocol(
            protocol_namespace="urn:iso:std:iso:15118:-20:DC",
            version_number_major=1,
            version_number_minor=0,
            schema_id=7,
            priority=1,
        )
        self.book.tell(ev.Connected(secure=True, tls=self.tls))
        self.book.receive(app.SupportedAppProtocolReq(app_protocol=(entry,)))

    def _session(self) -> None:
        self.send(cm.SessionSetupReq)
        self.session_id = self.session.session_id

    def _authorized(self) -> None:
        self.send(cm.AuthorizationReq)
        self.book.tell(ev.AuthorizationDecided(True))
        self.send(cm.AuthorizationReq)

    def _checked(self) -> None:
        self.send(dc.DCCableCheckReq)
        self.book.tell(ev.CableCheckFinished(True))
        self.send(dc.DCCableCheckReq)

    def _charged(self) -> None:
        self.send(dc.DCPreChargeReq, ev_processing=Processing.Ongoing)
        self.measure(BATTERY_V)
        self.send(dc.DCPreChargeReq)

    def _started(self) -> None:
        self.send(cm.PowerDeliveryReq)
        self.book.tell(ev.ContactorsChanged(True))

    def _stopped(self) -> None:
        self.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
        self.book.tell(ev.ContactorsChanged(False))
        self.measure(0.0)


_WAY: tuple[Callable[[Drive], Any], ...] = (
    Drive.connect,
    Drive._session,
    lambda d: d.send(cm.AuthorizationSetupReq),
    Drive._authorized,
    lambda d: d.send(cm.ServiceDiscoveryReq),
    lambda d: d.send(cm.ServiceDetailReq),
    lambda d: d.send(cm.ServiceSelectionReq),
    lambda d: d.send(dc.DCChargeParameterDiscoveryReq),
    lambda d: d.send(cm.ScheduleExchangeReq),
    Drive._checked,
    Drive._charged,
    Drive._started,
    Drive._stopped,
    lambda d: d.send(dc.DCWeldingDetectionReq),
)

_BINARY = cm.SubCertificates(certificate=(b"\x30\x00",))


def _needs(d: Drive) -> dict[str, Any]:
    energies: dict[str, Any] = {
        "ev_target_energy_request": rational(50_000.0),
        "ev_maximum_energy_request": rational(60_000.0),
        "ev_minimum_energy_request": rational(-20_000.0),
    }
    mode: Any = (
        cm.DynamicSEReqControlMode(departure_time=3600, **energies)
        if d.control_mode is ControlMode.DYNAMIC
        else cm.ScheduledSEReqControlMode(departure_time=3600, **energies)
    )
    return {"maximum_supporting_points": 100, "se_req_control_mode": mode}


_FIELDS: dict[type, Callable[[Drive], dict[str, Any]]] = {
    cm.SessionSetupReq: lambda d: {"evccid": "WVWV123456789ABCDEF7"},
    cm.AuthorizationSetupReq: lambda d: {},
    cm.AuthorizationReq: lambda d: {
        "selected_authorization_service": cm.Authorization.EIM,
        "a_req_authorization_mode": cm.EIMAReqAuthorizationMode(),
    },
    cm.CertificateInstallationReq: lambda d: {
        "oem_provisioning_certificate_chain": cm.SignedCertificateChain(id="id1", certificate=b"\x30\x00"),
        "list_of_root_certificate_ids": ListOfRootCertificateIDs(
            root_certificate_id=(X509IssuerSerial(x509_issuer_name="CN=Root", x509_serial_number=1),)
        ),
        "maximum_contract_certificate_chains": 1,
    },
    cm.ServiceDiscoveryReq: lambda d: {},
    cm.ServiceDetailReq: lambda d: {"service_id": int(d.service.id)},
    cm.ServiceSelectionReq: lambda d: {
        "selected_energy_transfer_service": cm.SelectedService(
            service_id=int(d.service.id), parameter_set_id=int(d.control_mode)
        )
    },
    dc.DCChargeParameterDiscoveryReq: lambda d: {"dc_cpd_req_energy_transfer_mode": d.cpd_mode()},
    cm.ScheduleExchangeReq: _needs,
    dc.DCCableCheckReq: lambda d: {},
    dc.DCPreChargeReq: lambda d: {
        "ev_processing": d.ev_processing,
        "ev_present_voltage": rational(0.0),
        "ev_target_voltage": rational(BATTERY_V),
    },
    cm.PowerDeliveryReq: lambda d: {
        "ev_processing": Processing.Finished,
        "charge_progress": cm.ChargeProgress.Start,
    },
    dc.DCChargeLoopReq: lambda d: {
        "meter_info_requested": False,
        "ev_present_voltage": rational(BATTERY_V),
        "cl_req_control_mode": d.dynamic() if d.control_mode is ControlMode.DYNAMIC else d.scheduled(),
    },
    dc.DCWeldingDetectionReq: lambda d: {"ev_processing": Processing.Finished},
    cm.MeteringConfirmationReq: lambda d: {
        "signed_metering_data": cm.SignedMeteringData(
            id="id1",
            session_id=d.session_id,
            meter_info=MeterInfo(meter_id="M1", charged_energy_reading_wh=1),
            smdt_control_mode=cm.DynamicSMDTControlMode(),
        )
    },
    cm.SessionStopReq: lambda d: {"charging_session": cm.ChargingSession.Terminate},
    cm.VehicleCheckInReq: lambda d: {
        "ev_check_in_status": cm.EvCheckInStatus.CheckIn,
        "parking_method": cm.ParkingMethod.Manual,
    },
    cm.VehicleCheckOutReq: lambda d: {
        "ev_check_out_status": cm.EvCheckOutStatus.CheckOut,
        "check_out_time": 0,
    },
}

REQUESTS = tuple(_FIELDS)
"""Every request class of the CommonMessages and DC sets."""
