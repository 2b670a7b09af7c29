"""A station of ISO 15118-2 made of messages: one valid answer of every kind, and the way to bring a
vehicle's session to any await point.

The vehicle's hardware is played by hand, and what is asked of it is watched by rules that
share nothing with the sessions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from iso15118 import exi
from iso15118.energy.ac import each
from iso15118.evcc import EvccConfig, EvccSession
from iso15118.messages import app, iso2
from iso15118.messages.physical import amperes, quantity, volts, watts
from iso15118.secc import SeccConfig
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.secured import TlsPeer
from iso15118.session.services import ServiceID
from iso15118.testing import Playbook, SafetyMonitor
from tests.evcc.keys import Keys

VEHICLE = VehicleLimits(
    maximum_charge_power_w=150_000.0,
    maximum_charge_current_a=400.0,
    maximum_voltage_v=470.0,
    minimum_voltage_v=200.0,
)
STATION = StationLimits(
    maximum_charge_power_w=120_000.0, maximum_charge_current_a=300.0, maximum_voltage_v=920.0
)
BATTERY_V = 400.0
SESSION_ID = bytes(range(1, 9))
CODE = iso2.ResponseCode
STATUS = iso2.DCEVSEStatusCode
NOTIFY = iso2.EVSENotification
ISOLATION = iso2.IsolationLevel

REQUESTS = tuple(
    getattr(iso2, name) for name in iso2.__all__ if name.endswith("Req") and hasattr(iso2, f"{name[:-3]}Res")
)
"""Every request of the schema set."""
STATES = (
    "SessionSetup",
    "ServiceDiscovery",
    "PaymentServiceSelection",
    "Authorization",
    "ChargeParameterDiscovery",
    "CableCheck",
    "PreCharge",
    "PowerDelivery",
    "CurrentDemand",
    "WeldingDetection",
    "SessionStop",
)
"""Every await point of a DC vehicle with external identification, by the answer that is awaited."""
LOOPS = ("CurrentDemand", "ChargingStatus")
DC_MODES = (iso2.EnergyTransferMode.DC_core, iso2.EnergyTransferMode.DC_extended)
AC_MODES = (iso2.EnergyTransferMode.AC_three_phase_core, iso2.EnergyTransferMode.AC_single_phase_core)


def response_of(request: type) -> type:
    kind: type = getattr(iso2, request.__name__[:-3] + "Res")
    return kind


def battery(**changes: Any) -> ev.BatteryChanged:
    """A battery in the middle of its charge."""
    fields: dict[str, Any] = {
        "soc": 50.0,
        "voltage_v": BATTERY_V,
        "target_voltage_v": 450.0,
        "target_current_a": 300.0,
        "maximum_charge_power_w": 150_000.0,
        "maximum_charge_current_a": 400.0,
        "maximum_voltage_v": 470.0,
        "minimum_voltage_v": 200.0,
        "energy_to_target_wh": 20_000.0,
        "energy_to_maximum_wh": 40_000.0,
        "energy_to_minimum_wh": -20_000.0,
        "capacity_wh": 80_000.0,
    }
    return ev.BatteryChanged(**(fields | changes))


def status(
    code: iso2.DCEVSEStatusCode = STATUS.EVSE_Ready,
    notification: iso2.EVSENotification = NOTIFY.None_,
    isolation: iso2.IsolationLevel | None = ISOLATION.Valid,
    delay: int = 0,
) -> iso2.DCEVSEStatus:
    return iso2.DCEVSEStatus(
        notification_max_delay=delay,
        evse_notification=notification,
        evse_isolation_status=isolation,
        evse_status_code=code,
    )


def offer(**changes: Any) -> iso2.DCEVSEChargeParameter:
    fields: dict[str, Any] = {
        "dc_evse_status": status(isolation=None),
        "evse_maximum_current_limit": amperes(300.0),
        "evse_maximum_power_limit": watts(120_000.0),
        "evse_maximum_voltage_limit": volts(920.0),
        "evse_minimum_current_limit": amperes(0.0),
        "evse_minimum_voltage_limit": volts(150.0),
        "evse_peak_current_ripple": amperes(1.0),
    }
    return iso2.DCEVSEChargeParameter(**(fields | changes))


def ac_offer(
    amperes_: float = 16.0, volts_: float = 230.0, status_: iso2.ACEVSEStatus | None = None
) -> iso2.ACEVSEChargeParameter:
    return iso2.ACEVSEChargeParameter(
        ac_evse_status=status_ or ac_status(),
        evse_nominal_voltage=volts(volts_),
        evse_max_current=amperes(amperes_),
    )


def schedules(*tuples: tuple[int, list[tuple[int, float]], int | None]) -> iso2.SAScheduleList:
    """Tuples of an id, entries (start in s, PMax in W), and the duration of the last one."""
    return iso2.SAScheduleList(
        sa_schedule_tuple=tuple(
            iso2.SAScheduleTuple(
                sa_schedule_tuple_id=number,
                p_max_schedule=iso2.PMaxSchedule(
                    p_max_schedule_entry=tuple(
                        iso2.PMaxScheduleEntry(
                            time_interval=iso2.RelativeTimeInterval(
                                start=start, duration=lasts if place == len(entries) - 1 else None
                            ),
                            p_max=watts(power),
                        )
                        for place, (start, power) in enumerate(entries)
                    )
                ),
            )
            for number, entries, lasts in tuples
        )
    )


class Watch:
    """What must hold of a vehicle's hardware whatever is said."""

    def __init__(self) -> None:
        self.checked = self.told_closed = self.closed = self.over = False
        self.target_v: float | None = None
        self.inlet_v = 0.0
        self.closings = 0

    def look(self, event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        refused = False
        if isinstance(event, ev.MessageReceived) and isinstance(event.message, iso2.V2GMessage):
            body: Any = event.message.body.body_element
            code = getattr(body, "response_code", None)
            refused = code is not None and code.value.startswith("FAILED")
            if isinstance(body, iso2.CableCheckRes):
                self.checked = not refused and body.evse_processing is iso2.EVSEProcessing.Finished
        elif isinstance(event, ev.ContactorsChanged):
            self.closed = event.closed
        elif isinstance(event, ev.InletMeasured):
            self.inlet_v = event.voltage_v
        was_live = self.told_closed
        stopped = False
        for action in actions:
            match action:
                case act.StopPower():
                    stopped = True
                case act.OpenContactors():
                    assert stopped, "contactors opened before current zero"
                    self.told_closed = self.checked = False
                    self.target_v = None
                case act.CloseContactors():
                    assert self.checked, "contactors before the cable check"
                    assert self.target_v is not None, "contactors before pre-charge"
                    assert abs(self.inlet_v - self.target_v) <= 20.5, "contactors with a voltage across them"
                    assert not self.over
                    self.told_closed = True
                    self.closings += 1
                case act.Send(message=message):
                    assert not self.over, "a message after the end"
                    if isinstance(message, iso2.V2GMessage):
                        self._said(message.body.body_element)
                case act.SessionEnded() | act.CloseTransport():
                    assert not self.told_closed, "the end before contactors were told to open"
                    self.over = True
        if refused and was_live:
            assert not self.told_closed or self.over is False, "a refusal that leaves the contactors closed"
        return actions

    def _said(self, body: Any) -> None:
        match body:
            case iso2.PreChargeReq():
                self.target_v = quantity(body.ev_target_voltage)
                assert quantity(body.ev_target_current) <= 2.0
            case iso2.CableCheckReq():
                assert not self.told_closed, "the test voltage with closed contactors"
                assert not self.closed, "the test voltage with closed contactors"
            case iso2.CurrentDemandReq():
                assert self.told_closed, "a demand with open contactors"


class Host:
    """A vehicle's session under a playbook and a watch, and a station that knows its lines."""

    def __init__(
        self,
        *,
        config: EvccConfig | None = None,
        contracts: Any = None,
        tls: TlsPeer | None = None,
        resume: Any = None,
        now: float = 0.0,
        session_id: bytes = SESSION_ID,
        charger: AcVehicleLimits | None = None,
        wanted: Any = (),
        **settings: Any,
    ) -> None:
        if charger is not None:
            settings.setdefault("services", (ServiceID.AC,))
        self.config = config or configured(**settings)
        self.charger = charger
        self.session = EvccSession(
            self.config,
            VEHICLE if charger is None else None,
            battery(),
            epoch=1.79e9,
            contracts=contracts,
            resume=resume,
            charger=charger,
            value_added=wanted,
        )
        self.watch = Watch()
        self.shown: list[ev.Event] = [
            ev.InletMeasured(0.0) if charger is None else ev.AcMeasured(),
            battery(),
        ]
        """What inlet and battery show; empty: nobody measures any more."""
        self.monitor = SafetyMonitor(SeccConfig(), STATION, VEHICLE, charger=charger)
        self.book = Playbook(self.session, watch=self._look, sample=lambda: tuple(self.shown), now=now)
        self.keys = Keys(self.book)
        self.session_id = session_id
        self.sent: list[Any] = []
        """Bodies of what was sent, and supportedAppProtocol."""
        self.messages: list[Any] = []
        self.waiting = False
        self.hardware: list[act.HardwareAction] = []
        self.news: list[act.Notify] = []
        self._contactors: bool | None = None
        self.tell(ev.Connected(secure=tls is not None, tls=tls))

    def _look(self, event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        return self.monitor.evcc(event, self.watch.look(event, actions, now), now)

    # -- the vehicle's side

    def measure(self, voltage_v: float, current_a: float = 0.0) -> None:
        """The inlet shows these values from now on."""
        values = ev.InletMeasured(voltage_v, current_a)
        self.monitor.inlet(values)
        self.shown[:1] = [values]
        self.tell(values)

    def draw(self, amperes_: float) -> None:
        """The on-board charger shows this current in each of its phases from now on."""
        phases = self.charger.phases if self.charger is not None else 1
        values = ev.AcMeasured(
            voltage_v=each(230.0, phases),
            current_a=each(amperes_, phases),
            power_w=each(amperes_ * 230.0, phases),
        )
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
                    self.messages.append(message)
                    is_v2g = isinstance(message, iso2.V2GMessage)
                    if is_v2g:  # as the station reads it
                        assert exi.decode("iso2", exi.encode("iso2", message)) == message
                    self.sent.append(message.body.body_element if is_v2g else message)
                    self.waiting = True
                case act.HardwareAction():
                    self.hardware.append(action)
                    if isinstance(action, act.CloseContactors):
                        self._contactors = True
                    elif isinstance(action, act.OpenContactors):
                        self._contactors = False
                case act.Notify():
                    self.news.append(action)

    @property
    def request(self) -> Any:
        """The last request sent."""
        return self.sent[-1]

    @property
    def ended(self) -> act.SessionEnded | None:
        return self.session.ended

    def of(self, kind: type) -> list[Any]:
        """What was sent of this kind."""
        return [body for body in self.sent if type(body) is kind]

    def noted(self, name: str) -> bool:
        return any(isinstance(one, act.PeerDeviates) and one.name == name for one in self.news)

    # -- the station's side

    def message(self, body: Any, signature: Any = None) -> iso2.V2GMessage:
        header = iso2.MessageHeader(session_id=self.session_id, signature=signature)
        return iso2.V2GMessage(header=header, body=iso2.Body(body_element=body))

    def response(self, kind: type, **changes: Any) -> Any:
        """A valid response of this class, with some of its fields changed."""
        if kind is app.SupportedAppProtocolRes:
            fields: dict[str, Any] = {
                "response_code": app.ResponseCode.OK_SuccessfulNegotiation,
                "schema_id": self.sent[0].app_protocol[0].schema_id,
            }
        else:
            fields = {"response_code": CODE.OK} | FIELDS[kind](self)
        return kind(**(fields | changes))

    def answer(self, *, signature: Any = None, **changes: Any) -> None:
        """Answer the last request."""
        if isinstance(self.request, app.SupportedAppProtocolReq):
            self.tell(ev.MessageReceived(self.response(app.SupportedAppProtocolRes, **changes)))
            return
        kind = response_of(type(self.request))
        self.tell(ev.MessageReceived(self.message(self.response(kind, **changes), signature)))

    # -- the way to an await point

    def step(self) -> None:
        """One step of the ordinary way: answer what waits for an answer, or let the
        hardware do what it was asked."""
        if isinstance(self.request, iso2.PreChargeReq) and not self.watch.told_closed:
            self.measure(BATTERY_V)
        if self._contactors is not None:
            self.switch()
        elif self.waiting:
            self.answer()
        else:
            self.wait(0.1)

    def switch(self) -> None:
        """The contactors do what they were told."""
        closed, self._contactors = bool(self._contactors), None
        if not closed:
            self.measure(0.0) if self.charger is None else self.draw(0.0)
        self.tell(ev.ContactorsChanged(closed))

    def full(self) -> None:
        """The battery has what it wants."""
        self.battery(energy_to_target_wh=0.0, complete=True)

    def to(self, state: str, times: int = 1) -> Host:
        """Bring the session to where it waits for this answer, the ``times``-th time."""
        seen = 0
        for _ in range(400):
            if self.session.state == state and self.waiting:
                seen += 1
                if seen == times:
                    return self
            if self.ended is not None:
                break
            if state in ("WeldingDetection", "SessionStop") and self.session.state in LOOPS:
                self.full()
            self.step()
        raise RuntimeError(f"the ordinary way does not pass {state}; it is at {self.session.state}")

    def finish(self) -> act.SessionEnded:
        """Go on as the ordinary way does until the session is over."""
        for _ in range(2000):
            if self.ended is not None:
                return self.ended
            self.step()
        raise RuntimeError(f"no end; it is at {self.session.state}")


def configured(**settings: Any) -> EvccConfig:
    """A vehicle that speaks this edition alone; ``iso2``: changes of its own settings."""
    of_iso2 = settings.pop("iso2", {})
    config = EvccConfig(editions=("iso2",), **settings)
    return msgspec.structs.replace(config, iso2=msgspec.structs.replace(config.iso2, **of_iso2))


_NO_CHAIN = iso2.CertificateChain(certificate=b"\x30\x00")
_INSTALLED: dict[str, Any] = {
    "sa_provisioning_certificate_chain": _NO_CHAIN,
    "contract_signature_cert_chain": iso2.CertificateChain(id="id1", certificate=b"\x30\x00"),
    "contract_signature_encrypted_private_key": iso2.ContractSignatureEncryptedPrivateKey(
        id="id2", value=bytes(48)
    ),
    "dhpublickey": iso2.DiffieHellmanPublickey(id="id3", value=bytes(65)),
    "emaid": iso2.EMAID(id="id4", value="DE8AA000000001"),
}

FIELDS: dict[type, Callable[[Host], dict[str, Any]]] = {
    iso2.SessionSetupRes: lambda h: {
        "response_code": CODE.OK_NewSessionEstablished,
        "evseid": "DE*ABC*E1",
    },
    iso2.ServiceDiscoveryRes: lambda h: {
        "payment_option_list": iso2.PaymentOptionList(payment_option=(iso2.PaymentOption.ExternalPayment,)),
        "charge_service": charge_service(*(DC_MODES if h.charger is None else AC_MODES)),
    },
    iso2.ServiceDetailRes: lambda h: {"service_id": 2, "service_parameter_list": certificate_sets()},
    iso2.PaymentServiceSelectionRes: lambda h: {},
    iso2.CertificateInstallationRes: lambda h: _INSTALLED,
    iso2.CertificateUpdateRes: lambda h: _INSTALLED,
    iso2.PaymentDetailsRes: lambda h: {"gen_challenge": bytes(range(16)), "evse_time_stamp": 0},
    iso2.AuthorizationRes: lambda h: {"evse_processing": iso2.EVSEProcessing.Finished},
    iso2.ChargeParameterDiscoveryRes: lambda h: {
        "evse_processing": iso2.EVSEProcessing.Finished,
        "sa_schedules": schedules((1, [(0, 120_000.0)], 86_400)),
        "evse_charge_parameter": offer() if h.charger is None else ac_offer(),
    },
    iso2.CableCheckRes: lambda h: {
        "dc_evse_status": status(),
        "evse_processing": iso2.EVSEProcessing.Finished,
    },
    iso2.PreChargeRes: lambda h: {"dc_evse_status": status(), "evse_present_voltage": volts(BATTERY_V)},
    iso2.PowerDeliveryRes: lambda h: {"evse_status": status() if h.charger is None else ac_status()},
    iso2.CurrentDemandRes: lambda h: {
        "dc_evse_status": status(),
        "evse_present_voltage": volts(BATTERY_V),
        "evse_present_current": amperes(0.0),
        "evse_current_limit_achieved": False,
        "evse_voltage_limit_achieved": False,
        "evse_power_limit_achieved": False,
        "evseid": "DE*ABC*E1",
        "sa_schedule_tuple_id": 1,
    },
    iso2.ChargingStatusRes: lambda h: {
        "evseid": "DE*ABC*E1",
        "sa_schedule_tuple_id": 1,
        "ac_evse_status": ac_status(),
    },
    iso2.MeteringReceiptRes: lambda h: {"evse_status": status() if h.charger is None else ac_status()},
    iso2.WeldingDetectionRes: lambda h: {"dc_evse_status": status(), "evse_present_voltage": volts(0.0)},
    iso2.SessionStopRes: lambda h: {},
}
ANSWERS = tuple(FIELDS)
"""Every response of the schema set."""


def ac_status(notification: iso2.EVSENotification = NOTIFY.None_, delay: int = 0) -> iso2.ACEVSEStatus:
    return iso2.ACEVSEStatus(notification_max_delay=delay, evse_notification=notification, rcd=False)


def charge_service(*modes: iso2.EnergyTransferMode, number: int = 1) -> iso2.ChargeService:
    return iso2.ChargeService(
        service_id=number,
        service_category=iso2.ServiceCategory.EVCharging,
        free_service=False,
        supported_energy_transfer_mode=iso2.SupportedEnergyTransferMode(energy_transfer_mode=modes),
    )


def certificate_sets(*names: str) -> iso2.ServiceParameterList:
    """The sets of the certificate service; Installation and Update if none is named."""
    return iso2.ServiceParameterList(
        parameter_set=tuple(
            iso2.ParameterSet(
                parameter_set_id=number, parameter=(iso2.Parameter(name="Service", string_value=name),)
            )
            for number, name in enumerate(names or ("Installation", "Update"), start=1)
        )
    )
