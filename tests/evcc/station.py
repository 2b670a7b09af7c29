"""A station made of messages: one valid answer of every kind, and the way to bring a vehicle's
session to any of its await points.

The vehicle's hardware is played by hand: every answer it gives is an event of the test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from iso15118.evcc import EvccConfig, EvccSession
from iso15118.evcc.iso20.exchange import RESPONSES as OF_ISO20
from iso15118.messages import app
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import MessageHeader, Processing, ResponseCode
from iso15118.messages.values import rational
from iso15118.secc import SeccConfig
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.secured import TlsPeer
from iso15118.session.services import SERVICES, ControlMode, EnergyService, ServiceID
from iso15118.session.ticket import EvccTicket
from iso15118.testing import Playbook, SafetyMonitor
from tests.evcc.keys import Keys

RESPONSES = {app.SupportedAppProtocolReq: (app.SupportedAppProtocolRes, "supportedAppProtocol")} | {
    request: pair for request, pair in OF_ISO20.items() if not request.__name__.startswith("AC")
}
"""Request class -> response class, and the name of the state that waits for it."""

STATION = StationLimits(
    maximum_charge_power_w=1_000_000.0,
    maximum_charge_current_a=1200.0,
    maximum_voltage_v=1000.0,
    maximum_discharge_power_w=500_000.0,
    maximum_discharge_current_a=600.0,
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
SESSION_ID = bytes(range(1, 9))


def battery(**changes: Any) -> ev.BatteryChanged:
    """A battery in the middle of its charge."""
    fields: dict[str, Any] = {
        "soc": 50.0,
        "voltage_v": BATTERY_V,
        "target_voltage_v": 900.0,
        "target_current_a": 1000.0,
        "maximum_charge_power_w": 1_200_000.0,
        "maximum_charge_current_a": 1500.0,
        "maximum_voltage_v": 950.0,
        "minimum_voltage_v": 600.0,
        "energy_to_target_wh": 100_000.0,
        "energy_to_maximum_wh": 200_000.0,
        "energy_to_minimum_wh": -100_000.0,
        "capacity_wh": 540_000.0,
        "maximum_discharge_power_w": 300_000.0,
        "maximum_discharge_current_a": 400.0,
    }
    return ev.BatteryChanged(**(fields | changes))


class Host:
    """A vehicle's session under a playbook and the safety monitor, and a station that knows its lines."""

    def __init__(
        self,
        service: ServiceID = ServiceID.DC,
        control_mode: ControlMode = ControlMode.SCHEDULED,
        *,
        config: EvccConfig | None = None,
        contracts: Any = None,
        tls: TlsPeer | None = None,
        resume: EvccTicket | None = None,
        limits: VehicleLimits = VEHICLE,
        secure: bool = True,
    ) -> None:
        self.service: EnergyService = SERVICES[service]
        self.control_mode = control_mode
        self.config = config or EvccConfig(services=(service,), control_modes=(control_mode,))
        self.session = EvccSession(
            self.config, limits, battery(), epoch=1.79e9, contracts=contracts, resume=resume
        )
        self.contracts = contracts
        self.monitor = SafetyMonitor(SeccConfig(), STATION, VEHICLE)
        self.shown: list[ev.Event] = [ev.InletMeasured(0.0), battery()]
        """What inlet and battery show; empty: nobody measures any more."""
        self.book = Playbook(self.session, watch=self.monitor.evcc, sample=lambda: tuple(self.shown))
        self.keys = Keys(self.book)
        self.session_id = SESSION_ID
        self.pricing = 0
        """The kind of prices that is promised."""
        self.sent: list[Any] = []
        self.waiting = False
        """The session waits for a response."""
        self._contactors: bool | None = None
        self.tell(ev.Connected(secure=secure, tls=tls))

    # -- the vehicle's side

    def measure(self, voltage_v: float, current_a: float = 0.0) -> None:
        """The inlet shows these values from now on."""
        values = ev.InletMeasured(voltage_v, current_a)
        self.monitor.inlet(values)
        self.shown[:1] = [values]
        self.tell(values)

    def battery(self, **changes: Any) -> None:
        self.shown[1:] = [battery(**changes)]
        self.tell(self.shown[1])

    def tell(self, event: ev.Event) -> None:
        if isinstance(event, ev.MessageReceived):
            self.waiting = False
        self.book.tell(event)
        self.keys.look()
        self._note()

    def wait(self, seconds: float) -> None:
        self.book.wait(seconds)
        self.keys.look()
        self._note()

    def _note(self) -> None:
        for action in self.book.actions:
            match action:
                case act.Send(message=message):
                    self.sent.append(message)
                    self.waiting = True
                case act.CloseContactors():
                    self._contactors = True
                case act.OpenContactors():
                    self._contactors = False

    @property
    def request(self) -> Any:
        """The last request sent."""
        return self.sent[-1]

    # -- the station's side

    def header(self) -> MessageHeader:
        return MessageHeader(session_id=self.session_id, time_stamp=1_790_000_000)

    def response(self, kind: type, **changes: Any) -> Any:
        """A valid response of this class, with some of its fields changed."""
        if kind is app.SupportedAppProtocolRes:
            fields: dict[str, Any] = {
                "response_code": app.ResponseCode.OK_SuccessfulNegotiation,
                "schema_id": self.request.app_protocol[0].schema_id,
            }
        else:
            fields = {"header": self.header(), "response_code": ResponseCode.OK} | _FIELDS[kind](self)
        return kind(**(fields | changes))

    def answer(self, **changes: Any) -> None:
        """Answer the last request."""
        kind = RESPONSES[type(self.request)][0]
        self.tell(ev.MessageReceived(self.response(kind, **changes)))

    def loop_mode(self, **more: Any) -> Any:
        limits: dict[str, Any] = {
            "evse_maximum_charge_power": rational(STATION.maximum_charge_power_w),
            "evse_minimum_charge_power": rational(0.0),
            "evse_maximum_charge_current": rational(STATION.maximum_charge_current_a),
            "evse_maximum_voltage": rational(STATION.maximum_voltage_v),
        }
        if self.service.bidirectional:
            limits |= {
                "evse_maximum_discharge_power": rational(STATION.maximum_discharge_power_w),
                "evse_minimum_discharge_power": rational(0.0),
                "evse_maximum_discharge_current": rational(STATION.maximum_discharge_current_a),
                "evse_minimum_voltage": rational(200.0),
            }
        kind = (
            self.service.dynamic_res
            if self.control_mode is ControlMode.DYNAMIC
            else self.service.scheduled_res
        )
        return kind(**(limits | more))

    # -- the way to an await point

    def step(self) -> None:
        """One step of the ordinary way: answer what waits for an answer, or let the
        hardware do what it was asked."""
        if isinstance(self.request, dc.DCPreChargeReq) and self.request.ev_processing is Processing.Ongoing:
            self.measure(BATTERY_V)
        if self._contactors is not None:
            closed, self._contactors = self._contactors, None
            if not closed:
                self.measure(0.0)
            self.tell(ev.ContactorsChanged(closed))
        elif self.waiting:
            self.answer()
        else:
            self.wait(0.25)

    def to(self, state: str, times: int = 1) -> Self:
        """Bring the session to where it waits for this answer, the ``times``-th time."""
        seen = 0
        for _ in range(200):
            if self.session.state == state and self.waiting:
                seen += 1
                if seen == times:
                    return self
            if self.session.ended is not None:
                break
            if (
                state in ("DC_WELDING_DETECTION", "DC_WeldingDetection", "SessionStop")
                and self.session.state == "DC_ChargeLoop"
            ):
                self.battery(energy_to_target_wh=0.0, complete=True)
            self.step()
        raise RuntimeError(f"the ordinary way does not pass {state}; it is at {self.session.state}")


def _parameter_sets(host: Host) -> cm.ServiceParameterList:
    return cm.ServiceParameterList(
        parameter_set=tuple(
            cm.ParameterSet(
                parameter_set_id=number,
                parameter=(
                    cm.Parameter(name="Connector", int_value=2),
                    cm.Parameter(name="ControlMode", int_value=number),
                    *((cm.Parameter(name="Pricing", int_value=host.pricing),) if host.pricing else ()),
                ),
            )
            for number in (1, 2)
        )
    )


def _schedule(host: Host) -> Any:
    if host.control_mode is ControlMode.DYNAMIC:
        return cm.DynamicSEResControlMode()
    entry = cm.PowerScheduleEntry(duration=86_400, power=rational(STATION.maximum_charge_power_w))
    power = cm.PowerSchedule(
        time_anchor=0, power_schedule_entries=cm.PowerScheduleEntryList(power_schedule_entry=(entry,))
    )
    schedule = cm.ChargingSchedule(power_schedule=power)
    return cm.ScheduledSEResControlMode(
        schedule_tuple=(cm.ScheduleTuple(schedule_tuple_id=1, charging_schedule=schedule),)
    )


def _offer(host: Host) -> Any:
    limits: dict[str, Any] = {
        "evse_maximum_charge_power": rational(STATION.maximum_charge_power_w),
        "evse_minimum_charge_power": rational(0.0),
        "evse_maximum_charge_current": rational(STATION.maximum_charge_current_a),
        "evse_minimum_charge_current": rational(0.0),
        "evse_maximum_voltage": rational(STATION.maximum_voltage_v),
        "evse_minimum_voltage": rational(0.0),
    }
    if host.service.bidirectional:
        limits |= {
            "evse_maximum_discharge_power": rational(STATION.maximum_discharge_power_w),
            "evse_minimum_discharge_power": rational(0.0),
            "evse_maximum_discharge_current": rational(STATION.maximum_discharge_current_a),
            "evse_minimum_discharge_current": rational(0.0),
        }
    return host.service.cpd_res_mode(**limits)


_FIELDS: dict[type, Callable[[Host], dict[str, Any]]] = {
    cm.SessionSetupRes: lambda h: {
        "response_code": ResponseCode.OK_NewSessionEstablished,
        "evseid": "DE*ABC*E1",
    },
    cm.AuthorizationSetupRes: lambda h: {
        "authorization_services": (cm.Authorization.EIM,) + ((cm.Authorization.PnC,) if h.contracts else ()),
        "certificate_installation_service": bool(h.contracts),
        "as_res_authorization_mode": cm.PnCASResAuthorizationMode(gen_challenge=bytes(range(16)))
        if h.contracts
        else cm.EIMASResAuthorizationMode(),
    },
    cm.AuthorizationRes: lambda h: {"evse_processing": Processing.Finished},
    cm.ServiceDiscoveryRes: lambda h: {
        "service_renegotiation_supported": False,
        "energy_transfer_service_list": cm.ServiceList(
            service=(cm.Service(service_id=int(h.service.id), free_service=False),)
        ),
    },
    cm.ServiceDetailRes: lambda h: {
        "service_id": int(h.service.id),
        "service_parameter_list": _parameter_sets(h),
    },
    cm.ServiceSelectionRes: lambda h: {},
    dc.DCChargeParameterDiscoveryRes: lambda h: {"dc_cpd_res_energy_transfer_mode": _offer(h)},
    cm.ScheduleExchangeRes: lambda h: {
        "evse_processing": Processing.Finished,
        "se_res_control_mode": _schedule(h),
    },
    dc.DCCableCheckRes: lambda h: {"evse_processing": Processing.Finished},
    dc.DCPreChargeRes: lambda h: {"evse_present_voltage": rational(BATTERY_V)},
    cm.PowerDeliveryRes: lambda h: {},
    dc.DCChargeLoopRes: lambda h: {
        "evse_present_current": rational(0.0),
        "evse_present_voltage": rational(BATTERY_V),
        "evse_power_limit_achieved": False,
        "evse_current_limit_achieved": False,
        "evse_voltage_limit_achieved": False,
        "cl_res_control_mode": h.loop_mode(),
    },
    dc.DCWeldingDetectionRes: lambda h: {"evse_present_voltage": rational(0.0)},
    cm.SessionStopRes: lambda h: {},
}

FOREIGN: dict[type, Callable[[Host], dict[str, Any]]] = {
    cm.CertificateInstallationRes: lambda h: {
        "evse_processing": Processing.Finished,
        "cps_certificate_chain": cm.CertificateChain(certificate=b"\x30\x00"),
        "signed_installation_data": cm.SignedInstallationData(
            id="id1",
            contract_certificate_chain=cm.ContractCertificateChain(
                certificate=b"\x30\x00", sub_certificates=cm.SubCertificates(certificate=(b"\x30\x00",))
            ),
            ecdh_curve=cm.EcdhCurve.SECP521,
            dh_public_key=bytes(133),
            secp521_encrypted_private_key=bytes(94),
        ),
        "remaining_contract_certificate_chains": 0,
    },
    cm.MeteringConfirmationRes: lambda h: {},
    cm.VehicleCheckInRes: lambda h: {},
    cm.VehicleCheckOutRes: lambda h: {"evse_check_out_status": cm.EvseCheckOutStatus.Completed},
}
"""Responses that a vehicle with external identification never asks for."""

_FIELDS.update(FOREIGN)
ANSWERS = (app.SupportedAppProtocolRes, *_FIELDS)
"""Every response class of the AppProtocol, CommonMessages and DC sets."""
STATES = tuple(
    dict.fromkeys(
        state for response, state in RESPONSES.values() if response in ANSWERS and response not in FOREIGN
    )
)
"""Every await point of such a vehicle, by the answer that is awaited."""
