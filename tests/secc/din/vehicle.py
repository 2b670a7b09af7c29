"""A vehicle in DIN 70121 made of messages: one valid request of every kind, and the way to bring a
station's session into any state.

The station's hardware is played by hand: every answer it gives is an event of the test. Every message
passes the codec on its way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iso15118 import exi
from iso15118.messages import app, din, iso2
from iso15118.messages.neutral import neutral
from iso15118.messages.physical import din_physical, physical
from iso15118.secc import SeccConfig, SeccSession
from iso15118.secc.din.context import Context
from iso15118.secc.din.machine import Din
from iso15118.secc.din.replies import PAIRS
from iso15118.secc.din.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.testing import Playbook, SafetyMonitor

CONNECTING = "Connecting"
NAMESPACE = "urn:din:70121:2012:MsgDef"

STATION = StationLimits(
    maximum_charge_power_w=150_000.0,
    maximum_charge_current_a=400.0,
    maximum_voltage_v=920.0,
    minimum_voltage_v=150.0,
)
MAXIMUM_V = 450.0
"""What the vehicle stands."""
MAXIMUM_A = 300.0
BATTERY_V = 380.0
VEHICLE = VehicleLimits(
    maximum_charge_power_w=120_000.0, maximum_charge_current_a=MAXIMUM_A, maximum_voltage_v=MAXIMUM_V
)
ZERO_ID = bytes(8)


def value(number: float, unit: str = "V") -> din.PhysicalValue:
    """A quantity in the messages."""
    return din_physical(physical(number, iso2.UnitSymbol(unit)))


class Drive:
    """A station's session under a playbook, and a vehicle that knows its lines."""

    def __init__(
        self, *, config: SeccConfig | None = None, limits: StationLimits = STATION, **session: Any
    ) -> None:
        self.config = config or SeccConfig(editions=("din",))
        self.session = SeccSession(self.config, limits, epoch=1.79e9, **session)
        self.output: ev.PowerMeasured | None = ev.PowerMeasured(0.0, 0.0)
        """What the output shows; None: nobody measures any more."""
        self.monitor = SafetyMonitor(self.config, limits, VEHICLE)
        self.book = Playbook(
            self.session,
            watch=self.monitor.secc,
            sample=lambda: () if self.output is None else (self.output,),
        )
        self.session_id = ZERO_ID
        self.asked: list[act.HardwareAction] = []
        """All that was asked of the hardware so far."""

    @property
    def context(self) -> Context:
        """What the session has agreed on."""
        edition = self.session._edition
        if not isinstance(edition, Din):
            raise RuntimeError("DIN 70121 is not spoken yet")
        return edition.context

    # -- the station's hardware

    def tell(self, event: ev.Event) -> None:
        """Tell the session something, and remember what it asks for."""
        self.book.tell(event)
        self._note()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.book.wait(seconds)
        self._note()

    def _note(self) -> None:
        self.asked += [one for one in self.book.actions if isinstance(one, act.HardwareAction)]

    def measure(self, voltage_v: float, current_a: float = 0.0) -> None:
        """The output shows these values from now on."""
        self.output = ev.PowerMeasured(voltage_v, current_a)
        self.monitor.measured(self.output)
        self.tell(self.output)

    # -- the vehicle's messages

    def request(self, kind: type, *, session_id: bytes | None = None, **changes: Any) -> din.V2GMessage:
        """A valid request of this class, with some of its fields changed."""
        body = kind(**(_FIELDS[kind](self) | changes))
        header = din.MessageHeader(session_id=self.session_id if session_id is None else session_id)
        return din.V2GMessage(header=header, body=din.Body(body_element=body))

    def send(self, kind: type, **changes: Any) -> Any:
        """Send such a request; the body of the answer, if one was sent."""
        message = self.request(kind, **changes)
        return self.receive(exi.decode("din", exi.encode("din", message)))

    def receive(self, message: Any) -> Any:
        """Hand over a message; the body of the answer, if one was sent."""
        if self.output is not None:
            self.tell(self.output)  # as a driver does before every message
        self.tell(ev.MessageReceived(message))
        return self.answer

    @property
    def answer(self) -> Any:
        """The body of what the last call sent, None if nothing. It travels as every message does."""
        sent = [action.message for action in self.book.actions if isinstance(action, act.Send)]
        if not sent:
            return None
        (message,) = sent
        if exi.decode("din", exi.encode("din", message)) != message:
            raise AssertionError(f"{message} is another one on the wire")
        return message.body.body_element

    @property
    def header(self) -> din.MessageHeader:
        """The header of what the last call sent."""
        (message,) = (action.message for action in self.book.actions if isinstance(action, act.Send))
        header: din.MessageHeader = message.header
        return header

    def notes(self) -> list[str]:
        """Names of the deviations that the last call told of."""
        return [one.name for one in self.book.actions if isinstance(one, act.PeerDeviates)]

    # -- the way to a state

    def to(self, state: State) -> Drive:
        """Bring the session there along the ordinary way."""
        passed = [CONNECTING, *(one.value for one in State)]
        for step in _WAY[passed.index(self.session.state) :]:
            if self.session.state == state.value:
                return self
            step(self)
        if self.session.state != state.value:
            raise RuntimeError(f"the ordinary way does not pass {state}, it ended in {self.session.state}")
        return self

    def connect(self, *entries: app.AppProtocol) -> Any:
        """Plug in and negotiate; the answer."""
        entry = app.AppProtocol(
            protocol_namespace=NAMESPACE,
            version_number_major=2,
            version_number_minor=0,
            schema_id=1,
            priority=1,
        )
        self.tell(ev.Connected(secure=False))
        self.tell(ev.MessageReceived(app.SupportedAppProtocolReq(app_protocol=entries or (entry,))))
        return next(a.message for a in self.book.actions if isinstance(a, act.Send))

    def set_up(self) -> None:
        self.send(din.SessionSetupReq)
        self.session_id = self.session.session_id

    def authorized(self) -> None:
        self.send(din.ContractAuthenticationReq)
        self.tell(ev.AuthorizationDecided(True))
        self.send(din.ContractAuthenticationReq)

    def checked(self) -> None:
        self.send(din.CableCheckReq)
        self.tell(ev.CableCheckFinished(True))
        self.send(din.CableCheckReq)

    def started(self) -> None:
        self.measure(BATTERY_V)
        self.send(din.PowerDeliveryReq)
        self.tell(ev.ContactorsChanged(True))

    def stopped(self) -> None:
        self.send(din.PowerDeliveryReq, ready_to_charge_state=False)
        self.tell(ev.ContactorsChanged(False))
        self.measure(0.0)


_WAY: tuple[Callable[[Drive], Any], ...] = (
    Drive.connect,
    Drive.set_up,
    lambda d: d.send(din.ServiceDiscoveryReq),
    lambda d: d.send(din.ServicePaymentSelectionReq),
    Drive.authorized,
    lambda d: d.send(din.ChargeParameterDiscoveryReq),
    Drive.checked,
    lambda d: d.send(din.PreChargeReq),
    Drive.started,
    Drive.stopped,
)

READY = din.DCEVStatus(ev_ready=True, ev_error_code=din.DCEVErrorCode.NO_ERROR, evresssoc=40)


def with_fault(code: din.DCEVErrorCode) -> din.DCEVStatus:
    """A vehicle that reports a fault of its own."""
    return din.DCEVStatus(ev_ready=True, ev_error_code=code, evresssoc=40)


def parameters(**changes: Any) -> din.DCEVChargeParameter:
    """The vehicle's limits."""
    fields: dict[str, Any] = {
        "dc_ev_status": READY,
        "ev_maximum_current_limit": value(MAXIMUM_A, "A"),
        "ev_maximum_power_limit": value(120_000.0, "W"),
        "ev_maximum_voltage_limit": value(MAXIMUM_V),
        "ev_energy_capacity": value(60_000.0, "Wh"),
        "ev_energy_request": value(30_000.0, "Wh"),
        "full_soc": 100,
        "bulk_soc": 80,
    }
    return din.DCEVChargeParameter(**(fields | changes))


def _foreign(kind: type) -> Callable[[Drive], dict[str, Any]]:
    """Requests that the schema has and nobody serves: the emptiest values will do."""
    empty = neutral(kind, {bytes: b"\x30\x00"})
    return lambda d: {name: getattr(empty, name) for name in empty.__struct_fields__}


_OWN: dict[type, Callable[[Drive], dict[str, Any]]] = {
    din.SessionSetupReq: lambda d: {"evccid": bytes.fromhex("020000000001")},
    din.ServiceDiscoveryReq: lambda d: {},
    din.ServicePaymentSelectionReq: lambda d: {
        "selected_payment_option": din.PaymentOption.ExternalPayment,
        "selected_service_list": din.SelectedServiceList(
            selected_service=(din.SelectedService(service_id=1),)
        ),
    },
    din.ContractAuthenticationReq: lambda d: {},
    din.ChargeParameterDiscoveryReq: lambda d: {
        "ev_requested_energy_transfer_type": din.EVRequestedEnergyTransfer.DC_extended,
        "ev_charge_parameter": parameters(),
    },
    din.CableCheckReq: lambda d: {"dc_ev_status": READY},
    din.PreChargeReq: lambda d: {
        "dc_ev_status": READY,
        "ev_target_voltage": value(BATTERY_V),
        "ev_target_current": value(1.0, "A"),
    },
    din.PowerDeliveryReq: lambda d: {"ready_to_charge_state": True},
    din.CurrentDemandReq: lambda d: {
        "dc_ev_status": READY,
        "ev_target_current": value(100.0, "A"),
        "charging_complete": False,
        "ev_target_voltage": value(420.0),
    },
    din.WeldingDetectionReq: lambda d: {"dc_ev_status": READY},
    din.SessionStop: lambda d: {},
}

_FIELDS = {kind: _OWN.get(kind) or _foreign(kind) for kind in PAIRS}
REQUESTS = tuple(PAIRS)
"""Every request class of the schema."""
FOREIGN = tuple(kind for kind in PAIRS if kind not in _OWN)
"""Those of them that no state takes."""
