"""A bus made of messages under a station's pantograph, whose hardware is played by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iso15118.messages import app
from iso15118.messages.iso20 import acdp, dc
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.acdp_part import ACDP
from iso15118.secc.iso20.machine import table_of
from iso15118.secc.iso20.sequence import State
from iso15118.session import events as ev
from iso15118.session.coupling import DevicePosition, VehiclePosition
from iso15118.session.services import ControlMode, ServiceID
from iso15118.testing import Playbook, SafetyMonitor
from tests.secc.vehicle import _FIELDS, REQUESTS, STATION, VEHICLE, Drive

SERVICES = (ServiceID.DC_ACDP, ServiceID.DC_ACDP_BPT)
HERE = VehiclePosition(x_cm=3.0, y_cm=-12.0, window_x_cm=40.0, window_y_cm=60.0, in_position=True)
ELECTRICAL = acdp.ElectricalChargingDeviceStatus
STATES = tuple(state for state in State if state in table_of(ACDP))
ALL_REQUESTS = (
    *REQUESTS,
    acdp.ACDPVehiclePositioningReq,
    acdp.ACDPConnectReq,
    acdp.ACDPDisconnectReq,
    acdp.ACDPSystemStatusReq,
)
_MORE: dict[type, Callable[[Drive], dict[str, Any]]] = {
    acdp.ACDPVehiclePositioningReq: lambda d: {"ev_mobility_status": True, "ev_positioning_support": False},
    acdp.ACDPConnectReq: lambda d: {"ev_electrical_charging_device_status": ELECTRICAL.State_B},
    acdp.ACDPDisconnectReq: lambda d: {"ev_electrical_charging_device_status": ELECTRICAL.State_B},
    acdp.ACDPSystemStatusReq: lambda d: {
        "ev_technical_status": acdp.EVTechnicalStatus(
            ev_ready_to_charge=True, ev_immobilization_request=True, ev_immobilized=True
        )
    },
}


class PantographDrive(Drive):
    """As ``Drive``, with a device that is home, and a bus that stands in its place."""

    def __init__(
        self,
        service: ServiceID = ServiceID.DC_ACDP_BPT,
        control_mode: ControlMode = ControlMode.SCHEDULED,
        *,
        config: SeccConfig | None = None,
        **session: Any,
    ) -> None:
        config = config or SeccConfig(services=SERVICES)
        super().__init__(service, control_mode, config=config, **({"device": DevicePosition.HOME} | session))
        self.place: VehiclePosition | None = HERE
        self.monitor = SafetyMonitor(config, STATION, VEHICLE, device=DevicePosition.HOME)
        self.book = Playbook(self.session, watch=self.monitor.secc, sample=self._sample)

    def _sample(self) -> tuple[ev.Event, ...]:
        seen = () if self.place is None else (ev.VehiclePositionMeasured(self.place),)
        return (*seen, *(() if self.output is None else (self.output,)))

    def request(self, kind: type, **changes: Any) -> Any:
        """A valid request of this class, with some of its fields changed."""
        make = _MORE.get(kind) or _FIELDS[kind]
        return kind(**({"header": self.header()} | make(self) | changes))

    def send(self, kind: type, **changes: Any) -> Any:
        if self.place is not None:
            self.book.tell(ev.VehiclePositionMeasured(self.place))
        return super().send(kind, **changes)

    def moves(self, *positions: DevicePosition) -> None:
        """The device reports these positions, one after the other."""
        for position in positions:
            self.book.tell(ev.ConnectionDeviceChanged(position))

    def connect(self) -> None:
        entry = app.AppProtocol(
            protocol_namespace="urn:iso:std:iso:15118:-20:ACDP",
            version_number_major=1,
            version_number_minor=0,
            schema_id=7,
            priority=1,
        )
        self.book.tell(ev.Connected(secure=True, tls=self.tls))
        self.book.receive(app.SupportedAppProtocolReq(app_protocol=(entry,)))

    def join(self) -> None:
        """The device comes down."""
        self.send(acdp.ACDPConnectReq)
        self.moves(DevicePosition.MOVING, DevicePosition.END_POSITION)
        self.send(acdp.ACDPConnectReq)

    def part(self) -> None:
        """It goes up."""
        self.send(acdp.ACDPDisconnectReq)
        self.moves(DevicePosition.MOVING, DevicePosition.HOME)
        self.send(acdp.ACDPDisconnectReq)

    def to(self, state: State) -> PantographDrive:
        """Bring the session there along the ordinary way."""
        if state is State.SCHEDULE_RENEGOTIATION:
            self.to(State.DC_CHARGE_LOOP)
            self.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
            assert self.session.state == state.value
            return self
        for step in _WAY:
            if self.session.state == state.value:
                return self
            step(self)
        if self.session.state != state.value:
            raise RuntimeError(f"the way does not pass {state}, it ended in {self.session.state}")
        return self


_WAY: tuple[Callable[[PantographDrive], Any], ...] = (
    PantographDrive.connect,
    Drive._session,
    lambda d: d.send(cm.AuthorizationSetupReq),
    Drive._authorized,
    lambda d: d.send(cm.ServiceDiscoveryReq),
    lambda d: d.send(cm.ServiceDetailReq),
    lambda d: d.send(cm.ServiceSelectionReq),
    lambda d: d.send(dc.DCChargeParameterDiscoveryReq),
    lambda d: d.send(cm.ScheduleExchangeReq),
    PantographDrive.join,
    Drive._checked,
    Drive._charged,
    Drive._started,
    Drive._stopped,
    lambda d: d.send(dc.DCWeldingDetectionReq, ev_processing=Processing.Finished),
    PantographDrive.part,
)
