"""A vehicle with an on-board charger made of messages: valid requests, and the way to bring a station's
AC session into its states."""

from __future__ import annotations

from typing import Any

from iso15118.messages import app
from iso15118.messages.iso20 import ac
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.values import rational
from iso15118.secc import SeccConfig, SeccSession
from iso15118.secc.iso20.sequence import State
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.services import SERVICES, ControlMode, ServiceID
from iso15118.testing import Playbook, SafetyMonitor
from tests.secc.vehicle import CONNECTING, Drive

OUTLET = AcStationLimits.of(current_a=32.0, discharge_a=32.0)
CAR = AcVehicleLimits.of(current_a=16.0, discharge_a=16.0)
AC_SERVICES = (ServiceID.AC, ServiceID.AC_BPT)
WAY = (
    State.SESSION_SETUP,
    State.AUTHORIZATION_SETUP,
    State.AUTHORIZATION,
    State.SERVICE_DISCOVERY,
    State.SERVICE_DETAIL,
    State.SERVICE_SELECTION,
    State.AC_CHARGE_PARAMETER_DISCOVERY,
    State.SCHEDULE_EXCHANGE,
    State.POWER_DELIVERY,
    State.AC_CHARGE_LOOP,
    State.SESSION_STOP,
)


class AcDrive(Drive):
    """The same as ``Drive`` for an AC outlet. ``phases``: of the parameter set that is chosen."""

    def __init__(
        self,
        service: ServiceID = ServiceID.AC,
        control_mode: ControlMode = ControlMode.SCHEDULED,
        *,
        phases: int = 3,
        outlet: AcStationLimits = OUTLET,
        config: SeccConfig | None = None,
        **session: Any,
    ) -> None:
        self.config = config or SeccConfig(services=AC_SERVICES)
        self.service = SERVICES[service]
        self.control_mode = control_mode
        self.phases = phases
        self.outlet = outlet
        self.session = SeccSession(self.config, None, ac=outlet, epoch=1.79e9, **session)
        self.tls = None
        self.monitor = SafetyMonitor(self.config, None, outlet=outlet)
        self.output = None
        self.values: ev.AcMeasured | None = ev.AcMeasured()
        self.book = Playbook(
            self.session,
            watch=self.monitor.secc,
            sample=lambda: () if self.values is None else (self.values,),
        )
        self.session_id = bytes(8)

    # -- messages

    def request(self, kind: type, **changes: Any) -> Any:
        """A valid request of this class, with some of its fields changed."""
        fields: dict[str, Any]
        if kind is ac.ACChargeParameterDiscoveryReq:
            fields = {"ac_cpd_req_energy_transfer_mode": self.cpd_mode()}
        elif kind is ac.ACChargeLoopReq:
            fields = {"meter_info_requested": False, "cl_req_control_mode": self.loop()}
        elif kind is cm.ServiceSelectionReq:
            number = (0 if self.phases == self.outlet.phases else 2) + int(self.control_mode)
            chosen = cm.SelectedService(service_id=int(self.service.id), parameter_set_id=number)
            fields = {"selected_energy_transfer_service": chosen}
        else:
            return super().request(kind, **changes)
        return kind(**({"header": self.header()} | fields | changes))

    def cpd_mode(self, **more: Any) -> Any:
        per_phase = self.phases
        fields: dict[str, Any] = {
            "ev_maximum_charge_power": rational(3_680.0 * per_phase),
            "ev_minimum_charge_power": rational(1_380.0 * per_phase),
        }
        if self.service.bidirectional:
            fields |= {
                "ev_maximum_discharge_power": rational(3_680.0 * per_phase),
                "ev_minimum_discharge_power": rational(1_380.0 * per_phase),
            }
        return self.service.cpd_req_mode(**(fields | more))

    def loop(self, **more: Any) -> Any:
        fields: dict[str, Any] = {"ev_present_active_power": rational(0.0)}
        if self.control_mode is ControlMode.DYNAMIC:
            fields |= {
                "ev_present_reactive_power": rational(0.0),
                "ev_target_energy_request": rational(20_000.0),
                "ev_maximum_energy_request": rational(30_000.0),
                "ev_minimum_energy_request": rational(-5_000.0),
                "ev_maximum_charge_power": rational(3_680.0 * self.phases),
                "ev_minimum_charge_power": rational(1_380.0 * self.phases),
            }
            if self.service.bidirectional:
                fields |= {
                    "ev_maximum_discharge_power": rational(3_680.0 * self.phases),
                    "ev_minimum_discharge_power": rational(1_380.0 * self.phases),
                }
            return self.service.dynamic_req(**(fields | more))
        return self.service.scheduled_req(**(fields | more))

    # -- the way to a state

    def to(self, state: State) -> AcDrive:
        """Bring the session there along the ordinary way."""
        steps = (
            self.connect,
            self._session,
            lambda: self.send(cm.AuthorizationSetupReq),
            self._authorized,
            lambda: self.send(cm.ServiceDiscoveryReq),
            lambda: self.send(cm.ServiceDetailReq),
            lambda: self.send(cm.ServiceSelectionReq),
            lambda: self.send(ac.ACChargeParameterDiscoveryReq),
            lambda: self.send(cm.ScheduleExchangeReq),
            self._started,
            self._stopped,
        )
        passed = [CONNECTING, *(one.value for one in WAY)]
        for step in steps[passed.index(self.session.state) :]:
            if self.session.state == state.value:
                return self
            step()
        if self.session.state != state.value:
            raise RuntimeError(f"the ordinary way does not pass {state}, it ended in {self.session.state}")
        return self

    def connect(self) -> None:
        entry = app.AppProtocol(
            protocol_namespace="urn:iso:std:iso:15118:-20:AC",
            version_number_major=1,
            version_number_minor=0,
            schema_id=3,
            priority=1,
        )
        self.book.tell(ev.Connected(secure=True))
        self.book.tell(ev.SignalChanged(ev.SignalState.B))
        self.book.receive(app.SupportedAppProtocolReq(app_protocol=(entry,)))

    def _started(self) -> None:
        self.send(cm.PowerDeliveryReq)
        self.book.tell(ev.SignalChanged(ev.SignalState.C))
        self.book.tell(ev.ContactorsChanged(True))

    def _stopped(self) -> None:
        self.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
        self.book.tell(ev.SignalChanged(ev.SignalState.B))
        self.book.tell(ev.ContactorsChanged(False))
