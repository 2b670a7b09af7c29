"""A station in DIN 70121 made of messages: one valid answer of every kind, and the way to bring a
vehicle's session to any await point.

The vehicle's hardware is played by hand: every answer it gives is an event of the test. Every message
passes the codec on its way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iso15118 import exi
from iso15118.evcc import EvccConfig, EvccSession
from iso15118.evcc.din.exchange import RESPONSES
from iso15118.messages import app, din, iso2
from iso15118.messages.neutral import neutral
from iso15118.messages.physical import din_physical, physical
from iso15118.secc import SeccConfig
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.testing import Playbook, SafetyMonitor

VEHICLE = VehicleLimits(
    maximum_charge_power_w=120_000.0, maximum_charge_current_a=300.0, maximum_voltage_v=450.0
)
STATION = StationLimits(
    maximum_charge_power_w=150_000.0,
    maximum_charge_current_a=400.0,
    maximum_voltage_v=920.0,
    minimum_voltage_v=150.0,
)
BATTERY_V = 380.0
SESSION_ID = bytes(range(1, 9))
NEGOTIATION = "supportedAppProtocol"


def value(number: float, unit: str = "V") -> din.PhysicalValue:
    """A quantity in the messages."""
    return din_physical(physical(number, iso2.UnitSymbol(unit)))


def battery(**changes: Any) -> ev.BatteryChanged:
    """A battery in the middle of its charge."""
    fields: dict[str, Any] = {
        "soc": 40.0,
        "voltage_v": BATTERY_V,
        "target_voltage_v": 430.0,
        "target_current_a": 200.0,
        "maximum_charge_power_w": 120_000.0,
        "maximum_charge_current_a": 300.0,
        "maximum_voltage_v": 450.0,
        "minimum_voltage_v": 300.0,
        "energy_to_target_wh": 24_000.0,
        "energy_to_maximum_wh": 36_000.0,
        "energy_to_minimum_wh": -12_000.0,
        "capacity_wh": 60_000.0,
    }
    return ev.BatteryChanged(**(fields | changes))


def status(
    code: str = "EVSE_Ready", isolation: str | None = "Valid", notification: str = "None", delay: int = 0
) -> din.DCEVSEStatus:
    """What the station says of itself."""
    return din.DCEVSEStatus(
        evse_isolation_status=None if isolation is None else din.IsolationLevel(isolation),
        evse_status_code=din.DCEVSEStatusCode(code),
        notification_max_delay=delay,
        evse_notification=din.EVSENotification(notification),
    )


def offer(**changes: Any) -> din.DCEVSEChargeParameter:
    """The station's limits."""
    fields: dict[str, Any] = {
        "dc_evse_status": status(isolation=None),
        "evse_maximum_current_limit": value(400.0, "A"),
        "evse_maximum_power_limit": value(150_000.0, "W"),
        "evse_maximum_voltage_limit": value(920.0),
        "evse_minimum_current_limit": value(0.0, "A"),
        "evse_minimum_voltage_limit": value(150.0),
        "evse_peak_current_ripple": value(1.0, "A"),
    }
    return din.DCEVSEChargeParameter(**(fields | changes))


def schedules(p_max: int = 32_767, number: int = 1, duration: int | None = 86_400) -> din.SAScheduleList:
    """One schedule with one entry."""
    entry = din.PMaxScheduleEntry(
        time_interval=din.RelativeTimeInterval(start=0, duration=duration), p_max=p_max
    )
    schedule = din.PMaxSchedule(p_max_schedule_id=number, p_max_schedule_entry=(entry,))
    return din.SAScheduleList(
        sa_schedule_tuple=(din.SAScheduleTuple(sa_schedule_tuple_id=number, p_max_schedule=schedule),)
    )


class Host:
    """A vehicle's session under a playbook, and a station that knows its lines."""

    def __init__(self, config: EvccConfig | None = None, *, limits: VehicleLimits = VEHICLE) -> None:
        self.config = config or EvccConfig(editions=("din",))
        self.session = EvccSession(self.config, limits, battery(), epoch=1.79e9)
        self.shown: list[ev.Event] = [ev.InletMeasured(0.0), battery()]
        """What inlet and battery show; empty: nobody measures any more."""
        self.monitor = SafetyMonitor(SeccConfig(), STATION, limits)
        self.book = Playbook(self.session, watch=self.monitor.evcc, sample=lambda: tuple(self.shown))
        self.session_id = SESSION_ID
        self.sent: list[Any] = []
        """The bodies of all requests."""
        self.headers: list[bytes] = []
        """And the session ids in their headers."""
        self.asked: list[act.HardwareAction] = []
        """All that was asked of the hardware so far."""
        self.noted: list[str] = []
        """Names of the deviations that were told of."""
        self.waiting = False
        """The session waits for a response."""
        self._contactors: bool | None = None
        self.tell(ev.Connected(secure=False))

    # -- the vehicle's side

    def measure(self, voltage_v: float, current_a: float = 0.0) -> None:
        """The inlet shows these values from now on."""
        values = ev.InletMeasured(voltage_v, current_a)
        self.monitor.inlet(values)
        self.shown[:1] = [values]
        self.tell(values)

    def battery(self, **changes: Any) -> None:
        """The battery reports this from now on."""
        self.shown[1:] = [battery(**changes)]
        self.tell(self.shown[1])

    def tell(self, event: ev.Event) -> None:
        """Tell the session something, and see what comes of it."""
        if isinstance(event, ev.MessageReceived):
            self.waiting = False
        self.book.tell(event)
        self._note()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.book.wait(seconds)
        self._note()

    def _note(self) -> None:
        for action in self.book.actions:
            match action:
                case act.Send(message=din.V2GMessage() as message):
                    if exi.decode("din", exi.encode("din", message)) != message:
                        raise AssertionError(f"{message} is another one on the wire")
                    self.sent.append(message.body.body_element)
                    self.headers.append(message.header.session_id)
                    self.waiting = True
                case act.Send(message=message):
                    self.sent.append(message)
                    self.waiting = True
                case act.CloseContactors():
                    self._contactors = True
                case act.OpenContactors():
                    self._contactors = False
                case act.PeerDeviates(name=name):
                    self.noted.append(name)
            if isinstance(action, act.HardwareAction):
                self.asked.append(action)

    @property
    def request(self) -> Any:
        """The body of the last request sent."""
        return self.sent[-1]

    # -- the station's side

    def response(self, kind: type, *, session_id: bytes | None = None, **changes: Any) -> Any:
        """A valid response of this class, with some of its fields changed."""
        if kind is app.SupportedAppProtocolRes:
            fields: dict[str, Any] = {
                "response_code": app.ResponseCode.OK_SuccessfulNegotiation,
                "schema_id": 1,
            }
            return kind(**(fields | changes))
        body = kind(**({"response_code": din.ResponseCode.OK} | _FIELDS[kind](self) | changes))
        header = din.MessageHeader(session_id=self.session_id if session_id is None else session_id)
        message = din.V2GMessage(header=header, body=din.Body(body_element=body))
        return exi.decode("din", exi.encode("din", message))

    def answer(self, **changes: Any) -> None:
        """Answer the last request."""
        kind = type(self.request)
        negotiating = kind is app.SupportedAppProtocolReq
        answer = app.SupportedAppProtocolRes if negotiating else RESPONSES[kind].response
        self.tell(ev.MessageReceived(self.response(answer, **changes)))

    # -- the way to an await point

    def step(self) -> None:
        """One step of the ordinary way: answer what waits for an answer, or let the
        hardware do what it was asked."""
        if isinstance(self.request, din.PreChargeReq) and self.session.ended is None:
            self.measure(BATTERY_V)
        if self._contactors is not None:
            closed, self._contactors = self._contactors, None
            if not closed:
                self.measure(0.0)
            self.tell(ev.ContactorsChanged(closed))
        elif self.waiting:
            self.answer()
        else:
            self.wait(0.1)

    def to(self, state: str, times: int = 1) -> Host:
        """Bring the session to where it waits for this answer, the ``times``-th time."""
        seen = 0
        for _ in range(300):
            if self.session.state == state and self.waiting:
                seen += 1
                if seen == times:
                    return self
            if self.session.ended is not None:
                break
            if state in ("WeldingDetection", "SessionStop") and self.session.state == "CurrentDemand":
                self.battery(energy_to_target_wh=0.0, complete=True)
            self.step()
        raise RuntimeError(f"the ordinary way does not pass {state}; it is at {self.session.state}")

    def finish(self, steps: int = 200) -> act.SessionEnded:
        """Go on in the ordinary way to the end."""
        for _ in range(steps):
            if self.session.ended is not None:
                return self.session.ended
            self.step()
        raise RuntimeError(f"no end; it is at {self.session.state}")


_ONGOING, _FINISHED = din.EVSEProcessing.Ongoing, din.EVSEProcessing.Finished

_OWN: dict[type, Callable[[Host], dict[str, Any]]] = {
    din.SessionSetupRes: lambda h: {
        "response_code": din.ResponseCode.OK_NewSessionEstablished,
        "evseid": b"DE*ABC*E1",
    },
    din.ServiceDiscoveryRes: lambda h: {
        "payment_options": din.PaymentOptions(payment_option=(din.PaymentOption.ExternalPayment,)),
        "charge_service": din.ServiceCharge(
            service_tag=din.ServiceTag(service_id=1, service_category=din.ServiceCategory.EVCharging),
            free_service=False,
            energy_transfer_type=din.EVSESupportedEnergyTransfer.DC_extended,
        ),
    },
    din.ServicePaymentSelectionRes: lambda h: {},
    din.ContractAuthenticationRes: lambda h: {"evse_processing": _FINISHED},
    din.ChargeParameterDiscoveryRes: lambda h: {
        "evse_processing": _FINISHED,
        "sa_schedules": schedules(),
        "evse_charge_parameter": offer(),
    },
    din.CableCheckRes: lambda h: {"dc_evse_status": status(), "evse_processing": _FINISHED},
    din.PreChargeRes: lambda h: {"dc_evse_status": status(), "evse_present_voltage": value(BATTERY_V)},
    din.PowerDeliveryRes: lambda h: {"evse_status": status()},
    din.CurrentDemandRes: lambda h: {
        "dc_evse_status": status(),
        "evse_present_voltage": value(BATTERY_V),
        "evse_present_current": value(0.0, "A"),
        "evse_current_limit_achieved": False,
        "evse_voltage_limit_achieved": False,
        "evse_power_limit_achieved": False,
    },
    din.WeldingDetectionRes: lambda h: {"dc_evse_status": status(), "evse_present_voltage": value(0.0)},
    din.SessionStopRes: lambda h: {},
}


def _foreign(kind: type) -> Callable[[Host], dict[str, Any]]:
    """Responses that the schema has and nobody asks for: the emptiest values will do."""
    empty = neutral(kind, {bytes: b"\x30\x00"})
    return lambda h: {name: getattr(empty, name) for name in empty.__struct_fields__}


ANSWERS = tuple(getattr(din, name) for name in din.__all__ if name.endswith("Res"))
"""Every response class of the schema."""
_FIELDS = {kind: _OWN.get(kind) or _foreign(kind) for kind in ANSWERS}
STATES = (NEGOTIATION, *(pair.state for pair in RESPONSES.values()))
"""Every await point, by the answer that is awaited."""
